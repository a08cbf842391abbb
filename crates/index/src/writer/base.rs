//! The generation a new one is written on top of.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use frontload_core::{Field, Lane};

use crate::{
    IndexDir, IndexError, analysis,
    bm25::{MetaColumns, Words},
    dense::Vectors,
    layout,
    manifest::{Current, Manifest},
};

/// When more of the stored chunks than this share are deleted or replaced, all are written afresh.
const MOST_DEAD: f64 = 0.2;
/// So many bytes of a file are copied at once.
const COPIED_AT_ONCE: usize = 1 << 20;
/// When there are more segments of words than this, all are written afresh.
const MOST_SEGMENTS: usize = 8;

/// The live generation, as far as a writer needs it.
pub(super) struct Base {
    pub folder: PathBuf,
    pub manifest: Manifest,
    pub words: Words,
    /// Taken out by whoever goes on with them.
    pub vectors: Option<Vectors>,
    /// Whether its files are shared with the new one, or copied.
    shares: bool,
}

impl Base {
    /// Opens the live generation, if there is one that is whole. With more bytes than these, it shares its files.
    pub fn open(dir: &IndexDir, share_above: u64) -> Option<Self> {
        let current = Current::read(dir).ok()?;
        let folder = dir.generation(&current.generation);
        let manifest = Manifest::read(&folder, Some(current.manifest)).ok()?;
        manifest.check_files(&folder).ok()?;
        let words = Words::open(&folder.join(layout::BM25), manifest.metadata.clone()).ok()?;
        let vectors = Vectors::read(&folder, manifest.dimension, manifest.vector_parts).ok()?;
        let shares = manifest.files.iter().map(|entry| entry.bytes).sum::<u64>() > share_above;
        Some(Self { folder, manifest, words, vectors: Some(vectors), shares })
    }

    /// The number of the live generation, whole or not.
    pub fn named(dir: &IndexDir) -> Option<u64> {
        layout::generation_number(&Current::read(dir).ok()?.generation)
    }

    /// Whether its segments have a place for all of this: tantivy's fields are settled with its first segment, and
    /// which lanes an entry has with the entry.
    pub fn takes(&self, lanes: &[Lane], metadata: &MetaColumns) -> bool {
        let entries = self.manifest.lanes.iter();
        self.manifest.words == analysis::VERSION
            && self.manifest.metadata.hold(metadata)
            && entries.map(|entry| &entry.lane).eq(lanes)
            && lanes.iter().all(|lane| self.words.has(&lane.field))
    }

    /// Whether so many more chunks may be added and removed before all is better written afresh.
    pub fn bears(&self, added: usize, removed: usize) -> bool {
        let (segments, dead) = self.words.fragments();
        let alive = self.words.chunks().count() as f64;
        let dead = dead * alive / (1.0 - dead).max(0.01) + removed as f64;
        segments < MOST_SEGMENTS && alive > 0.0 && dead.max(added as f64) <= alive * MOST_DEAD
    }

    /// Carries its segments, which nobody ever changes, into a new folder.
    pub fn carry_words(&self, folder: &Path) -> Result<(), IndexError> {
        let words = self.manifest.files.iter().filter(|entry| entry.path.starts_with(layout::BM25));
        words.into_iter().try_for_each(|entry| self.carry(folder, &entry.path))
    }

    /// Carries the first parts of its vectors.
    pub fn carry_vectors(&self, folder: &Path, parts: usize) -> Result<(), IndexError> {
        for part in 0..parts {
            self.carry(folder, &layout::vectors_file(part))?;
            self.carry(folder, &layout::keys_file(part))?;
        }
        Ok(())
    }

    /// Carries a graph.
    pub fn carry_graph(&self, folder: &Path, field: &Field) -> Result<(), IndexError> {
        layout::graph_files(field).iter().try_for_each(|name| self.carry(folder, name))
    }

    /// A copy of a file, so that damage to one of them leaves the other; of a large generation's the same file under a
    /// second name, where the disk has such a thing. tantivy's `meta.json` is replaced whole by its writer, never
    /// written into, so that the first name keeps what it had.
    fn carry(&self, to: &Path, name: &str) -> Result<(), IndexError> {
        let (old, new) = (self.folder.join(name), to.join(name));
        if self.shares && fs::hard_link(&old, &new).is_ok() {
            return Ok(());
        }
        copy(&old, &new).map_err(|source| IndexError::io(&new, source))?;
        // It will be described by what it is then: damage must not come along.
        let known = self.manifest.files.iter().find(|entry| entry.path == name);
        known.map_or(Ok(()), |entry| entry.check(to))
    }
}

/// Byte by byte: where the disk can, `fs::copy` leaves both files with the same blocks, and damage to one is damage to
/// the other then.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut buffer = vec![0; COPIED_AT_ONCE];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..read).unwrap_or_default())?;
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use frontload_core::{Chunk, EmbedError, Embedder, Fusion, TextRole};

    use super::*;
    use crate::{Build, IndexedChunk, Opened, Reader, WriterLock, write};

    /// Texts stand in the direction of their length.
    struct Lengths;

    impl Embedder for Lengths {
        fn fingerprint(&self) -> &'static str {
            "lengths"
        }

        fn dimension(&self) -> usize {
            2
        }

        fn prefix(&self, _role: TextRole) -> &'static str {
            ""
        }

        fn pieces<'t>(&self, text: &'t str, _role: TextRole) -> Vec<&'t str> {
            vec![text]
        }

        fn embed(&mut self, texts: &[&str], _role: TextRole) -> Result<Vec<Vec<f32>>, EmbedError> {
            let vector = |text: &&str| vec![(text.len() as f32).sin(), (text.len() as f32).cos()];
            Ok(texts.iter().map(vector).collect())
        }
    }

    fn published(dir: &IndexDir, share_above: u64, passages: usize) {
        let chunk = |number: usize| {
            let text = format!("Passage {number} of {}.", "many ".repeat(number));
            let chunk =
                Chunk { document: format!("p{number}"), span: (0, text.len() as u32), text, ..Chunk::default() };
            IndexedChunk { chunk, handles: Vec::new(), rejected: Vec::new(), said: Vec::new() }
        };
        let chunks: Vec<IndexedChunk> = (0..passages).map(chunk).collect();
        let build = Build {
            chunks: &chunks,
            schema: None,
            model: None,
            weight: &|_: &Lane| 1.0,
            tuning: None,
            fusion: Fusion::Rrf { k: 60.0 },
            graph_rows: 5,
            share_above,
            concatenated: false,
            copied_from: None,
            afresh: false,
        };
        let lock = WriterLock::take(dir).expect("free");
        write(dir, &lock, &build, &mut Lengths, &mut |_, _| ControlFlow::Continue(())).expect("written");
    }

    /// Every file of the live generation, damaged one after another: how often the generation before answered, and how
    /// often none did.
    fn fallen_back(share_above: u64) -> (usize, usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = IndexDir::new(folder.path().to_owned());
        published(&dir, share_above, 20);
        published(&dir, share_above, 21);
        let Opened { reader, stale } = Reader::open(&dir).expect("opens");
        assert!(stale.is_none() && reader.manifest().generation == 2);
        let mut answered = (0, 0);
        for entry in &reader.manifest().files {
            let path = reader.folder().expect("a folder").join(&entry.path);
            let whole = fs::read(&path).expect("read");
            let mut damaged = whole.clone();
            // An empty file has nothing to damage but its length.
            damaged.first_mut().map_or_else(Default::default, |byte| *byte ^= 1);
            damaged.resize(whole.len().max(1), 0);
            fs::write(&path, damaged).expect("written");
            match Reader::open(&dir) {
                Ok(Opened { reader, stale: Some(_) }) if reader.manifest().generation == 1 => answered.0 += 1,
                Ok(_) => panic!("{}: not seen", entry.path),
                Err(_) => answered.1 += 1,
            }
            fs::write(&path, whole).expect("written");
        }
        answered
    }

    #[test]
    fn a_damaged_file_leaves_the_generation_before_whole_unless_they_share_it() {
        let (answered, unanswered) = fallen_back(u64::MAX);
        assert!(answered > 10 && unanswered == 0, "{answered} {unanswered}");
        let (answered, unanswered) = fallen_back(0);
        assert!(answered > 0 && unanswered > 4, "{answered} {unanswered}");
    }

    #[test]
    fn damage_does_not_come_along() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = IndexDir::new(folder.path().to_owned());
        published(&dir, u64::MAX, 20);
        let base = Base::open(&dir, u64::MAX).expect("a base");
        let name = layout::vectors_file(0);
        fs::write(base.folder.join(&name), "not vectors").expect("written");
        let next = folder.path().join("next");
        fs::create_dir_all(next.join("dense")).expect("made");
        let carried = base.carry_vectors(&next, 1);
        assert!(carried.is_err_and(|error| error.to_string().contains(&name)));
    }
}
