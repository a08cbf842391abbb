//! What people decided, laid over what models and rules said; and what they said means the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use frontload_core::{
    Alias, Chunk, Decision, Evidence, Handle, Normaliser, Reason, Rejected, Schema, Source, Verdict, fold,
};

use crate::{
    gates::{Judge, is_unsafe},
    when,
};

/// A handle gets at most so many other ways of saying it.
const MOST_ALIASES: usize = 8;

/// Why a person's handle cannot stand.
///
/// # Errors
/// When it is empty, holds what must not be shown, or claims to quote what the chunk does not say.
pub fn vouched(schema: &Schema, chunk: &Chunk, kind: &str, text: &str) -> Result<Handle, (Reason, String)> {
    if fold::fold(text).is_empty() || is_unsafe(text) {
        return Err((Reason::Unsafe, "empty, an address, or characters that do not show".to_owned()));
    }
    let spec = schema.kind(kind);
    let evidence = spec.map_or(Evidence::Inferred, |spec| spec.evidence);
    if let Some(spec) = spec.filter(|spec| !spec.values.is_empty() && !spec.values.iter().any(|value| value == text)) {
        return Err((Reason::NotAValue, format!("{kind} is one of {}", spec.values.join(", "))));
    }
    let quote = fold::find_quote(&chunk.text, text);
    if evidence == Evidence::Verbatim && quote.is_none() {
        return Err((Reason::NotInText, format!("{kind} can only quote, and the passage does not say this")));
    }
    let mut handle = Handle {
        kind: kind.to_owned(),
        text: text.to_owned(),
        evidence,
        span: quote.filter(|_| evidence != Evidence::Inferred).map(|(start, end)| (start as u32, end as u32)),
        interval: None,
        source: Source::Person,
    };
    if spec.and_then(|spec| spec.normalise) == Some(Normaliser::Time) {
        // A time that a person wrote stands as written; its days are known when it can be read.
        handle.interval = when::read(text, &Judge::time_context_of(chunk)).and_then(|read| read.interval);
    }
    Ok(handle)
}

/// Lays decisions, the earliest first, over a chunk's handles.
pub(crate) fn apply(
    decisions: &[Decision],
    (schema, chunk): (&Schema, &Chunk),
    handles: &mut Vec<Handle>,
    rejected: &mut Vec<Rejected>,
) {
    for decision in decisions {
        let Decision { kind, text, verdict, by, .. } = decision;
        match verdict {
            Verdict::Accept => stand((schema, chunk), (kind, text), by, handles, rejected),
            Verdict::Edit(to) => {
                take_away((kind, text), &format!("{by} edited it"), handles, rejected);
                stand((schema, chunk), (kind, to), by, handles, rejected);
            }
            Verdict::Reject => take_away((kind, text), &format!("{by} rejected it"), handles, rejected),
            Verdict::Flag | Verdict::Withdraw => {}
        }
    }
}

fn same(kind: &str, text: &str) -> impl Fn(&str, &str) -> bool {
    let (kind, folded) = (kind.to_owned(), fold::fold(text));
    move |other_kind, other_text| other_kind == kind && fold::fold(other_text) == folded
}

fn stand(
    (schema, chunk): (&Schema, &Chunk),
    (kind, text): (&str, &str),
    by: &str,
    handles: &mut Vec<Handle>,
    rejected: &mut Vec<Rejected>,
) {
    let same = same(kind, text);
    rejected.retain(|item| !same(&item.kind, &item.text));
    if let Some(handle) = handles.iter_mut().find(|handle| same(&handle.kind, &handle.text)) {
        handle.source = Source::Person;
        return;
    }
    match vouched(schema, chunk, kind, text) {
        Ok(handle) => {
            // Beside the others of its kind: a lane counts a kind's handles from the first.
            let after = handles.iter().rposition(|other| other.kind == kind).map_or(handles.len(), |at| at + 1);
            handles.insert(after, handle);
        }
        Err((reason, why)) => {
            let (kind, text) = (kind.to_owned(), text.to_owned());
            rejected.push(Rejected { kind, text, reason, detail: format!("{by} wants it; {why}") });
        }
    }
}

fn take_away((kind, text): (&str, &str), why: &str, handles: &mut Vec<Handle>, rejected: &mut Vec<Rejected>) {
    let same = same(kind, text);
    let before = handles.len();
    handles.retain(|handle| !same(&handle.kind, &handle.text));
    if handles.len() < before {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        rejected.push(Rejected { kind, text, reason: Reason::Reviewer, detail: why.to_owned() });
    }
}

/// Which texts of a kind mean the same: everything that aliases join, however many steps apart.
#[derive(Debug, Default)]
pub struct Aliases {
    groups: HashMap<(String, String), usize>,
    texts: Vec<BTreeMap<String, String>>,
}

impl Aliases {
    /// Joins them.
    pub fn new(aliases: impl IntoIterator<Item = Alias>) -> Self {
        let mut joined = Self::default();
        for Alias { kind, text, means } in aliases {
            let keys = [&text, &means].map(|text| (kind.clone(), fold::fold(text)));
            let known: BTreeSet<usize> = keys.iter().filter_map(|key| joined.groups.get(key).copied()).collect();
            let mut members = BTreeMap::from([(keys[0].1.clone(), text), (keys[1].1.clone(), means)]);
            for group in known {
                members.extend(joined.texts.get_mut(group).map(std::mem::take).unwrap_or_default());
            }
            let at = joined.texts.len();
            joined.groups.extend(members.keys().map(|folded| ((kind.clone(), folded.clone()), at)));
            joined.texts.push(members);
        }
        joined
    }

    /// The other ways of saying a handle.
    pub fn of<'a>(&'a self, kind: &str, text: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let folded = fold::fold(text);
        let group = self.groups.get(&(kind.to_owned(), folded.clone())).and_then(|&at| self.texts.get(at));
        let others = group.into_iter().flatten().filter(move |(other, _)| **other != folded);
        others.map(|(_, text)| text.as_str()).take(MOST_ALIASES)
    }

    /// Adds to a chunk's handles what means the same as one of them. The originals stay as they are.
    pub(crate) fn add_to(&self, handles: &mut Vec<Handle>) {
        if self.texts.is_empty() {
            return;
        }
        let mut there: BTreeSet<(String, String)> =
            handles.iter().map(|handle| (handle.kind.clone(), fold::fold(&handle.text))).collect();
        let mut added = Vec::new();
        for handle in handles.iter() {
            for text in self.of(&handle.kind, &handle.text) {
                if !there.insert((handle.kind.clone(), fold::fold(text))) {
                    continue;
                }
                // What it rests on is what the original rests on; only the original may be its very words.
                let evidence = match handle.evidence {
                    Evidence::Verbatim => Evidence::Normalised,
                    evidence => evidence,
                };
                added.push(Handle { text: text.to_owned(), evidence, source: Source::Alias, ..handle.clone() });
            }
        }
        handles.extend(added);
    }
}

#[cfg(test)]
mod tests {
    use frontload_core::{ChunkKey, Digest};

    use super::*;

    fn schema() -> Schema {
        Schema::from_toml(
            "[schema]\nname = \"s\"\n[[handle]]\nkind = \"mood\"\nask = \"How?\"\nevidence = \"inferred\"\n\
             [[handle]]\nkind = \"quote\"\nask = \"Which?\"\nevidence = \"verbatim\"\n\
             [[handle]]\nkind = \"time\"\nask = \"When?\"\nevidence = \"normalised\"\nnormalise = \"time\"\n",
        )
        .expect("valid")
    }

    fn chunk() -> Chunk {
        Chunk { document: "d".into(), text: "We left at dawn on 3 March 1904.".into(), ..Chunk::default() }
    }

    fn handle(kind: &str, text: &str) -> Handle {
        let (evidence, source) = (Evidence::Inferred, Source::Model);
        Handle { kind: kind.into(), text: text.into(), evidence, span: None, interval: None, source }
    }

    fn decided(kind: &str, text: &str, verdict: Verdict) -> Decision {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        let chunk = ChunkKey(Digest::of_bytes(b"d"));
        Decision { chunk, chunk_id: "d".into(), kind, text, verdict, by: "Mara".into(), at: 0 }
    }

    #[test]
    fn decisions_stand_above_the_model() {
        let check = |decisions: &[Decision], expected: &[&str], gone: usize| {
            let mut handles = vec![handle("mood", "calm"), handle("mood", "grief")];
            let mut rejected = Vec::new();
            apply(decisions, (&schema(), &chunk()), &mut handles, &mut rejected);
            let texts: Vec<&str> = handles.iter().map(|handle| handle.text.as_str()).collect();
            assert_eq!((texts.as_slice(), rejected.len()), (expected, gone), "{decisions:?}");
        };
        check(&[decided("mood", "Calm", Verdict::Reject)], &["grief"], 1);
        check(&[decided("mood", "calm", Verdict::Edit("quiet haste".into()))], &["grief", "quiet haste"], 1);
        check(&[decided("mood", "relief", Verdict::Accept)], &["calm", "grief", "relief"], 0);
        check(&[decided("mood", "calm", Verdict::Accept)], &["calm", "grief"], 0);
        check(&[decided("mood", "calm", Verdict::Flag)], &["calm", "grief"], 0);
        check(&[decided("mood", "calm", Verdict::Withdraw)], &["calm", "grief"], 0);
        check(&[decided("quote", "at dusk", Verdict::Accept)], &["calm", "grief"], 1);
        check(&[decided("quote", "at dawn", Verdict::Accept)], &["calm", "grief", "at dawn"], 0);
        check(&[decided("mood", "see http://x.y", Verdict::Accept)], &["calm", "grief"], 1);
        // What the model does not say any more is not rejected twice.
        check(&[decided("mood", "fear", Verdict::Reject)], &["calm", "grief"], 0);
    }

    #[test]
    fn what_a_person_wrote_has_its_span_and_days() {
        let quoted = vouched(&schema(), &chunk(), "quote", "at dawn").expect("stands");
        assert_eq!((quoted.span, quoted.source), (Some((8, 15)), Source::Person));
        let time = vouched(&schema(), &chunk(), "time", "3 March 1904").expect("stands");
        assert_eq!(time.interval.map(|days| days.to_string()).as_deref(), Some("1904-03-03..1904-03-03"));
    }

    #[test]
    fn aliases_reach_as_far_as_they_are_joined() {
        let alias = |text: &str, means: &str| Alias { kind: "thing".into(), text: text.into(), means: means.into() };
        let aliases = Aliases::new([
            alias("RR crossing", "railway crossing"),
            alias("lorry", "truck"),
            alias("level crossing", "Railway crossing"),
        ]);
        let others = |kind: &str, text: &str| aliases.of(kind, text).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(others("thing", "rr  crossing"), ["level crossing", "railway crossing"]);
        assert_eq!(others("thing", "Truck"), ["lorry"]);
        assert_eq!((others("mood", "truck").len(), others("thing", "cart").len()), (0, 0));
        let mut handles = vec![handle("thing", "lorry"), handle("thing", "truck")];
        aliases.add_to(&mut handles);
        assert_eq!(handles.len(), 2);
        let mut handles = vec![handle("thing", "lorry")];
        aliases.add_to(&mut handles);
        assert_eq!(
            handles.iter().map(|one| (one.text.as_str(), one.source)).collect::<Vec<_>>(),
            [("lorry", Source::Model), ("truck", Source::Alias)]
        );
    }
}
