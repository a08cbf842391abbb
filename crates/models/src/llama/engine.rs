//! The slots engine: a prompt prefix decoded once and shared, many prompts answered side by side in one batch,
//! new ones prefilled beside those already answering.

use std::collections::VecDeque;

use frontload_core::{Constraint, Digest, Failure, FailureKind, Finish, Prompt};
use llama_cpp_2::{context::LlamaContext, llama_batch::LlamaBatch, token::LlamaToken};

use super::{
    Answered, BATCH_TOKENS, LoadedModel,
    prefix::{self, Prefixes},
    slot::{Slot, Step},
    tokens::Tokens,
};

/// A prompt that has been tokenised and waits for a slot.
struct Waiting {
    prompt: Prompt,
    tokens: Tokens,
    streamed: bool,
}

/// What a streamed answer goes on with.
pub(crate) struct Piece {
    /// The prompt's number.
    pub id: u64,
    /// Which byte of the answer it begins at.
    pub from: usize,
    /// The text.
    pub text: String,
}

/// The running engine.
pub(crate) struct Engine<'a> {
    loaded: &'a LoadedModel,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    prefixes: Prefixes,
    slots: Vec<Option<Slot>>,
    waiting: VecDeque<Waiting>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(loaded: &'a LoadedModel, context: LlamaContext<'a>) -> Self {
        let load = &loaded.load;
        let kept = load.prefixes.clone().map(|folder| {
            let kernels = &loaded.runs_on.kernels;
            let shape = [load.fingerprint.as_str(), kernels, &loaded.runs_on.device, env!("CARGO_PKG_VERSION")];
            (folder, Digest::of_parts(shape))
        });
        Self {
            loaded,
            context,
            batch: LlamaBatch::new(BATCH_TOKENS, 1),
            prefixes: Prefixes::new(kept),
            slots: (0..load.slots).map(|_| None).collect(),
            waiting: VecDeque::new(),
        }
    }

    /// Runs every kernel once, on a batch large enough for the matrix ones.
    pub(super) fn warm_up(&mut self) -> Result<(), String> {
        let tokens = self.loaded.model.vocab().tokenize("a b c d e f g h ".repeat(8).as_bytes(), false, false);
        prefix::decode(&mut self.context, &mut self.batch, sequence(0), &tokens, 0)?;
        prefix::clear(&mut self.context, sequence(0))
    }

    /// Takes a prompt in, to be told piece by piece or whole; one that cannot be answered comes straight back.
    pub fn submit(&mut self, prompt: Prompt, streamed: bool) -> Option<Answered> {
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
        self.waiting.push_back(Waiting { prompt, tokens, streamed });
        None
    }

    /// Forgets a prompt wherever it is.
    pub fn cancel(&mut self, id: u64) -> Result<(), String> {
        self.waiting.retain(|waiting| waiting.prompt.id != id);
        for (at, place) in self.slots.iter_mut().enumerate() {
            if place.as_ref().is_some_and(|slot| slot.id == id) {
                *place = None;
                prefix::clear(&mut self.context, sequence(at))?;
            }
        }
        Ok(())
    }

    /// What streamed answers were continued with since the last call.
    pub fn pieces(&mut self) -> Vec<Piece> {
        let slots = self.slots.iter_mut().flatten();
        let piece = |slot: &mut Slot| slot.untold().map(|(from, text)| Piece { id: slot.id, from, text });
        slots.filter_map(piece).collect()
    }

    /// Prompts taken in and not yet answered.
    pub fn unanswered(&self) -> usize {
        self.waiting.len() + self.slots.iter().flatten().count()
    }

    /// Decodes one batch, and gives back what ended.
    pub fn step(&mut self) -> Result<Vec<Answered>, String> {
        let mut answered = Vec::new();
        let rows = self.fill_batch()?;
        if self.batch.n_tokens() == 0 {
            return Ok(answered);
        }
        self.context.decode(&mut self.batch).map_err(|error| format!("llama.cpp cannot decode: {error}"))?;
        for (at, row) in rows {
            let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else { continue };
            let logits = self.context.get_logits_ith(row);
            let result = match slot.advance(logits, self.loaded) {
                // What a grammar forces was not counted when the prompt was taken in.
                Ok(Step::Goes) if !slot.fits(self.loaded.load.context_tokens) => Ok(slot.completion(Finish::Length)),
                Ok(Step::Goes) => continue,
                Ok(Step::Rewinds(position)) => {
                    self.rewind(at, position)?;
                    continue;
                }
                Ok(Step::Ends(finish)) => Ok(slot.completion(finish)),
                Err(reason) => Err(Failure { kind: FailureKind::Refused, reason }),
            };
            answered.push((slot.id, result));
            if let Some(place) = self.slots.get_mut(at) {
                *place = None;
            }
            prefix::clear(&mut self.context, sequence(at))?;
        }
        Ok(answered)
    }

    /// A model whose memory cannot forget its end goes on with it: positions are what its rows attend by, and
    /// those from here on are written again.
    fn rewind(&mut self, at: usize, position: i32) -> Result<(), String> {
        let cleared = self.context.clear_kv_cache_seq(Some(sequence(at) as u32), Some(position as u32), None);
        match cleared {
            Ok(true) => Ok(()),
            Ok(false) => Err("this model's memory cannot be rewound; it cannot be used for lists".to_owned()),
            Err(error) => Err(format!("llama.cpp cannot rewind a sequence: {error}")),
        }
    }

    /// Gives free slots to what waits; gives back what cannot be answered. What the grammar leaves no choice about is
    /// written at once, before anything is decoded.
    pub fn admit(&mut self) -> Result<Vec<Answered>, String> {
        let mut answered = Vec::new();
        while let Some(at) = self.slots.iter().position(Option::is_none) {
            let Some(next) = self.waiting.pop_front() else { break };
            self.share(&next.tokens)?;
            match self.start(at, next) {
                Ok(slot) if !slot.fits(self.loaded.load.context_tokens) => {
                    let reason = "the prompt and what its grammar forces do not fit".to_owned();
                    answered.push((slot.id, Err(Failure { kind: FailureKind::TooLong, reason })));
                    prefix::clear(&mut self.context, sequence(at))?;
                }
                Ok(slot) => {
                    if let Some(place) = self.slots.get_mut(at) {
                        *place = Some(slot);
                    }
                }
                Err((id, reason)) => answered.push((id, Err(Failure { kind: FailureKind::Refused, reason }))),
            }
        }
        Ok(answered)
    }

    /// Decodes a new base when nothing is being answered and the one at hand does not fit, and a document's part
    /// when the next prompt is about the same document.
    fn share(&mut self, tokens: &Tokens) -> Result<(), String> {
        if !self.loaded.load.share_prefix {
            return Ok(());
        }
        let (context, batch) = (&mut self.context, &mut self.batch);
        let next = self.waiting.front().map(|next| &next.tokens);
        if !self.prefixes.fit(tokens) && self.slots.iter().all(Option::is_none) {
            self.prefixes.set_base(tokens, context, batch)?;
        }
        self.prefixes.set_document(tokens, next, context, batch)
    }

    fn start(&mut self, at: usize, next: Waiting) -> Result<Slot, (u64, String)> {
        let Waiting { prompt, tokens, streamed } = next;
        let wrong = |reason: String| (prompt.id, reason);
        let (matcher, separator) = match &prompt.constraint {
            Some(Constraint::Lark { grammar, separator }) => {
                let matcher = self.loaded.grammars.matcher(grammar).map_err(wrong)?;
                (Some(matcher), separator.filter(char::is_ascii))
            }
            Some(Constraint::JsonSchema(schema)) => {
                (Some(self.loaded.grammars.json_matcher(schema).map_err(wrong)?), None)
            }
            None => (None, None),
        };
        let shared = self.prefixes.fork(&tokens, sequence(at), &mut self.context).map_err(wrong)?;
        let pending: VecDeque<LlamaToken> = tokens.all.iter().skip(shared).copied().collect();
        let mut slot = Slot {
            id: prompt.id,
            max_tokens: prompt.max_tokens,
            prompt_tokens: tokens.all.len() as u32,
            prefill_tokens: pending.len() as u32,
            answer_tokens: 0,
            matcher,
            separator,
            pending,
            position: shared as i32,
            answer: Vec::new(),
            lengths: Vec::new(),
            told: streamed.then_some(0),
        };
        slot.begin(self.loaded);
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
                let added = self.batch.add(token, position, &[sequence(at)], last);
                added.map_err(|error| format!("the batch overflows: {error}"))?;
            }
        }
        Ok(rows)
    }
}

/// A slot's sequence.
fn sequence(slot: usize) -> i32 {
    slot as i32 + prefix::SEQUENCES as i32
}
