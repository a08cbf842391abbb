//! Which queries an index does not answer from the text alone, and what is missing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use frontload_core::{ChunkId, Embedder, Lane, LaneRanking, Method, fusion};
use frontload_index::{LaneQuery, Reader};

use crate::{EngineError, search::rank_lanes};

/// Without judgments: a query none of whose hits has so large a share of its words is missing words.
const WORDS_FOUND: f64 = 0.5;
/// Without judgments: a query whose nearest passage is not this share of the way from the mean similarity to 1 is far.
const NEAR: f32 = 0.35;

/// A query from a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedQuery {
    /// Its id.
    pub id: String,
    /// What was asked.
    pub text: String,
    /// The documents that answer it, when somebody judged that.
    pub relevant: Option<BTreeSet<String>>,
}

/// Why a query's answer is not among the first hits of the text alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gap {
    /// Its words are not there, though its vector is near.
    Word,
    /// Its vector is far, though its words are there.
    Vector,
    /// Neither.
    Both,
    /// Each finds it, and together they do not.
    Order,
}

/// A query that is not answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// Its place among the queries.
    pub query: usize,
    /// What is missing.
    pub gap: Gap,
    /// The parts of it of which no word is in the passage that answers it best.
    pub missing: Vec<String>,
    /// A chunk that answers it, when that is known.
    pub answer: Option<ChunkId>,
}

/// Which chunks each document has.
pub(super) fn chunks_of_documents(reader: &Reader) -> Result<BTreeMap<String, Vec<ChunkId>>, EngineError> {
    let mut chunks: BTreeMap<String, Vec<ChunkId>> = BTreeMap::new();
    for id in reader.ids() {
        chunks.entry(reader.chunk(id)?.chunk.document).or_default().push(id);
    }
    Ok(chunks)
}

/// Looks whether a query is answered in the first `k` hits of the lanes over the text.
pub(super) fn missed(
    reader: &Reader,
    embedder: &mut dyn Embedder,
    (at, query): (usize, &LoggedQuery),
    (k, documents): (usize, &BTreeMap<String, Vec<ChunkId>>),
) -> Result<Option<Missed>, EngineError> {
    let plain: Vec<LaneRanking> =
        rank_lanes(reader, embedder, &query.text)?.into_iter().filter(|ranking| ranking.lane.is_plain()).collect();
    let first: Vec<ChunkId> =
        fusion::rank(&plain, reader.manifest().fusion).into_iter().take(k).map(|hit| hit.chunk).collect();
    let Some(relevant) = &query.relevant else { return guessed(reader, (at, query), &plain, &first) };
    let answers: HashSet<ChunkId> = relevant.iter().filter_map(|name| documents.get(name)).flatten().copied().collect();
    if answers.is_empty() || first.iter().any(|chunk| answers.contains(chunk)) {
        return Ok(None);
    }
    let finds = |method: Method| {
        let lane = plain.iter().find(|ranking| ranking.lane == body(method));
        lane.is_some_and(|ranking| ranking.hits.iter().take(k).any(|hit| answers.contains(&hit.chunk)))
    };
    let gap = match (finds(Method::Bm25), finds(Method::Dense)) {
        (false, false) => Gap::Both,
        (false, true) => Gap::Word,
        (true, false) => Gap::Vector,
        (true, true) => Gap::Order,
    };
    let mut ordered: Vec<ChunkId> = answers.into_iter().collect();
    ordered.sort_unstable();
    let best = nearest_in_words(reader, &query.text, &ordered)?;
    Ok(best.map(|(answer, missing)| Missed { query: at, gap, missing, answer: Some(answer) }))
}

/// Without judgments the best hits stand for the answer, and how well they fit says whether they are one.
fn guessed(
    reader: &Reader,
    (at, query): (usize, &LoggedQuery),
    plain: &[LaneRanking],
    first: &[ChunkId],
) -> Result<Option<Missed>, EngineError> {
    let words = reader.words_of_query(&reader.prepare(&query.text, Vec::new())).len();
    let Some((chunk, missing)) = nearest_in_words(reader, &query.text, first)? else {
        return Ok(Some(Missed { query: at, gap: Gap::Both, missing: vec![query.text.clone()], answer: None }));
    };
    // A word said twice is one of `words` and two of those.
    let found = words.saturating_sub(unmatched(reader, &query.text, chunk)?.1);
    let wordless = (found as f64) < words as f64 * WORDS_FOUND;
    let dense = plain.iter().find(|ranking| ranking.lane == body(Method::Dense));
    let far = dense.and_then(|ranking| Some((ranking.hits.first()?.score, ranking.scale.floor)));
    let far = far.is_none_or(|(best, floor)| (best - floor) < (1.0 - floor) * NEAR);
    let gap = match (wordless, far) {
        (false, false) => return Ok(None),
        (true, false) => Gap::Word,
        (false, true) => Gap::Vector,
        (true, true) => Gap::Both,
    };
    Ok(Some(Missed { query: at, gap, missing, answer: None }))
}

fn body(method: Method) -> Lane {
    Lane { field: frontload_core::Field::Body, method }
}

/// The chunk that has most of the query's words, and the parts of the query that are not in it.
fn nearest_in_words(
    reader: &Reader,
    query: &str,
    chunks: &[ChunkId],
) -> Result<Option<(ChunkId, Vec<String>)>, EngineError> {
    let mut best: Option<(usize, ChunkId, Vec<String>)> = None;
    for &chunk in chunks {
        let (parts, missing) = unmatched(reader, query, chunk)?;
        if best.as_ref().is_none_or(|(least, ..)| missing < *least) {
            best = Some((missing, chunk, parts));
        }
    }
    Ok(best.map(|(_, chunk, parts)| (chunk, parts)))
}

/// The parts of a query of which a chunk has no word, and how many words that are.
fn unmatched(reader: &Reader, query: &str, chunk: ChunkId) -> Result<(Vec<String>, usize), EngineError> {
    let text = reader.chunk(chunk)?.chunk.text;
    let analysed = |text: &str| -> Vec<String> {
        let prepared: LaneQuery = reader.prepare(text, Vec::new());
        reader.words_of_query(&prepared).to_vec()
    };
    // A passage may have more distinct words than a query may: word by word, then.
    let there: HashSet<String> =
        text.split_whitespace().collect::<HashSet<&str>>().into_iter().flat_map(analysed).collect();
    let (mut parts, mut part, mut count) = (Vec::new(), Vec::<&str>::new(), 0);
    for word in query.split_whitespace() {
        let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        let forms = analysed(bare);
        if forms.is_empty() || forms.iter().any(|form| there.contains(form)) {
            parts.extend((!part.is_empty()).then(|| std::mem::take(&mut part).join(" ")));
        } else {
            part.push(bare);
            count += 1;
        }
    }
    parts.extend((!part.is_empty()).then(|| part.join(" ")));
    Ok((parts, count))
}
