//! The gates between what the model said and what is indexed. A rejected item is data: counted by reason,
//! never indexed, still in the ledger.

use std::collections::{BTreeMap, HashSet};

use frontload_core::{Chunk, Evidence, Handle, KindSpec, Schema, Source, fold};
use serde::{Deserialize, Serialize};

/// A text that stands on a larger share of the chunks than this tells them apart too little to be worth a
/// place. A first guess: no curve stands behind it yet.
const FILLER_SHARE: f64 = 0.02;
/// Below this many chunks nothing counts as filler: a small corpus repeats itself honestly.
const FILLER_CHUNKS: usize = 4;

/// Words that name nothing. An item made of these alone, or of one or two letters or digits, finds everything.
const EMPTY_WORDS: [&str; 24] = [
    "and", "any", "are", "but", "for", "from", "had", "has", "her", "him", "his", "its", "none", "not", "one", "she",
    "that", "the", "they", "this", "was", "were", "which", "with",
];

/// Why an item is not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A verbatim kind, and the chunk does not say it.
    NotInText,
    /// Copied from a few-shot example.
    Echo,
    /// Says nothing, or stands on too many chunks.
    Filler,
    /// Said before, on this chunk and for this kind.
    Duplicate,
    /// Holds control or direction characters, an address, or a model's special token.
    Unsafe,
    /// Longer than the kind allows, or more items than it allows.
    TooLong,
    /// Not one of the kind's values.
    NotAValue,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NotInText => "not in the text",
            Self::Echo => "echo of an example",
            Self::Filler => "filler",
            Self::Duplicate => "duplicate",
            Self::Unsafe => "unsafe characters",
            Self::TooLong => "too long or too many",
            Self::NotAValue => "not an allowed value",
        })
    }
}

/// One item that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its kind.
    pub kind: String,
    /// The item.
    pub text: String,
    /// Why.
    pub reason: Reason,
}

/// How many items fell to each gate, by kind.
pub type Rejections = BTreeMap<String, BTreeMap<Reason, u64>>;

/// Judges the items the model gave for one kind of one chunk. What depends on the whole corpus (filler) is
/// judged later, by `drop_filler`.
pub fn gate(schema: &Schema, spec: &KindSpec, chunk: &Chunk, items: &[String]) -> (Vec<Handle>, Vec<Rejected>) {
    let mut seen = HashSet::new();
    let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
    for item in items {
        let folded = fold::fold(item);
        match judge(schema, spec, chunk, item, &folded, accepted.len()) {
            Ok(_) if !seen.insert(folded) => {
                rejected.push(Rejected { kind: spec.kind.clone(), text: item.clone(), reason: Reason::Duplicate });
            }
            Ok(handle) => accepted.push(handle),
            Err(reason) => rejected.push(Rejected { kind: spec.kind.clone(), text: item.clone(), reason }),
        }
    }
    (accepted, rejected)
}

fn judge(
    schema: &Schema,
    spec: &KindSpec,
    chunk: &Chunk,
    item: &str,
    folded: &str,
    before: usize,
) -> Result<Handle, Reason> {
    if folded.is_empty() || is_unsafe(item) {
        return Err(Reason::Unsafe);
    }
    if spec.values.is_empty() && !says_something(folded) {
        return Err(Reason::Filler);
    }
    if before >= spec.max_items as usize || item.chars().count() > spec.max_chars as usize {
        return Err(Reason::TooLong);
    }
    if !spec.values.is_empty() && !spec.values.iter().any(|value| value == item) {
        return Err(Reason::NotAValue);
    }
    let found = fold::find_quote(&chunk.text, item);
    let echoed = || {
        let examples = schema.examples.iter().filter_map(|example| example.handles.get(&spec.kind)).flatten();
        examples.into_iter().any(|example| fold::fold(example) == folded)
    };
    let span = match spec.evidence {
        Evidence::Verbatim => Some(found.ok_or(Reason::NotInText)?),
        Evidence::Normalised | Evidence::Inferred => {
            if found.is_none() && spec.values.is_empty() && echoed() {
                return Err(Reason::Echo);
            }
            None
        }
    };
    Ok(Handle {
        kind: spec.kind.clone(),
        text: item.to_owned(),
        evidence: spec.evidence,
        span: span.map(|(start, end)| (start as u32, end as u32)),
        source: Source::Model,
    })
}

/// Judges an imported handle: what a person or another model made is not second-guessed, only kept from
/// doing harm or claiming a quote that is not there.
pub(crate) fn gate_import(handle: Handle, chunk: &Chunk) -> Result<Handle, Rejected> {
    let rejected = |handle: &Handle, reason| Rejected { kind: handle.kind.clone(), text: handle.text.clone(), reason };
    if fold::fold(&handle.text).is_empty() || is_unsafe(&handle.text) {
        return Err(rejected(&handle, Reason::Unsafe));
    }
    if handle.evidence == Evidence::Verbatim {
        let Some((start, end)) = fold::find_quote(&chunk.text, &handle.text) else {
            return Err(rejected(&handle, Reason::NotInText));
        };
        return Ok(Handle { span: Some((start as u32, end as u32)), ..handle });
    }
    Ok(handle)
}

/// Drops the model's inferred handles whose text stands on too large a share of the chunks. Equal chunks count
/// as one: they were asked about once, and have the same answer.
pub(crate) fn drop_filler(schema: &Schema, chunks: &[Chunk], handles: &mut [Vec<Handle>], rejections: &mut Rejections) {
    let open = |handle: &Handle| {
        let listed = schema.kind(&handle.kind).is_some_and(|spec| !spec.values.is_empty());
        handle.source == Source::Model && handle.evidence != Evidence::Verbatim && !listed
    };
    let mut distinct = HashSet::new();
    let mut chunks_with: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (_, list) in chunks.iter().zip(handles.iter()).filter(|(chunk, _)| distinct.insert(chunk.key())) {
        for handle in list.iter().filter(|handle| open(handle)) {
            *chunks_with.entry((handle.kind.clone(), fold::fold(&handle.text))).or_default() += 1;
        }
    }
    let limit = FILLER_CHUNKS.max((distinct.len() as f64 * FILLER_SHARE) as usize);
    for list in handles {
        list.retain(|handle| {
            let keep = !open(handle)
                || chunks_with.get(&(handle.kind.clone(), fold::fold(&handle.text))).is_none_or(|&n| n <= limit);
            if !keep {
                count(rejections, &handle.kind, Reason::Filler);
            }
            keep
        });
    }
}

pub(crate) fn count(rejections: &mut Rejections, kind: &str, reason: Reason) {
    *rejections.entry(kind.to_owned()).or_default().entry(reason).or_default() += 1;
}

/// Whether a folded text holds a word that can tell chunks apart. One letter is a word in many scripts, but
/// not in ours.
fn says_something(folded: &str) -> bool {
    let tells = |word: &str| !word.is_ascii() || (word.len() > 2 && !EMPTY_WORDS.contains(&word));
    folded.split(' ').any(tells)
}

/// Control characters, bidirectional overrides, zero-width characters, addresses and special-token marks.
fn is_unsafe(text: &str) -> bool {
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    text.chars().any(hidden) || ["://", "www.", "<|", "|>"].iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::from_toml(
            "[schema]\nname = \"s\"\n\
             [[handle]]\nkind = \"time\"\nask = \"When?\"\nevidence = \"verbatim\"\nmax_items = 2\n\
             [[handle]]\nkind = \"mood\"\nask = \"How?\"\nevidence = \"inferred\"\n\
             [[handle]]\nkind = \"form\"\nask = \"What?\"\nevidence = \"inferred\"\nvalues = [\"log\"]\n\
             [[example]]\ntext = \"x\"\nhandles = { mood = [\"Quiet dread\"] }\n",
        )
        .expect("valid")
    }

    fn chunk() -> Chunk {
        let text = "We left at dawn,\nbefore the bell.".to_owned();
        Chunk { document: "d".into(), ordinal: 0, span: (0, text.len() as u32), title: String::new(), text }
    }

    #[test]
    fn each_gate_closes_on_its_own_case() {
        let check = |kind: &str, item: &str, expected: Option<Reason>| {
            let schema = schema();
            let spec = schema.kind(kind).expect("declared");
            let (accepted, rejected) = gate(&schema, spec, &chunk(), &[item.to_owned()]);
            assert_eq!(rejected.first().map(|item| item.reason), expected, "{kind} {item:?}");
            assert_eq!(accepted.len(), usize::from(expected.is_none()));
        };
        check("time", "at dawn, before", None);
        check("time", "at dusk", Some(Reason::NotInText));
        check("mood", "relief", None);
        check("mood", "quiet  dread", Some(Reason::Echo));
        check("mood", "the 14", Some(Reason::Filler));
        check("mood", "静", None);
        check("mood", "see http://x.y", Some(Reason::Unsafe));
        check("mood", "re\u{202E}lief", Some(Reason::Unsafe));
        check("mood", &"long ".repeat(20), Some(Reason::TooLong));
        check("form", "log", None);
        check("form", "letter", Some(Reason::NotAValue));
    }

    #[test]
    fn duplicates_fold_together() {
        let schema = schema();
        let spec = schema.kind("mood").expect("declared");
        let items = ["Relief".to_owned(), "relief.".to_owned()];
        let (accepted, rejected) = gate(&schema, spec, &chunk(), &items);
        assert_eq!((accepted.len(), rejected.len()), (1, 1));
    }

    #[test]
    fn filler_goes_and_what_tells_apart_stays() {
        let schema = schema();
        let handle = |text: &str| Handle {
            kind: "mood".into(),
            text: text.into(),
            evidence: Evidence::Inferred,
            span: None,
            source: Source::Model,
        };
        let chunks: Vec<Chunk> = (0..5).map(|at| Chunk { text: format!("text {at}"), ..chunk() }).collect();
        let mut handles: Vec<Vec<Handle>> = (0..5).map(|at| vec![handle("Mercy"), handle(&format!("m{at}"))]).collect();
        let mut rejections = Rejections::new();
        // The same chunk five times is one chunk.
        let equal: Vec<Chunk> = (0..5).map(|_| chunk()).collect();
        drop_filler(&schema, &equal, &mut handles.clone(), &mut rejections);
        assert!(rejections.is_empty(), "{rejections:?}");
        drop_filler(&schema, &chunks, &mut handles, &mut rejections);
        assert!(handles.iter().all(|list| list.len() == 1 && list[0].text != "Mercy"));
        assert_eq!(rejections["mood"][&Reason::Filler], 5);
    }
}
