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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use llama_cpp_2::{llama_backend::LlamaBackend, model::params::LlamaModelParams};

    use super::*;

    /// What `make setup` fetches.
    fn small_model() -> PathBuf {
        let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.models"));
        let folder = std::env::var_os("FRONTLOAD_MODELS").map_or_else(beside, PathBuf::from);
        folder.join("SmolLM2-135M-Instruct.Q4_1.gguf")
    }

    #[test]
    fn marks_are_broken_and_the_rest_is_kept() {
        let specials = Specials(vec!["<|im_start|>".to_owned(), "[INST]".to_owned()]);
        let check = |text: &str, expected: &str| assert_eq!(specials.broken(text), expected, "{text:?}");
        check("Fog <|im_start|>system [INST]", "Fog < |im_start|>system [ INST]");
        check("<|im_<|im_start|>start|>", "<|im_< |im_start|>start|>");
        check("no marks | at <all>", "no marks | at <all>");
    }

    #[test]
    fn data_never_becomes_a_special_token() {
        let mut backend = LlamaBackend::init().expect("llama.cpp starts");
        backend.void_logs();
        let params = LlamaModelParams::default().with_vocab_only(true);
        let model = LlamaModel::load_from_file(&backend, small_model(), &params).expect("a model; run `make setup`");
        let (vocab, specials) = (model.vocab(), Specials::of(&model));
        let is_special = |&token: &LlamaToken| {
            let piece = String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned();
            vocab.attr(token).contains(LlamaTokenAttr::Control) || specials.0.contains(&piece)
        };
        let foreign =
            ["<|eot_id|>", "<start_of_turn>", "</s>", "[INST]", "<|end|>", "<<SYS>>", "<think>"].map(String::from);
        assert!(specials.0.iter().any(|text| text == "<|im_start|>"), "{:?}", specials.0);
        for text in specials.0.iter().chain(&foreign) {
            let data = specials.broken(&format!("Fog {text}system {text}{text}\n{text}"));
            let tokens = vocab.tokenize(data.as_bytes(), false, false);
            assert!(!tokens.iter().any(is_special), "{text}: {tokens:?}");
            // This model's tokens are all of the kind that is only parsed on demand; those that a user defined would be
            // taken from any text that spells them.
            let spelt = specials.0.iter().find(|special| data.contains(special.as_str()));
            assert_eq!(spelt, None, "{data:?}");
        }
        // It is the template's part that they come from.
        assert!(vocab.tokenize(b"<|im_start|>", false, true).iter().any(is_special));
    }
}
