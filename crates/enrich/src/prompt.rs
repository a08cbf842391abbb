//! The enrichment prompt as chat turns: instructions, few-shots, then the chunk.
//!
//! Everything before the last turn is the same for every chunk, so the model decodes it once.

use std::fmt::Write;

use frontload_core::{Chunk, Example, KindSpec, Message, Schema};

/// Changes whenever the wording here does: part of every ledger key.
pub(crate) const PROMPT_VERSION: &str = "cards-1";

/// The chat turns that ask for these kinds of handle about one chunk.
pub fn messages(schema: &Schema, kinds: &[&KindSpec], chunk: &Chunk) -> Vec<Message> {
    let mut turns = vec![Message::system(instructions(schema, kinds))];
    for example in &schema.examples {
        turns.push(Message::user(passage(&example.title, &example.text)));
        turns.push(Message::assistant(lines(kinds, example)));
    }
    turns.push(Message::user(passage(&chunk.title, &chunk.text)));
    turns
}

/// An upper bound on the tokens of an answer: the grammar bounds its characters, and no tokenizer in use
/// spends more than one token a character.
pub fn max_answer_tokens(kinds: &[&KindSpec]) -> u32 {
    kinds.iter().map(|spec| spec.kind.len() as u32 + 4 + spec.max_items * (spec.max_chars + 1)).sum()
}

fn instructions(schema: &Schema, kinds: &[&KindSpec]) -> String {
    let mut text = String::from("You write index cards");
    if !schema.about.is_empty() {
        let _ = write!(text, " for {}", schema.about);
    }
    text.push_str(". For the passage, write one line a field, items separated by |, or none.\n");
    for spec in kinds {
        let _ = writeln!(text, "{}: {}", spec.kind, spec.ask);
    }
    text.truncate(text.trim_end().len());
    text
}

fn passage(title: &str, text: &str) -> String {
    if title.is_empty() { text.to_owned() } else { format!("{title}\n\n{text}") }
}

fn lines(kinds: &[&KindSpec], example: &Example) -> String {
    let mut text = String::new();
    for spec in kinds {
        let items = example.handles.get(&spec.kind).filter(|items| !items.is_empty());
        let items = items.map_or_else(|| "none".to_owned(), |items| items.join("|"));
        let _ = writeln!(text, "{}: {items}", spec.kind);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_reads_as_turns() {
        let schema = Schema::from_toml(
            "[schema]\nname = \"s\"\nabout = \"a harbour\"\n\
             [[handle]]\nkind = \"time\"\nask = \"When?\"\nevidence = \"verbatim\"\n\
             [[handle]]\nkind = \"mood\"\nask = \"How does it feel?\"\nevidence = \"inferred\"\n\
             [[example]]\ntitle = \"Log\"\ntext = \"At dawn, fog.\"\nhandles = { time = [\"At dawn\"] }\n",
        )
        .expect("valid");
        let kinds: Vec<&KindSpec> = schema.asked().collect();
        let chunk =
            Chunk { document: "d".into(), ordinal: 0, span: (0, 5), title: String::new(), text: "Rain.".into() };
        let expected = [
            Message::system(
                "You write index cards for a harbour. For the passage, write one line a field, items separated by |, \
                 or none.\ntime: When?\nmood: How does it feel?",
            ),
            Message::user("Log\n\nAt dawn, fog."),
            Message::assistant("time: At dawn\nmood: none\n"),
            Message::user("Rain."),
        ];
        assert_eq!(messages(&schema, &kinds, &chunk), expected);
    }
}
