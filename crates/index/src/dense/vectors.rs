//! The vectors of a generation, each distinct text's once, in parts: a generation that changes a little shares the
//! parts of the one before and adds one of its own. A vector's position never changes until all are written afresh.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use frontload_core::Digest;
use tantivy::directory::{Directory, MmapDirectory, OwnedBytes};

use crate::{IndexError, layout};

/// The distinct vectors, by position; the hash of the text each stands for.
pub(crate) struct Vectors {
    pub dimension: usize,
    parts: Vec<Part>,
    pub keys: Vec<Digest>,
}

struct Part {
    first: usize,
    count: usize,
    values: Values,
}

enum Values {
    /// A file of the generation, mapped into memory.
    Mapped(OwnedBytes),
    /// Not written yet.
    New(Vec<f32>),
}

impl Vectors {
    pub fn new(dimension: usize) -> Self {
        Self { dimension, parts: Vec::new(), keys: Vec::new() }
    }

    /// Opens the parts of a generation whose files have been checked.
    pub fn read(generation: &Path, dimension: usize, parts: usize) -> Result<Self, IndexError> {
        let folder = generation.join(layout::DENSE);
        let directory = MmapDirectory::open(&folder).map_err(|error| IndexError::corrupt(&folder, error))?;
        let mut vectors = Self::new(dimension);
        for part in 0..parts {
            let keys_path = generation.join(layout::keys_file(part));
            let keys = fs::read(&keys_path).map_err(|source| IndexError::io(&keys_path, source))?;
            let keys: Vec<Digest> = keys.as_chunks::<32>().0.iter().map(|key| Digest(*key)).collect();
            let path = PathBuf::from(layout::vectors_name(part));
            // They were hashed a moment ago: what cannot be opened now was refused by the system.
            let refused = |source| IndexError::io(&folder.join(&path), source);
            let file = directory.open_read(&path).map_err(|error| refused(io::Error::other(error)))?;
            let bytes = file.read_bytes().map_err(refused)?;
            if dimension == 0 || bytes.len() != keys.len() * dimension * 4 {
                return Err(IndexError::corrupt(&folder.join(path), "its length does not fit its keys"));
            }
            let (first, count) = (vectors.keys.len(), keys.len());
            vectors.keys.extend(keys);
            vectors.parts.push(Part { first, count, values: Values::Mapped(bytes) });
        }
        Ok(vectors)
    }

    /// Writes the parts that are not in a file yet; gives back how many parts there are.
    pub fn write_new(&self, generation: &Path) -> Result<usize, IndexError> {
        for (number, part) in self.parts.iter().enumerate() {
            if let Values::New(values) = &part.values {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                write_file(&generation.join(layout::vectors_file(number)), &bytes)?;
                let keys = self.keys.iter().skip(part.first).take(part.count);
                let keys: Vec<u8> = keys.flat_map(|key| key.0).collect();
                write_file(&generation.join(layout::keys_file(number)), &keys)?;
            }
        }
        Ok(self.parts.len())
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many parts lie in files.
    pub fn stored_parts(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part.values, Values::Mapped(_))).count()
    }

    pub fn get(&self, at: u32) -> Option<&[f32]> {
        let at = at as usize;
        let part = self.parts.iter().find(|part| at < part.first + part.count)?;
        let start = (at - part.first) * self.dimension;
        part.values.floats().get(start..start + self.dimension)
    }

    /// Adds a vector for a text that has none yet.
    pub fn push(&mut self, key: Digest, vector: &[f32]) {
        let first = self.keys.len();
        self.keys.push(key);
        match self.parts.last_mut() {
            Some(Part { values: Values::New(values), count, .. }) => {
                values.extend_from_slice(vector);
                *count += 1;
            }
            _ => self.parts.push(Part { first, count: 1, values: Values::New(vector.to_vec()) }),
        }
    }

    pub fn by_key(&self) -> HashMap<Digest, u32> {
        self.keys.iter().enumerate().map(|(at, &key)| (key, at as u32)).collect()
    }
}

impl Values {
    fn floats(&self) -> &[f32] {
        match self {
            // A mapping begins on a page, so that this never fails; files are little-endian, as every machine
            // onnxruntime has a library for.
            Self::Mapped(bytes) => bytemuck::try_cast_slice(bytes.as_slice()).unwrap_or_default(),
            Self::New(values) => values,
        }
    }
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    fs::write(path, bytes).map_err(|source| IndexError::io(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written_and_added_to() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(layout::DENSE)).expect("made");
        let key = |name: &str| Digest::of_bytes(name.as_bytes());
        let mut first = Vectors::new(2);
        first.push(key("a"), &[1.0, 0.0]);
        first.push(key("b"), &[0.0, 1.0]);
        assert_eq!(first.write_new(folder.path()).expect("written"), 1);
        let mut again = Vectors::read(folder.path(), 2, 1).expect("reads");
        again.push(key("c"), &[0.6, 0.8]);
        assert_eq!((again.stored_parts(), again.write_new(folder.path()).expect("written")), (1, 2));
        let both = Vectors::read(folder.path(), 2, 2).expect("reads");
        assert_eq!(both.len(), 3);
        assert_eq!(
            [both.get(0), both.get(1), both.get(2)],
            [Some(&[1.0, 0.0][..]), Some(&[0.0, 1.0]), Some(&[0.6, 0.8])]
        );
        assert_eq!((both.get(3), both.by_key().get(&key("c"))), (None, Some(&2)));
        assert!(Vectors::read(folder.path(), 3, 2).is_err());
    }
}
