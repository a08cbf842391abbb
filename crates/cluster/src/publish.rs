//! From a generation on this disk to the cluster: into the set of collections that is not searched, row by row; then
//! counted, and only then published, by one change of an alias.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::{ControlFlow, Range},
};

use frontload_core::{ChunkId, Digest, Lane, Method};
use frontload_index::{IndexedChunk, LaneStatistics, Manifest, Reader, chunk_weight};
use milvus::v2::SparseVector;

use crate::{
    ClusterError, Connection, Report, Step, block_on,
    connection::Milvus,
    facts::{Known, facts},
    layout::{Kind, Set, partition},
    publication::{Count, FORMAT, LaneAbout, Publication, counted, lead_to, live, live_set, ranges},
    rows::{Facts, Row},
    shelf::Shelf,
};

/// Chunks copied and counted at once.
const WINDOW: u32 = 256;
/// Words copied and counted at once.
const TERMS: u32 = 4096;

/// What copying came to.
#[derive(Debug, Clone)]
pub struct Published {
    /// The generation.
    pub generation: u64,
    /// Its chunks.
    pub chunks: u64,
    /// Rows of all collections.
    pub rows: u64,
    /// How many of them had to be written.
    pub written: usize,
    /// Whether it was published before, and nothing had to be done.
    pub already: bool,
}

/// Copies a generation to a cluster and publishes it there. What an earlier copy left is taken on; interrupted, the same
/// call goes on from where it was.
///
/// # Errors
/// When the cluster does not answer, refuses, holds something else under these names or does not hold what was written:
/// what was published before stays so.
pub fn publish(reader: &Reader, connection: &Connection, report: &mut Report) -> Result<Published, ClusterError> {
    if reader.folder().is_none() {
        let problem = "this index lies in a cluster itself; copy it to a folder first (`--from milvus`)".to_owned();
        return Err(ClusterError::Setting { what: "copy".to_owned(), problem });
    }
    block_on(run(reader, connection, report))
}

async fn run(reader: &Reader, connection: &Connection, report: &mut Report<'_>) -> Result<Published, ClusterError> {
    let milvus = connection.connect().await?;
    let manifest = reader.manifest();
    let source = Digest::of_bytes(&serde_json::to_vec(manifest).unwrap_or_default());
    // What is published but does not read is written over like any other.
    let before = match live(&milvus).await {
        Err(ClusterError::Damaged { .. }) => live_set(&milvus).await?.map(|set| (set, None)),
        found => found?.map(|(set, publication)| (set, Some(publication))),
    };
    let (generation, chunks) = (manifest.generation, manifest.chunks);
    if let Some((_, Some(published))) = &before
        && published.source == source
    {
        let rows = published.counts.values().map(|count| count.rows).sum();
        return Ok(Published { generation, chunks, rows, written: 0, already: true });
    }
    let set = before.as_ref().map_or(Set::Blue, |(set, _)| set.other());
    let mut copy = Copy::new(reader, &milvus, set)?;
    copy.prepare().await?;
    copy.terms(report).await?;
    copy.chunks(report).await?;
    copy.clear_the_rest().await?;
    copy.verify(report).await?;
    let publication = copy.publication(source);
    let parts = publication.parts();
    let about = copy.shelf(Kind::About);
    let count = parts.len() as u32;
    about.settle((0..count, false), parts).await?;
    about.flush().await?;
    lead_to(&milvus, set, before.is_none()).await?;
    let rows = publication.counts.values().map(|count| count.rows).sum();
    Ok(Published { generation, chunks, rows, written: copy.written, already: false })
}

/// A copy on its way.
struct Copy<'a> {
    reader: &'a Reader,
    milvus: &'a Milvus,
    set: Set,
    /// The numbers of all chunks.
    numbers: BTreeSet<u32>,
    lanes: Vec<LaneCopy>,
    known: Known,
    /// Words of all lanes.
    terms: u32,
    counts: BTreeMap<String, Count>,
    /// Collections that were empty when this began: what is not there need not be looked up.
    empty: Vec<Kind>,
    written: usize,
}

/// A lane on its way.
struct LaneCopy {
    about: LaneAbout,
    partition: String,
    statistics: LaneStatistics,
    /// The dimension of each of its words.
    dimensions: HashMap<String, u32>,
}

impl<'a> Copy<'a> {
    fn new(reader: &'a Reader, milvus: &'a Milvus, set: Set) -> Result<Self, ClusterError> {
        let (mut lanes, mut terms) = (Vec::new(), 0_u32);
        for entry in &reader.manifest().lanes {
            let lane = entry.lane.clone();
            let statistics = match lane.method {
                Method::Bm25 => reader.statistics(&lane.field)?,
                Method::Dense => LaneStatistics::default(),
            };
            let mut dimensions = HashMap::with_capacity(statistics.words.len());
            for word in statistics.words.keys() {
                dimensions.insert(word.clone(), terms);
                terms += 1;
            }
            let about = LaneAbout {
                documents: statistics.documents,
                mean: reader.mean_vector(&lane).iter().map(|value| value.to_bits()).collect(),
                rows: entry.rows,
                most_rows: 0,
                bytes: reader.lane_bytes(&lane)?,
                lane,
            };
            lanes.push(LaneCopy { partition: partition(&about.lane.field), about, statistics, dimensions });
        }
        let (numbers, known) = (reader.ids().map(|id| id.0).collect(), Known::of(reader.manifest()));
        let (counts, empty) = (BTreeMap::new(), Vec::new());
        Ok(Self { reader, milvus, set, numbers, lanes, known, terms, counts, empty, written: 0 })
    }

    fn shelf(&self, kind: Kind) -> Shelf {
        let name = self.set.collection(&self.milvus.connection.collection, kind);
        Shelf { milvus: self.milvus.clone(), name, kind }
    }

    /// The partitions of a collection, one a lane.
    fn partitions(&self, kind: Kind) -> Vec<String> {
        let method = match kind {
            Kind::Words => Method::Bm25,
            Kind::Vectors => Method::Dense,
            Kind::About | Kind::Chunks | Kind::Terms => return Vec::new(),
        };
        let lanes = self.lanes.iter().filter(|lane| lane.about.lane.method == method);
        lanes.map(|lane| lane.partition.clone()).collect()
    }

    /// One more than the highest number.
    fn end(&self) -> u32 {
        self.numbers.last().map_or(0, |last| last + 1)
    }

    async fn prepare(&mut self) -> Result<(), ClusterError> {
        let manifest = self.reader.manifest();
        let graph = manifest.lanes.iter().any(|entry| entry.graph.is_some());
        for kind in Kind::ALL {
            let shelf = self.shelf(kind);
            shelf.prepare(manifest.dimension, graph, &self.partitions(kind)).await?;
            if shelf.is_empty().await? {
                self.empty.push(kind);
            }
        }
        // A description of what is about to change describes nothing.
        self.shelf(Kind::About).clear_from(0).await
    }

    async fn terms(&mut self, report: &mut Report<'_>) -> Result<(), ClusterError> {
        let (shelf, empty) = (self.shelf(Kind::Terms), self.empty.contains(&Kind::Terms));
        let (mut rows, mut count) = (Vec::new(), Count::default());
        for lane in &self.lanes {
            for (word, having) in &lane.statistics.words {
                let number = lane.dimensions.get(word).copied().unwrap_or(0);
                rows.push(Row::of_term(number, &lane.about.lane.field, word, *having));
            }
        }
        for row in &rows {
            count.add(row.mark());
        }
        rows.sort_unstable_by_key(|row| row.number);
        let total = rows.len();
        let mut rows = rows.into_iter().peekable();
        for range in windows(self.terms, TERMS) {
            let mut part = Vec::new();
            while let Some(row) = rows.next_if(|row| row.number < range.end) {
                part.push(row);
            }
            let done = range.end as usize;
            self.written += shelf.settle((range, empty), part).await?;
            tell(report, "words", done, total)?;
        }
        self.counts.insert(counted(Kind::Terms, None), count);
        Ok(())
    }

    async fn chunks(&mut self, report: &mut Report<'_>) -> Result<(), ClusterError> {
        let (end, mut done, total) = (self.end(), 0, self.numbers.len());
        for window in windows(end, WINDOW) {
            let ids: Vec<ChunkId> = self.numbers.range(window.clone()).map(|number| ChunkId(*number)).collect();
            let chunks = self.reader.fetch(&ids)?;
            let mut all = Vec::with_capacity(chunks.len());
            for (id, chunk) in ids.iter().zip(chunks) {
                self.known.add(&chunk);
                let facts = Facts::new(facts(&chunk, &self.known.columns)?);
                all.push((*id, chunk, facts));
            }
            let rows = all.iter().map(|(id, chunk, facts)| Row::of_chunk(id.0, chunk, facts));
            let rows = rows.collect::<Result<Vec<Row>, ClusterError>>()?;
            self.settle(Kind::Chunks, window.clone(), rows).await?;
            for kind in [Kind::Words, Kind::Vectors] {
                let mut rows = Vec::new();
                for lane in self.lanes.iter_mut().filter(|lane| lane.kind() == kind) {
                    for (id, chunk, facts) in &all {
                        lane.rows_of(self.reader, (*id, chunk, facts), &mut rows);
                    }
                }
                self.settle(kind, window.clone(), rows).await?;
            }
            done += ids.len();
            tell(report, "copy", done, total)?;
        }
        Ok(())
    }

    async fn settle(&mut self, kind: Kind, window: Range<u32>, rows: Vec<Row>) -> Result<(), ClusterError> {
        for row in &rows {
            self.counts.entry(counted(kind, row.partition.as_deref())).or_default().add(row.mark());
        }
        let empty = self.empty.contains(&kind);
        self.written += self.shelf(kind).settle((window, empty), rows).await?;
        Ok(())
    }

    /// Deletes what an earlier generation had behind the last number.
    async fn clear_the_rest(&self) -> Result<(), ClusterError> {
        for kind in Kind::ALL.into_iter().filter(|kind| !self.empty.contains(kind)) {
            let end = match kind {
                Kind::About => 0,
                Kind::Terms => self.terms,
                Kind::Chunks | Kind::Words | Kind::Vectors => self.end(),
            };
            self.shelf(kind).clear_from(end).await?;
        }
        Ok(())
    }

    /// Counts what is there now.
    async fn verify(&self, report: &mut Report<'_>) -> Result<(), ClusterError> {
        for (done, kind) in [Kind::Chunks, Kind::Words, Kind::Vectors, Kind::Terms].into_iter().enumerate() {
            let shelf = self.shelf(kind);
            shelf.flush().await?;
            let (end, step) = if kind == Kind::Terms { (self.terms, TERMS) } else { (self.end(), WINDOW) };
            let mut found = Count::default();
            for window in windows(end, step) {
                for mark in shelf.marks(window).await?.into_values() {
                    found.add(mark);
                }
            }
            let own = |name: &str| name.split('/').next() == Some(&counted(kind, None));
            let mut expected = Count::default();
            for (_, count) in self.counts.iter().filter(|(name, _)| own(name)) {
                expected.join(*count);
            }
            if expected != found {
                let (uri, collection) = (self.milvus.connection.uri.clone(), shelf.name);
                let (expected, found) = (expected.to_string(), found.to_string());
                return Err(ClusterError::Differs { uri, collection, expected, found });
            }
            tell(report, "verify", done + 1, 4)?;
        }
        Ok(())
    }

    fn publication(&self, source: Digest) -> Publication {
        let manifest: &Manifest = self.reader.manifest();
        Publication {
            format: FORMAT,
            source,
            // Files are of the disk they lie on.
            manifest: Manifest { files: Vec::new(), ..manifest.clone() },
            numbers: ranges(&self.numbers),
            lanes: self.lanes.iter().map(|lane| lane.about.clone()).collect(),
            known: self.known.clone(),
            counts: self.counts.clone(),
        }
    }
}

impl LaneCopy {
    fn kind(&self) -> Kind {
        match self.about.lane.method {
            Method::Bm25 => Kind::Words,
            Method::Dense => Kind::Vectors,
        }
    }

    /// Adds a chunk's rows.
    fn rows_of(&mut self, reader: &Reader, of: (ChunkId, &IndexedChunk, &Facts), rows: &mut Vec<Row>) {
        let (id, chunk, facts) = of;
        let lane: &Lane = &self.about.lane;
        match lane.method {
            Method::Bm25 => {
                let (counts, length) = reader.words_of_chunk(&lane.field, chunk);
                let weight = |(word, count): (String, u32)| {
                    let dimension = self.dimensions.get(&word)?;
                    Some((*dimension, chunk_weight(count, length, self.statistics.average)))
                };
                let weights: SparseVector = counts.into_iter().filter_map(weight).collect();
                if !weights.is_empty() {
                    rows.push(Row::of_words(id.0, &self.partition, weights, facts));
                }
            }
            Method::Dense => {
                let vectors = reader.vectors_of_chunk(lane, id);
                self.about.most_rows = self.about.most_rows.max(vectors.len());
                for one in vectors {
                    rows.push(Row::of_vector(id.0, &self.partition, (one.item, one.text, one.vector), facts));
                }
            }
        }
    }
}

/// The numbers up to an end, so many at once.
pub fn windows(end: u32, step: u32) -> impl Iterator<Item = Range<u32>> {
    (0..end.div_ceil(step)).map(move |at| at * step..end.min((at + 1).saturating_mul(step)))
}

fn tell(report: &mut Report<'_>, what: &str, done: usize, total: usize) -> Result<(), ClusterError> {
    match report(Step { what, done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ClusterError::Interrupted { what: what.to_owned(), done, total }),
    }
}
