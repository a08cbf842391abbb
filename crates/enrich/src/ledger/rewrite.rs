//! The one exception to appending: records whose text a person wants gone. A file is written anew beside the old one
//! and put in its place by a rename, so that at every moment one of the two is there and whole.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use super::{Ledger, LedgerError, Record, decode, each_line, encode, file_path, io_error, sync_folder};

/// What writing a ledger anew changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Records that say something else now.
    pub records: usize,
    /// Damaged lines: what they say is not known, and they stay as they are.
    pub unreadable: usize,
}

impl Ledger {
    /// Puts other records in the place of some. Everything else stays to the byte, though not at its place: whoever
    /// knows places must forget them before.
    ///
    /// # Errors
    /// When the disk refuses; every file is then either as it was or wholly changed.
    pub fn rewrite(&mut self, change: &dyn Fn(&Record) -> Option<Record>) -> Result<Rewritten, LedgerError> {
        let mut rewritten = Rewritten::default();
        for number in 1..=self.number {
            let path = file_path(&self.folder, number);
            let next = path.with_extension("next");
            // One that a crash left behind holds what was to stay then.
            remove(&next)?;
            let (mut lines, mut changed, mut failed) = (Vec::new(), 0, None);
            each_line(&path, number, 0, &mut |_, line| match decode(line).map(|record| change(&record)) {
                Ok(Some(other)) => {
                    changed += 1;
                    failed = encode(&other, &mut lines).err().or(failed.take());
                }
                Ok(None) => lines.extend_from_slice(line),
                Err(_) => {
                    rewritten.unreadable += 1;
                    lines.extend_from_slice(line);
                }
            })?;
            if let Some(error) = failed {
                return Err(io_error(&path, error.into()));
            }
            if changed > 0 {
                self.replace(number, (&path, &next), &lines)?;
                rewritten.records += changed;
            }
        }
        Ok(rewritten)
    }

    fn replace(&mut self, number: u32, (path, next): (&Path, &Path), lines: &[u8]) -> Result<(), LedgerError> {
        let opened = OpenOptions::new().create_new(true).read(true).append(true).open(next);
        let mut file = opened.map_err(|source| io_error(next, source))?;
        let written = file.write_all(lines).and_then(|()| file.sync_all()).and_then(|()| fs::rename(next, path));
        written.map_err(|source| io_error(next, source))?;
        // What is appended from now on goes into the new file, whether or not its name is on the disk already.
        if number == self.number {
            (self.file, self.length) = (file, lines.len() as u64);
        }
        sync_folder(&self.folder)
    }
}

fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}
