//! From a finished folder to the live generation: synced, hashed, described, renamed.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use frontload_core::Digest;

use crate::{
    IndexDir, IndexError, WriterLock, layout,
    manifest::{Current, FileEntry, Manifest},
    reader::generations,
};

/// Older generations kept beside the live one, to fall back on.
const KEPT: usize = 1;

/// Every file of the generation but the manifest, synced and hashed. What is shared with the generation before was
/// hashed when that was opened.
pub(super) fn files(folder: &Path, before: Option<&Manifest>) -> Result<Vec<FileEntry>, IndexError> {
    let mut entries = Vec::new();
    for part in layout::PARTS {
        let path = folder.join(part);
        let listed = fs::read_dir(&path).map_err(|source| IndexError::io(&path, source))?;
        for entry in listed {
            let entry = entry.map_err(|source| IndexError::io(&path, source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().extension().is_some_and(|extension| extension == "lock") {
                continue;
            }
            let name = format!("{part}/{name}");
            let known = before.and_then(|before| before.files.iter().find(|known| known.path == name));
            if let Some(known) = known.filter(|_| is_shared(&entry.path())) {
                entries.push(known.clone());
                continue;
            }
            sync(&entry.path())?;
            entries.push(FileEntry::of(folder, &name)?);
        }
        sync(&path)?;
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(entries)
}

pub(super) fn publish(dir: &IndexDir, folder: &Path, name: &str, manifest: &Manifest) -> Result<(), IndexError> {
    let path = folder.join(layout::MANIFEST);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| IndexError::io(&path, error.into()))?;
    write_synced(&path, &text)?;
    sync(folder)?;
    let live = dir.generation(name);
    fs::rename(folder, &live).map_err(|source| IndexError::io(&live, source))?;
    sync(&dir.generations())?;
    let current = Current { generation: name.to_owned(), manifest: Digest::of_bytes(&text) };
    let path = dir.current();
    let next = dir.path().join("CURRENT.next");
    let text = serde_json::to_vec(&current).map_err(|error| IndexError::io(&path, error.into()))?;
    write_synced(&next, &text)?;
    fs::rename(&next, &path).map_err(|source| IndexError::io(&path, source))?;
    sync(dir.path())
}

/// Whether a file has another name too: then it is the older generation's, and whole.
#[cfg(unix)]
fn is_shared(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|found| found.nlink() > 1)
}

/// Where names of one file cannot be told from copies, everything is hashed.
#[cfg(not(unix))]
fn is_shared(_path: &Path) -> bool {
    false
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    let wrong = |source| IndexError::io(path, source);
    let mut file = File::create(path).map_err(wrong)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(wrong)
}

fn sync(path: &Path) -> Result<(), IndexError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| IndexError::io(path, source))
}

/// What a killed build left behind; the writer lock says nobody is at it.
pub(super) fn clear_unfinished(parent: &Path) -> Result<(), IndexError> {
    for path in entries_named(parent, "building-") {
        fs::remove_dir_all(&path).map_err(|source| IndexError::io(&path, source))?;
    }
    Ok(())
}

/// Removes generations that are neither live nor kept. A reader that still has one open keeps its files. One that is
/// known to be damaged is nothing to fall back on: it is kept only where there is no other.
pub(super) fn collect_garbage(dir: &IndexDir, live: u64, damaged: Option<u64>) {
    let mut older: Vec<u64> = generations(dir).into_iter().filter(|&number| number != live).collect();
    older.sort_unstable_by_key(|&number| (Some(number) != damaged, number));
    for number in older.iter().rev().skip(KEPT) {
        // A failure leaves a folder behind, which the next publish tries again to remove.
        let _ = fs::remove_dir_all(dir.generation(&layout::generation_name(*number)));
    }
}

/// Removes every generation but the live one, so that nothing is left of what is not in that; gives back how many. Until
/// the next publish there is then none to fall back on.
///
/// # Errors
/// When there is no live generation, or another one cannot be removed.
pub fn remove_older(dir: &IndexDir, _lock: &WriterLock) -> Result<usize, IndexError> {
    let live = Current::read(dir)?.generation;
    let older = generations(dir).into_iter().map(layout::generation_name).filter(|name| *name != live);
    let mut removed = 0;
    for path in older.map(|name| dir.generation(&name)) {
        fs::remove_dir_all(&path).map_err(|source| IndexError::io(&path, source))?;
        removed += 1;
    }
    sync(&dir.generations())?;
    Ok(removed)
}

fn entries_named(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path()).collect()
}
