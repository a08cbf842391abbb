//! Indexes over some of the chunks, written by the code that ships. Nothing is embedded again: vectors are looked up by
//! their texts.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    path::Path,
};

use frontload_core::{ChunkId, EmbedError, Embedder, Field, Lane, Method, TextRole};
use frontload_index::{
    Build, Built, DEFAULT_SHARE_ABOVE, IndexDir, IndexedChunk, Manifest, Reader, WriterLock, body_text, write,
};
use tempfile::TempDir;

use crate::{Result, data::Data, figures::timed};

/// How far a copy's vector is moved in each dimension: unit vectors of 384 have 0.05 there.
const NOISE: f32 = 0.08;

/// Stands in for the embedding model. It takes every text for one piece: of a text that the model read in several, it
/// knows the first one's vector.
pub struct Known {
    vectors: HashMap<String, Vec<f32>>,
    dimension: usize,
}

impl Known {
    pub fn vector(&self, text: &str) -> Option<&[f32]> {
        self.vectors.get(text).map(Vec::as_slice)
    }
}

impl Embedder for Known {
    fn fingerprint(&self) -> &'static str {
        "vectors at hand"
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn prefix(&self, _role: TextRole) -> &'static str {
        ""
    }

    fn pieces<'t>(&self, text: &'t str, _role: TextRole) -> Vec<&'t str> {
        vec![text]
    }

    fn embed(&mut self, texts: &[&str], _role: TextRole) -> std::result::Result<Vec<Vec<f32>>, EmbedError> {
        let unknown = vec![0.0; self.dimension];
        Ok(texts.iter().map(|text| self.vector(text).unwrap_or(&unknown).to_vec()).collect())
    }
}

/// Every chunk of the index at hand, by their numbers, and the vectors of their texts and of the queries.
pub fn everything(data: &Data) -> Result<(Vec<IndexedChunk>, Known)> {
    let mut chunks: BTreeMap<ChunkId, IndexedChunk> = BTreeMap::new();
    for id in data.reader.ids() {
        chunks.insert(id, data.reader.chunk(id)?);
    }
    let queries = data.queries.iter().cloned().zip(data.vectors.iter().cloned());
    let mut vectors: HashMap<String, Vec<f32>> = queries.collect();
    for entry in data.reader.manifest().lanes.iter().filter(|entry| entry.lane.method == Method::Dense) {
        let mut of_chunks: BTreeMap<ChunkId, Vec<&[f32]>> = BTreeMap::new();
        for (chunk, vector) in data.reader.lane_vectors(&entry.lane) {
            of_chunks.entry(chunk).or_default().push(vector);
        }
        for (chunk, of_texts) in of_chunks {
            let Some(indexed) = chunks.get(&chunk) else { continue };
            for (text, vector) in embedded_texts(indexed, &entry.lane.field).into_iter().zip(of_texts) {
                vectors.entry(text).or_insert_with(|| vector.to_vec());
            }
        }
    }
    Ok((chunks.into_values().collect(), Known { vectors, dimension: data.dimension }))
}

/// As many chunks as wanted: more of them by turning a real chunk's words round and moving its vector a little, which keeps
/// the words' frequencies and how near vectors lie to one another about as they are.
pub fn multiplied(chunks: &mut Vec<IndexedChunk>, known: &mut Known, (real, size): (usize, usize)) {
    let mut random = fastrand::Rng::with_seed(real as u64);
    while chunks.len() < size {
        let (copy, of) = (chunks.len() / real, chunks.len() % real);
        let Some(mut indexed) = chunks.get(of).cloned() else { return };
        let vector = known.vector(&body_text(&indexed)).map(<[f32]>::to_vec).unwrap_or_default();
        let mut words: Vec<&str> = indexed.chunk.text.split_whitespace().collect();
        let turn = (copy * 7) % words.len().max(1);
        words.rotate_left(turn);
        indexed.chunk.text = words.join(" ");
        indexed.chunk.document = format!("{}-{copy}", indexed.chunk.document);
        let moved: Vec<f32> = vector.iter().map(|value| value + (random.f32() - 0.5) * NOISE).collect();
        let length = moved.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let moved = moved.iter().map(|value| value / length).collect();
        known.vectors.insert(body_text(&indexed), moved);
        chunks.push(indexed);
    }
}

/// The same chunks with their text alone.
pub fn without_handles(mut chunks: Vec<IndexedChunk>) -> Vec<IndexedChunk> {
    for chunk in &mut chunks {
        chunk.handles.clear();
    }
    chunks
}

fn embedded_texts(indexed: &IndexedChunk, field: &Field) -> Vec<String> {
    match field {
        Field::Body => vec![body_text(indexed)],
        Field::Handle(kind) => {
            let of_kind = indexed.handles.iter().filter(|handle| handle.kind == *kind);
            of_kind.map(|handle| handle.text.clone()).collect()
        }
        Field::Title | Field::Concatenated => Vec::new(),
    }
}

/// An index in a folder of its own, which lasts as long as this. Its lanes weigh what they do in the index at hand.
pub struct Excerpt<'a> {
    like: &'a Manifest,
    dir: IndexDir,
    lock: WriterLock,
    _folder: TempDir,
}

/// A published generation.
pub struct Published {
    pub seconds: f64,
    pub built: Built,
    pub reader: Reader,
}

impl<'a> Excerpt<'a> {
    pub fn new(data: &'a Data) -> Result<Self> {
        let folder = tempfile::tempdir_in(&data.place)?;
        let dir = IndexDir::new(folder.path());
        let lock = WriterLock::take(&dir)?;
        Ok(Self { like: data.reader.manifest(), dir, lock, _folder: folder })
    }

    /// Publishes these chunks on top of what was published here before.
    pub fn publish(&self, known: &mut Known, chunks: &[IndexedChunk], graph_rows: usize) -> Result<Published> {
        let weight = |lane: &Lane| {
            let entry = self.like.lanes.iter().find(|entry| entry.lane == *lane);
            entry.map_or(0.0, |entry| entry.weight)
        };
        let build = Build {
            chunks,
            schema: self.like.schema.as_ref(),
            model: None,
            weight: &weight,
            tuning: None,
            fusion: self.like.fusion,
            graph_rows,
            share_above: DEFAULT_SHARE_ABOVE,
            concatenated: false,
            copied_from: None,
            afresh: false,
        };
        let (ms, built) = timed(|| write(&self.dir, &self.lock, &build, known, &mut |_, _| ControlFlow::Continue(())));
        let built = built?;
        if built.without_vector > 0 {
            println!("  {} texts have no vector", built.without_vector);
        }
        Ok(Published { seconds: ms / 1e3, built, reader: self.open()? })
    }

    /// What was published last.
    pub fn open(&self) -> Result<Reader> {
        Ok(Reader::open(&self.dir)?.reader)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}
