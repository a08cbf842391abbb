//! Hubs: chunks that come up whatever is asked. Text made to be found for everything (stuffed passages, injected
//! handles) shows itself so, and nothing about a single hit does.
//!
//! Some chunks come up more often than others in any index. One is a hub here when it does so for more than a fiftieth
//! of the probe queries, more often than chance allows, and far more often than the other chunks do: see
//! [`HubCount::judge`].

use std::collections::{BTreeMap, HashSet};

use fastrand::Rng;
use frontload_core::{Chunk, Embedder, fold};
use frontload_index::Reader;

use crate::{EngineError, Hit, SearchRequest, embed_queries, search_embedded};

/// A chunk is had by a probe when it is among its first so many hits.
pub const HUB_HITS: usize = 10;
/// A hub is had by more than this share of the probes …
const LEAST_SHARE: f64 = 0.02;
/// … so often that, if all chunks were alike, the chance that any of them came so far were smaller than this …
const CHANCE: f64 = 0.01;
/// … and more than so many times as often as nearly all chunks are, a few hubs left aside.
const BEYOND: f64 = 3.0;
const NEARLY_ALL: f64 = 0.95;
/// Probes embedded at once.
const AT_ONCE: usize = 64;

/// A query that says nothing in particular about what it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The query.
    pub text: String,
    /// The chunk it was taken from, which does not count as found.
    pub own: Option<String>,
}

/// Which chunks the probes had, and by what.
#[derive(Debug, Clone, Default)]
pub struct HubCount {
    probes: usize,
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    chunk: Chunk,
    probes: usize,
    lanes: BTreeMap<String, usize>,
    handles: BTreeMap<(String, String), usize>,
}

/// A chunk that too many probes had.
#[derive(Debug, Clone, PartialEq)]
pub struct Hub {
    /// The chunk.
    pub chunk: Chunk,
    /// How many probes had it.
    pub probes: usize,
    /// Which lanes gave most to its score, and for how many probes; the most frequent first.
    pub lanes: Vec<(String, usize)>,
    /// Which of its handles did, by kind and text; the most frequent first.
    pub handles: Vec<((String, String), usize)>,
}

/// What was found, and what it was held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Hubs {
    /// Probe queries.
    pub probes: usize,
    /// Chunks.
    pub chunks: usize,
    /// How many probes would have a chunk if all were alike.
    pub expected: f64,
    /// By how many probes nearly every chunk is had at most.
    pub usual: usize,
    /// From how many probes on a chunk is a hub; `None` where there are too few chunks or probes to tell.
    pub least: Option<usize>,
    /// The hubs, that of most probes first.
    pub hubs: Vec<Hub>,
}

/// Probes out of the index itself: of chunks drawn at random a title or a handle each, and no text twice.
///
/// # Errors
/// When the generation breaks under our hands.
pub fn sample_probes(reader: &Reader, count: usize, seed: u64) -> Result<Vec<Probe>, EngineError> {
    let mut rng = Rng::with_seed(seed);
    let mut ids: Vec<_> = reader.ids().collect();
    rng.shuffle(&mut ids);
    let (mut probes, mut there) = (Vec::new(), HashSet::new());
    for id in ids {
        if probes.len() == count {
            break;
        }
        let indexed = reader.chunk(id)?;
        let handles = indexed.handles.iter().map(|handle| &handle.text);
        let mut texts: Vec<&String> =
            handles.chain([&indexed.chunk.title]).filter(|text| !fold::fold(text).is_empty()).collect();
        rng.shuffle(&mut texts);
        // What another chunk says in the same words has been asked already.
        if let Some(text) = texts.into_iter().find(|text| there.insert(fold::fold(text))) {
            probes.push(Probe { text: text.clone(), own: Some(indexed.chunk.id()) });
        }
    }
    Ok(probes)
}

/// Asks every probe of the index as a search without settings would, and judges.
///
/// # Errors
/// When the index was built with another embedding model, or breaks under our hands.
pub fn look_for_hubs(reader: &Reader, embedder: &mut dyn Embedder, probes: &[Probe]) -> Result<Hubs, EngineError> {
    let mut count = HubCount::default();
    for part in probes.chunks(AT_ONCE) {
        let texts: Vec<&str> = part.iter().map(|probe| probe.text.as_str()).collect();
        for (probe, embedded) in part.iter().zip(embed_queries(embedder, &texts)) {
            // One more, for the probe's own chunk.
            let request = SearchRequest::new(probe.text.clone(), HUB_HITS + 1);
            count.note(&search_embedded(reader, &embedded, &request)?.hits, probe.own.as_deref());
        }
    }
    Ok(count.judge(reader.manifest().chunks as usize))
}

impl HubCount {
    /// Counts the first hits of one more probe, without its own chunk.
    pub fn note(&mut self, hits: &[Hit], own: Option<&str>) {
        self.probes += 1;
        let others = hits.iter().filter(|hit| own.is_none_or(|own| hit.chunk.id() != own));
        for hit in others.take(HUB_HITS) {
            let new = || Seen { chunk: hit.chunk.clone(), ..Seen::default() };
            let seen = self.seen.entry(hit.chunk.id()).or_insert_with(new);
            seen.probes += 1;
            // What gave most stands first.
            let Some(given) = hit.evidence.first() else { continue };
            *seen.lanes.entry(given.given.lane.to_string()).or_default() += 1;
            if let Some(handle) = &given.handle {
                *seen.handles.entry((handle.kind.clone(), handle.text.clone())).or_default() += 1;
            }
        }
    }

    /// Which chunks are hubs, of so many.
    ///
    /// If all chunks were alike, each probe would have one with the chance of the first hits' number over theirs; how
    /// many probes have it were then binomial, and its tail is bounded by Hoeffding (1963, theorem 1), for all chunks
    /// together by the sum over them. No index is that even: so a hub must besides stand far beyond what nearly all of
    /// its chunks come to. In a small index, where every probe has most chunks, nothing can.
    pub fn judge(&self, chunks: usize) -> Hubs {
        let chunks = chunks.max(self.seen.len());
        let chance = (HUB_HITS as f64 / chunks.saturating_sub(1).max(1) as f64).min(1.0);
        let usual = self.usual(chunks);
        let is_beyond = |count: usize| {
            count as f64 > self.probes as f64 * LEAST_SHARE
                && count as f64 > usual as f64 * BEYOND
                && tail(count, self.probes, chance) * (chunks as f64) < CHANCE
        };
        let least = (1..=self.probes).find(|&count| is_beyond(count));
        let found = self.seen.values().filter(|seen| least.is_some_and(|least| seen.probes >= least));
        let mut hubs: Vec<Hub> = found.map(Seen::hub).collect();
        // A stable sort: among equals the order of their ids stays.
        hubs.sort_by_key(|hub| std::cmp::Reverse(hub.probes));
        Hubs { probes: self.probes, chunks, expected: self.probes as f64 * chance, usual, least, hubs }
    }

    fn usual(&self, chunks: usize) -> usize {
        let mut counts: Vec<usize> = self.seen.values().map(|seen| seen.probes).collect();
        counts.resize(chunks, 0);
        counts.sort_unstable();
        let at = (chunks as f64 * NEARLY_ALL).ceil() as usize;
        counts.get(at.saturating_sub(1)).copied().unwrap_or(0)
    }
}

impl Seen {
    fn hub(&self) -> Hub {
        let (lanes, handles) = (frequent(&self.lanes), frequent(&self.handles));
        Hub { chunk: self.chunk.clone(), probes: self.probes, lanes, handles }
    }
}

fn frequent<T: Clone>(counts: &BTreeMap<T, usize>) -> Vec<(T, usize)> {
    let mut listed: Vec<(T, usize)> = counts.iter().map(|(what, count)| (what.clone(), *count)).collect();
    listed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    listed
}

/// At most how likely it is that so many of the probes have a chunk which each has by this chance.
fn tail(count: usize, probes: usize, chance: f64) -> f64 {
    let share = count as f64 / probes as f64;
    if share <= chance {
        return 1.0;
    }
    let part = |share: f64, chance: f64| if share > 0.0 { share * (share / chance).ln() } else { 0.0 };
    let divergence = part(share, chance) + part(1.0 - share, 1.0 - chance);
    (-divergence * probes as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probes that each had these chunks so often.
    fn counted(probes: usize, counts: impl IntoIterator<Item = usize>) -> HubCount {
        let seen = |(at, probes): (usize, usize)| {
            let chunk = Chunk { document: format!("d{at}"), ..Chunk::default() };
            (chunk.id(), Seen { chunk, probes, ..Seen::default() })
        };
        HubCount { probes, seen: counts.into_iter().enumerate().map(seen).collect() }
    }

    fn found(probes: usize, counts: &[usize], chunks: usize) -> Vec<String> {
        let judged = counted(probes, counts.iter().copied()).judge(chunks);
        judged.hubs.iter().map(|hub| hub.chunk.id()).collect()
    }

    #[test]
    fn the_tail_is_bounded() {
        let check = |(count, probes, chance): (usize, usize, f64), expected: f64| {
            let bound = tail(count, probes, chance);
            assert!((bound / expected - 1.0).abs() < 1e-6, "{count} of {probes} at {chance}: {bound}");
        };
        // All of them: the chance to the power of their number, exactly.
        check((10, 10, 0.1), 1e-10);
        check((1, 10, 0.1), 1.0);
        // 0.5 of 20 at 0.25: (0.25^0.5 * 0.75^0.5 / 0.5)^20 = 0.75^10.
        check((10, 20, 0.25), 0.75_f64.powi(10));
    }

    #[test]
    fn what_comes_up_for_everything_is_a_hub() {
        // 200 probes, 10 of 200 chunks each.
        let mut counts = vec![10; 200];
        assert!(found(200, &counts, 200).is_empty());
        counts[7] = 150;
        assert_eq!(found(200, &counts, 200), ["d7"]);
        // Chunks differ: one that has three times what is expected is no hub yet, and a few hubs do not hide each other.
        counts[7] = 30;
        assert!(found(200, &counts, 200).is_empty());
        counts[3] = 160;
        counts[9] = 170;
        assert_eq!(found(200, &counts, 200), ["d9", "d3"]);
        // Where one chunk in ten comes up often, coming up often is nothing.
        counts.iter_mut().take(20).for_each(|count| *count = 60);
        assert!(found(200, &counts, 200).is_empty());
    }

    #[test]
    fn a_small_index_or_few_probes_tell_nothing() {
        let judged = counted(50, [50; 6]).judge(6);
        assert_eq!((judged.least, judged.hubs.len()), (None, 0));
        assert!((judged.expected - 50.0).abs() < 1e-9, "more than all of them: {}", judged.expected);
        assert!(found(2, &[2, 1, 1], 30).is_empty());
        // It is far beyond the others; that it came so far by chance is all that speaks against it.
        assert!(found(2, &[2], 30).is_empty());
        let judged = HubCount::default().judge(0);
        assert_eq!((judged.least, judged.hubs.len(), judged.probes), (None, 0, 0));
    }

    #[test]
    fn in_a_large_index_a_fiftieth_of_the_probes_is_the_bound() {
        let judged = counted(500, [12, 10, 3]).judge(100_000);
        assert_eq!(judged.least, Some(11));
        assert_eq!(judged.hubs.len(), 1);
    }
}
