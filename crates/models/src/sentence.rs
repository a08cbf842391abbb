//! Sentence embeddings: an ONNX model in a folder, run by fastembed on onnxruntime's shared library.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use frontload_core::{EmbedError, Embedder, TextRole};
use ort::environment::Environment;

use crate::reference::{ModelError, hash_file};

/// Texts longer than this many tokens are cut by the model (its training length).
const MAX_TOKENS: usize = 512;
/// Texts in one run of the model. Small, because a batch is padded to its longest text: larger ones are
/// slower on a CPU.
const BATCH_TEXTS: usize = 8;

/// onnxruntime allows one environment a process and does not give it back.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// An embedding model with mean pooling and unit-length vectors, as the sentence-transformers are.
pub struct SentenceEmbedder {
    model: TextEmbedding,
    fingerprint: String,
    dimension: usize,
}

impl SentenceEmbedder {
    /// Loads `model.onnx` and its tokenizer files from a folder.
    ///
    /// `runtime` is onnxruntime's shared library; `threads` is how many cores one text may use.
    ///
    /// # Errors
    /// When a file is missing or the model does not load.
    pub fn open(folder: &Path, runtime: &Path, threads: usize) -> Result<Self, ModelError> {
        let wrong = |path: PathBuf, reason: String| ModelError::Embedding { path, reason };
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| wrong(path, format!("{error}; `make setup` prepares the default one")))
        };
        let tokenizer_files = TokenizerFiles {
            tokenizer_file: read("tokenizer.json")?,
            config_file: read("config.json")?,
            special_tokens_map_file: read("special_tokens_map.json")?,
            tokenizer_config_file: read("tokenizer_config.json")?,
        };
        let onnx = read("model.onnx")?;
        let fingerprint = format!("onnx:{}:mean:{MAX_TOKENS}", hash_file(&folder.join("model.onnx"))?.to_hex());
        let environment = environment(runtime).map_err(|reason| wrong(runtime.to_owned(), reason))?;
        let options = InitOptionsUserDefined::new()
            .with_environment(environment)
            .with_max_length(MAX_TOKENS)
            .with_intra_threads(threads);
        let definition = UserDefinedEmbeddingModel::new(onnx, tokenizer_files).with_pooling(Pooling::Mean);
        let model = TextEmbedding::try_new_from_user_defined(definition, options)
            .map_err(|error| wrong(folder.to_owned(), error.to_string()))?;
        let mut embedder = Self { model, fingerprint, dimension: 0 };
        let probe =
            embedder.embed(&["probe"], TextRole::Query).map_err(|error| wrong(folder.to_owned(), error.to_string()))?;
        embedder.dimension = probe.first().map_or(0, Vec::len);
        Ok(embedder)
    }
}

impl Embedder for SentenceEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&mut self, texts: &[&str], _role: TextRole) -> Result<Vec<Vec<f32>>, EmbedError> {
        // By length, so that a batch holds texts of about one length and little of it is padding.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&at| texts[at].len());
        let mut vectors = vec![Vec::new(); texts.len()];
        for batch in order.chunks(BATCH_TEXTS) {
            let chosen: Vec<&str> = batch.iter().map(|&at| texts[at]).collect();
            let embedded =
                self.model.embed(chosen, Some(BATCH_TEXTS)).map_err(|error| EmbedError(error.to_string()))?;
            for (&at, vector) in batch.iter().zip(embedded) {
                vectors[at] = unit(vector);
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

fn environment(runtime: &Path) -> Result<Environment, String> {
    let mut held = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = held.as_ref() {
        return Ok(environment.clone());
    }
    let started = ort::init_from(runtime)
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
