//! What a language model adds: names for queries that no known kind reaches, and what handles would have to say.

use frontload_core::{AnswerForm, Constraint, Evidence, Generator, Message, Prompt, ask_once, is_hidden};
use frontload_enrich::{lark, parse};
use serde::Deserialize;
use serde_json::json;

use super::{Candidate, LoggedQuery};
use crate::EngineError;

/// Queries of a kind whose wanted words are copied out.
const EXAMPLES: usize = 3;
const ANSWER_TOKENS: u32 = 160;
const MAX_CHARS: u32 = 70;

#[derive(Deserialize)]
struct Named {
    kind: String,
    ask: String,
}

/// Has the model name one field of an index card that would have answered these queries. `None` when what it says is
/// no usable field, or one there is.
pub(super) fn name_kind(
    generator: &mut dyn Generator,
    about: &str,
    queries: &[&str],
    known: &[Candidate],
) -> Result<Option<Candidate>, EngineError> {
    let listed = |queries: &[&str]| queries.iter().map(|query| format!("- {query}\n")).collect::<String>();
    let turns = [
        (
            &["the blue one", "something grey and shiny", "a thing the colour of rust"][..],
            r#"{"kind": "colour", "ask": "What colours do things have in it?"}"#,
        ),
        (
            &["for people who have never cooked", "simple enough for a child", "only for experts"][..],
            r#"{"kind": "level", "ask": "How much must a reader know or be able to do?"}"#,
        ),
    ];
    let mut messages = vec![Message::system(format!(
        "Passages of {} get index cards. Searches failed because the cards lack a field. Name the one field that would \
         have answered them, in one word, and the question it asks of a passage, as one JSON object.",
        if about.is_empty() { "a collection" } else { about }
    ))];
    for (queries, answer) in turns {
        messages.push(Message::user(listed(queries)));
        messages.push(Message::assistant(answer));
    }
    messages.push(Message::user(listed(queries)));
    let constraint = match generator.form() {
        AnswerForm::Lines => Constraint::Lark {
            grammar: "start: \"{\\\"kind\\\": \\\"\" /[a-z]{3,14}/ \"\\\", \\\"ask\\\": \\\"\" /[A-Z][a-z ,]{10,70}/ \"?\\\"}\"\n"
                .to_owned(),
            separator: None,
        },
        AnswerForm::Json => Constraint::JsonSchema(json!({
            "type": "object",
            "properties": {
                "kind": {"type": "string", "pattern": "^[a-z]{3,14}$"},
                "ask": {"type": "string", "maxLength": 100},
            },
            "required": ["kind", "ask"],
            "additionalProperties": false,
        })),
    };
    let Some(said) = ask(generator, messages, constraint)? else { return Ok(None) };
    let Ok(Named { kind, ask }) = serde_json::from_str(&said) else { return Ok(None) };
    let kind: String = kind.to_lowercase().chars().filter(char::is_ascii_lowercase).take(32).collect();
    let usable = kind.len() >= 3
        && !frontload_core::Field::is_reserved(&kind)
        && !ask.chars().any(|letter| letter == '|' || is_hidden(letter));
    if !usable || known.iter().any(|known| known.kind == kind) {
        return Ok(None);
    }
    let signs = queries.iter().map(|query| (*query).to_owned()).collect();
    Ok(Some(Candidate { kind, ask, evidence: Evidence::Inferred, max_items: 2, max_chars: MAX_CHARS, signs }))
}

/// Has the model copy out of some queries the words that a handle of a kind would have to say.
pub(super) fn examples(
    generator: &mut dyn Generator,
    candidate: &Candidate,
    wanted_by: &[usize],
    queries: &[LoggedQuery],
) -> Result<Vec<(usize, String)>, EngineError> {
    let spec = frontload_core::KindSpec {
        kind: candidate.kind.clone(),
        ask: candidate.ask.clone(),
        evidence: Evidence::Verbatim,
        max_items: 1,
        max_chars: candidate.max_chars,
        values: Vec::new(),
        scope: frontload_core::Scope::Chunk,
        lanes: Vec::new(),
        analyzer: frontload_core::Analyzer::Words,
        normalise: None,
    };
    let mut found = Vec::new();
    for &at in wanted_by.iter().take(EXAMPLES) {
        let Some(query) = queries.get(at) else { continue };
        let messages = vec![
            Message::system("Somebody searches for a passage. Copy the words of the search that answer the question."),
            Message::user("Search: the tense letter from just after the earthquake\nmood: What does the writer feel?"),
            Message::assistant("mood: tense"),
            Message::user("Search: the tense letter from just after the earthquake\nwhen: About when is it?"),
            Message::assistant("when: just after the earthquake"),
            Message::user("Search: a widow's comic song about a lost goose\nform: What sort of text is it?"),
            Message::assistant("form: comic song"),
            Message::user(format!("Search: {}\n{}: {}", query.text, candidate.kind, candidate.ask)),
        ];
        let constraint = match generator.form() {
            AnswerForm::Lines => Constraint::Lark { grammar: lark(&[&spec], &query.text), separator: Some('|') },
            AnswerForm::Json => Constraint::JsonSchema(json!({
                "type": "object",
                "properties": {candidate.kind.clone(): {"type": "array", "items": {"type": "string"}}},
                "required": [candidate.kind],
            })),
        };
        let Some(said) = ask(generator, messages, constraint)? else { continue };
        let items = parse(&said, &[&candidate.kind]).unwrap_or_default();
        let copied =
            items.into_values().flatten().find(|item| frontload_core::fold::find_quote(&query.text, item).is_some());
        found.extend(copied.filter(|item| item.chars().count() <= candidate.max_chars as usize).map(|item| (at, item)));
    }
    Ok(found)
}

/// One answer, or `None` when the model gave none.
fn ask(
    generator: &mut dyn Generator,
    messages: Vec<Message>,
    constraint: Constraint,
) -> Result<Option<String>, EngineError> {
    let prompt = Prompt { id: 0, messages, shared_bytes: 0, constraint: Some(constraint), max_tokens: ANSWER_TOKENS };
    Ok(ask_once(generator, prompt)?.ok().map(|completion| completion.text))
}
