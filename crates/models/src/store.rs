//! Language models on this machine: in a folder of ours, and in the hub's cache.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::reference::{ModelError, ModelRef};

/// A model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How `--model` names it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: u64,
}

/// The GGUF files of a folder, then those of the hub's cache; each by name.
///
/// # Errors
/// When either is there and cannot be read.
pub fn stored(folder: &Path) -> Result<Vec<Stored>, ModelError> {
    let mut models = in_folder(folder)?;
    models.extend(in_cache()?.into_iter().map(|(_, model)| model));
    Ok(models)
}

/// Deletes a model of the hub from its cache: the file's name in that revision, and its content when no other
/// revision has it.
///
/// # Errors
/// When it is not there, or cannot be deleted.
pub fn remove_stored(reference: &ModelRef) -> Result<Stored, ModelError> {
    let pointer = reference.on_disk()?;
    let cached = in_cache()?;
    let of_pointer = |path: &Path| path == pointer;
    let Some((blob, model)) = cached.iter().find(|(_, model)| of_pointer(&model.path)) else {
        return Err(ModelError::Hub { name: reference.to_string(), reason: "it is not in the cache".to_owned() });
    };
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| ModelError::File { path, source }
    };
    fs::remove_file(&model.path).map_err(wrong(&model.path))?;
    let shared = cached.iter().any(|(other, elsewhere)| other == blob && !of_pointer(&elsewhere.path));
    if !shared && blob.exists() {
        fs::remove_file(blob).map_err(wrong(blob))?;
    }
    Ok(Stored { bytes: if shared { 0 } else { model.bytes }, ..model.clone() })
}

fn in_folder(folder: &Path) -> Result<Vec<Stored>, ModelError> {
    let wrong = |source| ModelError::File { path: folder.to_owned(), source };
    let mut models = Vec::new();
    if !folder.is_dir() {
        return Ok(models);
    }
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if is_gguf(&path) {
            let bytes = fs::metadata(&path).map_err(wrong)?.len();
            models.push(Stored { name: path.display().to_string(), path, bytes });
        }
    }
    models.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(models)
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// Each with where its content is, which several revisions may share.
fn in_cache() -> Result<Vec<(PathBuf, Stored)>, ModelError> {
    let wrong = |reason: String| ModelError::Hub { name: "the hub's cache".to_owned(), reason };
    let client = hf_hub::HFClientSync::new().map_err(|error| wrong(error.to_string()))?;
    let cache = client.scan_cache().send().map_err(|error| wrong(error.to_string()))?;
    let mut models = Vec::new();
    for repository in cache.repos.iter().filter(|repository| repository.repo_type == "model") {
        for revision in &repository.revisions {
            let named = revision.refs.first().unwrap_or(&revision.commit_hash);
            for file in revision.files.iter().filter(|file| is_gguf(Path::new(&file.file_name))) {
                let name = format!("hf:{}@{named}/{}", repository.repo_id, file.file_name);
                let stored = Stored { name, path: file.file_path.clone(), bytes: file.size_on_disk };
                models.push((file.blob_path.clone(), stored));
            }
        }
    }
    models.sort_by(|(_, left), (_, right)| left.name.cmp(&right.name));
    Ok(models)
}
