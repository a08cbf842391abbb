//! Constrained decoding: llguidance over the model's own tokenizer.
//!
//! The tokenizer environment here is canonical (it asks the model), which the bindings' own is not;
//! only a canonical one lets llguidance force tokens without sampling them.

use std::sync::Arc;

use llama_cpp_2::{model::LlamaModel, token::LlamaToken, token_type::LlamaTokenAttr};
use llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv},
};

struct ModelTokens {
    model: Arc<LlamaModel>,
    trie: TokTrie,
}

impl TokenizerEnv for ModelTokens {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        // llama.cpp takes a part of a character for a broken one and puts another in its place.
        for part in bytes.utf8_chunks() {
            let whole = self.model.vocab().tokenize(part.valid().as_bytes(), false, false);
            tokens.extend(whole.into_iter().map(|token| token.0 as TokenId));
            tokens.extend(self.trie.greedy_tokenize(part.invalid()));
        }
        tokens
    }
}

/// Compiles grammars for one model.
pub(super) struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    pub fn new(model: &Arc<LlamaModel>) -> Result<Self, String> {
        let vocab = model.vocab();
        let words: Vec<Vec<u8>> = vocab
            .tokens()
            .map(|token| {
                let special = vocab.attr(token).contains(LlamaTokenAttr::Control);
                let piece = vocab.token_to_piece(token, special, None);
                if special { [&[TokTrie::SPECIAL_TOKEN_MARKER], piece.as_slice()].concat() } else { piece }
            })
            .collect();
        let end = if vocab.eot().0 >= 0 { vocab.eot() } else { vocab.eos() };
        let info = TokRxInfo::new(words.len() as u32, end.0 as TokenId);
        let env: TokEnv = Arc::new(ModelTokens { model: Arc::clone(model), trie: TokTrie::from(&info, &words) });
        let capabilities = InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() };
        let factory = ParserFactory::new(&env, capabilities, &llguidance::earley::SlicedBiasComputer::general_slices())
            .map_err(|error| format!("llguidance cannot use its tokenizer: {error:#}"))?;
        Ok(Self { factory })
    }

    /// Starts a matcher for a Lark grammar.
    pub fn matcher(&self, lark: &str) -> Result<Matcher, String> {
        self.start(TopLevelGrammar::from_lark(lark.to_owned()))
    }

    /// Starts a matcher for a JSON schema.
    pub fn json_matcher(&self, schema: &serde_json::Value) -> Result<Matcher, String> {
        self.start(TopLevelGrammar::from_json_schema(schema.clone()))
    }

    fn start(&self, grammar: TopLevelGrammar) -> Result<Matcher, String> {
        let mut matcher = Matcher::new(self.factory.create_parser(grammar));
        match matcher.get_error() {
            Some(error) => Err(format!("the grammar does not compile: {error}")),
            None if matcher.is_error() => Err("the grammar does not compile".to_owned()),
            None => {
                let _ = matcher.grammar_warnings();
                Ok(matcher)
            }
        }
    }
}

/// The best token the matcher allows: the most likely one if it is allowed, otherwise the most likely
/// one under the mask (which is expensive, so it is asked for last).
pub(super) fn best_allowed(matcher: &mut Matcher, logits: &[f32]) -> Result<LlamaToken, String> {
    let greedy = argmax(logits, |_| true).ok_or("no logits")?;
    if matcher.validate_tokens(&[greedy]).map_err(failed)? == 1 {
        return Ok(LlamaToken(greedy as i32));
    }
    let mask = matcher.compute_mask_or_eos().map_err(failed)?;
    let best = argmax(logits, |token| mask.is_allowed(token)).ok_or("the grammar allows no token")?;
    Ok(LlamaToken(best as i32))
}

/// The index of the largest logit among the allowed; the lowest index wins a tie.
pub(super) fn argmax(logits: &[f32], allowed: impl Fn(TokenId) -> bool) -> Option<TokenId> {
    let mut best: Option<(TokenId, f32)> = None;
    for (token, &logit) in logits.iter().enumerate() {
        if best.is_none_or(|(_, highest)| logit > highest) && allowed(token as TokenId) {
            best = Some((token as TokenId, logit));
        }
    }
    best.map(|(token, _)| token)
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("constrained decoding failed: {error:#}")
}
