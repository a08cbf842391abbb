//! What many small publishes leave of a graph.

use std::collections::HashMap;

use frontload_core::ChunkId;
use frontload_index::{IndexedChunk, Reader, body_text};

use super::nearest::{body, exact, nearest, recall, turns};
use crate::{
    Result,
    data::Data,
    excerpt::{Excerpt, Known, Published, everything, without_handles},
    figures::{at, ratio, told},
};

const MOST_CHUNKS: usize = 20_000;
const PUBLISHES: usize = 30;
/// A graph however few vectors there are.
const GRAPH_ROWS: usize = 1;

/// What the writer made anew, since the start.
#[derive(Default)]
struct Anew {
    words: usize,
    vectors: usize,
    graphs: usize,
}

/// One percent of the chunks goes and as many come, again and again, each time published; the text's vectors are then
/// searched along the graph.
pub fn churn(data: &Data) -> Result<()> {
    let (chunks, mut known) = everything(data)?;
    let mut chunks = without_handles(chunks);
    let size = MOST_CHUNKS.min(chunks.len() * 100 / (100 + PUBLISHES));
    let mut held_back = chunks.split_off(size);
    println!("{size} chunks, one percent exchanged {PUBLISHES} times, the text's vectors along a graph:");
    let excerpt = Excerpt::new(data)?;
    let mut live = excerpt.publish(&mut known, &chunks, GRAPH_ROWS)?;
    let mut anew = Anew::default();
    let mut times = Vec::new();
    show("start", &live, &anew, (data, &chunks, &known))?;
    for publish in 1..=PUBLISHES {
        exchange(&mut chunks, &mut held_back, publish);
        let next = excerpt.publish(&mut known, &chunks, GRAPH_ROWS)?;
        times.push(next.seconds * 1e3);
        anew.count(&live, &next);
        live = next;
        if publish % 10 == 0 {
            show(&format!("{publish} publishes"), &live, &anew, (data, &chunks, &known))?;
        }
    }
    told("a publish", &times);
    let other = Excerpt::new(data)?;
    let afresh = other.publish(&mut known, &chunks, GRAPH_ROWS)?;
    show("afresh", &afresh, &Anew::default(), (data, &chunks, &known))?;
    let turns = turns(&live.reader, &afresh.reader, &data.prepared)?;
    ratio("p50, after the publishes ÷ afresh", &turns.ratios);
    Ok(())
}

/// Every hundredth chunk goes, another hundredth each time, and as many new ones come.
fn exchange(chunks: &mut Vec<IndexedChunk>, held_back: &mut Vec<IndexedChunk>, publish: usize) {
    let (before, goes) = (chunks.len(), publish * 37 % 100);
    let mut place = 0..before;
    chunks.retain(|_| place.next().is_some_and(|at| at % 100 != goes));
    let come = (before - chunks.len()).min(held_back.len());
    chunks.extend(held_back.drain(..come));
}

impl Anew {
    fn count(&mut self, before: &Published, after: &Published) {
        let parts = |published: &Published| published.built.manifest.vector_parts;
        self.words += usize::from(after.built.written as u64 == after.built.manifest.chunks);
        // Each publish adds a part.
        self.vectors += usize::from(parts(after) <= parts(before));
        self.graphs += usize::from(graph_is_new(&after.reader));
    }
}

/// Beside a graph that was kept, what came since is scanned; beside a new one only what it does not lead to.
fn graph_is_new(reader: &Reader) -> bool {
    let lane = body();
    let entries = &reader.manifest().lanes;
    let graph = entries.iter().find(|entry| entry.lane == lane).and_then(|entry| entry.graph.as_ref());
    let beside = reader.graph_state(&lane).map(|(_, _, beside)| beside as u64);
    graph.map(|graph| graph.unreached) == beside
}

fn show(
    when: &str,
    published: &Published,
    anew: &Anew,
    (data, chunks, known): (&Data, &[IndexedChunk], &Known),
) -> Result<()> {
    let vectors: Vec<(usize, &[f32])> =
        chunks.iter().enumerate().filter_map(|(at, chunk)| Some((at, known.vector(&body_text(chunk))?))).collect();
    let exact = exact(&vectors, &data.vectors);
    let places = places(&published.reader, chunks)?;
    let (times, found) = nearest(&published.reader, &data.prepared)?;
    // A chunk that should be gone is nowhere, and takes the place of one that should be found.
    let place = |hit: &ChunkId| places.get(hit).copied().unwrap_or(usize::MAX);
    let found: Vec<Vec<usize>> = found.iter().map(|hits| hits.iter().map(place).collect()).collect();
    let (points, live, beside) = published.reader.graph_state(&body()).unwrap_or_default();
    println!(
        "  {when:<14} recall@10 {:.3}, @100 {:.3}; p50 {:.3} ms; {} vector parts, {live} of {points} points and \
         {beside} beside; made anew: words {}, vectors {}, graph {} times",
        recall(&found, &exact, 10),
        recall(&found, &exact, 100),
        at(&times, 0.5),
        published.built.manifest.vector_parts,
        anew.words,
        anew.vectors,
        anew.graphs
    );
    Ok(())
}

/// Where each of a reader's chunks stands among those that should be there.
fn places(reader: &Reader, chunks: &[IndexedChunk]) -> Result<HashMap<ChunkId, usize>> {
    let wanted: HashMap<String, usize> =
        chunks.iter().enumerate().map(|(at, indexed)| (indexed.chunk.id(), at)).collect();
    let mut places = HashMap::new();
    for id in reader.ids() {
        if let Some(at) = wanted.get(&reader.chunk(id)?.chunk.id()) {
            places.insert(id, *at);
        }
    }
    Ok(places)
}
