//! The answering prompt: what the assistant is about, finished turns to go by, numbered passages, the question.

use std::fmt::Write;

use frontload_core::{Constraint, Generator, GeneratorError, Handle, Message, Prompt};

use crate::answer::{Answering, Exemplar, Manner, Material};

/// Sentences in a quoted answer.
const QUOTED_SENTENCES: usize = 3;
/// Tokens of an answer.
const ANSWER_TOKENS: u32 = 320;

/// Lays out the prompt. Passages that do not fit into the budget are left out, the last first; the first stays.
///
/// # Errors
/// When the model that would weigh them cannot be loaded.
pub(super) fn prompt(
    material: &Material,
    question: &str,
    how: &Answering,
    generator: &mut dyn Generator,
) -> Result<Prompt, GeneratorError> {
    let exemplars = how.exemplars.for_question(&material.question);
    // The sentence that a quoted answer begins with keeps its passage.
    let least = material.quotes.first().map_or(1, |(at, _)| *at);
    let told = material.passages.iter().zip(&material.hits).map(|(text, hit)| beside(text, &hit.handles, how));
    let told: Vec<String> = told.collect();
    let mut kept = told.len();
    loop {
        let passages = told.get(..kept).unwrap_or_default();
        let prompt = Prompt {
            id: 0,
            messages: messages(how, &exemplars, passages, question),
            shared_bytes: 0,
            constraint: (how.manner == Manner::Quote).then(|| {
                let quotes: Vec<_> = material.quotes.iter().filter(|(at, _)| *at <= kept).collect();
                Constraint::Lark { grammar: quoting_grammar(&quotes), separator: None }
            }),
            max_tokens: ANSWER_TOKENS,
        };
        if kept <= least || tokens(&prompt, generator)? <= how.prompt_tokens {
            return Ok(prompt);
        }
        kept -= 1;
    }
}

/// A passage with its handles of the kinds that are told: a model cannot name the year that a passage only tells of.
fn beside(passage: &str, handles: &[Handle], how: &Answering) -> String {
    let mut told = passage.to_owned();
    for kind in &how.told_kinds {
        let of_kind: Vec<&str> =
            handles.iter().filter(|handle| handle.kind == *kind).map(|handle| handle.text.as_str()).collect();
        if !of_kind.is_empty() {
            let _ = write!(told, " ({kind}: {})", of_kind.join("; "));
        }
    }
    told
}

/// What a prompt weighs: by the model's own tokenizer, or four characters a token where that is out of reach.
fn tokens(prompt: &Prompt, generator: &mut dyn Generator) -> Result<u32, GeneratorError> {
    let letters: usize = prompt.messages.iter().map(|message| message.content.chars().count()).sum();
    let guess = (letters / 4) as u32;
    let measured = generator.measure(&mut std::iter::once(prompt.clone()))?;
    let size = measured.and_then(|sizes| sizes.into_iter().next());
    Ok(match size {
        Some(Some(size)) => size.prompt_tokens,
        // It does not fit the model at all.
        Some(None) => u32::MAX,
        None => guess,
    })
}

fn messages(how: &Answering, exemplars: &[&Exemplar], passages: &[String], question: &str) -> Vec<Message> {
    let mut instructions = String::new();
    if let Some(scope) = &how.scope {
        let _ = write!(instructions, "You answer questions about {}. ", scope.trim_end_matches('.'));
    }
    instructions.push_str(
        "Answer the question from the numbered passages alone. After each sentence give the number of the passage it \
         comes from, like [2].",
    );
    if how.manner == Manner::Write {
        let _ = write!(
            instructions,
            " If the passages do not answer it, or it is about something else, say only: {}",
            how.refusal
        );
    }
    let mut turns = vec![Message::system(instructions)];
    for exemplar in exemplars {
        turns.push(Message::user(ask_about(&exemplar.passages, &exemplar.question)));
        turns.push(Message::assistant(exemplar.answer.clone()));
    }
    turns.push(Message::user(ask_about(passages, question)));
    turns
}

fn ask_about(passages: &[String], question: &str) -> String {
    let mut text = String::new();
    for (at, passage) in passages.iter().enumerate() {
        let _ = writeln!(text, "[{}] {passage}", at + 1);
    }
    let _ = write!(text, "\nQuestion: {question}");
    text
}

/// The sentence nearest to the question, then what the model adds of the others, each followed by its
/// passage's number. The small model's own first choice was the right passage for 3 of the 10 factual dev
/// topics, the nearest sentence for 7.
fn quoting_grammar(quotes: &[&(usize, String)]) -> String {
    let mut cited = quotes.iter().map(|(at, said)| serde_json::Value::from(format!("{said} [{at}]")).to_string());
    let first = cited.next().unwrap_or_default();
    let others: Vec<String> = cited.collect();
    if others.is_empty() {
        return format!("start: {first}\n");
    }
    format!("start: {first} (\" \" other){{0,{}}}\nother: {}\n", QUOTED_SENTENCES - 1, others.join(" | "))
}
