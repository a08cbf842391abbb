//! What prompts have in common, decoded once: instructions and few-shots in one sequence, a document's part in
//! another. A prompt starts from a copy of the longer one that fits. The first is kept on disk between runs.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use frontload_core::Digest;
use llama_cpp_2::{context::LlamaContext, llama_batch::LlamaBatch, token::LlamaToken};

use super::{BATCH_TOKENS, tokens::Tokens};

/// Sequences for prefixes: the base is 0, the document's 1; slots come after them.
pub(super) const SEQUENCES: u32 = 2;
const BASE: i32 = 0;
const DOCUMENT: i32 = 1;
/// Less than this is not worth a copy.
const SHORTEST: usize = 32;
/// Prefixes kept on disk; each takes some 20 kB a token.
const KEPT_FILES: usize = 4;

/// The two prefixes at hand.
#[derive(Default)]
pub(super) struct Prefixes {
    base: Vec<LlamaToken>,
    document: Vec<LlamaToken>,
    /// Where they are kept, and what else shapes them.
    kept: Option<(PathBuf, Digest)>,
}

impl Prefixes {
    pub fn new(kept: Option<(PathBuf, Digest)>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Whether the base fits a prompt.
    pub fn fit(&self, tokens: &Tokens) -> bool {
        !self.base.is_empty() && tokens.all.starts_with(&self.base)
    }

    /// Makes all of a prompt's messages but the last the base: never less or more, whatever else is waiting, so
    /// that the arithmetic of an answer does not depend on when the next prompt arrives.
    pub fn set_base(
        &mut self,
        tokens: &Tokens,
        context: &mut LlamaContext,
        batch: &mut LlamaBatch,
    ) -> Result<(), String> {
        // The last token is always decoded by the prompt itself: its logits are needed.
        let common = tokens.last_message().min(tokens.all.len() - 1);
        let wanted = if common < SHORTEST { &[] } else { tokens.all.get(..common).unwrap_or(&[]) };
        clear(context, BASE)?;
        self.base.clear();
        self.document.clear();
        let file = self.kept.as_ref().map(|(folder, shape)| File::of(folder, *shape, wanted));
        let loaded = file.as_ref().is_some_and(|file| !wanted.is_empty() && file.load(context, wanted));
        if !loaded {
            clear(context, BASE)?;
            decode(context, batch, BASE, wanted, 0)?;
            if let Some(file) = file.filter(|_| !wanted.is_empty()) {
                file.save(context, wanted);
            }
        }
        self.base.extend_from_slice(wanted);
        Ok(())
    }

    /// Makes the part that a prompt shares with the next one the document, where that is worth it.
    pub fn set_document(
        &mut self,
        tokens: &Tokens,
        next: Option<&Tokens>,
        context: &mut LlamaContext,
        batch: &mut LlamaBatch,
    ) -> Result<(), String> {
        let Some(shared) = tokens.shared().filter(|shared| *shared != self.document.as_slice()) else { return Ok(()) };
        let worth = shared.len() >= self.base.len() + SHORTEST && shared.starts_with(&self.base);
        if !worth || next.is_none_or(|next| !next.all.starts_with(shared)) {
            return Ok(());
        }
        self.document.clear();
        clear(context, DOCUMENT)?;
        if !self.base.is_empty() {
            copy(context, BASE, DOCUMENT)?;
        }
        decode(context, batch, DOCUMENT, shared.get(self.base.len()..).unwrap_or(&[]), self.base.len())?;
        self.document.extend_from_slice(shared);
        Ok(())
    }

    /// Starts a sequence from the longest prefix that fits; gives back how many tokens that were.
    pub fn fork(&self, tokens: &Tokens, sequence: i32, context: &mut LlamaContext) -> Result<usize, String> {
        clear(context, sequence)?;
        for (from, prefix) in [(DOCUMENT, &self.document), (BASE, &self.base)] {
            if !prefix.is_empty() && tokens.all.starts_with(prefix) && prefix.len() < tokens.all.len() {
                copy(context, from, sequence)?;
                return Ok(prefix.len());
            }
        }
        Ok(0)
    }
}

/// Decodes tokens into a sequence, from a position on.
pub(super) fn decode(
    context: &mut LlamaContext,
    batch: &mut LlamaBatch,
    sequence: i32,
    tokens: &[LlamaToken],
    position: usize,
) -> Result<(), String> {
    for (part, chunk) in tokens.chunks(BATCH_TOKENS).enumerate() {
        batch.clear();
        for (at, &token) in chunk.iter().enumerate() {
            let position = (position + part * BATCH_TOKENS + at) as i32;
            batch.add(token, position, &[sequence], false).map_err(|error| format!("the batch overflows: {error}"))?;
        }
        context.decode(batch).map_err(|error| format!("llama.cpp cannot decode: {error}"))?;
    }
    Ok(())
}

pub(super) fn clear(context: &mut LlamaContext, sequence: i32) -> Result<(), String> {
    let cleared = context.clear_kv_cache_seq(Some(sequence as u32), None, None);
    cleared.map(|_| ()).map_err(|error| format!("llama.cpp cannot clear a sequence: {error}"))
}

fn copy(context: &mut LlamaContext, from: i32, to: i32) -> Result<(), String> {
    let copied = context.copy_kv_cache_seq(from, to, None, None);
    copied.map_err(|error| format!("llama.cpp cannot copy a prefix: {error}"))
}

/// A base on disk: llama.cpp's own file, and beside it that file's hash. Losing either costs a second.
struct File {
    state: PathBuf,
    hash: PathBuf,
}

impl File {
    fn of(folder: &Path, shape: Digest, tokens: &[LlamaToken]) -> Self {
        let tokens: Vec<u8> = tokens.iter().flat_map(|token| token.0.to_le_bytes()).collect();
        let name = Digest::of_parts([shape.to_hex().as_str(), &Digest::of_bytes(&tokens).to_hex()]).short();
        Self { state: folder.join(format!("{name}.kv")), hash: folder.join(format!("{name}.blake3")) }
    }

    /// llama.cpp trusts its files, so only one that is byte for byte what was saved is given to it.
    fn load(&self, context: &mut LlamaContext, tokens: &[LlamaToken]) -> bool {
        let (Ok(state), Ok(hash)) = (fs::read(&self.state), fs::read_to_string(&self.hash)) else { return false };
        if Digest::of_bytes(&state).to_hex() != hash {
            return false;
        }
        let loaded = context.state_seq_load_file(&self.state, BASE, tokens.len());
        loaded.is_ok_and(|(found, _)| found == tokens)
    }

    /// A failure is no harm: the next run decodes the prefix again.
    fn save(&self, context: &LlamaContext, tokens: &[LlamaToken]) {
        let part = self.state.with_extension(format!("part-{}", std::process::id()));
        let Some(folder) = self.state.parent() else { return };
        let saved = fs::create_dir_all(folder).is_ok()
            && context.state_seq_save_file(&part, BASE, tokens).is_ok()
            && fs::read(&part).is_ok_and(|state| fs::write(&self.hash, Digest::of_bytes(&state).to_hex()).is_ok())
            && fs::rename(&part, &self.state).is_ok();
        if !saved {
            let _ = fs::remove_file(&part);
        }
        discard_oldest(folder);
    }
}

fn discard_oldest(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut states: Vec<(SystemTime, PathBuf)> = entries
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "kv"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    states.sort();
    for (_, state) in states.iter().rev().skip(KEPT_FILES) {
        let _ = fs::remove_file(state);
        let _ = fs::remove_file(state.with_extension("blake3"));
    }
}
