//! Few-shots for answers, chosen for the question at hand.

use std::path::Path;

use frontload_core::{EmbedError, TextRole};
use serde::Deserialize;

use crate::{EngineError, answer::Embed, input};

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

/// Reads exemplars, one JSON object a line.
///
/// # Errors
/// When a line is unreadable; its number is named.
pub fn read_exemplars(path: &Path) -> Result<Vec<Exemplar>, EngineError> {
    let text = std::fs::read_to_string(path).map_err(|error| input(path, None, error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| input(path, Some(at + 1), error))).collect()
}

/// All exemplars there are, and how many a question is shown.
#[derive(Debug, Clone, Default)]
pub struct Exemplars {
    all: Vec<Exemplar>,
    shown: usize,
    /// Of their questions; empty when all are shown, and nothing needs choosing.
    vectors: Vec<Vec<f32>>,
}

impl Exemplars {
    /// Prepares to show the `shown` nearest to each question. When there are no more than that, all are shown, in
    /// their order: the model then decodes them once for all questions.
    ///
    /// # Errors
    /// When they cannot be embedded.
    pub fn new(all: Vec<Exemplar>, shown: usize, embed: &mut Embed) -> Result<Self, EmbedError> {
        let questions: Vec<&str> = all.iter().map(|exemplar| exemplar.question.as_str()).collect();
        let vectors = if all.len() > shown { embed(&questions, TextRole::Query)? } else { Vec::new() };
        Ok(Self { all, shown, vectors })
    }

    /// Those to show for a question, the nearest last: a model goes by what it read last.
    pub(super) fn for_question(&self, question: &[f32]) -> Vec<&Exemplar> {
        if self.vectors.is_empty() {
            return self.all.iter().take(self.shown).collect();
        }
        let near = |vector: &[f32]| -> f32 { question.iter().zip(vector).map(|(left, right)| left * right).sum() };
        let mut nearest: Vec<(f32, usize)> = self.vectors.iter().map(|vector| near(vector)).zip(0..).collect();
        nearest.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        nearest.truncate(self.shown);
        nearest.iter().rev().filter_map(|&(_, at)| self.all.get(at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_shown_the_nearest_last() {
        let exemplar = |question: &str| Exemplar { question: question.into(), passages: vec![], answer: String::new() };
        let all = vec![exemplar("north"), exemplar("east"), exemplar("north-east")];
        let mut embed = |texts: &[&str], _: TextRole| {
            let vector = |text: &&str| match *text {
                "north" => vec![1.0, 0.0],
                "east" => vec![0.0, 1.0],
                _ => vec![0.8, 0.6],
            };
            Ok(texts.iter().map(vector).collect())
        };
        let shown = |shown: usize, question: &[f32], embed: &mut Embed| {
            let exemplars = Exemplars::new(all.clone(), shown, embed).expect("embeds");
            exemplars.for_question(question).iter().map(|exemplar| exemplar.question.clone()).collect::<Vec<_>>()
        };
        assert_eq!(shown(2, &[0.0, 1.0], &mut embed), ["north-east", "east"]);
        assert_eq!(shown(3, &[0.0, 1.0], &mut embed), ["north", "east", "north-east"]);
    }
}
