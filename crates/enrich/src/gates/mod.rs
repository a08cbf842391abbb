//! The gates between what the model said and what is indexed. A rejected item is data: counted by reason, shown
//! by `inspect`, never indexed, still in the ledger.

mod corpus;
mod safe;
mod words;

use std::collections::{BTreeMap, HashSet};

use frontload_core::{Chunk, Evidence, Handle, Interval, KindSpec, Normaliser, Reason, Rejected, Schema, Source, fold};

pub(crate) use corpus::drop_filler;
pub(crate) use safe::is_unsafe;

use crate::when;
use words::{ChunkWords, repeats_itself, says_something, tells};

/// How many items fell to each gate, by kind.
pub type Rejections = BTreeMap<String, BTreeMap<Reason, u64>>;

/// Counts rejected items.
pub fn tally<'a>(rejected: impl IntoIterator<Item = &'a Rejected>) -> Rejections {
    let mut counts = Rejections::new();
    for item in rejected {
        *counts.entry(item.kind.clone()).or_default().entry(item.reason).or_default() += 1;
    }
    counts
}

/// What passed and what did not.
pub type Judged = (Vec<Handle>, Vec<Rejected>);

/// The judge of one chunk.
pub struct Judge<'a> {
    schema: &'a Schema,
    chunk: &'a Chunk,
    words: ChunkWords,
    /// Few-shots and questions, folded.
    prompt: Vec<String>,
}

/// What a good item becomes: its text, the span it rests on, and its days.
struct Passed {
    text: String,
    span: Option<(usize, usize)>,
    interval: Option<Interval>,
}

impl<'a> Judge<'a> {
    /// The judge of this chunk, by this schema.
    pub fn new(schema: &'a Schema, chunk: &'a Chunk) -> Self {
        let shown = schema.examples.iter().flat_map(|example| {
            example.handles.values().flatten().chain([&example.text, &example.title]).map(String::as_str)
        });
        let asked = schema.kinds.iter().map(|spec| spec.ask.as_str()).chain([schema.about.as_str()]);
        let prompt = shown.chain(asked).map(fold::fold).collect();
        let headings = chunk.headings.iter().map(String::as_str);
        let words = ChunkWords::new(headings.chain([chunk.title.as_str(), chunk.text.as_str()]));
        Self { schema, chunk, words, prompt }
    }

    /// Judges the items the model gave for one kind. What depends on the whole corpus is judged later.
    pub fn items(&self, spec: &KindSpec, items: &[String]) -> Judged {
        let mut seen = HashSet::new();
        let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
        for item in items {
            let verdict = self.item(spec, item, accepted.len()).and_then(|passed| {
                // A normaliser's name for a time may be longer than the words it was read from.
                if passed.text.chars().count() > spec.max_chars as usize {
                    return Err((Reason::TooLong, String::new()));
                }
                let fresh = seen.insert(fold::fold(&passed.text));
                if fresh { Ok(passed) } else { Err((Reason::Duplicate, String::new())) }
            });
            match verdict {
                Ok(passed) => accepted.push(handle(spec, passed, Source::Model)),
                Err((reason, detail)) => {
                    rejected.push(Rejected { kind: spec.kind.clone(), text: item.clone(), reason, detail });
                }
            }
        }
        (accepted, rejected)
    }

    fn item(&self, spec: &KindSpec, item: &str, before: usize) -> Result<Passed, (Reason, String)> {
        let folded = fold::fold(item);
        let because = |reason| Err((reason, String::new()));
        if folded.is_empty() || is_unsafe(item) {
            return because(Reason::Unsafe);
        }
        if before >= spec.max_items as usize || item.chars().count() > spec.max_chars as usize {
            return because(Reason::TooLong);
        }
        if !spec.values.is_empty() {
            let allowed = spec.values.iter().any(|value| value == item);
            return if allowed { Ok(Passed::of(item)) } else { because(Reason::NotAValue) };
        }
        if !self.schema.gates.enabled && spec.evidence == Evidence::Inferred {
            return Ok(Passed::of(item));
        }
        let stop = self.schema.gates.stop_phrases.iter().any(|phrase| fold::fold(phrase) == folded);
        if stop || !says_something(&folded) {
            return because(Reason::Filler);
        }
        if repeats_itself(&folded) {
            return Err((Reason::Filler, "says the same over and over".to_owned()));
        }
        match spec.evidence {
            Evidence::Verbatim => match fold::find_quote(&self.chunk.text, item) {
                Some(span) => Ok(Passed { span: Some(span), ..Passed::of(item) }),
                None => because(Reason::NotInText),
            },
            Evidence::Normalised => self.normalised(spec, item),
            Evidence::Inferred => self.inferred(item, &folded),
        }
    }

    fn inferred(&self, item: &str, folded: &str) -> Result<Passed, (Reason, String)> {
        let several = folded.split(' ').filter(|word| tells(word)).count() > 1;
        let shown = |text: &String| text == folded || (several && text.contains(folded));
        if fold::find_quote(&self.chunk.text, item).is_none() && self.prompt.iter().any(shown) {
            return Err((Reason::Echo, String::new()));
        }
        let (new, all) = self.words.new_words(folded);
        if (new as f64) < self.schema.gates.new_words * all as f64 {
            return Err((Reason::Copy, format!("{new} of {all} words are not in the text")));
        }
        Ok(Passed::of(item))
    }

    fn normalised(&self, spec: &KindSpec, item: &str) -> Result<Passed, (Reason, String)> {
        let Some(span) = fold::find_quote(&self.chunk.text, item) else {
            return Err((Reason::NotInText, String::new()));
        };
        match spec.normalise {
            Some(Normaliser::Time) => match when::read(item, &self.time_context()) {
                Some(read) => Ok(Passed { text: read.text, span: Some(span), interval: read.interval }),
                None => Err((Reason::NotATime, String::new())),
            },
            None => Ok(Passed { span: Some(span), ..Passed::of(item) }),
        }
    }

    /// What the rules find for a kind that needs no model.
    pub fn found_by_rule(&self, spec: &KindSpec) -> Judged {
        let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (span, read) in when::find(&self.chunk.text, &self.time_context()) {
            let full = accepted.len() >= spec.max_items as usize || read.text.chars().count() > spec.max_chars as usize;
            let fallen = if is_unsafe(&read.text) { Some(Reason::Unsafe) } else { full.then_some(Reason::TooLong) };
            if !seen.insert(fold::fold(&read.text)) {
                continue;
            }
            if let Some(reason) = fallen {
                let kind = spec.kind.clone();
                rejected.push(Rejected { kind, text: read.text, reason, detail: String::new() });
            } else {
                let passed = Passed { text: read.text, span: Some(span), interval: read.interval };
                accepted.push(handle(spec, passed, Source::Rule));
            }
        }
        (accepted, rejected)
    }

    fn time_context(&self) -> when::Context {
        Self::time_context_of(self.chunk)
    }

    /// What a chunk says about the times it tells of.
    pub(crate) fn time_context_of(chunk: &Chunk) -> when::Context {
        let headings = chunk.headings.iter().map(String::as_str);
        when::Context::of(headings.chain([chunk.title.as_str(), chunk.text.as_str()]))
    }
}

impl Passed {
    fn of(item: &str) -> Self {
        Self { text: item.to_owned(), span: None, interval: None }
    }
}

fn handle(spec: &KindSpec, passed: Passed, source: Source) -> Handle {
    Handle {
        kind: spec.kind.clone(),
        text: passed.text,
        evidence: spec.evidence,
        span: passed.span.map(|(start, end)| (start as u32, end as u32)),
        interval: passed.interval,
        source,
    }
}

/// Judges an imported handle: what a person or another model made is not second-guessed, only kept from
/// doing harm or claiming a quote that is not there.
pub(crate) fn gate_import(handle: Handle, chunk: &Chunk) -> Result<Handle, Rejected> {
    let rejected = |handle: &Handle, reason| Rejected {
        kind: handle.kind.clone(),
        text: handle.text.clone(),
        reason,
        detail: "imported".to_owned(),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::from_toml(
            "[schema]\nname = \"s\"\n\
             [[handle]]\nkind = \"quote\"\nask = \"Which words?\"\nevidence = \"verbatim\"\nmax_items = 2\n\
             [[handle]]\nkind = \"mood\"\nask = \"How does it make the reader feel?\"\nevidence = \"inferred\"\n\
             [[handle]]\nkind = \"form\"\nask = \"What?\"\nevidence = \"inferred\"\nvalues = [\"log\"]\n\
             [[handle]]\nkind = \"time\"\nask = \"When?\"\nevidence = \"normalised\"\nnormalise = \"time\"\n\
             [[example]]\ntext = \"The geese went over at dusk.\"\nhandles = { mood = [\"Quiet dread\"] }\n\
             [gates]\nstop_phrases = [\"a certain mood\"]\n",
        )
        .expect("valid")
    }

    fn chunk() -> Chunk {
        let text = "We left at dawn on 3 March 1904,\nbefore the old bell rang.".to_owned();
        let span = (0, text.len() as u32);
        Chunk { document: "d".into(), span, title: "Log".into(), text, ..Chunk::default() }
    }

    #[test]
    fn each_gate_closes_on_its_own_case() {
        let check = |kind: &str, item: &str, expected: Option<Reason>| {
            let (schema, chunk) = (schema(), chunk());
            let spec = schema.kind(kind).expect("declared");
            let (accepted, rejected) = Judge::new(&schema, &chunk).items(spec, &[item.to_owned()]);
            assert_eq!(rejected.first().map(|item| item.reason), expected, "{kind} {item:?}");
            assert_eq!(accepted.len(), usize::from(expected.is_none()));
        };
        check("quote", "1904, before", None);
        check("quote", "at dusk", Some(Reason::NotInText));
        check("mood", "relief", None);
        check("mood", "quiet  dread", Some(Reason::Echo));
        check("mood", "geese went over", Some(Reason::Echo));
        check("mood", "make the reader feel", Some(Reason::Echo));
        check("mood", "the 14", Some(Reason::Filler));
        check("mood", "A certain mood.", Some(Reason::Filler));
        check("mood", "joy and joy and joy and joy", Some(Reason::Filler));
        check("mood", "an old bell ringing", None);
        check("mood", "the old bells", Some(Reason::Copy));
        check("mood", "静", None);
        check("mood", "see http://x.y", Some(Reason::Unsafe));
        check("mood", "re\u{202E}lief", Some(Reason::Unsafe));
        check("mood", "relief\u{E0049}\u{E0067}", Some(Reason::Unsafe));
        check("mood", &"long ".repeat(20), Some(Reason::TooLong));
        check("form", "log", None);
        check("form", "letter", Some(Reason::NotAValue));
        check("time", "3 March 1904", None);
        check("time", "4 March 1904", Some(Reason::NotInText));
        check("time", "the old bell", Some(Reason::NotATime));
    }

    #[test]
    fn duplicates_fold_together() {
        let (schema, chunk) = (schema(), chunk());
        let items = ["Relief".to_owned(), "relief.".to_owned()];
        let spec = schema.kind("mood").expect("declared");
        let (accepted, rejected) = Judge::new(&schema, &chunk).items(spec, &items);
        assert_eq!((accepted.len(), rejected[0].reason), (1, Reason::Duplicate));
    }

    #[test]
    fn a_normalised_time_keeps_what_it_rests_on() {
        let (schema, chunk) = (schema(), chunk());
        let judge = Judge::new(&schema, &chunk);
        let spec = schema.kind("time").expect("declared");
        let asked = judge.items(spec, &["on 3 March 1904,".to_owned()]).0;
        let found = judge.found_by_rule(spec).0;
        for handle in asked.iter().chain(found.iter().filter(|handle| handle.interval.is_some())) {
            let (start, end) = handle.span.expect("a span");
            assert!(chunk.text[start as usize..end as usize].contains("3 March 1904"), "{handle:?}");
            assert_eq!(handle.interval.expect("certain").to_string(), "1904-03-03..1904-03-03");
            assert!(handle.text.starts_with("3 March 1904"), "{handle:?}");
        }
        assert_eq!((asked.len(), found.iter().filter(|handle| handle.interval.is_some()).count()), (1, 1));
    }
}
