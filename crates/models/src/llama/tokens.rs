//! Prompts as tokens: template parts with special tokens, data without.

use frontload_core::Prompt;
use llama_cpp_2::{model::LlamaModel, token::LlamaToken, token_type::LlamaTokenAttr};

use super::{LoadedModel, template::Segment};

/// A tokenised prompt.
#[derive(Default)]
pub(super) struct Tokens {
    pub all: Vec<LlamaToken>,
    /// Where each message's content starts.
    pub message_starts: Vec<usize>,
    /// Where the part of the last message ends that other prompts share.
    pub shared_end: Option<usize>,
}

impl Tokens {
    /// Where the last message's content starts.
    pub fn last_message(&self) -> usize {
        self.message_starts.last().copied().unwrap_or(0)
    }

    /// The tokens up to the end of the part that other prompts share, if there is one.
    pub fn shared(&self) -> Option<&[LlamaToken]> {
        self.all.get(..self.shared_end?)
    }
}

/// A model's own special tokens as text, longest first, to be broken up in data.
pub(super) struct Specials(Vec<String>);

impl Specials {
    pub fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let mut specials: Vec<String> = vocab
            .tokens()
            .filter(|&token| {
                let attributes = vocab.attr(token);
                attributes.contains(LlamaTokenAttr::Control) || attributes.contains(LlamaTokenAttr::UserDefined)
            })
            .map(|token| String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned())
            .filter(|text| text.chars().count() > 2 && text.chars().any(|letter| !letter.is_whitespace()))
            .collect();
        specials.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(specials)
    }

    /// Data with special tokens broken by a blank: a user-defined token would otherwise be obeyed even where
    /// special tokens are not parsed.
    pub fn broken(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for special in &self.0 {
            if text.contains(special.as_str()) {
                let first = special.chars().next().map_or(0, char::len_utf8);
                text = text.replace(special.as_str(), &format!("{} {}", &special[..first], &special[first..]));
            }
        }
        text
    }
}

impl LoadedModel {
    /// Tokens of a rendered prompt.
    pub(super) fn tokenize(&self, prompt: &Prompt) -> Result<Tokens, String> {
        let vocab = self.model.vocab();
        let mut tokens = Tokens::default();
        for segment in self.template.render(&prompt.messages)? {
            match segment {
                Segment::Template(text) => vocab.tokenize_into(text.as_bytes(), &mut tokens.all, false, true),
                Segment::Data(text) => {
                    tokens.message_starts.push(tokens.all.len());
                    let last = tokens.message_starts.len() == prompt.messages.len();
                    let shared = if last { prompt.shared_bytes } else { 0 };
                    let (shared, own) = text.split_at_checked(shared).unwrap_or(("", text));
                    if !shared.is_empty() {
                        vocab.tokenize_into(self.specials.broken(shared).as_bytes(), &mut tokens.all, false, false);
                        tokens.shared_end = Some(tokens.all.len());
                    }
                    vocab.tokenize_into(self.specials.broken(own).as_bytes(), &mut tokens.all, false, false);
                }
            }
        }
        Ok(tokens)
    }
}
