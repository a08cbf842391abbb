//! One prompt being answered: which token comes next, which tokens the grammar forces after it, and when a list
//! begins to repeat itself.

use std::collections::VecDeque;

use frontload_core::{Completion, Finish};
use llama_cpp_2::token::LlamaToken;
use llguidance::Matcher;

use super::{
    LoadedModel,
    grammar::{argmax, best_allowed},
};

/// A prompt being answered.
pub(super) struct Slot {
    pub id: u64,
    pub max_tokens: u32,
    pub prompt_tokens: u32,
    pub prefill_tokens: u32,
    pub answer_tokens: u32,
    pub matcher: Option<Matcher>,
    /// Separates the items of a line that must not repeat.
    pub separator: Option<char>,
    /// Tokens decided but not yet decoded: the rest of the prompt, then one sampled token and whatever the
    /// grammar forces after it.
    pub pending: VecDeque<LlamaToken>,
    /// The next position in the sequence.
    pub position: i32,
    pub answer: Vec<u8>,
    /// The length of each token of the answer in bytes.
    pub lengths: Vec<usize>,
    /// How many bytes of the answer were told already; `None` when it is told whole.
    pub told: Option<usize>,
}

/// What a slot does after its logits were read.
pub(super) enum Step {
    /// Decodes what is pending.
    Goes,
    /// Forgets everything from this position on, then decodes what is pending.
    Rewinds(i32),
    /// Has ended.
    Ends(Finish),
}

impl Slot {
    /// The answer as it stands.
    pub fn completion(&self, finish: Finish) -> Completion {
        Completion {
            text: String::from_utf8_lossy(&self.answer).into_owned(),
            finish,
            prompt_tokens: self.prompt_tokens,
            prefill_tokens: self.prefill_tokens,
            answer_tokens: self.answer_tokens,
        }
    }

    /// Whether what is decided so far has room.
    pub fn fits(&self, context_tokens: u32) -> bool {
        self.position as usize + self.pending.len() <= context_tokens as usize
    }

    /// What was written since the last call, up to the last whole character, and where in the answer it begins.
    pub fn untold(&mut self) -> Option<(usize, String)> {
        let from = self.told?;
        let new = self.answer.get(from..).filter(|new| !new.is_empty())?;
        let whole = match std::str::from_utf8(new) {
            Ok(text) => text,
            Err(cut) => new.get(..cut.valid_up_to()).and_then(|part| std::str::from_utf8(part).ok())?,
        };
        let whole = whole.to_owned();
        self.told = Some(from + whole.len());
        (!whole.is_empty()).then_some((from, whole))
    }

    /// Takes the next token from the logits, and all that are forced after it.
    pub fn advance(&mut self, logits: &[f32], loaded: &LoadedModel) -> Result<Step, String> {
        let vocab = loaded.model.vocab();
        let sampled = match &mut self.matcher {
            Some(matcher) => best_allowed(matcher, logits)?,
            None => LlamaToken(argmax(logits, |_| true).ok_or("no logits")? as i32),
        };
        let mut next = VecDeque::from([sampled]);
        let mut rewound = None;
        while let Some(token) = next.pop_front() {
            if vocab.is_eog(token) {
                return Ok(Step::Ends(Finish::Stop));
            }
            let piece = vocab.token_to_piece(token, false, None);
            if let Some(count) = self.repeated(&piece) {
                rewound = Some(self.take_back(count)?);
                next = vocab.tokenize(b"\n", false, false).into();
                continue;
            }
            self.write(token, &piece);
            if let Some(matcher) = &mut self.matcher {
                matcher.consume_token(token.0 as u32).map_err(failed)?;
                if matcher.is_stopped() {
                    return Ok(Step::Ends(Finish::Stop));
                }
                if next.is_empty() {
                    next.extend(matcher.compute_ff_tokens().into_iter().map(|forced| LlamaToken(forced as i32)));
                }
            }
        }
        if self.answer_tokens >= self.max_tokens {
            return Ok(Step::Ends(Finish::Length));
        }
        Ok(rewound.map_or(Step::Goes, Step::Rewinds))
    }

    /// Writes what the grammar forces before anything is chosen: it is decoded with the prompt.
    pub fn begin(&mut self, loaded: &LoadedModel) {
        let forced = self.matcher.as_mut().map(Matcher::consume_ff_tokens).unwrap_or_default();
        for token in forced.into_iter().map(|forced| LlamaToken(forced as i32)) {
            self.write(token, &loaded.model.vocab().token_to_piece(token, false, None));
        }
    }

    fn write(&mut self, token: LlamaToken, piece: &[u8]) {
        self.answer_tokens += 1;
        self.answer.extend_from_slice(piece);
        self.lengths.push(piece.len());
        self.pending.push_back(token);
    }

    /// When `piece` would end an item that its line holds already: of how many tokens that item and the separator
    /// before it consist. `None` too when they do not end and begin with tokens: a gate will see to that item.
    fn repeated(&self, piece: &[u8]) -> Option<usize> {
        let separator = self.separator?;
        let end = *piece.first()?;
        if end != b'\n' && end != separator as u8 {
            return None;
        }
        let line = self.answer.rsplit(|&byte| byte == b'\n').next()?;
        let (_, items) = std::str::from_utf8(line).ok()?.split_once(": ")?;
        let (before, item) = items.rsplit_once(separator)?;
        let same = |other: &str| other.trim().to_lowercase() == item.trim().to_lowercase();
        if !before.split(separator).any(same) {
            return None;
        }
        let mut bytes = item.len() + separator.len_utf8();
        let mut count = 0;
        for length in self.lengths.iter().rev() {
            bytes = bytes.checked_sub(*length)?;
            count += 1;
            if bytes == 0 {
                return Some(count);
            }
        }
        None
    }

    /// Takes the last tokens back; gives back the position after what is left.
    fn take_back(&mut self, count: usize) -> Result<i32, String> {
        if let Some(matcher) = &mut self.matcher {
            matcher.rollback(count).map_err(failed)?;
        }
        for _ in 0..count {
            let length = self.lengths.pop().unwrap_or(0);
            self.answer.truncate(self.answer.len().saturating_sub(length));
            // Those not decoded yet are only forgotten.
            if self.pending.pop_back().is_none() {
                self.position -= 1;
            }
        }
        Ok(self.position)
    }
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("constrained decoding failed: {error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(tokens: &[&str]) -> Slot {
        Slot {
            id: 0,
            max_tokens: 100,
            prompt_tokens: 10,
            prefill_tokens: 10,
            answer_tokens: tokens.len() as u32,
            matcher: None,
            separator: Some('|'),
            pending: VecDeque::new(),
            position: 10 + tokens.len() as i32,
            answer: tokens.concat().into_bytes(),
            lengths: tokens.iter().map(|token| token.len()).collect(),
            told: None,
        }
    }

    #[test]
    fn a_repeated_item_is_seen_when_it_ends() {
        let check = |tokens: &[&str], piece: &str, expected: Option<usize>| {
            assert_eq!(slot(tokens).repeated(piece.as_bytes()), expected, "{tokens:?} {piece:?}");
        };
        check(&["time", ": ", "da", "wn", "|", "Da", "wn"], "\n", Some(3));
        check(&["time", ": ", "da", "wn", "|", "Da", "wn"], "|", Some(3));
        check(&["time", ": ", "da", "wn", "|", "Da", "wn"], "s", None);
        check(&["time", ": ", "dawn", "|", "dusk"], "\n", None);
        check(&["time", ": ", "dawn", "\n", "mood", ": ", "dawn"], "\n", None);
        // The separator is in one token with what is before it: it cannot be taken back alone.
        check(&["time", ": ", "daw", "n|", "dawn"], "\n", None);
    }

    #[test]
    fn only_whole_characters_are_told() {
        let mut slot = slot(&["caf"]);
        slot.told = Some(0);
        slot.answer.push(0xc3);
        assert_eq!(slot.untold(), Some((0, "caf".to_owned())));
        assert_eq!(slot.untold(), None);
        slot.answer.push(0xa9);
        assert_eq!(slot.untold(), Some((3, "é".to_owned())));
    }

    #[test]
    fn taking_back_forgets_what_was_not_decoded_first() {
        let mut slot = slot(&["time", ": ", "dawn", "|", "dawn"]);
        slot.pending.push_back(LlamaToken(1));
        slot.position -= 1;
        assert_eq!(slot.take_back(2), Ok(13));
        assert_eq!((slot.answer.as_slice(), slot.pending.len()), (b"time: dawn".as_slice(), 0));
    }
}
