//! The slots engine: one model, a prompt prefix decoded once and shared, many prompts answered side by
//! side in one batch, new ones prefilled beside those already answering. Runs inside the child process.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc};

use frontload_core::{Completion, Failure, FailureKind, Finish, Prompt};
use llama_cpp_2::{
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
    token_type::LlamaTokenAttr,
};
use llguidance::Matcher;

use crate::{
    grammar::{Grammars, argmax, best_allowed},
    protocol::Load,
    template::{ChatTemplate, Segment},
};

/// Rows in one decode call; also what bounds the prefill matrix product.
const BATCH_TOKENS: usize = 512;
/// A shared prefix shorter than this is not worth a copy.
const SHORTEST_PREFIX: usize = 32;
/// The sequence that holds the shared prefix; slot `i` is sequence `i + 1`.
const PREFIX_SEQUENCE: i32 = 0;

/// A loaded model that outlives its contexts.
pub(crate) struct LoadedModel {
    backend: LlamaBackend,
    model: Arc<LlamaModel>,
    grammars: Grammars,
    template: ChatTemplate,
    /// The model's own special tokens as text, longest first, to be broken up in data.
    specials: Vec<String>,
    load: Load,
}

impl LoadedModel {
    /// Loads the weights and compiles the chat template.
    pub fn new(load: Load) -> Result<Self, String> {
        let mut backend = LlamaBackend::init().map_err(|error| format!("llama.cpp does not start: {error}"))?;
        backend.void_logs();
        let model = LlamaModel::load_from_file(&backend, &load.path, &LlamaModelParams::default())
            .map_err(|error| format!("{} cannot be loaded as a model: {error}", load.path.display()))?;
        let model = Arc::new(model);
        let vocab = model.vocab();
        let source = model
            .meta_val_str("tokenizer.chat_template")
            .map_err(|error| format!("{} carries no chat template: {error}", load.path.display()))?;
        let piece = |token: LlamaToken| match token.0 {
            0.. => String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned(),
            _ => String::new(),
        };
        let template = ChatTemplate::new(&source, piece(vocab.bos()), piece(vocab.eos()))?;
        let mut specials: Vec<String> = vocab
            .tokens()
            .filter(|&token| {
                let attributes = vocab.attr(token);
                attributes.contains(LlamaTokenAttr::Control) || attributes.contains(LlamaTokenAttr::UserDefined)
            })
            .map(piece)
            .filter(|text| text.chars().count() > 2 && text.chars().any(|letter| !letter.is_whitespace()))
            .collect();
        specials.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let grammars = Grammars::new(&model)?;
        Ok(Self { backend, model, grammars, template, specials, load })
    }

    /// Starts an engine on this model.
    pub fn engine(&self) -> Result<Engine<'_>, String> {
        let sequences = self.load.slots + 1;
        let threads = i32::try_from(self.load.threads).unwrap_or(i32::MAX);
        // The default cache, f16 with flash attention: measured against q8_0, whose values are unpacked again
        // for every row that looks at them, and against f16 without flash attention, it enriched 1.3 and 1.25
        // times as fast. One cache stream a sequence: rows attend to their own cells only.
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(self.load.context_tokens * sequences))
            .with_n_batch(BATCH_TOKENS as u32)
            .with_n_ubatch(BATCH_TOKENS as u32)
            .with_n_seq_max(sequences)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_kv_unified(false)
            .with_swa_full(true);
        let context = self
            .model
            .new_context(&self.backend, params)
            .map_err(|error| format!("no memory for {sequences} × {} tokens: {error}", self.load.context_tokens))?;
        Ok(Engine {
            loaded: self,
            context,
            batch: LlamaBatch::new(BATCH_TOKENS, 1),
            prefix: Vec::new(),
            last_prompt: Tokens::default(),
            slots: (0..self.load.slots).map(|_| None).collect(),
            waiting: VecDeque::new(),
        })
    }

    /// Tokens of a rendered prompt: template parts with special tokens, data without.
    fn tokenize(&self, prompt: &Prompt) -> Result<Tokens, String> {
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        let mut message_starts = Vec::new();
        for segment in self.template.render(&prompt.messages)? {
            match segment {
                Segment::Template(text) => vocab.tokenize_into(text.as_bytes(), &mut tokens, false, true),
                Segment::Data(text) => {
                    message_starts.push(tokens.len());
                    let text = self.without_specials(text);
                    vocab.tokenize_into(text.as_bytes(), &mut tokens, false, false);
                }
            }
        }
        Ok(Tokens { all: tokens, message_starts })
    }

    /// Data with the model's special tokens broken by a blank: a user-defined token would otherwise be
    /// obeyed even where special tokens are not parsed.
    fn without_specials(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for special in &self.specials {
            if text.contains(special.as_str()) {
                let first = special.chars().next().map_or(0, char::len_utf8);
                text = text.replace(special.as_str(), &format!("{} {}", &special[..first], &special[first..]));
            }
        }
        text
    }
}

/// A tokenised prompt.
#[derive(Default)]
struct Tokens {
    all: Vec<LlamaToken>,
    /// Where each message's content starts.
    message_starts: Vec<usize>,
}

impl Tokens {
    /// How many leading tokens two prompts share, in whole messages: so the shared prefix, and with it the
    /// arithmetic of every answer, does not depend on which two prompts happened to meet.
    fn common(&self, other: &Self) -> usize {
        let same = self.all.iter().zip(&other.all).take_while(|(left, right)| left == right).count();
        self.message_starts.iter().copied().filter(|&start| start <= same).max().unwrap_or(0)
    }
}

/// A prompt that has been tokenised and waits for a slot.
struct Waiting {
    prompt: Prompt,
    tokens: Tokens,
}

/// A prompt being answered.
struct Slot {
    id: u64,
    max_tokens: u32,
    prompt_tokens: u32,
    prefill_tokens: u32,
    answer_tokens: u32,
    matcher: Option<Matcher>,
    /// Tokens decided but not yet decoded: the rest of the prompt, then one sampled token and whatever the
    /// grammar forces after it.
    pending: VecDeque<LlamaToken>,
    /// The next position in the sequence.
    position: i32,
    answer: Vec<u8>,
}

/// What a step gives back: a prompt's number and its answer.
pub(crate) type Answered = (u64, Result<Completion, Failure>);

/// The running engine.
pub(crate) struct Engine<'a> {
    loaded: &'a LoadedModel,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    prefix: Vec<LlamaToken>,
    last_prompt: Tokens,
    slots: Vec<Option<Slot>>,
    waiting: VecDeque<Waiting>,
}

impl Engine<'_> {
    /// Takes a prompt in; one that cannot be answered comes straight back.
    pub fn submit(&mut self, prompt: Prompt) -> Option<Answered> {
        let refuse = |kind, reason| Some((prompt.id, Err(Failure { kind, reason })));
        let tokens = match self.loaded.tokenize(&prompt) {
            Ok(tokens) => tokens,
            Err(reason) => return refuse(FailureKind::Refused, reason),
        };
        let needed = tokens.all.len() + prompt.max_tokens as usize;
        let room = self.loaded.load.context_tokens as usize;
        if tokens.all.is_empty() || needed > room {
            let reason = format!("{} prompt + {} answer tokens do not fit {room}", tokens.all.len(), prompt.max_tokens);
            return refuse(FailureKind::TooLong, reason);
        }
        self.waiting.push_back(Waiting { prompt, tokens });
        None
    }

    /// Prompts taken in and not yet answered.
    pub fn unanswered(&self) -> usize {
        self.waiting.len() + self.slots.iter().flatten().count()
    }

    /// Admits what fits, decodes one batch, and gives back what ended.
    pub fn step(&mut self) -> Result<Vec<Answered>, String> {
        let mut answered = Vec::new();
        self.admit(&mut answered)?;
        let rows = self.fill_batch()?;
        if self.batch.n_tokens() == 0 {
            return Ok(answered);
        }
        self.context.decode(&mut self.batch).map_err(|error| format!("llama.cpp cannot decode: {error}"))?;
        for (at, row) in rows {
            let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else { continue };
            let logits = self.context.get_logits_ith(row);
            let ended = slot.advance(logits, self.loaded);
            if let Some(result) = ended {
                answered.push((slot.id, result));
                self.release(at)?;
            }
        }
        Ok(answered)
    }

    fn release(&mut self, at: usize) -> Result<(), String> {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = None;
        }
        self.clear(at as i32 + 1)
    }

    fn clear(&mut self, sequence: i32) -> Result<(), String> {
        self.context
            .clear_kv_cache_seq(Some(sequence as u32), None, None)
            .map_err(|error| format!("llama.cpp cannot clear a sequence: {error}"))?;
        Ok(())
    }

    fn admit(&mut self, answered: &mut Vec<Answered>) -> Result<(), String> {
        while let Some(at) = self.slots.iter().position(Option::is_none) {
            let Some(next) = self.waiting.pop_front() else { return Ok(()) };
            self.share_prefix(&next.tokens)?;
            match self.start(at, next) {
                Ok(slot) => {
                    if let Some(place) = self.slots.get_mut(at) {
                        *place = Some(slot);
                    }
                }
                Err((id, reason)) => answered.push((id, Err(Failure { kind: FailureKind::Refused, reason }))),
            }
        }
        Ok(())
    }

    /// Decodes a new shared prefix when nothing is being answered and the one at hand does not fit: the
    /// messages this prompt has in common with the next one waiting, or with the one before.
    fn share_prefix(&mut self, tokens: &Tokens) -> Result<(), String> {
        let fits = !self.prefix.is_empty() && tokens.all.starts_with(&self.prefix);
        if fits || self.slots.iter().any(Option::is_some) {
            return Ok(());
        }
        let neighbour = self.waiting.front().map_or(&self.last_prompt, |next| &next.tokens);
        // The last token is always decoded by the prompt itself: its logits are needed.
        let common = tokens.common(neighbour).min(tokens.all.len() - 1);
        let prefix = if common < SHORTEST_PREFIX { &[] } else { tokens.all.get(..common).unwrap_or(&[]) };
        self.clear(PREFIX_SEQUENCE)?;
        self.prefix.clear();
        for (part, chunk) in prefix.chunks(BATCH_TOKENS).enumerate() {
            self.batch.clear();
            for (at, &token) in chunk.iter().enumerate() {
                let position = (part * BATCH_TOKENS + at) as i32;
                self.add(token, position, PREFIX_SEQUENCE, false)?;
            }
            self.context.decode(&mut self.batch).map_err(|error| format!("llama.cpp cannot decode: {error}"))?;
        }
        self.prefix.extend_from_slice(prefix);
        Ok(())
    }

    fn start(&mut self, at: usize, next: Waiting) -> Result<Slot, (u64, String)> {
        let Waiting { prompt, tokens } = next;
        let wrong = |reason: String| (prompt.id, reason);
        let matcher = match &prompt.grammar {
            Some(lark) => Some(self.loaded.grammars.matcher(lark).map_err(wrong)?),
            None => None,
        };
        let shared = if tokens.all.starts_with(&self.prefix) && self.prefix.len() < tokens.all.len() {
            self.prefix.len()
        } else {
            0
        };
        let sequence = at as i32 + 1;
        self.clear(sequence).map_err(wrong)?;
        if shared > 0 {
            self.context
                .copy_kv_cache_seq(PREFIX_SEQUENCE, sequence, None, None)
                .map_err(|error| (prompt.id, format!("llama.cpp cannot copy the prefix: {error}")))?;
        }
        let pending: VecDeque<LlamaToken> = tokens.all.iter().skip(shared).copied().collect();
        let slot = Slot {
            id: prompt.id,
            max_tokens: prompt.max_tokens,
            prompt_tokens: tokens.all.len() as u32,
            prefill_tokens: pending.len() as u32,
            answer_tokens: 0,
            matcher,
            pending,
            position: shared as i32,
            answer: Vec::new(),
        };
        self.last_prompt = tokens;
        Ok(slot)
    }

    /// Puts pending tokens of every slot into the batch, those already answering first; gives back which
    /// slot's logits stand in which row.
    fn fill_batch(&mut self) -> Result<Vec<(usize, i32)>, String> {
        self.batch.clear();
        let mut rows = Vec::new();
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by_key(|&at| self.slots.get(at).and_then(Option::as_ref).map_or(usize::MAX, |s| s.pending.len()));
        for at in order {
            loop {
                let full = self.batch.n_tokens() as usize >= BATCH_TOKENS;
                let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else { break };
                if full {
                    break;
                }
                let Some(token) = slot.pending.pop_front() else { break };
                let (position, last) = (slot.position, slot.pending.is_empty());
                slot.position += 1;
                if last {
                    rows.push((at, self.batch.n_tokens()));
                }
                self.add(token, position, at as i32 + 1, last)?;
            }
        }
        Ok(rows)
    }

    fn add(&mut self, token: LlamaToken, position: i32, sequence: i32, logits: bool) -> Result<(), String> {
        self.batch.add(token, position, &[sequence], logits).map_err(|error| format!("the batch overflows: {error}"))
    }
}

impl Slot {
    /// Takes the next token from the logits; `Some` when the answer has ended.
    fn advance(&mut self, logits: &[f32], loaded: &LoadedModel) -> Option<Result<Completion, Failure>> {
        match self.next_tokens(logits, loaded) {
            Ok(None) => None,
            Ok(Some(finish)) => Some(Ok(Completion {
                text: String::from_utf8_lossy(&self.answer).into_owned(),
                finish,
                prompt_tokens: self.prompt_tokens,
                prefill_tokens: self.prefill_tokens,
                answer_tokens: self.answer_tokens,
            })),
            Err(reason) => Some(Err(Failure { kind: FailureKind::Refused, reason })),
        }
    }

    fn next_tokens(&mut self, logits: &[f32], loaded: &LoadedModel) -> Result<Option<Finish>, String> {
        let vocab = loaded.model.vocab();
        let token = match &mut self.matcher {
            Some(matcher) => best_allowed(matcher, logits)?,
            None => LlamaToken(argmax(logits, |_| true).ok_or("no logits")? as i32),
        };
        let mut accepted = vec![token];
        if let Some(matcher) = &mut self.matcher {
            let wrong = |error| format!("constrained decoding failed: {error:#}");
            matcher.consume_token(token.0 as u32).map_err(wrong)?;
            if !matcher.is_stopped() {
                accepted.extend(matcher.consume_ff_tokens().into_iter().map(|forced| LlamaToken(forced as i32)));
            }
        }
        for token in accepted {
            if vocab.is_eog(token) {
                return Ok(Some(Finish::Stop));
            }
            self.answer_tokens += 1;
            vocab.token_to_piece_into(token, &mut self.answer, false, None);
            self.pending.push_back(token);
        }
        if self.matcher.as_ref().is_some_and(Matcher::is_stopped) {
            return Ok(Some(Finish::Stop));
        }
        Ok((self.answer_tokens >= self.max_tokens).then_some(Finish::Length))
    }
}
