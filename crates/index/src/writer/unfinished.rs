//! Vectors of a generation that is not published yet. Embedding a large corpus takes hours on a small machine: what was
//! embedded when a build is stopped or dies is kept beside the generations, and the next build begins with it.
//!
//! A cache and nothing more: what does not read is embedded again, and a published generation makes it superfluous.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

use frontload_core::Digest;
use serde::{Deserialize, Serialize};

use crate::{IndexDir, IndexError};

const KEY_BYTES: usize = 32;

/// The hash of a text, and its vector.
type Keyed = (Digest, Vec<f32>);

/// The first line: vectors of another model, or of another length, are of no use.
#[derive(PartialEq, Serialize, Deserialize)]
struct Header {
    embedder: String,
    dimension: usize,
}

/// Where vectors are kept as they come.
pub(crate) struct Unfinished {
    path: PathBuf,
    header: Header,
    file: Option<File>,
}

impl Unfinished {
    /// What an earlier build left, if it was made with the same model.
    pub fn open(dir: &IndexDir, embedder: &str, dimension: usize) -> (Self, Vec<(Digest, Vec<f32>)>) {
        let path = dir.unfinished();
        let header = Header { embedder: embedder.to_owned(), dimension };
        let found = fs::read(&path).ok().and_then(|bytes| read(&bytes, &header));
        let (vectors, whole) = found.unwrap_or_default();
        // What was half written when the program died is cut off, so that more can follow.
        let file = (whole > 0)
            .then(|| {
                OpenOptions::new().append(true).open(&path).and_then(|file| file.set_len(whole).map(|()| file)).ok()
            })
            .flatten();
        (Self { path, header, file }, vectors)
    }

    /// Keeps vectors, each with the hash of its text.
    pub fn keep(&mut self, vectors: &[(Digest, Vec<f32>)]) -> Result<(), IndexError> {
        // A frame without vectors would read as the end.
        if vectors.is_empty() {
            return Ok(());
        }
        self.write(vectors).map_err(|source| IndexError::io(&self.path, source))
    }

    fn write(&mut self, vectors: &[(Digest, Vec<f32>)]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let mut file = File::create(&self.path)?;
                let mut line = serde_json::to_vec(&self.header)?;
                line.push(b'\n');
                file.write_all(&line)?;
                empty.insert(file)
            }
        };
        let mut frame = Vec::new();
        for (key, vector) in vectors {
            frame.extend(key.0);
            frame.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        }
        let mut whole = (vectors.len() as u32).to_le_bytes().to_vec();
        whole.extend(Digest::of_bytes(&frame).0);
        whole.extend(frame);
        file.write_all(&whole)
    }
}

/// Removes what is superfluous. Left behind, it would do no harm.
pub(super) fn discard(dir: &IndexDir) {
    let _ = fs::remove_file(dir.unfinished());
}

/// The vectors of all whole frames, and the length of the file up to there.
fn read(bytes: &[u8], expected: &Header) -> Option<(Vec<Keyed>, u64)> {
    let end = bytes.iter().position(|&byte| byte == b'\n')? + 1;
    let header: Header = serde_json::from_slice(bytes.get(..end)?).ok()?;
    if header != *expected {
        return None;
    }
    let (mut vectors, mut at) = (Vec::new(), end);
    while let Some((frame, next)) = frame(bytes, at, expected.dimension) {
        for row in frame.chunks_exact(KEY_BYTES + expected.dimension * size_of::<f32>()) {
            let (key, values) = row.split_at_checked(KEY_BYTES)?;
            let values = values.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
            vectors.push((Digest(key.try_into().ok()?), values));
        }
        at = next;
    }
    Some((vectors, at as u64))
}

/// The frame at a place and where the next one begins; `None` where it is cut or not what was written.
fn frame(bytes: &[u8], at: usize, dimension: usize) -> Option<(&[u8], usize)> {
    let count = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
    let start = at + 4 + KEY_BYTES;
    let next = start.checked_add(count.checked_mul(KEY_BYTES + dimension * size_of::<f32>())?)?;
    let (hash, frame) = (bytes.get(at + 4..start)?, bytes.get(start..next)?);
    (count > 0 && Digest::of_bytes(frame).0 == *hash).then_some((frame, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(number: u8) -> (Digest, Vec<f32>) {
        (Digest::of_bytes(&[number]), vec![f32::from(number), 0.5, -1.0])
    }

    #[test]
    fn what_was_kept_is_found_again_up_to_where_it_was_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = IndexDir::new(folder.path());
        let (mut unfinished, found) = Unfinished::open(&dir, "model", 3);
        assert!(found.is_empty() && !dir.unfinished().exists(), "nothing is made before there is something to keep");
        unfinished.keep(&[vector(1), vector(2)]).expect("kept");
        unfinished.keep(&[vector(3)]).expect("kept");
        drop(unfinished);
        let whole = fs::read(dir.unfinished()).expect("there");
        for cut in [0, 1, 4, 30] {
            fs::write(dir.unfinished(), &whole[..whole.len() - cut]).expect("written");
            let (mut unfinished, found) = Unfinished::open(&dir, "model", 3);
            let expected = if cut == 0 { vec![vector(1), vector(2), vector(3)] } else { vec![vector(1), vector(2)] };
            assert_eq!(found, expected, "cut by {cut}");
            unfinished.keep(&[vector(4)]).expect("kept");
            let (_, found) = Unfinished::open(&dir, "model", 3);
            assert_eq!(found.last(), Some(&vector(4)), "cut by {cut}");
        }
    }

    #[test]
    fn vectors_of_another_model_and_damaged_ones_are_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = IndexDir::new(folder.path());
        Unfinished::open(&dir, "model", 3).0.keep(&[vector(1)]).expect("kept");
        assert!(Unfinished::open(&dir, "other", 3).1.is_empty());
        assert!(Unfinished::open(&dir, "model", 2).1.is_empty());
        let whole = fs::read(dir.unfinished()).expect("there");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            fs::write(dir.unfinished(), &damaged).expect("written");
            assert!(Unfinished::open(&dir, "model", 3).1.is_empty(), "byte {at}");
        }
    }
}
