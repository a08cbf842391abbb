//! How a user names a language model, and where its file is.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use frontload_core::Digest;

use crate::pool::PoolRef;

/// A language model as named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// A GGUF file.
    File(PathBuf),
    /// `hf:org/repo/file.gguf`, with `org/repo@revision` if pinned.
    Hub {
        /// `org/repo`.
        repository: String,
        /// A branch, tag or commit; `main` when not given.
        revision: String,
        /// The file's path in the repository.
        file: String,
    },
    /// `http://host:port/v1#model`: an OpenAI-compatible endpoint.
    Endpoint {
        /// The address up to and including `/v1`.
        base_url: String,
        /// The model's name there; may be empty.
        model: String,
    },
    /// `http://A/v1#model,http://B/v1#model*3`: several endpoints of one model, perhaps with weights.
    Pool(PoolRef),
    /// `pool:FILE.toml`: the same, as a file.
    PoolFile(PathBuf),
    /// `batch:NAME`: a model that somebody else runs, from exported prompts to imported completions.
    Batch(String),
    /// `program:PATH`: a program that answers prompts in the worker's own form, one JSON object a line.
    Program(PathBuf),
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The name has none of the forms.
    #[error(
        "{0:?} names no model: expected a path to a .gguf file, \
         hf:ORG/REPO[@REVISION]/FILE.gguf, http://HOST/v1#MODEL (or several, with commas), \
         pool:FILE.toml, batch:NAME or program:PATH"
    )]
    Name(String),
    /// The file cannot be read.
    #[error("model {path}: {source}; `make setup` fetches the small one, or name another with --model")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file is something else.
    #[error("model {path}: not a GGUF file (it starts with {start:?}); download it again")]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        start: String,
    },
    /// The hub has no such file, or cannot be reached, and it is not in the cache.
    #[error("model {name}: not in the local cache and not fetched: {reason}")]
    Hub {
        /// The model's name.
        name: String,
        /// The client's word.
        reason: String,
    },
    /// The endpoint's address is unusable.
    #[error("endpoint {url}: {reason}")]
    Endpoint {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// Several endpoints that are no pool.
    #[error("endpoints {place}: {reason}")]
    Pool {
        /// The list, or the file.
        place: String,
        /// Why.
        reason: String,
    },
    /// The embedding model or its runtime.
    #[error("embedding model {path}: {reason}")]
    Embedding {
        /// The folder or library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl FromStr for ModelRef {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        let wrong = || ModelError::Name(name.to_owned());
        if name.starts_with("http://") || name.starts_with("https://") {
            if let Some(pool) = PoolRef::listed(name) {
                return pool.map(Self::Pool);
            }
            let (base_url, model) = name.split_once('#').unwrap_or((name, ""));
            return Ok(Self::Endpoint { base_url: base_url.trim_end_matches('/').to_owned(), model: model.to_owned() });
        }
        if let Some(path) = name.strip_prefix("pool:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::PoolFile(PathBuf::from(path))) };
        }
        if let Some(model) = name.strip_prefix("batch:") {
            return if model.is_empty() { Err(wrong()) } else { Ok(Self::Batch(model.to_owned())) };
        }
        if let Some(path) = name.strip_prefix("program:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Program(PathBuf::from(path))) };
        }
        let Some(hub) = name.strip_prefix("hf:") else {
            return if name.is_empty() { Err(wrong()) } else { Ok(Self::File(PathBuf::from(name))) };
        };
        let mut parts = hub.splitn(3, '/');
        let (Some(owner), Some(repository), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let (repository, revision) = repository.split_once('@').unwrap_or((repository, "main"));
        if owner.is_empty() || repository.is_empty() || file.is_empty() || revision.is_empty() {
            return Err(wrong());
        }
        let repository = format!("{owner}/{repository}");
        Ok(Self::Hub { repository, revision: revision.to_owned(), file: file.to_owned() })
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Hub { repository, revision, file } => write!(formatter, "hf:{repository}@{revision}/{file}"),
            Self::Endpoint { base_url, model } => write!(formatter, "{base_url}#{model}"),
            Self::Pool(pool) => write!(formatter, "{pool}"),
            Self::PoolFile(path) => write!(formatter, "pool:{}", path.display()),
            Self::Batch(model) => write!(formatter, "batch:{model}"),
            Self::Program(path) => write!(formatter, "program:{}", path.display()),
        }
    }
}

impl ModelRef {
    /// How many machines answer for it: the endpoints of a pool, or one.
    ///
    /// # Errors
    /// When a pool's file cannot be read.
    pub fn machines(&self) -> Result<usize, ModelError> {
        Ok(match self {
            Self::Pool(pool) => pool.members.len(),
            Self::PoolFile(path) => PoolRef::read(path)?.members.len(),
            Self::File(_) | Self::Hub { .. } | Self::Endpoint { .. } | Self::Batch(_) | Self::Program(_) => 1,
        })
    }

    /// The model's file: a path as it is, a hub file from the cache or else fetched into it.
    ///
    /// # Errors
    /// When there is no file, or it is no GGUF.
    pub fn resolve(&self) -> Result<PathBuf, ModelError> {
        self.file(true)
    }

    /// The model's file, if it is here already.
    ///
    /// # Errors
    /// When it is not, or is no GGUF.
    pub fn on_disk(&self) -> Result<PathBuf, ModelError> {
        self.file(false)
    }

    fn file(&self, may_fetch: bool) -> Result<PathBuf, ModelError> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Hub { repository, revision, file } => fetch(repository, revision, file, may_fetch)?,
            Self::Endpoint { .. } | Self::Pool(_) | Self::PoolFile(_) | Self::Batch(_) | Self::Program(_) => {
                return Err(ModelError::Endpoint { url: self.to_string(), reason: "has no file".into() });
            }
        };
        let mut start = [0; 4];
        File::open(&path)
            .and_then(|mut file| file.read_exact(&mut start))
            .map_err(|source| ModelError::File { path: path.clone(), source })?;
        if &start != b"GGUF" {
            return Err(ModelError::NotGguf { path, start: String::from_utf8_lossy(&start).into_owned() });
        }
        Ok(path)
    }
}

/// A file of a repository of the model hub. Cache first: a file that is there is used without asking the hub, which
/// also makes it work offline.
pub(crate) fn fetch(repository: &str, revision: &str, file: &str, may_fetch: bool) -> Result<PathBuf, ModelError> {
    let name = format!("hf:{repository}@{revision}/{file}");
    let wrong = |reason: String| ModelError::Hub { name: name.clone(), reason };
    let client = hf_hub::HFClientSync::new().map_err(|error| wrong(error.to_string()))?;
    let (owner, repository) = repository.split_once('/').unwrap_or(("", repository));
    let model = client.model(owner, repository);
    let fetch =
        |offline: bool| model.download_file().filename(file).revision(revision).local_files_only(offline).send();
    if let Ok(path) = fetch(true) {
        return Ok(path);
    }
    if !may_fetch {
        return Err(wrong(format!("`frontload models pull {name}` fetches it")));
    }
    if std::env::var_os("HF_HUB_OFFLINE").is_some_and(|value| value == "1") {
        return Err(wrong("HF_HUB_OFFLINE=1 forbids fetching it".to_owned()));
    }
    fetch(false).map_err(|error| wrong(error.to_string()))
}

/// Hashes a model file.
pub(crate) fn hash_file(path: &Path) -> Result<Digest, ModelError> {
    let wrong = |source| ModelError::File { path: path.to_owned(), source };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).map_err(wrong)?).map_err(wrong)?;
    Ok(Digest(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let check = |name: &str, expected: Option<&str>| {
            let read = name.parse::<ModelRef>().ok().map(|reference| reference.to_string());
            assert_eq!(read.as_deref(), expected, "{name:?}");
        };
        check("models/a.gguf", Some("models/a.gguf"));
        check("hf:org/repo/a.gguf", Some("hf:org/repo@main/a.gguf"));
        check("hf:org/repo@v2/sub/a.gguf", Some("hf:org/repo@v2/sub/a.gguf"));
        check("http://127.0.0.1:8080/v1/#qwen", Some("http://127.0.0.1:8080/v1#qwen"));
        check("http://a/v1#qwen,http://b/v1#qwen*3", Some("http://a/v1#qwen,http://b/v1#qwen*3"));
        check("http://a/v1#qwen,http://b/v1#llama", None);
        check("pool:machines.toml", Some("pool:machines.toml"));
        check("pool:", None);
        check("batch:qwen", Some("batch:qwen"));
        check("batch:", None);
        check("program:./answers.py", Some("program:./answers.py"));
        check("program:", None);
        check("hf:org/repo", None);
        check("hf:org/repo@/a.gguf", None);
        check("", None);
    }

    #[test]
    fn a_file_that_is_no_gguf_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, "version https://git-lfs").expect("written");
        let error = ModelRef::File(path).resolve().expect_err("refused").to_string();
        assert!(error.contains("not a GGUF file") && error.contains("vers"), "{error}");
    }
}
