//! The ledger: everything the model ever said, one JSON object a line, appended and synced before anything
//! else is done with it. It is the source of truth; all other files can be built from it and the corpus.

mod record;
mod rewrite;

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use record::{Record, Settings, SettledAnswer, now};
pub use rewrite::Rewritten;

pub(crate) use record::call_id;

/// A new file is begun when the current one is larger than this.
const FILE_BYTES: u64 = 64 << 20;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file's number, from 1.
    pub file: u32,
    /// Its first byte.
    pub offset: u64,
    /// Its length with the line's end.
    pub bytes: u32,
}

/// A line that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The system refused.
    #[error("ledger {path}: {source}; everything before it is kept")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A record that is needed is damaged.
    #[error("ledger {path}, byte {offset}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Serialize)]
struct LineOut<'a> {
    crc: String,
    record: &'a RawValue,
}

#[derive(Deserialize)]
struct LineIn<'a> {
    crc: &'a str,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// The ledger of one index, open for appending.
pub struct Ledger {
    folder: PathBuf,
    number: u32,
    file: File,
    length: u64,
    syncs: u64,
}

impl Ledger {
    /// Opens the ledger, beginning one if there is none. A last line that was cut short by a crash was never
    /// acknowledged: it is cut off, and its length in bytes given back.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path) -> Result<(Self, u64), LedgerError> {
        fs::create_dir_all(folder).map_err(|source| io_error(folder, source))?;
        let number = numbers(folder)?.last().copied().unwrap_or(1).max(1);
        let path = file_path(folder, number);
        let file = OpenOptions::new().create(true).read(true).append(true).open(&path);
        let file = file.map_err(|source| io_error(&path, source))?;
        sync_folder(folder)?;
        // A synced file is no more to be found than the folder it is in.
        if let Some(index) = folder.parent().filter(|index| !index.as_os_str().is_empty()) {
            sync_folder(index)?;
        }
        let mut torn = 0;
        let mut end = 0;
        each_line(&path, number, 0, &mut |place, line| {
            // Only an unfinished line is torn: a finished one that does not check is damage, and stays.
            if line.ends_with(b"\n") {
                end = place.offset + u64::from(place.bytes);
            } else {
                torn = u64::from(place.bytes);
            }
        })?;
        if torn > 0 {
            file.set_len(end).and_then(|()| file.sync_all()).map_err(|source| io_error(&path, source))?;
        }
        Ok((Self { folder: folder.to_owned(), number, file, length: end, syncs: 0 }, torn))
    }

    /// Appends the records and returns once they are on the disk, all of them with one sync.
    ///
    /// # Errors
    /// When the disk refuses; the file is then cut back to what was there before, so that none of them counts.
    pub fn append(&mut self, records: &[Record]) -> Result<Vec<Place>, LedgerError> {
        let places = self.write(records, File::sync_data)?;
        self.syncs += 1;
        Ok(places)
    }

    /// Appends a record that may be lost with the machine, though not with the program.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn note(&mut self, record: &Record) -> Result<Vec<Place>, LedgerError> {
        self.write(std::slice::from_ref(record), |_| Ok(()))
    }

    fn write(
        &mut self,
        records: &[Record],
        settle: impl Fn(&File) -> io::Result<()>,
    ) -> Result<Vec<Place>, LedgerError> {
        if self.length > FILE_BYTES {
            self.number += 1;
            let path = self.path();
            let file = OpenOptions::new().create_new(true).read(true).append(true).open(&path);
            self.file = file.map_err(|source| io_error(&path, source))?;
            self.length = 0;
            sync_folder(&self.folder)?;
        }
        let path = self.path();
        let mut lines = Vec::new();
        let mut places = Vec::new();
        for record in records {
            let start = lines.len();
            encode(record, &mut lines).map_err(|source| io_error(&path, source.into()))?;
            let offset = self.length + start as u64;
            places.push(Place { file: self.number, offset, bytes: (lines.len() - start) as u32 });
        }
        let written = self.file.write_all(&lines).and_then(|()| settle(&self.file));
        if let Err(source) = written {
            let _ = self.file.set_len(self.length);
            return Err(io_error(&path, source));
        }
        self.length += lines.len() as u64;
        Ok(places)
    }

    /// How often records were synced since it was opened.
    pub fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Where the next record would stand.
    pub fn end(&self) -> Place {
        Place { file: self.number, offset: self.length, bytes: 0 }
    }

    /// Hands over every record at or after a place, in order; damaged lines are skipped and given back.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn scan(&self, from: Option<Place>, visit: &mut dyn FnMut(Place, Record)) -> Result<Vec<Damage>, LedgerError> {
        scan(&self.folder, from, visit)
    }

    /// Reads one record.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn read(&self, place: Place) -> Result<Record, LedgerError> {
        let path = file_path(&self.folder, place.file);
        let mut line = vec![0; place.bytes as usize];
        let read = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(place.offset))?;
            file.read_exact(&mut line)
        });
        read.map_err(|source| io_error(&path, source))?;
        decode(&line).map_err(|problem| LedgerError::Damaged { path, offset: place.offset, problem })
    }

    fn path(&self) -> PathBuf {
        file_path(&self.folder, self.number)
    }
}

/// Reads a ledger without opening it for writing: what `verify` does.
///
/// # Errors
/// When a file cannot be read.
pub fn scan(
    folder: &Path,
    from: Option<Place>,
    visit: &mut dyn FnMut(Place, Record),
) -> Result<Vec<Damage>, LedgerError> {
    let mut damage = Vec::new();
    let first = from.map_or(1, |place| place.file);
    let mut next = first;
    for number in numbers(folder)?.into_iter().filter(|number| *number >= first) {
        let offset = from.filter(|place| place.file == number).map_or(0, |place| place.offset);
        if number > next {
            let place = Place { file: next, offset: 0, bytes: 0 };
            let more = if number - next > 1 { ", and others after it" } else { "" };
            damage.push(Damage { place, problem: format!("the file is missing{more}") });
        }
        next = number + 1;
        each_line(&file_path(folder, number), number, offset, &mut |place, line| match decode(line) {
            Ok(record) => visit(place, record),
            Err(problem) => damage.push(Damage { place, problem }),
        })?;
    }
    Ok(damage)
}

fn encode(record: &Record, lines: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let record = serde_json::value::to_raw_value(record)?;
    let crc = format!("{:08x}", crc32fast::hash(record.get().as_bytes()));
    serde_json::to_writer(&mut *lines, &LineOut { crc, record: &record })?;
    lines.push(b'\n');
    Ok(())
}

fn decode(line: &[u8]) -> Result<Record, String> {
    let line: LineIn = serde_json::from_slice(line).map_err(|error| format!("unreadable line: {error}"))?;
    let crc = format!("{:08x}", crc32fast::hash(line.record.get().as_bytes()));
    if crc != line.crc {
        return Err(format!("its checksum is {crc}, the line says {}", line.crc));
    }
    serde_json::from_str(line.record.get()).map_err(|error| format!("unknown record: {error}"))
}

fn each_line(path: &Path, number: u32, from: u64, visit: &mut dyn FnMut(Place, &[u8])) -> Result<(), LedgerError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|source| io_error(path, source))?,
    };
    file.seek(SeekFrom::Start(from)).map_err(|source| io_error(path, source))?;
    let mut reader = BufReader::new(file);
    let (mut line, mut offset) = (Vec::new(), from);
    loop {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line).map_err(|source| io_error(path, source))?;
        if bytes == 0 {
            return Ok(());
        }
        visit(Place { file: number, offset, bytes: bytes as u32 }, &line);
        offset += bytes as u64;
    }
}

/// The numbers of the files there are, ascending. A name that no file of ours has is passed over.
fn numbers(folder: &Path) -> Result<BTreeSet<u32>, LedgerError> {
    let mut numbers = BTreeSet::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
        entries => entries.map_err(|source| io_error(folder, source))?,
    };
    for entry in entries {
        let name = entry.map_err(|source| io_error(folder, source))?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).unwrap_or_default();
        if digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            numbers.extend(digits.parse::<u32>());
        }
    }
    Ok(numbers)
}

fn file_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:06}.jsonl"))
}

fn sync_folder(folder: &Path) -> Result<(), LedgerError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| io_error(folder, source))
}

fn io_error(path: &Path, source: io::Error) -> LedgerError {
    LedgerError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use frontload_core::{ChunkKey, Digest, Evidence};

    use super::*;

    fn import(text: &str) -> Record {
        let chunk = ChunkKey(Digest::of_bytes(text.as_bytes()));
        Record::Import { chunk, kind: "mood".into(), text: text.into(), evidence: Evidence::Inferred, at: None }
    }

    fn all(folder: &Path) -> (Vec<Record>, Vec<Damage>) {
        let mut records = Vec::new();
        let damage = scan(folder, None, &mut |_, record| records.push(record)).expect("readable");
        (records, damage)
    }

    #[test]
    fn records_come_back_from_where_they_were_put() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, torn) = Ledger::open(folder.path()).expect("opens");
        let places = ledger.append(&[import("a"), import("«b»\n")]).expect("appends");
        assert_eq!(torn, 0);
        assert_eq!(ledger.read(places[1]).expect("reads"), import("«b»\n"));
        assert_eq!(all(folder.path()).0, [import("a"), import("«b»\n")]);
    }

    #[test]
    fn a_torn_tail_is_cut_at_every_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("000001.jsonl");
        let (mut ledger, _) = Ledger::open(folder.path()).expect("opens");
        let places = ledger.append(&[import("kept"), import("torn")]).expect("appends");
        let whole = fs::read(&path).expect("reads");
        for cut in places[1].offset as usize..whole.len() {
            fs::write(&path, &whole[..cut]).expect("writes");
            let (mut ledger, torn) = Ledger::open(folder.path()).expect("opens");
            assert_eq!(torn, cut as u64 - places[1].offset);
            ledger.append(&[import("next")]).expect("appends");
            assert_eq!(all(folder.path()), (vec![import("kept"), import("next")], vec![]));
        }
    }

    #[test]
    fn missing_files_are_reported_once_and_foreign_names_are_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(folder.path()).expect("opens");
        ledger.append(&[import("first")]).expect("appends");
        let file = |number: &str| folder.path().join(format!("{number}.jsonl"));
        // As a copy or an editor may leave them; the first names four thousand million files.
        for name in ["4000000000", "+00007", "2", "notes"] {
            fs::write(file(name), "").expect("written");
        }
        assert_eq!(all(folder.path()), (vec![import("first")], vec![]));
        fs::rename(file("000001"), file("900000")).expect("renamed");
        let (records, damage) = all(folder.path());
        assert_eq!((records, damage.len()), (vec![import("first")], 1));
        assert!(damage[0].problem.contains("missing, and others after it"), "{:?}", damage[0]);
    }

    #[test]
    fn a_flipped_bit_is_reported_and_its_neighbours_survive() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("000001.jsonl");
        let (mut ledger, _) = Ledger::open(folder.path()).expect("opens");
        let places = ledger.append(&[import("first"), import("second"), import("third")]).expect("appends");
        let whole = fs::read(&path).expect("reads");
        for at in places[1].offset as usize..places[2].offset as usize - 1 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).expect("writes");
            let (records, damage) = all(folder.path());
            assert!(!damage.is_empty(), "byte {at}");
            assert_eq!(
                (records.first(), records.last()),
                (Some(&import("first")), Some(&import("third"))),
                "byte {at}"
            );
        }
    }
}
