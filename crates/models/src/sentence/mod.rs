//! Sentence embeddings: an ONNX model in a folder, run by fastembed on onnxruntime's shared library.

mod catalogue;
mod definition;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use fastembed::{InitOptionsUserDefined, QuantizationMode, TextEmbedding, UserDefinedEmbeddingModel};
use frontload_core::{EmbedError, Embedder, TextRole};
use ort::environment::Environment;
use tokenizers::{Tokenizer, TruncationParams};

use crate::reference::ModelError;

pub use catalogue::EmbedderRef;
use definition::{Definition, Prefixes};

/// A batch is padded to its longest text: this many tokens together keep a core busy, more only add padding.
const BATCH_TOKENS: usize = 1024;
/// Bytes of a usual token, to guess lengths without counting.
const TOKEN_BYTES: usize = 4;

/// Vectors, each with its text's place.
type Placed = Vec<(usize, Vec<f32>)>;

/// onnxruntime allows one environment a process and does not give it back.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// An embedding model with unit-length vectors, as the sentence-transformers are.
pub struct SentenceEmbedder {
    /// One a thread, each on one core: two small batches side by side take less time than one after the other on
    /// both cores.
    models: Vec<TextEmbedding>,
    /// Cuts nothing off, but says where the model would.
    tokenizer: Tokenizer,
    fingerprint: String,
    dimension: usize,
    max_tokens: usize,
    prefixes: Prefixes,
    /// Such a model's vectors depend on what is embedded beside them.
    alone: bool,
}

impl SentenceEmbedder {
    /// Loads the model a folder or the catalogue has.
    ///
    /// `runtime` is onnxruntime's shared library; `threads` is how many texts may be embedded at once.
    ///
    /// # Errors
    /// When a file is missing or the model does not load.
    pub fn open(reference: &EmbedderRef, runtime: &Path, threads: usize) -> Result<Self, ModelError> {
        let Definition {
            place,
            onnx,
            tokenizer_files,
            external,
            pooling,
            quantization,
            prefixes,
            max_tokens,
            fingerprint,
        } = reference.definition()?;
        let wrong = |path: &Path, reason: String| ModelError::Embedding { path: path.to_owned(), reason };
        let environment = environment(runtime).map_err(|reason| wrong(runtime, reason))?;
        let alone = matches!(quantization, QuantizationMode::Dynamic);
        let mut definition =
            UserDefinedEmbeddingModel::new(onnx, tokenizer_files).with_pooling(pooling).with_quantization(quantization);
        for (name, bytes) in external {
            definition = definition.with_external_initializer(name, bytes);
        }
        let mut models = Vec::new();
        for _ in 0..threads.max(1) {
            let options = InitOptionsUserDefined::new()
                .with_environment(environment.clone())
                .with_max_length(max_tokens)
                .with_intra_threads(1)
                // A core that waits by spinning takes it from the other session.
                .with_session_config("session.intra_op.allow_spinning", "0");
            let model = TextEmbedding::try_new_from_user_defined(definition.clone(), options);
            models.push(model.map_err(|error| wrong(&place, error.to_string()))?);
        }
        let first = models.first().ok_or_else(|| wrong(&place, "no session".to_owned()))?;
        let max_tokens = first.tokenizer.get_truncation().map_or(max_tokens, |cut| cut.max_length);
        let mut tokenizer = first.tokenizer.clone();
        tokenizer.with_padding(None);
        let longest = prefixes.longest().len().min(max_tokens / 2);
        let cut = TruncationParams { max_length: max_tokens - longest, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(|error| wrong(&place, error.to_string()))?;
        let mut embedder = Self { models, tokenizer, fingerprint, dimension: 0, max_tokens, prefixes, alone };
        let probe = embedder.embed(&["probe"], TextRole::Query).map_err(|error| wrong(&place, error.to_string()))?;
        embedder.dimension = probe.first().map_or(0, Vec::len);
        Ok(embedder)
    }

    /// Texts by length, so that a batch holds texts of about one length and little of it is padding.
    fn batches(&self, texts: &[String]) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        let tokens = |at: usize| texts.get(at).map_or(0, |text| (text.len() / TOKEN_BYTES + 2).min(self.max_tokens));
        order.sort_by_key(|&at| std::cmp::Reverse(tokens(at)));
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut room = 0;
        for at in order {
            let fits = room > 0 && !self.alone;
            if !fits {
                batches.push(Vec::new());
                room = (BATCH_TOKENS / tokens(at).max(1)).max(1);
            }
            batches.last_mut().into_iter().for_each(|batch| batch.push(at));
            room -= 1;
        }
        batches
    }
}

impl Embedder for SentenceEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn prefix(&self, role: TextRole) -> &str {
        self.prefixes.of(role)
    }

    fn pieces<'t>(&self, text: &'t str, _role: TextRole) -> Vec<&'t str> {
        // A token is a byte at least: most texts need no counting.
        if text.len() + self.prefixes.longest().len() + 2 <= self.max_tokens {
            return vec![text];
        }
        let Ok(encoded) = self.tokenizer.encode(text, true) else { return vec![text] };
        if encoded.get_overflowing().is_empty() {
            return vec![text];
        }
        let all = std::iter::once(&encoded).chain(encoded.get_overflowing());
        let starts = all.filter_map(|part| part.get_offsets().iter().find(|(start, end)| end > start).map(|at| at.0));
        let mut starts: Vec<usize> = starts.filter(|&start| text.is_char_boundary(start)).collect();
        starts.sort_unstable();
        starts.dedup();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        starts.iter().zip(ends).filter_map(|(&start, end)| text.get(start..end)).collect()
    }

    fn embed(&mut self, texts: &[&str], role: TextRole) -> Result<Vec<Vec<f32>>, EmbedError> {
        let prefix = self.prefixes.of(role);
        let texts: Vec<String> = texts.iter().map(|text| format!("{prefix}{text}")).collect();
        let batches = Mutex::new(self.batches(&texts).into_iter());
        let next = || batches.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |model: &mut TextEmbedding| -> Result<Placed, EmbedError> {
            let mut done = Vec::new();
            while let Some(batch) = next() {
                let chosen: Vec<&str> = batch.iter().filter_map(|&at| texts.get(at).map(String::as_str)).collect();
                let embedded = model.embed(&chosen, None).map_err(|error| EmbedError(error.to_string()))?;
                done.extend(batch.into_iter().zip(embedded.into_iter().map(unit)));
            }
            Ok(done)
        };
        let parts: Vec<Result<Placed, EmbedError>> = match self.models.as_mut_slice() {
            // A query is not worth a thread.
            [first, ..] if texts.len() == 1 => vec![work(first)],
            models => std::thread::scope(|scope| {
                let running: Vec<_> = models.iter_mut().map(|model| scope.spawn(|| work(model))).collect();
                let ended = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().unwrap_or_else(|_| Err(EmbedError("the embedding model panicked".to_owned())))
                };
                running.into_iter().map(ended).collect()
            }),
        };
        let mut vectors = vec![Vec::new(); texts.len()];
        for part in parts {
            for (at, vector) in part? {
                vectors.get_mut(at).into_iter().for_each(|place| place.clone_from(&vector));
            }
        }
        Ok(vectors)
    }
}

/// Scales to length 1; a zero or non-finite vector becomes all zeros.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let usable = length.is_finite() && length > 1e-12;
    for value in &mut vector {
        *value = if usable { *value / length } else { 0.0 };
    }
    vector
}

/// The process's one onnxruntime environment, begun with this library if there is none yet.
///
/// # Errors
/// When the library does not load.
pub fn environment(runtime: &Path) -> Result<Environment, String> {
    let mut held = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = held.as_ref() {
        return Ok(environment.clone());
    }
    let started = ort::init_from(PathBuf::from(runtime))
        .map_err(|error| format!("{error}; `make setup` fetches onnxruntime, or set ORT_DYLIB_PATH"))?
        .with_telemetry(false)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(held.insert(started).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_unit_or_zero() {
        assert_eq!(unit(vec![3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(unit(vec![0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(unit(vec![f32::NAN, 1.0]), [0.0, 0.0]);
    }
}
