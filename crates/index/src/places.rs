//! Where each chunk stands in the file it came from. It is kept beside the chunks' entries and written with every
//! generation: a line that comes into a file moves all that stand behind it, and must not make them new.

use std::{collections::HashMap, fs, path::Path};

use frontload_core::{ChunkId, Place, Unit};

use crate::{IndexError, IndexedChunk, layout};

/// Four numbers a chunk: its path's place among the paths, from 1 (0: none), start, end, unit.
const NUMBERS: usize = 4;
const UNITS: [Unit; 3] = [Unit::Byte, Unit::Line, Unit::Page];

/// All places of a generation.
#[derive(Default)]
pub(crate) struct Places {
    paths: Vec<String>,
    numbers: Vec<u32>,
}

impl Places {
    /// Of chunks under these numbers.
    pub fn of(chunks: &[IndexedChunk], ids: &[ChunkId]) -> Self {
        let mut places = Self::default();
        let mut known: HashMap<&str, u32> = HashMap::new();
        for (chunk, id) in chunks.iter().zip(ids) {
            let Some(place) = &chunk.chunk.place else { continue };
            let next = known.len() as u32 + 1;
            let path = *known.entry(&place.path).or_insert_with(|| {
                places.paths.push(place.path.clone());
                next
            });
            let unit = UNITS.iter().position(|unit| *unit == place.unit).unwrap_or(0) as u32;
            let at = id.0 as usize * NUMBERS;
            if places.numbers.len() < at + NUMBERS {
                places.numbers.resize(at + NUMBERS, 0);
            }
            if let Some(row) = places.numbers.get_mut(at..at + NUMBERS) {
                row.copy_from_slice(&[path, place.start, place.end, unit]);
            }
        }
        places
    }

    pub fn write(&self, generation: &Path) -> Result<(), IndexError> {
        let paths = serde_json::to_vec(&self.paths).unwrap_or_default();
        let numbers: Vec<u8> = self.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        for (name, bytes) in [(layout::PATHS, paths), (layout::PLACES, numbers)] {
            let path = generation.join(name);
            fs::write(&path, bytes).map_err(|source| IndexError::io(&path, source))?;
        }
        Ok(())
    }

    pub fn read(generation: &Path) -> Result<Self, IndexError> {
        let read = |name: &str| {
            let path = generation.join(name);
            fs::read(&path).map_err(|source| IndexError::io(&path, source))
        };
        let paths = serde_json::from_slice(&read(layout::PATHS)?);
        let paths = paths.map_err(|error| IndexError::corrupt(&generation.join(layout::PATHS), error))?;
        let numbers = read(layout::PLACES)?;
        Ok(Self { paths, numbers: numbers.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect() })
    }

    pub fn get(&self, chunk: ChunkId) -> Option<Place> {
        let at = chunk.0 as usize * NUMBERS;
        let Some(&[path, start, end, unit]) = self.numbers.get(at..at + NUMBERS) else { return None };
        let path = self.paths.get((path as usize).checked_sub(1)?)?.clone();
        Some(Place { path, start, end, unit: UNITS.get(unit as usize).copied().unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use frontload_core::Chunk;

    use super::*;

    #[test]
    fn places_are_read_as_they_were_written() {
        let chunk = |place: Option<Place>| IndexedChunk {
            chunk: Chunk { place, ..Chunk::default() },
            handles: vec![],
            rejected: vec![],
            said: vec![],
        };
        let place = |path: &str, start, unit| Some(Place { path: path.to_owned(), start, end: start + 9, unit });
        let all = [place("a.txt", 0, Unit::Byte), None, place("b.csv", 7, Unit::Line), place("a.txt", 9, Unit::Page)];
        let ids = [4, 1, 0, 6].map(ChunkId);
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(layout::CHUNKS)).expect("made");
        Places::of(&all.clone().map(chunk), &ids).write(folder.path()).expect("written");
        let read = Places::read(folder.path()).expect("read");
        for (place, id) in all.iter().zip(ids) {
            assert_eq!(read.get(id), *place);
        }
        assert_eq!((read.get(ChunkId(5)), read.get(ChunkId(99))), (None, None));
    }
}
