//! The enrichment prompt as chat turns: instructions, few-shots, then the chunk.
//!
//! Everything before the last turn is the same for every chunk, so the model decodes it once; what a document's
//! chunks share stands before the chunk itself, so it is decoded once a document.

use std::fmt::Write;

use frontload_core::{AnswerForm, Constraint, KindSpec, Message, Prompt, Schema, Scope};

use crate::{
    answer::Answer,
    grammar::{json_schema, lark},
    passage::Passage,
};

/// Changes whenever the wording here does: part of every ledger key.
pub(crate) const PROMPT_VERSION: &str = "cards-2";

/// The prompt that asks for these kinds of handle, all of one scope, about one passage.
pub(crate) fn prompt(id: u64, schema: &Schema, kinds: &[&KindSpec], passage: &Passage, form: AnswerForm) -> Prompt {
    let scope = kinds.first().map_or(Scope::Chunk, |spec| spec.scope);
    let mut messages = vec![Message::system(instructions(schema, kinds, form))];
    for example in &schema.examples {
        let context = if scope == Scope::Chunk { "" } else { &example.context };
        messages.push(Message::user(turn(&example.title, context, &example.text).0));
        messages.push(Message::assistant(answer_text(kinds, &example.handles, form)));
    }
    let (last, shared_bytes) = turn(&passage.heading, &passage.context, passage.text);
    messages.push(Message::user(last));
    let constraint = match form {
        AnswerForm::Lines => Constraint::Lark { grammar: lark(kinds, passage.text), separator: Some('|') },
        AnswerForm::Json => Constraint::JsonSchema(json_schema(kinds)),
    };
    let max_tokens = max_answer_tokens(kinds, form);
    // Only what a whole document shares is worth keeping; neighbours are another chunk's.
    let shared_bytes = if scope == Scope::Document { shared_bytes } else { 0 };
    Prompt { id, messages, shared_bytes, constraint: Some(constraint), max_tokens }
}

/// An upper bound on the tokens of an answer: the grammar bounds its characters, and no tokenizer in use
/// spends more than one token a character. JSON has its quotes and commas besides, and may break and indent.
fn max_answer_tokens(kinds: &[&KindSpec], form: AnswerForm) -> u32 {
    let (a_kind, an_item) = match form {
        AnswerForm::Lines => (4, 1),
        AnswerForm::Json => (16, 12),
    };
    kinds.iter().map(|spec| spec.kind.len() as u32 + a_kind + spec.max_items * (spec.max_chars + an_item)).sum()
}

fn instructions(schema: &Schema, kinds: &[&KindSpec], form: AnswerForm) -> String {
    let mut text = String::from("You write index cards");
    if !schema.about.is_empty() {
        let _ = write!(text, " for {}", schema.about);
    }
    text.push_str(match form {
        AnswerForm::Lines => ". For the passage, write one line a field, items separated by |, or none.\n",
        AnswerForm::Json => ". For the passage, write one JSON object: each field a list of strings, empty for none.\n",
    });
    for spec in kinds {
        let _ = write!(text, "{}: {}", spec.kind, spec.ask);
        if !spec.values.is_empty() && form == AnswerForm::Json {
            let _ = write!(text, " One of: {}.", spec.values.join(", "));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// A user turn, and how many of its bytes come before the passage itself.
fn turn(heading: &str, context: &str, text: &str) -> (String, usize) {
    let mut turn = heading.to_owned();
    if !context.is_empty() {
        if !turn.is_empty() {
            turn.push('\n');
        }
        turn.push_str(context);
        turn.push_str("\n\nThe passage:\n");
        let shared = turn.len();
        return (turn + text, shared);
    }
    if !turn.is_empty() {
        turn.push_str("\n\n");
    }
    (turn + text, 0)
}

/// An answer as a model is to write it: the items of these kinds, in this order. A kind that is not in it has none.
pub fn answer_text(kinds: &[&KindSpec], answer: &Answer, form: AnswerForm) -> String {
    let items = |spec: &KindSpec| answer.get(&spec.kind).map(Vec::as_slice).unwrap_or_default();
    let mut text = String::new();
    match form {
        AnswerForm::Lines => {
            for spec in kinds {
                let items = items(spec);
                let items = if items.is_empty() { "none".to_owned() } else { items.join("|") };
                let _ = writeln!(text, "{}: {items}", spec.kind);
            }
        }
        AnswerForm::Json => {
            let fields: Vec<String> =
                kinds.iter().map(|spec| format!("{:?}: {}", spec.kind, serde_json::json!(items(spec)))).collect();
            let _ = write!(text, "{{{}}}", fields.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::from_toml(
            "[schema]\nname = \"s\"\nabout = \"a harbour\"\n\
             [[handle]]\nkind = \"time\"\nask = \"When?\"\nevidence = \"verbatim\"\n\
             [[handle]]\nkind = \"mood\"\nask = \"How does it feel?\"\nevidence = \"inferred\"\nvalues = [\"calm\", \"grim\"]\n\
             [[example]]\ntitle = \"Log\"\ncontext = \"Before: snow.\"\ntext = \"At dawn, fog.\"\nhandles = { time = [\"At dawn\"] }\n",
        )
        .expect("valid")
    }

    fn asked(form: AnswerForm, heading: &str, context: &str) -> Prompt {
        let schema = schema();
        let kinds: Vec<&KindSpec> = schema.asked().collect();
        prompt(7, &schema, &kinds, &Passage { heading: heading.into(), context: context.into(), text: "Rain." }, form)
    }

    #[test]
    fn a_prompt_reads_as_turns() {
        let expected = [
            Message::system(
                "You write index cards for a harbour. For the passage, write one line a field, items separated by |, \
                 or none.\ntime: When?\nmood: How does it feel?",
            ),
            Message::user("Log\n\nAt dawn, fog."),
            Message::assistant("time: At dawn\nmood: none\n"),
            Message::user("Rain."),
        ];
        assert_eq!(asked(AnswerForm::Lines, "", "").messages, expected);
    }

    #[test]
    fn an_endpoint_is_asked_for_json() {
        let prompt = asked(AnswerForm::Json, "Day book", "");
        assert!(prompt.messages[0].content.ends_with("mood: How does it feel? One of: calm, grim."));
        assert_eq!(prompt.messages[2], Message::assistant("{\"time\": [\"At dawn\"], \"mood\": []}"));
        assert_eq!(prompt.messages[3], Message::user("Day book\n\nRain."));
    }

    #[test]
    fn what_stands_around_comes_before_the_passage() {
        let (text, shared) = turn("Log", "It begins: snow.", "Rain.");
        assert_eq!((text.as_str(), shared), ("Log\nIt begins: snow.\n\nThe passage:\nRain.", 35));
    }
}
