//! Answering: few-shot exemplars as chat turns, the hits as numbered passages, and an answer whose every
//! sentence names the passage it stands in.
//!
//! In the quoting form the answer begins with the sentence nearest to the question and the grammar lets the model only
//! add whole sentences of the passages: no word can be made up, with any model. The written form lets it write, and
//! then checks. The extracted form asks no model at all.

mod cite;
mod exemplars;
mod material;
mod prompt;
mod sentences;

use std::{fmt::Write, ops::ControlFlow};

use frontload_core::{AnswerForm, EmbedError, Finish, Generator, GeneratorError, TextRole};

pub use exemplars::{Exemplar, Exemplars, read_exemplars};
pub use material::{Material, gather};

use crate::{EngineError, Hit};

/// What is said when nothing else was chosen to be said.
pub const DEFAULT_REFUSAL: &str = "The passages that were found do not answer this.";
/// Tokens of a prompt.
pub const DEFAULT_PROMPT_TOKENS: u32 = 3000;
/// Exemplars shown.
pub const DEFAULT_SHOWN: usize = 3;
/// Sentences in an extracted answer.
const EXTRACTED_SENTENCES: usize = 2;

/// Texts in, vectors out: an embedding model, perhaps one that others use too.
pub type Embed<'a> = dyn FnMut(&[&str], TextRole) -> Result<Vec<Vec<f32>>, EmbedError> + 'a;

/// How an answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The model chooses whole sentences of the passages.
    Quote,
    /// The model writes, and every sentence is checked against what it cites.
    Write,
    /// The sentences nearest to the question, without a model.
    Extract,
}

impl Manner {
    /// What suits a model: quoting where the decoder obeys a grammar, writing where it cannot be made to.
    pub fn of(generator: &dyn Generator) -> Self {
        match generator.form() {
            AnswerForm::Lines => Self::Quote,
            AnswerForm::Json => Self::Write,
        }
    }
}

/// Everything about answering that is not the question.
#[derive(Debug, Clone)]
pub struct Answering {
    /// How.
    pub manner: Manner,
    /// Finished turns to go by.
    pub exemplars: Exemplars,
    /// What the assistant is about, in a sentence.
    pub scope: Option<String>,
    /// What is said instead of an answer.
    pub refusal: String,
    /// The question is refused when no sentence found is this near to it.
    pub refuse_below: Option<f32>,
    /// The most tokens a prompt may have.
    pub prompt_tokens: u32,
    /// Kinds of handle that stand beside a passage in the prompt.
    pub told_kinds: Vec<String>,
}

impl Answering {
    /// Without exemplars, scope or threshold.
    pub fn new(manner: Manner) -> Self {
        Self {
            manner,
            exemplars: Exemplars::default(),
            scope: None,
            refusal: DEFAULT_REFUSAL.to_owned(),
            refuse_below: None,
            prompt_tokens: DEFAULT_PROMPT_TOKENS,
            told_kinds: Vec::new(),
        }
    }
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

/// Why a question was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was found.
    NothingFound,
    /// What was found is not near enough to the question.
    TooFar,
    /// The model said so.
    ByModel,
}

impl Refusal {
    /// Its name, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NothingFound => "nothing_found",
            Self::TooFar => "too_far",
            Self::ByModel => "by_model",
        }
    }
}

/// A cited answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its sentences; none when it was refused.
    pub sentences: Vec<CitedSentence>,
    /// Why there is none, and what is said instead.
    pub refusal: Option<(Refusal, String)>,
    /// The passages it was made from, by rank.
    pub hits: Vec<Hit>,
    /// What was missing.
    pub degraded: Vec<String>,
    /// How it was made.
    pub manner: Manner,
    /// How near the nearest sentence is to the question; `None` when none was found.
    pub nearness: Option<f32>,
    /// Tokens the model read and wrote.
    pub tokens: (u32, u32),
}

impl Answer {
    /// The answer as one text with `[n]` after each sentence, or what is said instead.
    pub fn text(&self) -> String {
        if let Some((_, said)) = &self.refusal {
            return said.clone();
        }
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

/// Answers a question from what was gathered for it. What is refused costs no call of the model. `told` is given the
/// text as the model writes it, and nothing now and then; when it breaks, the writing stops. `None` when it was
/// stopped.
///
/// # Errors
/// When the model gives no answer.
pub fn answer(
    material: Material,
    question: &str,
    how: &Answering,
    generator: Option<&mut dyn Generator>,
    told: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<Option<Answer>, EngineError> {
    let (hits, degraded, nearness) = (material.hits.clone(), material.degraded.clone(), material.nearness);
    let mut answer =
        Answer { sentences: Vec::new(), refusal: None, hits, degraded, manner: how.manner, nearness, tokens: (0, 0) };
    let refuse = |why: Refusal| Some((why, how.refusal.clone()));
    if material.hits.is_empty() || (material.quotes.is_empty() && how.manner != Manner::Write) {
        answer.refusal = refuse(Refusal::NothingFound);
        return Ok(Some(answer));
    }
    if how.refuse_below.is_some_and(|least| nearness.is_none_or(|nearness| nearness < least)) {
        answer.refusal = refuse(Refusal::TooFar);
        return Ok(Some(answer));
    }
    let generator = match generator {
        Some(generator) if how.manner != Manner::Extract => generator,
        without => {
            if without.is_none() && how.manner != Manner::Extract {
                answer.degraded.push("the language model: the nearest sentences are given instead".to_owned());
            }
            answer.manner = Manner::Extract;
            answer.sentences = extracted(&material);
            return Ok(Some(answer));
        }
    };
    let prompt = prompt::prompt(&material, question, how, generator)?;
    let completion = match generator.stream(prompt, told)? {
        Ok(completion) => completion,
        Err(failure) if failure.kind == frontload_core::FailureKind::Stopped => return Ok(None),
        Err(failure) => {
            return Err(GeneratorError(format!("the model gave no answer: {}", failure.reason)).into());
        }
    };
    answer.tokens = (completion.prompt_tokens, completion.answer_tokens);
    // A cut answer loses its unfinished last sentence, not what was said before it.
    let whole = completion.finish == Finish::Stop;
    let end = if whole { completion.text.len() } else { completion.text.rfind(']').map_or(0, |at| at + 1) };
    let raw = completion.text.get(..end).unwrap_or_default().trim();
    if how.manner == Manner::Write && refuses(raw, &how.refusal) {
        answer.refusal = refuse(Refusal::ByModel);
        return Ok(Some(answer));
    }
    answer.sentences = match how.manner {
        Manner::Write => cite::cited_sentences(raw, &material.passages),
        Manner::Quote | Manner::Extract => cite::quoted_sentences(raw, &material.quotes),
    };
    if answer.sentences.is_empty() {
        answer.refusal = refuse(Refusal::ByModel);
    }
    Ok(Some(answer))
}

/// Whether a model said what it was told to say when it has no answer, perhaps without the last stop or with a mark.
fn refuses(raw: &str, refusal: &str) -> bool {
    let bare = |text: &str| frontload_core::fold::fold(text);
    bare(raw).starts_with(&bare(refusal))
}

/// The nearest sentences, in the order of their passages.
fn extracted(material: &Material) -> Vec<CitedSentence> {
    let mut nearest: Vec<&(usize, String)> = material.quotes.iter().take(EXTRACTED_SENTENCES).collect();
    nearest.sort_by_key(|(at, _)| *at);
    let cited =
        |(at, text): &(usize, String)| CitedSentence { text: text.clone(), citations: vec![*at], supported: true };
    nearest.into_iter().map(cited).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_words() {
        assert!(refuses("The archive does not say. [1]", "The archive does not say."));
        assert!(!refuses("The archive does say so. [1]", "The archive does not say."));
    }
}
