//! Working backwards: from queries that the text alone does not answer to the kinds of handle that would.
//!
//! Which queries fail, and for want of what, is found in the index. Known kinds are then proposed, the one that reaches
//! most failing queries first, as long as each reaches enough that the others do not; a model names kinds for the rest.
//! They are chosen on one half of the queries, and how many of the other half they reach is told.

mod catalogue;
mod gaps;
mod groups;
mod model;
mod schema;

use std::collections::BTreeMap;

use frontload_core::{Embedder, Generator, TextRole};
use frontload_index::{IndexError, Reader};

use self::{
    catalogue::{Signs, catalogue},
    gaps::{chunks_of_documents, missed},
    groups::groups,
};
use crate::EngineError;

pub use catalogue::Candidate;
pub use gaps::{Gap, LoggedQuery, Missed};

/// A query wants a kind when it, or a part of it that the answer lacks, is so near to one of the kind's signs: what
/// sentences of the same sort come to with the usual small embedding models.
const WANTS: f32 = 0.40;
/// Of the kinds a query is near to, those this much less near than the nearest are not wanted.
const CLOSE: f32 = 0.12;
/// A kind is proposed when it reaches this share of the failing queries that no kind before it reaches.
const SMALLEST_SHARE: f64 = 0.04;
/// Queries shown to a model, or with a kind.
const SHOWN: usize = 6;

/// A kind that is proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// The kind.
    pub candidate: Candidate,
    /// Whether a model named it; otherwise it is a known one.
    pub named_by_model: bool,
    /// Failing queries that want it, as places among the queries, the nearest first.
    pub wanted_by: Vec<usize>,
    /// What a handle of this kind would have to say for some of them.
    pub examples: Vec<(usize, String)>,
}

/// What the queries call for.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The queries that are not answered.
    pub missed: Vec<Missed>,
    /// Those again, alike ones together: places in `missed`.
    pub groups: Vec<Vec<usize>>,
    /// The kinds, most wanted first.
    pub kinds: Vec<Proposed>,
    /// Of the failing queries that were not chosen by: how many want one of the kinds, and how many there are.
    pub held_out: (usize, usize),
    /// A schema file that asks for the kinds.
    pub schema: String,
}

/// How to go about it.
#[derive(Debug, Clone, Copy)]
pub struct SuggestOptions<'a> {
    /// A query is answered when an answer is among the first so many hits.
    pub k: usize,
    /// At most so many kinds.
    pub most_kinds: usize,
    /// Of the grouping.
    pub seed: u64,
    /// What the corpus is, for the schema and the model.
    pub about: &'a str,
}

/// Failing queries as vectors: each the query itself and its missing parts.
struct Failing {
    missed: Vec<Missed>,
    vectors: Vec<Vec<Vec<f32>>>,
}

/// Proposes kinds for the queries that fail.
///
/// # Errors
/// When a query cannot be embedded, the index breaks under our hands, or the model cannot be used.
pub fn suggest(
    reader: &Reader,
    (embedder, generator): (&mut dyn Embedder, Option<&mut dyn Generator>),
    queries: &[LoggedQuery],
    options: SuggestOptions,
) -> Result<Suggestion, EngineError> {
    let documents = chunks_of_documents(reader)?;
    let mut found = Vec::new();
    for (at, query) in queries.iter().enumerate() {
        found.extend(missed(reader, embedder, (at, query), (options.k, &documents))?);
    }
    let failing = Failing::of(found, queries, embedder)?;
    let whole: Vec<&[f32]> = failing.vectors.iter().filter_map(|all| all.first()).map(Vec::as_slice).collect();
    let mut named: Vec<Candidate> = catalogue();
    let known = named.len();
    let seen = |at: usize| at.is_multiple_of(2);
    let mut wants = failing.wants(&named, embedder)?;
    let mut chosen = choose(&wants, options.most_kinds, &seen);
    let rest: Vec<usize> = (0..failing.missed.len()).filter(|&at| seen(at) && !reached(&wants, &chosen, at)).collect();
    let mut generator = generator;
    if let Some(generator) = generator.as_mut() {
        let vectors: Vec<&[f32]> = rest.iter().filter_map(|&at| whole.get(at)).copied().collect();
        for group in groups(&vectors, options.seed) {
            let texts: Vec<&str> = group
                .iter()
                .filter_map(|&at| Some(queries.get(failing.missed.get(*rest.get(at)?)?.query)?.text.as_str()))
                .take(SHOWN)
                .collect();
            named.extend(model::name_kind(*generator, options.about, &texts, &named)?);
        }
        if named.len() > known {
            wants = failing.wants(&named, embedder)?;
            chosen = choose(&wants, options.most_kinds, &seen);
        }
    }
    let held: Vec<usize> = (0..failing.missed.len()).filter(|&at| !seen(at)).collect();
    let held_out = (held.iter().filter(|&&at| reached(&wants, &chosen, at)).count(), held.len());
    let mut kinds = Vec::new();
    for &number in &chosen {
        let Some(candidate) = named.get(number) else { continue };
        let mut wanted_by: Vec<(f32, usize)> = wants
            .iter()
            .zip(&failing.missed)
            .filter_map(|(wants, missed)| Some((*wants.get(&number)?, missed.query)))
            .collect();
        wanted_by.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        let wanted_by: Vec<usize> = wanted_by.into_iter().map(|(_, query)| query).collect();
        let examples = match generator.as_mut() {
            Some(generator) => model::examples(*generator, candidate, &wanted_by, queries)?,
            None => Vec::new(),
        };
        kinds.push(Proposed { candidate: candidate.clone(), named_by_model: number >= known, wanted_by, examples });
    }
    let schema = schema::write(reader, options.about, (&kinds, &failing.missed), queries)?;
    let groups = groups(&whole, options.seed);
    Ok(Suggestion { missed: failing.missed, groups, kinds, held_out, schema })
}

/// By failing query: the kinds it wants, and how near it is to each.
type Wants = Vec<BTreeMap<usize, f32>>;

impl Failing {
    fn of(missed: Vec<Missed>, queries: &[LoggedQuery], embedder: &mut dyn Embedder) -> Result<Self, EngineError> {
        let mut vectors = Vec::with_capacity(missed.len());
        for one in &missed {
            let mut texts: Vec<&str> = queries.get(one.query).map(|query| query.text.as_str()).into_iter().collect();
            texts.extend(one.missing.iter().map(String::as_str));
            vectors.push(embedder.embed(&texts, TextRole::Query).map_err(IndexError::from)?);
        }
        Ok(Self { missed, vectors })
    }

    fn wants(&self, candidates: &[Candidate], embedder: &mut dyn Embedder) -> Result<Wants, EngineError> {
        let signs = Signs::of(candidates, embedder).map_err(IndexError::from)?;
        let of_query = |vectors: &Vec<Vec<f32>>| {
            let near = signs.nearness(vectors);
            let best = near.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let wanted = near.into_iter().enumerate().filter(|(_, near)| *near >= WANTS.max(best - CLOSE));
            wanted.collect()
        };
        Ok(self.vectors.iter().map(of_query).collect())
    }
}

/// The kinds that reach most of the queries which are chosen by, one after another.
fn choose(wants: &Wants, most: usize, seen: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let all = (0..wants.len()).filter(|&at| seen(at)).count();
    let kinds: std::collections::BTreeSet<usize> = wants.iter().flat_map(|wants| wants.keys().copied()).collect();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < most {
        let gain = |kind: usize| -> f64 {
            let wanting = wants.iter().enumerate().filter(|(at, wants)| seen(*at) && wants.contains_key(&kind));
            // A query that is reached already is reached better by a second kind, which counts a little.
            wanting.map(|(at, _)| if reached(wants, &chosen, at) { 0.25 } else { 1.0 }).sum()
        };
        let left = kinds.iter().filter(|kind| !chosen.contains(kind));
        let best = left.map(|&kind| (gain(kind), kind)).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        match best {
            Some((gain, kind)) if gain >= SMALLEST_SHARE * all as f64 && gain > 0.0 => chosen.push(kind),
            _ => break,
        }
    }
    chosen
}

fn reached(wants: &Wants, chosen: &[usize], query: usize) -> bool {
    wants.get(query).is_some_and(|wants| chosen.iter().any(|kind| wants.contains_key(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(of: &[&[usize]]) -> Wants {
        of.iter().map(|kinds| kinds.iter().map(|&kind| (kind, 0.5)).collect()).collect()
    }

    #[test]
    fn the_kind_that_reaches_most_comes_first_and_one_that_adds_nothing_not_at_all() {
        let queries = wants(&[&[1, 2], &[1], &[1, 2], &[0], &[3], &[1]]);
        assert_eq!(choose(&queries, 9, &|_| true), [1, 0, 3, 2]);
        assert_eq!(choose(&queries, 2, &|_| true), [1, 0]);
        // Only what is chosen by counts.
        assert_eq!(choose(&queries, 9, &|at| at < 3), [1, 2]);
        assert!(choose(&wants(&[&[], &[]]), 9, &|_| true).is_empty());
    }
}
