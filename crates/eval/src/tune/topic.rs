//! One topic, made ready for being ranked under many weights.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use frontload_core::{ChunkId, Field, Fusion};

use crate::RankedTopic;

/// Documents that count.
const CUTOFF: usize = 10;

/// What each field counts, both of its lanes alike.
pub(super) type FieldWeights = BTreeMap<Field, f32>;

/// A topic under one fusion: lanes as parts of candidates.
pub(super) struct Prepared {
    /// Candidates' documents as numbers, in chunk order.
    documents: Vec<usize>,
    /// Each document's relevance.
    relevance: Vec<i64>,
    /// By field: candidates, what each is worth there, and whether a lane of the field lists it.
    fields: BTreeMap<Field, Vec<(usize, f32, bool)>>,
    /// The best possible gain.
    ideal: f64,
}

impl Prepared {
    pub fn of<'a>(topic: &RankedTopic, fusion: Fusion, document: &dyn Fn(ChunkId) -> &'a str) -> Self {
        let chunks: BTreeSet<ChunkId> =
            topic.lanes.iter().flat_map(|ranking| &ranking.hits).map(|hit| hit.chunk).collect();
        let place: HashMap<ChunkId, usize> = chunks.iter().enumerate().map(|(at, &chunk)| (chunk, at)).collect();
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut relevance = Vec::new();
        let mut documents = Vec::new();
        for &chunk in &chunks {
            let name = document(chunk);
            let next = numbers.len();
            let number = *numbers.entry(name).or_insert(next);
            if number == next {
                relevance.push(topic.judged.get(name).copied().unwrap_or(0).max(0));
            }
            documents.push(number);
        }
        let mut fields: BTreeMap<Field, Vec<(usize, f32, bool)>> = BTreeMap::new();
        for ranking in topic.lanes {
            let parts = ranking.parts(fusion).into_iter();
            let placed = parts.filter_map(|part| Some((*place.get(&part.hit.chunk)?, part.worth, part.rank.is_some())));
            fields.entry(ranking.lane.field.clone()).or_default().extend(placed);
        }
        let mut best: Vec<i64> = topic.judged.values().copied().filter(|&level| level > 0).collect();
        best.sort_unstable_by(|left, right| right.cmp(left));
        let ideal = discounted(best.into_iter());
        Self { documents, relevance, fields, ideal }
    }

    /// nDCG@10 of the documents under these weights.
    pub fn gain(&self, weights: &FieldWeights) -> f64 {
        let mut scores = vec![(0.0_f32, false); self.documents.len()];
        for (field, parts) in &self.fields {
            let weight = weights.get(field).copied().unwrap_or(0.0);
            for &(at, part, listed) in parts.iter().filter(|_| weight > 0.0) {
                if let Some((score, found)) = scores.get_mut(at) {
                    *score += weight * part;
                    *found |= listed;
                }
            }
        }
        // What only lanes list that are switched off would not have been found.
        let found = |at: &usize| scores.get(*at).is_some_and(|&(score, found)| found && score > 0.0);
        let mut order: Vec<usize> = (0..scores.len()).filter(found).collect();
        let score = |at: &usize| scores.get(*at).map_or(0.0, |&(score, _)| score);
        order.sort_by(|left, right| score(right).total_cmp(&score(left)).then(left.cmp(right)));
        let mut seen = BTreeSet::new();
        let documents =
            order.into_iter().filter_map(|at| self.documents.get(at)).filter(|&&number| seen.insert(number));
        let levels = documents.take(CUTOFF).map(|&number| self.relevance.get(number).copied().unwrap_or(0));
        if self.ideal > 0.0 { discounted(levels) / self.ideal } else { 0.0 }
    }
}

/// Discounted cumulated gain at the cutoff, as [`crate::Measure::Ndcg`] has it.
fn discounted(levels: impl Iterator<Item = i64>) -> f64 {
    levels.take(CUTOFF).enumerate().map(|(at, level)| level as f64 / ((at + 2) as f64).log2()).sum()
}
