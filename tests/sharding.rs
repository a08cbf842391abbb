//! Lanes dealt out to servers by the hash of each chunk, each server asked by itself, and their answers merged. What a
//! server holds here is what `copy` writes to one, with BM25's statistics those of the whole; none has to run for it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::mpsc::{Receiver, channel},
    thread,
};

use frontload_core::{Chunk, ChunkId, Field, Lane, Method, Scale, Scored, best_first};
use frontload_engine::{Hit, LaneSelection, SearchRequest, search_embedded};
use frontload_index::{Ask, Elsewhere, LaneStatistics, Reader, Sought, chunk_weight, most, query_weight};

use crate::{
    bench::Bench,
    cluster::{archive, assert_same, embedded, embedder, here, topics},
};

/// More than the archive has chunks.
const ALL: usize = 1000;

/// A chunk with the weights of its words.
type Weighed = (ChunkId, HashMap<String, f32>);

/// What one server holds.
#[derive(Default)]
struct Server {
    weights: HashMap<Lane, Vec<Weighed>>,
    vectors: HashMap<Lane, Vec<(ChunkId, u32, Vec<f32>)>>,
    /// What it would count of its own texts.
    own: HashMap<Field, LaneStatistics>,
}

/// Several servers, and what is counted of all their texts together.
struct Servers {
    whole: Reader,
    all: Vec<Server>,
    frozen: HashMap<Field, LaneStatistics>,
}

/// The server a chunk lies on.
fn place(chunk: &Chunk, servers: usize) -> usize {
    let hash = chunk.key().0.0;
    usize::from(u16::from_le_bytes([hash[0], hash[1]])) % servers
}

impl Server {
    /// The best of the chunks it has, with these statistics.
    fn search(
        &self,
        lane: &Lane,
        (sought, statistics): (&Sought, &LaneStatistics),
        (depth, among): (usize, Option<&HashSet<ChunkId>>),
    ) -> Vec<Scored> {
        let mut found: Vec<Scored> = match sought {
            Sought::Words(words) => {
                let having = |word: &String| Some((word.clone(), *statistics.words.get(word)?));
                let rare: Vec<(String, u64)> = words.iter().filter_map(having).collect();
                let score = |(chunk, weights): &Weighed| {
                    let parts = rare.iter().filter_map(|(word, having)| {
                        Some(query_weight(*having, statistics.documents) * weights.get(word)?)
                    });
                    let parts: Vec<f32> = parts.collect();
                    (!parts.is_empty()).then(|| Scored { chunk: *chunk, score: parts.iter().sum(), item: None })
                };
                self.weights.get(lane).into_iter().flatten().filter_map(score).collect()
            }
            Sought::Vector(vector) => {
                let mut best: BTreeMap<ChunkId, Scored> = BTreeMap::new();
                for (chunk, item, row) in self.vectors.get(lane).into_iter().flatten() {
                    let score = dot(vector, row);
                    let hit = Scored { chunk: *chunk, score, item: Some(*item) };
                    let entry = best.entry(*chunk).or_insert(hit);
                    if score > entry.score {
                        *entry = hit;
                    }
                }
                best.into_values().collect()
            }
        };
        found.retain(|hit| among.is_none_or(|among| among.contains(&hit.chunk)));
        found.sort_by(best_first);
        found.truncate(depth);
        found
    }
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

impl Servers {
    fn deal(bench: &Bench, count: usize) -> Self {
        let whole = here(bench);
        let lanes: Vec<Lane> = whole.manifest().lanes.iter().map(|entry| entry.lane.clone()).collect();
        let of_words = lanes.iter().filter(|lane| lane.method == Method::Bm25);
        let frozen: HashMap<Field, LaneStatistics> =
            of_words.map(|lane| (lane.field.clone(), whole.statistics(&lane.field).expect("counted"))).collect();
        let mut servers: Vec<Server> = (0..count).map(|_| Server::default()).collect();
        let ids: Vec<ChunkId> = whole.ids().collect();
        for (id, chunk) in ids.iter().zip(whole.fetch(&ids).expect("stored")) {
            let server = &mut servers[place(&chunk.chunk, count)];
            for lane in &lanes {
                if lane.method == Method::Dense {
                    let rows = whole.vectors_of_chunk(lane, *id).into_iter();
                    let rows = rows.map(|row| (*id, row.item, row.vector.to_vec()));
                    server.vectors.entry(lane.clone()).or_default().extend(rows);
                    continue;
                }
                let (counts, length) = whole.words_of_chunk(&lane.field, &chunk);
                let own = server.own.entry(lane.field.clone()).or_default();
                own.documents += 1;
                for word in counts.keys() {
                    *own.words.entry(word.clone()).or_default() += 1;
                }
                let average = frozen[&lane.field].average;
                let weights = counts.into_iter().map(|(word, count)| (word, chunk_weight(count, length, average)));
                server.weights.entry(lane.clone()).or_default().push((*id, weights.collect()));
            }
        }
        assert!(servers.iter().all(|server| !server.vectors.is_empty()), "a server of {count} holds nothing");
        Self { whole, all: servers, frozen }
    }

    /// Asks each server for its best, and takes the best of all these. `own` has each go by what it counts itself.
    fn search(
        &self,
        lane: &Lane,
        (sought, own): (&Sought, bool),
        limits: (usize, Option<&HashSet<ChunkId>>),
    ) -> Vec<Scored> {
        let nothing = LaneStatistics::default();
        let asked = |server: &Server| {
            let counted = if own { &server.own } else { &self.frozen };
            server.search(lane, (sought, counted.get(&lane.field).unwrap_or(&nothing)), limits)
        };
        let mut merged: Vec<Scored> = self.all.iter().flat_map(asked).collect();
        merged.sort_by(best_first);
        merged.truncate(limits.0);
        merged
    }

    fn scale(&self, lane: &Lane, sought: &Sought) -> Scale {
        match sought {
            Sought::Words(words) => {
                let counted = &self.frozen[&lane.field];
                let having = words.iter().filter_map(|word| counted.words.get(word));
                Scale { floor: 0.0, ceiling: having.map(|having| most(*having, counted.documents)).sum() }
            }
            Sought::Vector(vector) => Scale { floor: dot(self.whole.mean_vector(lane), vector), ceiling: 1.0 },
        }
    }

    /// Answers what a reader asks of lanes that lie elsewhere, until it is gone.
    fn answer(&self, asked: &Receiver<Ask>) {
        for ask in asked {
            match ask {
                Ask::Search { lane, sought, depth, filter, reply } => {
                    let through = |filter| self.whole.among(&filter).expect("answers").iter().collect();
                    let among: Option<HashSet<ChunkId>> = filter.map(through);
                    let found = self.search(&lane, (&sought, false), (depth, among.as_ref()));
                    let _ = reply.send(Ok((found, self.scale(&lane, &sought))));
                }
                Ask::Score { lane, sought, chunks, reply } => {
                    let among: HashSet<ChunkId> = chunks.into_iter().collect();
                    let _ = reply.send(Ok(self.search(&lane, (&sought, false), (usize::MAX, Some(&among)))));
                }
                Ask::Chunks { chunks, reply } => {
                    let _ = reply.send(self.whole.fetch(&chunks));
                }
                Ask::Check { filter, reply } => {
                    let _ = reply.send(self.whole.among(&filter).map(drop));
                }
                Ask::Among { filter, reply } => {
                    let _ = reply.send(self.whole.among(&filter).map(|among| among.iter().collect()));
                }
                Ask::Newer { reply } => {
                    let _ = reply.send(Ok(None));
                }
            }
        }
    }
}

/// The archive's lanes on so many servers, to be searched like any index.
fn split(bench: &Bench, count: usize) -> Reader {
    let servers = Servers::deal(bench, count);
    let manifest = servers.whole.manifest().clone();
    let numbers = servers.whole.ids().map(|id| id.0..id.0 + 1).collect();
    let (asks, asked) = channel();
    thread::spawn(move || servers.answer(&asked));
    let place = format!("{count} servers");
    Reader::elsewhere(manifest, Elsewhere { place, asks, numbers, lane_bytes: BTreeMap::new() })
}

#[test]
fn lanes_on_three_and_seven_servers_are_those_on_one() {
    let (bench, mut embedder) = (archive(), embedder());
    let folder = here(&bench);
    let (one, several) = (split(&bench, 1), [3, 7].map(|count| split(&bench, count)));
    let (mut ranked, mut ordered) = (0, 0);
    for query in topics() {
        let (embedded, vector) = embedded(&mut embedder, &query);
        let mut same_ranks = true;
        for entry in &folder.manifest().lanes {
            let look = |reader: &Reader, depth| {
                let prepared = reader.prepare(&query, vector.clone());
                reader.search(&entry.lane, &prepared, (depth, None)).expect("searched")
            };
            for depth in [10, ALL] {
                let unsplit = look(&one, depth);
                for reader in &several {
                    assert_eq!(look(reader, depth), unsplit, "{} for {query:?}", entry.lane);
                }
            }
            // And on one server they are those of the folder, where tantivy and the scan look.
            let (mine, theirs) = (look(&folder, ALL).0, look(&one, ALL).0);
            assert_same(&entry.lane, &query, (&mine, &theirs));
            same_ranks &= mine.iter().zip(&theirs).all(|(mine, theirs)| mine.chunk == theirs.chunk);
            ranked += theirs.len();
        }
        for lanes in [LaneSelection::All, LaneSelection::Plain] {
            let request = SearchRequest { lanes, ..SearchRequest::new(query.clone(), 10) };
            let hits = |reader: &Reader| search_embedded(reader, &embedded, &request).expect("found").hits;
            let unsplit = hits(&one);
            for reader in &several {
                assert_eq!(hits(reader), unsplit, "{query}");
            }
            // Two that sums in another order let change places may do so in the fused order too.
            if same_ranks {
                let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.chunk.id()).collect::<Vec<_>>();
                assert_eq!(ids(&hits(&folder)), ids(&unsplit), "{query}");
                ordered += 1;
            }
        }
    }
    assert!(ranked > 20_000, "only {ranked} ranks were compared");
    assert!(ordered >= 20, "only {ordered} fused orders were compared with the folder's");
}

#[test]
fn statistics_of_each_server_alone_would_give_another_order() {
    let bench = archive();
    let servers = Servers::deal(&bench, 7);
    let body = Lane { field: Field::Body, method: Method::Bm25 };
    let order = |sought: &Sought, own| {
        let found = servers.search(&body, (sought, own), (10, None));
        found.iter().map(|hit| hit.chunk).collect::<Vec<_>>()
    };
    let queries = topics();
    let changed = queries.iter().filter(|query| {
        let prepared = servers.whole.prepare(query, Vec::new());
        let sought = Sought::Words(servers.whole.words_of_query(&prepared).to_vec());
        order(&sought, true) != order(&sought, false)
    });
    let changed = changed.count();
    assert!(changed * 2 > queries.len(), "only {changed} of {} orders depend on the statistics", queries.len());
}
