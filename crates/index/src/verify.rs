//! Looking an index over without trusting any of it.

use crate::{
    IndexDir, IndexError, layout,
    manifest::{Current, Manifest},
    reader::Reader,
};

/// One thing that is wrong.
#[derive(Debug)]
pub struct Finding {
    /// What.
    pub error: IndexError,
    /// Whether the live generation is concerned.
    pub live: bool,
}

/// Checks `CURRENT`, the live manifest, every file of it by hash, and then opens it and reads every chunk.
/// All findings are given, not only the first.
///
/// # Errors
/// When there is no index, or it is of a newer format.
pub fn verify(dir: &IndexDir) -> Result<(Option<Manifest>, Vec<Finding>), IndexError> {
    let finding = |error| Finding { error, live: true };
    let current = match Current::read(dir) {
        Ok(current) => current,
        Err(error @ IndexError::Corrupt { .. }) => return Ok((None, vec![finding(error)])),
        Err(error) => return Err(error),
    };
    let folder = dir.generation(&current.generation);
    let manifest = match Manifest::read(&folder, Some(current.manifest)) {
        Ok(manifest) => manifest,
        Err(error @ IndexError::Corrupt { .. }) => return Ok((None, vec![finding(error)])),
        Err(error) => return Err(error),
    };
    let mut findings: Vec<Finding> =
        manifest.files.iter().filter_map(|entry| entry.check(&folder).err()).map(finding).collect();
    if findings.is_empty() {
        match Reader::open(dir) {
            Ok(opened) => {
                findings.extend(opened.stale.map(finding));
                findings.extend(opened.reader.chunks().filter_map(Result::err).map(finding));
            }
            Err(error) => findings.push(finding(error)),
        }
    }
    let named: Vec<&str> = manifest.files.iter().map(|entry| entry.path.as_str()).collect();
    for part in 0..manifest.vector_parts {
        for required in [layout::vectors_file(part), layout::keys_file(part)] {
            if !named.contains(&required.as_str()) {
                findings.push(finding(IndexError::corrupt(&folder.join(required), "not in the manifest")));
            }
        }
    }
    Ok((Some(manifest), findings))
}
