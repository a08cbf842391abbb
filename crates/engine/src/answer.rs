//! Answering: few-shot exemplars as chat turns, the hits as numbered passages, and an answer whose every
//! sentence names the passage it stands in.
//!
//! In the default, quoting form the answer begins with the sentence nearest to the question and the grammar lets
//! the model only add whole sentences of the passages: no word can be made up, with any model. The free form
//! lets it write, and then checks.

use std::{collections::BTreeSet, fmt::Write, path::Path};

use frontload_core::{Chunk, Constraint, Embedder, Finish, Generator, GeneratorError, Message, Prompt, TextRole, fold};
use frontload_index::IndexError;
use serde::Deserialize;

use crate::{EngineError, Hit, SearchResponse, input, once::ask_once};

/// Sentences in a quoted answer.
const QUOTED_SENTENCES: usize = 3;
/// Sentences the model may choose from, and how short one may be.
const QUOTES_OFFERED: usize = 4;
/// A further sentence must be at least this near, in shares of the nearest one's similarity.
const QUOTE_SHARE: f32 = 0.8;
const SHORTEST_QUOTE_BYTES: usize = 20;
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

/// What an answer is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    hits: Vec<Hit>,
    degraded: Vec<String>,
    /// The hits' texts, as the model sees them.
    passages: Vec<String>,
    /// Sentences near the question, with the number of their passage from 1.
    quotes: Vec<(usize, String)>,
}

/// Lays out what a search found for answering: its passages, and the sentences of them that are nearest to the
/// question. A weak model that may quote anything quotes the first thing that reads well.
///
/// # Errors
/// When the sentences cannot be embedded.
pub fn gather(found: SearchResponse, question: &str, embedder: &mut dyn Embedder) -> Result<Material, EngineError> {
    let SearchResponse { hits, degraded, .. } = found;
    let passages: Vec<String> = hits.iter().map(|hit| passage(&hit.chunk)).collect();
    let mut quotes: Vec<(usize, String)> = Vec::new();
    for (at, hit) in hits.iter().enumerate() {
        let (text, cut) = one_line(&hit.chunk.text);
        let mut whole = sentences(&text);
        if cut {
            whole.pop();
        }
        let said = whole.into_iter().filter(|sentence| sentence.len() > SHORTEST_QUOTE_BYTES);
        quotes.extend(said.map(|sentence| (at + 1, sentence.to_owned())));
    }
    let texts: Vec<&str> = quotes.iter().map(|(_, sentence)| sentence.as_str()).collect();
    let vectors = embedder.embed(&texts, TextRole::Passage).map_err(IndexError::from)?;
    let wanted = embedder.embed(&[question], TextRole::Query).map_err(IndexError::from)?;
    let near = |vector: &[f32]| -> f32 { wanted.iter().flatten().zip(vector).map(|(left, right)| left * right).sum() };
    let mut nearest: Vec<(f32, usize)> = vectors.iter().map(|vector| near(vector)).zip(0..).collect();
    nearest.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    let least = nearest.first().map_or(0.0, |&(best, _)| best * QUOTE_SHARE);
    let offered = nearest.iter().take(QUOTES_OFFERED).filter(|&&(similarity, _)| similarity >= least);
    let quotes = offered.filter_map(|&(_, at)| quotes.get(at).cloned()).collect();
    Ok(Material { hits, degraded, passages, quotes })
}

/// Has the model answer a question from what was gathered for it; `free` lets it write rather than only choose
/// sentences. Nothing found gives an answer without sentences, and the model is not asked.
///
/// # Errors
/// When the model gives no answer.
pub fn answer(
    material: Material,
    question: &str,
    generator: &mut dyn Generator,
    exemplars: &[Exemplar],
    free: bool,
) -> Result<Answer, EngineError> {
    let Material { hits, degraded, passages, quotes } = material;
    if hits.is_empty() || (quotes.is_empty() && !free) {
        return Ok(Answer { sentences: Vec::new(), hits, degraded });
    }
    let prompt = Prompt {
        id: 0,
        messages: messages(exemplars, &passages, question),
        shared_bytes: 0,
        constraint: (!free).then(|| Constraint::Lark { grammar: quoting_grammar(&quotes), separator: None }),
        max_tokens: ANSWER_TOKENS,
    };
    let raw = ask(generator, prompt)?;
    let sentences = if free { cited_sentences(&raw, &passages) } else { quoted_sentences(&raw, &quotes) };
    Ok(Answer { sentences, hits, degraded })
}

fn ask(generator: &mut dyn Generator, prompt: Prompt) -> Result<String, EngineError> {
    match ask_once(generator, prompt)? {
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
    let (text, _) = one_line(&chunk.text);
    if chunk.title.is_empty() { text } else { format!("{}: {text}", chunk.title) }
}

/// A passage's text with single blanks, and whether it was cut to what fits beside others.
fn one_line(text: &str) -> (String, bool) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.char_indices().nth(PASSAGE_CHARS).map_or(text.len(), |(at, _)| at);
    (text.get(..end).unwrap_or_default().to_owned(), end < text.len())
}

/// The sentence nearest to the question, then what the model adds of the others, each followed by its
/// passage's number. The small model's own first choice was the right passage for 3 of the 10 factual dev
/// topics, the nearest sentence for 7.
fn quoting_grammar(quotes: &[(usize, String)]) -> String {
    let mut cited = quotes.iter().map(|(at, said)| serde_json::Value::from(format!("{said} [{at}]")).to_string());
    let first = cited.next().unwrap_or_default();
    let others: Vec<String> = cited.collect();
    if others.is_empty() {
        return format!("start: {first}\n");
    }
    format!("start: {first} (\" \" other){{0,{}}}\nother: {}\n", QUOTED_SENTENCES - 1, others.join(" | "))
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
        // "11 ft. 3 in." goes on.
        let begins = follows.is_some_and(|letter| !letter.is_lowercase() && !letter.is_numeric());
        if ends && next.is_whitespace() && begins {
            found.push(text.get(start..*next_at).unwrap_or_default().trim());
            start = *next_at;
        }
    }
    found.push(text.get(start..).unwrap_or_default().trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Reads an answer back that could only choose among quotes; a passage's own brackets mean nothing in it.
fn quoted_sentences(raw: &str, quotes: &[(usize, String)]) -> Vec<CitedSentence> {
    let mut sentences: Vec<CitedSentence> = Vec::new();
    let mut rest = raw.trim();
    while let Some((at, said, after)) = quotes.iter().find_map(|(at, said)| {
        let after = rest.strip_prefix(said.as_str())?.strip_prefix(&format!(" [{at}]"))?;
        Some((*at, said, after))
    }) {
        // A weak model says the same thing until it is stopped.
        if sentences.iter().all(|before| before.text != *said) {
            sentences.push(CitedSentence { text: said.clone(), citations: vec![at], supported: true });
        }
        rest = after.trim_start();
    }
    sentences
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
    let mut said = BTreeSet::new();
    sentences.retain(|sentence| said.insert(sentence.text.clone()));
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
        check("A cross, 11 ft. 3 in., dressed. He paid.", &["A cross, 11 ft. 3 in., dressed.", "He paid."]);
    }

    #[test]
    fn a_quote_keeps_its_own_brackets() {
        let quotes = [(1, "The bell [2] was hung.".to_owned()), (2, "It rang [sic].".to_owned())];
        let read =
            quoted_sentences("The bell [2] was hung. [1] It rang [sic]. [2] The bell [2] was hung. [1]", &quotes);
        let seen: Vec<(&str, &[usize])> = read.iter().map(|s| (s.text.as_str(), s.citations.as_slice())).collect();
        let expected: [(&str, &[usize]); 2] = [("The bell [2] was hung.", &[1]), ("It rang [sic].", &[2])];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_sentence_said_again_is_said_once() {
        let passages = ["Log: The harbour froze in January.".to_owned()];
        let read = cited_sentences("The harbour froze. [1] The harbour froze. [1] The harbour froze. [1]", &passages);
        assert_eq!(read.len(), 1);
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
