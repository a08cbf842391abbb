//! A model's answers: whatever it says, what comes out of the gates keeps to the schema, and every quote is one.

use std::{collections::HashSet, path::Path};

use frontload_core::{
    Chunk, Evidence, Handle, KindSpec, Schema,
    fold::{find_quote, fold},
};
use frontload_enrich::{Judge, Judged, parse};

use super::{about, outcome};

#[rustfmt::skip] // a word a line says no more
pub const WORDS: &[&str] = &[
    "quote: ", "mood: ", "form: ", "time: ", "|", "\n", "none", "None.", "- ", "**", "{\"quote\": [", "\"mood\": [",
    "\"time\": \"", "\", \"", "]}", "```json\n", "```", "<think>", "</think>", "null", "[[", "3 March 1904",
    "the old bell", "quiet dread", "log", "winter of '04", "http://", "www.", "before the old bell rang", "\\n",
    "\\u202e", "mid-1880s",
];

#[rustfmt::skip] // a word a line says no more
pub const TIME_WORDS: &[&str] = &[
    "the ", "of ", "in ", "12th ", "March ", "May ", "1883", "'43", "1914–18", "1943/44", "between ", "and ", "from ",
    "to ", "since ", "until ", "before ", "circa ", "late ", "mid-", "early ", "the 1880s", "eighties",
    "19th century", "BC", " AD ", "winter ", "Christmas ", "Easter ", "Q3 ", "14/03/1921", "1883-03-12",
    "twenty-first", "nineteen hundred", "oh-four", "Victorian ", "First World War", "three days ", "ago", "Tuesday",
    "onwards", "the present", ", ", ".", "-", "–", "’", "s", "turn of the ", "first half of the ", "0th", "99th",
    "inst.", "quarter of ", "9000 BC", "8999 BC",
];

const SCHEMA: &str = r#"
[schema]
name = "fuzz"
about = "papers of a village"

[[handle]]
kind = "quote"
ask = "Which words?"
evidence = "verbatim"
max_items = 2
max_chars = 40

[[handle]]
kind = "mood"
ask = "How does it feel?"
evidence = "inferred"
max_items = 3
max_chars = 30

[[handle]]
kind = "form"
ask = "What is it?"
evidence = "inferred"
values = ["log", "letter"]

[[handle]]
kind = "time"
ask = "When is it?"
evidence = "normalised"
normalise = "time"
max_items = 4
max_chars = 24

[[example]]
text = "The geese went over at dusk on Friday."
handles = { mood = ["quiet dread"], time = ["at dusk on Friday"] }

[gates]
stop_phrases = ["a certain mood"]
"#;

const TEXT: &str = "We left at dawn on 3 March 1904,\nbefore the old bell rang; İt was the winter of '04.  Ⅷ ﬁsh — \
                    “naïve” e\u{301}lan, 漢字 and the late 1880s, 12–14 May 1883. Größe zählt.";

pub fn run(_: &Path, input: &[u8]) -> String {
    let raw = String::from_utf8_lossy(input);
    let schema = Schema::from_toml(SCHEMA).expect("valid");
    let kinds: Vec<&str> = schema.kinds.iter().map(|spec| spec.kind.as_str()).collect();
    let answer = match parse(&raw, &kinds) {
        Ok(answer) => answer,
        Err(reason) => return outcome(&reason),
    };
    for (kind, items) in &answer {
        assert!(kinds.contains(&kind.as_str()), "{kind:?} was not asked for");
        for item in items {
            assert!(!item.is_empty() && item.trim() == item && !item.eq_ignore_ascii_case("none"), "{item:?}");
        }
    }
    // Behind its thinking an answer begins: an item that holds the mark cannot be written into one.
    if !answer.values().flatten().any(|item| item.contains("</think>")) {
        let written = serde_json::to_string(&answer).expect("it can be written");
        assert_eq!(parse(&written, &kinds).as_ref(), Ok(&answer), "{written}");
    }
    let chunk = chunk(TEXT);
    let judge = Judge::new(&schema, &chunk);
    let mut told = String::new();
    for spec in &schema.kinds {
        let items = answer.get(&spec.kind).map_or(&[][..], Vec::as_slice);
        let judged = judge.items(spec, items);
        assert_eq!(judged.0.len() + judged.1.len(), items.len(), "an item passes or falls");
        told += &checked(spec, &chunk, &judged);
    }
    told
}

/// The input is a passage, its first lines are what a model quotes of it.
pub fn times(_: &Path, input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let schema = Schema::from_toml(SCHEMA).expect("valid");
    let spec = schema.kind("time").expect("declared");
    let chunk = chunk(&text);
    let judge = Judge::new(&schema, &chunk);
    let found = judge.found_by_rule(spec);
    let lines: Vec<String> = text.lines().take(12).map(str::to_owned).collect();
    checked(spec, &chunk, &found) + &checked(spec, &chunk, &judge.items(spec, &lines))
}

fn chunk(text: &str) -> Chunk {
    let span = (0, text.len() as u32);
    Chunk { document: "d".into(), title: "Log of 1903".into(), span, text: text.to_owned(), ..Chunk::default() }
}

/// Checks what passed against its kind, and says what fell why.
fn checked(spec: &KindSpec, chunk: &Chunk, (accepted, rejected): &Judged) -> String {
    assert!(accepted.len() <= spec.max_items as usize, "{accepted:?}");
    let mut seen = HashSet::new();
    for handle in accepted {
        assert!(seen.insert(fold(&handle.text)), "twice: {handle:?}");
        assert_eq!((&handle.kind, handle.evidence), (&spec.kind, spec.evidence));
        assert!(handle.text.chars().count() <= spec.max_chars as usize, "{handle:?} is too long");
        assert!(!handle.text.chars().any(char::is_control), "{handle:?} holds control characters");
        assert!(spec.values.is_empty() || spec.values.contains(&handle.text), "{handle:?}");
        assert!(handle.interval.is_none_or(|days| days.from <= days.to), "{handle:?}");
        rests_on_the_text(chunk, handle);
    }
    let reasons: HashSet<String> = rejected.iter().map(|item| format!("{:?}", item.reason)).collect();
    let mut reasons: Vec<String> = reasons.into_iter().collect();
    reasons.sort_unstable();
    let dated = accepted.iter().filter(|handle| handle.interval.is_some()).count();
    format!("{} {dated} {} {reasons:?} ", spec.kind, about(accepted.len()))
}

fn rests_on_the_text(chunk: &Chunk, handle: &Handle) {
    let quote = handle.span.map(|(start, end)| {
        let quote = chunk.text.get(start as usize..end as usize);
        quote.unwrap_or_else(|| panic!("{handle:?}: its span is none of the text"))
    });
    match handle.evidence {
        Evidence::Verbatim => {
            let quote = quote.expect("a quote stands somewhere");
            assert!(find_quote(quote, &handle.text).is_some(), "{handle:?} is not {quote:?}");
        }
        Evidence::Normalised => assert!(quote.is_some_and(|quote| !quote.trim().is_empty()), "{handle:?}"),
        Evidence::Inferred => assert_eq!(quote, None, "{handle:?}"),
    }
}
