//! From a cluster back to a folder, without a call to a language model and without embedding anything: chunks with their
//! handles and all vectors come from the cluster; words are counted again, which costs nothing.

use std::{collections::BTreeMap, ops::ControlFlow};

use frontload_core::{Digest, Embedder, Field, Lane, Method};
use frontload_index::{Build, IndexDir, IndexError, IndexedChunk, KeptVectors, Manifest, WriterLock, write};
use milvus::v2::FieldData;

use crate::{
    ClusterError, Connection, Report, Step, block_on,
    facts::facts,
    lanes::Lanes,
    layout::{ITEM, KEY, Kind, NUMBER, TEXT, VECTOR, partition},
    publication::{Count, counted},
    publish::windows,
    rows::{Facts, Row},
};

/// Chunks fetched at once; vectors of so many fit into a message.
const WINDOW: u32 = 128;

/// What copying back came to.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The generation that was published in the folder.
    pub generation: u64,
    /// Its chunks.
    pub chunks: u64,
    /// Vectors that came from the cluster.
    pub vectors: u64,
    /// Texts that had to be embedded after all.
    pub embedded: usize,
}

/// Copies what is published in a cluster into a folder, as its next generation. The ledger is not in a cluster: where
/// the folder has one, it stays.
///
/// # Errors
/// When the cluster does not answer or holds something else than was written, the embedding model is another one, or
/// the disk refuses: what the folder had stays.
pub fn recover(
    connection: &Connection,
    dir: &IndexDir,
    embedder: &mut dyn Embedder,
    report: &mut Report,
) -> Result<Recovered, ClusterError> {
    let lock = WriterLock::take(dir)?;
    let fetched = block_on(fetch(connection, (dir, &lock), embedder, report))?;
    let Fetched { manifest, chunks, vectors } = fetched;
    let weights: BTreeMap<&Lane, f32> = manifest.lanes.iter().map(|entry| (&entry.lane, entry.weight)).collect();
    let build = Build {
        chunks: &chunks,
        schema: manifest.schema.as_ref(),
        model: manifest.model.as_deref(),
        weight: &|lane| weights.get(lane).copied().unwrap_or(0.0),
        tuning: manifest.tuning.as_ref(),
        fusion: manifest.fusion,
        graph_rows: frontload_index::DEFAULT_GRAPH_ROWS,
        share_above: frontload_index::DEFAULT_SHARE_ABOVE,
        concatenated: weights.keys().any(|lane| lane.field == Field::Concatenated),
        copied_from: Some(&connection.uri),
        afresh: true,
    };
    let mut told = |done, total| report(Step { what: "embed", done, total });
    let built = write(dir, &lock, &build, embedder, &mut told)?;
    let (generation, embedded) = (built.manifest.generation, built.embedded);
    Ok(Recovered { generation, chunks: built.manifest.chunks, vectors, embedded })
}

struct Fetched {
    manifest: Manifest,
    chunks: Vec<IndexedChunk>,
    vectors: u64,
}

async fn fetch(
    connection: &Connection,
    (dir, lock): (&IndexDir, &WriterLock),
    embedder: &mut dyn Embedder,
    report: &mut Report<'_>,
) -> Result<Fetched, ClusterError> {
    let lanes = Lanes::open(connection).await?;
    let manifest = lanes.publication.manifest.clone();
    if manifest.embedder != embedder.fingerprint() {
        let (index, given) = (manifest.embedder, embedder.fingerprint().to_owned());
        return Err(IndexError::OtherEmbedder { index, given }.into());
    }
    let mut kept = KeptVectors::open(dir, lock, &manifest.embedder, manifest.dimension);
    let dense: Vec<&Lane> =
        manifest.lanes.iter().map(|entry| &entry.lane).filter(|lane| lane.method == Method::Dense).collect();
    let end = lanes.publication.numbers.last().map_or(0, |range| range.end);
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let (mut chunks, mut vectors) = (Vec::new(), 0);
    for window in windows(end, WINDOW) {
        let numbers: Vec<u32> = lanes
            .publication
            .numbers
            .iter()
            .flat_map(|range| range.start.max(window.start)..range.end.min(window.end))
            .collect();
        let ids: Vec<_> = numbers.iter().map(|number| frontload_core::ChunkId(*number)).collect();
        let mut known: BTreeMap<u32, Facts> = BTreeMap::new();
        for (number, chunk) in numbers.iter().zip(lanes.chunks(&ids).await?) {
            let facts = Facts::new(facts(&chunk, &manifest.metadata)?);
            let row = Row::of_chunk(*number, &chunk, &facts)?;
            counts.entry(counted(Kind::Chunks, None)).or_default().add(row.mark());
            known.insert(*number, facts);
            chunks.push(chunk);
        }
        for lane in &dense {
            let name = partition(&lane.field);
            let mut fetched = Vec::new();
            for row in vectors_of(&lanes, &name, window.clone()).await? {
                let Some(facts) = known.get(&row.number) else { continue };
                let again = Row::of_vector(row.number, &name, (row.item, row.text, &row.vector), facts);
                if again.key != row.key {
                    let problem = format!("the vector of chunk {} is not what was written", row.number);
                    return Err(lanes.milvus.damaged(&lanes.shelf(Kind::Vectors).name, problem));
                }
                counts.entry(counted(Kind::Vectors, Some(&name))).or_default().add(again.mark());
                fetched.push((row.text, row.vector));
            }
            vectors += fetched.len() as u64;
            kept.keep(&fetched)?;
        }
        let (done, total) = (chunks.len(), manifest.chunks as usize);
        if report(Step { what: "copy", done, total }) == ControlFlow::Break(()) {
            return Err(ClusterError::Interrupted { what: "copy".to_owned(), done, total });
        }
    }
    for (name, expected) in &lanes.publication.counts {
        if !(name == "chunks" || name.starts_with("vectors/")) {
            continue;
        }
        let found = counts.get(name).copied().unwrap_or_default();
        if found != *expected {
            let (uri, collection) = (connection.uri.clone(), format!("{} ({name})", connection.collection));
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(ClusterError::Differs { uri, collection, expected, found });
        }
    }
    Ok(Fetched { manifest, chunks, vectors })
}

/// A row of a lane of vectors as it came.
struct VectorFound {
    key: String,
    number: u32,
    item: u32,
    text: Digest,
    vector: Vec<f32>,
}

async fn vectors_of(
    lanes: &Lanes,
    partition: &str,
    window: std::ops::Range<u32>,
) -> Result<Vec<VectorFound>, ClusterError> {
    let shelf = lanes.shelf(Kind::Vectors);
    let mut rows = Vec::new();
    for found in shelf.query_range(Some(partition), window, &[KEY, NUMBER, ITEM, TEXT, VECTOR]).await? {
        let (keys, texts) = (shelf.strings(&found, KEY)?, shelf.strings(&found, TEXT)?);
        let (numbers, items) = (shelf.numbers(&found, NUMBER)?, shelf.numbers(&found, ITEM)?);
        let vectors = shelf.column(&found, VECTOR, FieldData::as_float_vectors)?;
        for ((((key, text), number), item), vector) in keys.iter().zip(texts).zip(numbers).zip(items).zip(vectors) {
            let text = Digest::from_hex(text)
                .ok_or_else(|| lanes.milvus.damaged(&shelf.name, format!("{text:?} is no hash of a text")))?;
            let (number, item) = (*number as u32, *item as u32);
            rows.push(VectorFound { key: key.clone(), number, item, text, vector: vector.clone() });
        }
    }
    Ok(rows)
}
