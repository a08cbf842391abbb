//! One writer at a time: an advisory lock on `LOCK`, which also says who holds it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use crate::{IndexDir, IndexError};

/// Held while writing; released when dropped, and by the system when the process dies.
#[derive(Debug)]
pub struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock, making the index's folder if there is none.
    ///
    /// # Errors
    /// [`IndexError::Locked`] when another process holds it.
    pub fn take(dir: &IndexDir) -> Result<Self, IndexError> {
        let path = dir.lock();
        make(dir.path())?;
        let opened = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path);
        let mut file = opened.map_err(|source| IndexError::io(&path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
                return Err(IndexError::Locked { path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(IndexError::io(&path, source)),
        }
        let noted =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(|source| IndexError::io(&path, source))?;
        Ok(Self { _file: file })
    }
}

/// Makes the index's folder and those above it, each with its name on the disk: what is synced later is no more to be
/// found than the folders that lead to it.
fn make(folder: &Path) -> Result<(), IndexError> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    fs::create_dir_all(folder).map_err(|source| IndexError::io(folder, source))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(above).and_then(|above| above.sync_all()).map_err(|source| IndexError::io(above, source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_holds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = IndexDir::new(folder.path().join("index"));
        let held = WriterLock::take(&dir).expect("free");
        let refused = WriterLock::take(&dir).expect_err("held").to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(held);
        WriterLock::take(&dir).expect("free again");
    }
}
