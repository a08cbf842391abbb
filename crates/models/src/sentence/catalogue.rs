//! Embedding models by name: those that fastembed knows, out of the model hub or its cache.

use std::{fmt, fs, path::PathBuf, str::FromStr};

use fastembed::{EmbeddingModel, Pooling, TextEmbedding};

use super::definition::{Definition, File, Prefixes};
use crate::reference::{ModelError, fetch};

/// Begins a name out of the catalogue.
const MARK: &str = "fastembed:";

/// How a user names an embedding model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedderRef {
    /// A folder with `model.onnx` and tokenizer files.
    Folder(PathBuf),
    /// `fastembed:NAME`: one of fastembed's, by its name or its repository's.
    Catalogue(String),
}

impl FromStr for EmbedderRef {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.strip_prefix(MARK) {
            Some(name) => Self::Catalogue(name.to_owned()),
            None => Self::Folder(PathBuf::from(text)),
        })
    }
}

impl fmt::Display for EmbedderRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(formatter, "{}", path.display()),
            Self::Catalogue(name) => write!(formatter, "{MARK}{name}"),
        }
    }
}

impl EmbedderRef {
    pub(super) fn definition(&self) -> Result<Definition, ModelError> {
        match self {
            Self::Folder(folder) => Definition::of_folder(folder),
            Self::Catalogue(name) => of_catalogue(name),
        }
    }
}

fn of_catalogue(name: &str) -> Result<Definition, ModelError> {
    let place = PathBuf::from(format!("{MARK}{name}"));
    let wrong = |reason: String| ModelError::Embedding { path: place.clone(), reason };
    let known = TextEmbedding::list_supported_models();
    let info = known
        .iter()
        .find(|info| info.model_code.eq_ignore_ascii_case(name) || info.model.to_string().eq_ignore_ascii_case(name));
    let Some(info) = info else {
        let names: Vec<String> = known.iter().map(|info| info.model.to_string()).collect();
        return Err(wrong(format!("fastembed knows no such model; it knows {}", names.join(", "))));
    };
    let read = |file: &str| {
        let path = fetch(&info.model_code, "main", file, true)?;
        fs::read(&path).map_err(|error| ModelError::Embedding { path, reason: error.to_string() })
    };
    let pooling = TextEmbedding::get_default_pooling_method(&info.model).unwrap_or(Pooling::Mean);
    let quantization = TextEmbedding::get_quantization_mode(&info.model);
    let file = File { prefix: prefixes(&info.model), ..File::default() };
    let mut definition = Definition::new(place.clone(), &read, &info.model_file, (pooling, quantization, file))?;
    for extra in &info.additional_files {
        let name = extra.rsplit('/').next().unwrap_or(extra).to_owned();
        definition.external.push((name, read(extra)?));
    }
    Ok(definition)
}

/// What each family asks to be told, from its model card.
fn prefixes(model: &EmbeddingModel) -> Prefixes {
    let name = model.to_string();
    let told = |query: &str, passage: &str| Prefixes {
        query: query.to_owned(),
        passage: passage.to_owned(),
        ..Prefixes::default()
    };
    let asked = "Represent this sentence for searching relevant passages: ";
    if name.starts_with("MultilingualE5") {
        told("query: ", "passage: ")
    } else if name.starts_with("NomicEmbed") || name.starts_with("ModernBertEmbed") {
        told("search_query: ", "search_document: ")
    } else if (name.starts_with("BGE") && name.contains("EN"))
        || name.starts_with("Mxbai")
        || name.starts_with("SnowflakeArctic")
    {
        told(asked, "")
    } else if name.starts_with("EmbeddingGemma") {
        told("task: search result | query: ", "title: none | text: ")
    } else {
        Prefixes::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folders_or_fastembeds() {
        assert_eq!("a/b".parse(), Ok(EmbedderRef::Folder("a/b".into())));
        assert_eq!("fastembed:BGESmallENV15".parse(), Ok(EmbedderRef::Catalogue("BGESmallENV15".into())));
        let error = of_catalogue("nonesuch").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("BGESmallENV15"), "{error}");
    }

    #[test]
    fn families_are_told_what_they_ask_for() {
        let check = |model: EmbeddingModel, query: &str| assert_eq!(prefixes(&model).query, query);
        check(EmbeddingModel::MultilingualE5Small, "query: ");
        check(EmbeddingModel::NomicEmbedTextV15, "search_query: ");
        check(EmbeddingModel::AllMiniLML6V2, "");
        check(EmbeddingModel::BGESmallZHV15, "");
        assert!(prefixes(&EmbeddingModel::BGESmallENV15).query.starts_with("Represent"));
    }
}
