//! Schemas: one that is taken is written and read as the same, and its examples read as they are shown to a model.

use std::path::Path;

use frontload_core::{AnswerForm, Evidence, Example, KindSpec, Schema, SchemaError, fold::find_quote};
use frontload_enrich::{Answer, answer_text, lark, parse};

use super::{about, outcome};

#[rustfmt::skip] // a word a line says no more
pub const WORDS: &[&str] = &[
    "[schema]\n", "[[handle]]\n", "[[example]]\n", "[gates]\n", "name = ", "about = ", "kind = ", "ask = ",
    "evidence = ", "\"verbatim\"", "\"normalised\"", "\"inferred\"", "max_items = ", "max_chars = ", "values = [",
    "scope = ", "\"neighbours\"", "\"section\"", "\"document\"", "lanes = [\"dense\"]", "analyzer = \"code\"",
    "normalise = \"time\"", "text = ", "handles = { ", "none", "|", "\"\"\"", "]", "}", "</think>", "```", "{",
    "enabled = false", "filler_share = ", "inf", "'''", "mood", "time",
];

pub fn run(_: &Path, input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let schema = match Schema::from_toml(&text) {
        Ok(schema) => schema,
        Err(SchemaError::Toml(error)) => return outcome(error.message()),
        Err(error) => return outcome(&error.to_string()),
    };
    let written = serde_json::to_string(&schema).expect("what was read can be written");
    let again: Schema = serde_json::from_str(&written).expect("and read");
    assert_eq!(again, schema);
    let prints = |schema: &Schema| schema.kinds.iter().map(|spec| schema.fingerprint(spec)).collect::<Vec<_>>();
    assert_eq!(prints(&again), prints(&schema));

    let kinds: Vec<&KindSpec> = schema.asked().collect();
    for example in &schema.examples {
        within_limits(&schema, example);
        assert!(kinds.is_empty() || !lark(&kinds, &example.text).is_empty());
        for form in [AnswerForm::Lines, AnswerForm::Json] {
            shown(&kinds, &example.handles, form);
        }
    }
    format!("taken {} {}", about(schema.kinds.len()), about(schema.examples.len()))
}

fn within_limits(schema: &Schema, example: &Example) {
    for (kind, texts) in &example.handles {
        let spec = schema.kind(kind).expect("an example's kinds are declared");
        assert!(texts.len() <= spec.max_items as usize, "{kind}: {texts:?}");
        for text in texts {
            assert!(text.chars().count() <= spec.max_chars as usize, "{text:?}");
            assert!(spec.values.is_empty() || spec.values.contains(text), "{text:?}");
            if spec.evidence != Evidence::Inferred {
                let (start, end) = find_quote(&example.text, text).expect("a quote is in the text");
                assert!(example.text.get(start..end).is_some(), "{start}..{end} cuts a letter");
            }
        }
    }
}

/// A model that answers as it was shown is read as it was meant.
fn shown(kinds: &[&KindSpec], handles: &Answer, form: AnswerForm) {
    let plain = |text: &String| {
        let is_none = text.trim_end_matches('.').eq_ignore_ascii_case("none");
        !is_none && !text.is_empty() && text.trim() == text && !text.contains("</think>")
    };
    if kinds.is_empty() || !handles.values().flatten().all(plain) {
        return;
    }
    let names: Vec<&str> = kinds.iter().map(|spec| spec.kind.as_str()).collect();
    let items = |name: &&str| ((*name).to_owned(), handles.get(*name).cloned().unwrap_or_default());
    let expected: Answer = names.iter().map(items).collect();
    assert_eq!(parse(&answer_text(kinds, handles, form), &names), Ok(expected));
}
