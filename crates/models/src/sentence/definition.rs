//! What is known of an embedding model beside its weights: how token vectors become one, and what it wants to be
//! told before a text. A folder says it in `embedding.toml`; without one, the usual is taken.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fastembed::{Pooling, QuantizationMode, TokenizerFiles};
use frontload_core::{Digest, TextRole};
use serde::{Deserialize, Serialize};

use crate::reference::ModelError;

const FILE: &str = "embedding.toml";
/// The training length of most of them.
const MAX_TOKENS: usize = 512;

/// Everything a model is loaded from.
pub(super) struct Definition {
    /// The folder, or the name.
    pub place: PathBuf,
    pub onnx: Vec<u8>,
    pub tokenizer_files: TokenizerFiles,
    /// Weights beside the graph.
    pub external: Vec<(String, Vec<u8>)>,
    pub pooling: Pooling,
    pub quantization: QuantizationMode,
    pub prefixes: Prefixes,
    pub max_tokens: usize,
    pub fingerprint: String,
}

/// `embedding.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub pooling: PoolingName,
    pub max_tokens: Option<usize>,
    pub quantization: Quantization,
    pub prefix: Prefixes,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PoolingName {
    #[default]
    Mean,
    Cls,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Quantization {
    #[default]
    None,
    Static,
    /// Such a model's vectors depend on their batch: every text is embedded alone.
    Dynamic,
}

/// What is put before a text, by its role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Prefixes {
    pub query: String,
    pub passage: String,
    /// For a handle; a passage's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// For handles of a kind.
    pub kinds: BTreeMap<String, String>,
}

impl Prefixes {
    pub fn of(&self, role: TextRole) -> &str {
        match role {
            TextRole::Query => &self.query,
            TextRole::Passage => &self.passage,
            TextRole::Handle(kind) => {
                self.kinds.get(kind).or(self.handle.as_ref()).map_or(self.passage.as_str(), String::as_str)
            }
        }
    }

    pub fn longest(&self) -> &str {
        let all = [&self.query, &self.passage].into_iter().chain(&self.handle).chain(self.kinds.values());
        all.max_by_key(|prefix| prefix.len()).map_or("", String::as_str)
    }
}

impl File {
    fn pooling(&self) -> Pooling {
        match self.pooling {
            PoolingName::Mean => Pooling::Mean,
            PoolingName::Cls => Pooling::Cls,
        }
    }

    fn quantization(&self) -> QuantizationMode {
        match self.quantization {
            Quantization::None => QuantizationMode::None,
            Quantization::Static => QuantizationMode::Static,
            Quantization::Dynamic => QuantizationMode::Dynamic,
        }
    }
}

impl Definition {
    /// From a folder with `model.onnx`, tokenizer files and perhaps `embedding.toml`.
    pub fn of_folder(folder: &Path) -> Result<Self, ModelError> {
        let wrong = |path: PathBuf, reason: String| ModelError::Embedding { path, reason };
        let path = folder.join(FILE);
        let file: File = match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| wrong(path, error.to_string()))?,
            Err(_) => File::default(),
        };
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| wrong(path, format!("{error}; `make setup` prepares the default one")))
        };
        let pooling = file.pooling();
        let quantization = file.quantization();
        Self::new(folder.to_owned(), &read, "model.onnx", (pooling, quantization, file))
    }

    /// From files that `read` finds by name.
    pub fn new(
        place: PathBuf,
        read: &dyn Fn(&str) -> Result<Vec<u8>, ModelError>,
        model: &str,
        (pooling, quantization, file): (Pooling, QuantizationMode, File),
    ) -> Result<Self, ModelError> {
        let tokenizer_files = TokenizerFiles {
            tokenizer_file: read("tokenizer.json")?,
            config_file: read("config.json")?,
            special_tokens_map_file: read("special_tokens_map.json")?,
            tokenizer_config_file: read("tokenizer_config.json")?,
        };
        let onnx = read(model)?;
        let max_tokens = file.max_tokens.unwrap_or(MAX_TOKENS).max(8);
        let mut fingerprint = format!("onnx:{}:{}:{max_tokens}", Digest::of_bytes(&onnx).to_hex(), name(&pooling));
        // A model that is told nothing keeps the fingerprint it always had.
        if file.prefix != Prefixes::default() {
            let told = serde_json::to_string(&file.prefix).unwrap_or_default();
            fingerprint = format!("{fingerprint}:{}", Digest::of_bytes(told.as_bytes()).short());
        }
        let (external, prefixes) = (Vec::new(), file.prefix);
        Ok(Self { place, onnx, tokenizer_files, external, pooling, quantization, prefixes, max_tokens, fingerprint })
    }
}

fn name(pooling: &Pooling) -> &'static str {
    match pooling {
        Pooling::Mean => "mean",
        Pooling::Cls => "cls",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_its_own_words_or_the_passages() {
        let text = "pooling = \"cls\"\n[prefix]\nquery = \"query: \"\npassage = \"passage: \"\n[prefix.kinds]\nmood = \"feels: \"";
        let file: File = toml::from_str(text).expect("reads");
        let check = |role: TextRole, expected: &str| assert_eq!(file.prefix.of(role), expected);
        check(TextRole::Query, "query: ");
        check(TextRole::Passage, "passage: ");
        check(TextRole::Handle("mood"), "feels: ");
        check(TextRole::Handle("time"), "passage: ");
        assert_eq!(file.prefix.longest(), "passage: ");
        assert!(toml::from_str::<File>("colour = 1").is_err());
    }
}
