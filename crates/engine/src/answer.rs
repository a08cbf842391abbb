//! Answering: few-shot exemplars as chat turns, the hits as numbered passages, and an answer whose every
//! sentence names the passage it stands in.
//!
//! In the default, quoting form the grammar lets the model only choose whole sentences of the passages: no
//! word of the answer can be made up, with any model. The free form lets it write, and then checks.

use std::{collections::BTreeSet, fmt::Write, ops::ControlFlow, path::Path};

use frontload_core::{Chunk, Failure, Finish, Generator, GeneratorError, Message, Prompt, fold};
use serde::Deserialize;

use crate::{EngineError, Hit, SearchResponse, input};

/// Sentences in a quoted answer.
const QUOTED_SENTENCES: usize = 3;
/// Tokens of an answer.
const ANSWER_TOKENS: u32 = 320;
/// Characters of one passage in the prompt.
const PASSAGE_CHARS: usize = 1200;
/// A written sentence is supported when this share of its longer words stands in the passages it cites.
const SUPPORT_SHARE: f64 = 0.5;

/// A question, passages and a good answer, shown to the model as a finished turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Exemplar {
    /// The question.
    pub question: String,
    /// The passages, as they were found.
    pub passages: Vec<String>,
    /// The answer, each sentence ending in `[n]`.
    pub answer: String,
}

/// One sentence of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct CitedSentence {
    /// The sentence, without its citation marks.
    pub text: String,
    /// The ranks of the hits it cites.
    pub citations: Vec<usize>,
    /// Whether what it says stands in what it cites.
    pub supported: bool,
}

/// A cited answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its sentences.
    pub sentences: Vec<CitedSentence>,
    /// The passages it was made from, by rank.
    pub hits: Vec<Hit>,
    /// What was missing.
    pub degraded: Vec<String>,
}

impl Answer {
    /// The answer as one text with `[n]` after each sentence.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for sentence in &self.sentences {
            let _ = write!(text, "{}{}", if text.is_empty() { "" } else { " " }, sentence.text);
            sentence.citations.iter().for_each(|rank| {
                let _ = write!(text, " [{rank}]");
            });
        }
        text
    }
}

/// Reads exemplars, one JSON object a line.
///
/// # Errors
/// When a line is unreadable; its number is named.
pub fn read_exemplars(path: &Path) -> Result<Vec<Exemplar>, EngineError> {
    let text = std::fs::read_to_string(path).map_err(|error| input(path, None, error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| input(path, Some(at + 1), error))).collect()
}

/// Has the model answer a question from what a search for it found; `free` lets it write rather than only
/// choose sentences. Nothing found gives an answer without sentences, and the model is not asked.
///
/// # Errors
/// When the model gives no answer.
pub fn answer(
    found: SearchResponse,
    question: &str,
    generator: &mut dyn Generator,
    exemplars: &[Exemplar],
    free: bool,
) -> Result<Answer, EngineError> {
    let SearchResponse { hits, degraded, .. } = found;
    if hits.is_empty() {
        return Ok(Answer { sentences: Vec::new(), hits, degraded });
    }
    let passages: Vec<String> = hits.iter().map(|hit| passage(&hit.chunk)).collect();
    let prompt = Prompt {
        id: 0,
        messages: messages(exemplars, &passages, question),
        grammar: (!free).then(|| quoting_grammar(&passages)),
        max_tokens: ANSWER_TOKENS,
    };
    let raw = ask(generator, prompt)?;
    Ok(Answer { sentences: cited_sentences(&raw, &passages), hits, degraded })
}

fn ask(generator: &mut dyn Generator, prompt: Prompt) -> Result<String, EngineError> {
    let mut ended = Err(Failure { kind: frontload_core::FailureKind::Refused, reason: "no answer came".into() });
    generator.generate(&mut std::iter::once(prompt), &mut |_, result| {
        ended = result;
        ControlFlow::Continue(())
    })?;
    match ended {
        Ok(completion) => {
            // A cut answer loses its unfinished last sentence, not what was said before it.
            let whole = completion.finish == Finish::Stop;
            let end = if whole { completion.text.len() } else { completion.text.rfind(']').map_or(0, |at| at + 1) };
            Ok(completion.text.get(..end).unwrap_or_default().to_owned())
        }
        Err(failure) => Err(GeneratorError(format!("the model gave no answer: {}", failure.reason)).into()),
    }
}

fn messages(exemplars: &[Exemplar], passages: &[String], question: &str) -> Vec<Message> {
    let mut turns = vec![Message::system(
        "Answer the question from the numbered passages alone. After each sentence give the number of the passage it \
         comes from, like [2].",
    )];
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

fn passage(chunk: &Chunk) -> String {
    let text = chunk.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = text.char_indices().nth(PASSAGE_CHARS).map_or(text.len(), |(at, _)| at);
    let text = text.get(..cut).unwrap_or_default();
    if chunk.title.is_empty() { text.to_owned() } else { format!("{}: {text}", chunk.title) }
}

/// Lets the model choose up to three whole sentences, each followed by its passage's number.
fn quoting_grammar(passages: &[String]) -> String {
    let mut choices = Vec::new();
    for (at, passage) in passages.iter().enumerate() {
        let body = passage.split_once(": ").map_or(passage.as_str(), |(_, body)| body);
        let quotes = sentences(body).into_iter().filter(|sentence| sentence.len() > 20);
        choices.extend(quotes.map(|sentence| serde_json::Value::from(format!("{sentence} [{}]", at + 1)).to_string()));
    }
    format!("start: quote (\" \" quote){{0,{}}}\nquote: {}\n", QUOTED_SENTENCES - 1, choices.join(" | "))
}

/// Cuts at a full stop, question or exclamation mark (and closing quotation marks) before a blank and no
/// small letter.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    for (at, window) in letters.windows(2).enumerate() {
        let [(_, letter), (next_at, next)] = window else { continue };
        let closes = |letter: char| matches!(letter, '.' | '!' | '?');
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).is_some_and(|&(_, before)| closes(before));
        let ends = closes(*letter) || (matches!(letter, '"' | '”' | '’' | '\'') && before);
        let follows = text.get(*next_at..).unwrap_or_default().trim_start().chars().next();
        if ends && next.is_whitespace() && follows.is_some_and(|letter| !letter.is_lowercase()) {
            found.push(text.get(start..*next_at).unwrap_or_default().trim());
            start = *next_at;
        }
    }
    found.push(text.get(start..).unwrap_or_default().trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Reads `sentence [n] sentence [m][o]` back, and looks whether each sentence stands in what it cites.
fn cited_sentences(raw: &str, passages: &[String]) -> Vec<CitedSentence> {
    let mut sentences: Vec<CitedSentence> = Vec::new();
    let mut rest = raw.trim();
    while !rest.is_empty() {
        let (text, after) = rest.split_once('[').unwrap_or((rest, ""));
        let (number, tail) = after.split_once(']').unwrap_or(("", after));
        let cited = number.trim().parse::<usize>().ok().filter(|number| (1..=passages.len()).contains(number));
        // A full stop after the mark belongs to the sentence before it.
        let text = text.trim_start_matches(['.', '!', '?', ';', ',']);
        match (text.trim(), sentences.last_mut()) {
            ("", Some(last)) => last.citations.extend(cited),
            ("", None) => {}
            (text, _) => {
                let citations = cited.into_iter().collect();
                sentences.push(CitedSentence { text: text.to_owned(), citations, supported: false });
            }
        }
        rest = tail.trim_start();
    }
    for sentence in &mut sentences {
        sentence.supported = is_supported(sentence, passages);
    }
    sentences
}

fn is_supported(sentence: &CitedSentence, passages: &[String]) -> bool {
    let cited: Vec<&String> = sentence.citations.iter().filter_map(|rank| passages.get(rank - 1)).collect();
    let said: BTreeSet<String> = cited.iter().flat_map(|text| longer_words(text)).collect();
    let words = longer_words(&sentence.text);
    let found = words.iter().filter(|word| said.contains(*word)).count();
    !cited.is_empty() && found as f64 >= words.len() as f64 * SUPPORT_SHARE
}

fn longer_words(text: &str) -> Vec<String> {
    fold::fold(text).split(' ').filter(|word| word.chars().count() > 3).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_into_sentences() {
        let check = |text: &str, expected: &[&str]| assert_eq!(sentences(text), expected);
        check("Fog. \"Hold fast!\" He did. ", &["Fog.", "\"Hold fast!\"", "He did."]);
        check("It cost 3.50 at the quay, e.g. twice.", &["It cost 3.50 at the quay, e.g. twice."]);
        check("One", &["One"]);
    }

    #[test]
    fn citations_are_read_and_checked() {
        let passages = ["Log: The harbour froze in January.".to_owned(), "Ferry: It ran.".to_owned()];
        let read = cited_sentences("The harbour froze [1]. Dragons landed there [1] [9] Nobody said", &passages);
        let seen: Vec<(&str, &[usize], bool)> =
            read.iter().map(|s| (s.text.as_str(), s.citations.as_slice(), s.supported)).collect();
        let expected: [(&str, &[usize], bool); 3] =
            [("The harbour froze", &[1], true), ("Dragons landed there", &[1], false), ("Nobody said", &[], false)];
        assert_eq!(seen, expected);
    }
}
