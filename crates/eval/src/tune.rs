//! Choosing lane weights on judged topics, a handle kind at a time.
//!
//! Few parameters, so that a few dozen topics are enough: the plain lanes keep their weight, both lanes of a
//! kind share one out of a short list, and a kind that does not help stays off. A step is taken only when it
//! helps on most of the parts into which the topics are cut, not only on their mean: what helps a few topics
//! much and hurts the others is chance. By construction the result is never worse than plain on these topics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use frontload_core::{ChunkId, Field, Fusion, Lane, LaneRanking, Tuning};

/// Weights tried for a kind.
const WEIGHTS: [f32; 5] = [0.0, 0.25, 0.5, 1.0, 2.0];
/// Parts the topics are cut into, and on how many of them a step must help.
const PARTS: usize = 5;
const PARTS_HELPED: usize = 4;
/// A step that gains less than this is not worth a lane.
const SMALLEST_GAIN: f64 = 0.005;
/// Documents that count.
const CUTOFF: usize = 10;
/// The name of what is measured.
pub const TUNED_MEASURE: &str = "nDCG@10";

/// One topic: every lane's ranking, and its judgments.
pub struct TunedTopic<'a> {
    /// Every lane's ranking; weights are not looked at.
    pub lanes: Vec<LaneRanking>,
    /// Relevance by document.
    pub judged: &'a BTreeMap<String, i64>,
}

/// One step that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The kind whose weight changed.
    pub kind: String,
    /// Its new weight.
    pub weight: f32,
    /// The mean before.
    pub before: f64,
    /// The mean after.
    pub after: f64,
}

/// A topic made ready for many scorings: lanes as parts of candidates.
struct Prepared {
    /// Candidates' documents as numbers, in chunk order.
    documents: Vec<usize>,
    /// Each document's relevance.
    relevance: Vec<i64>,
    /// By field: candidates and what each is worth there, both methods together.
    fields: BTreeMap<Field, Vec<(usize, f32)>>,
    /// The best possible gain.
    ideal: f64,
}

/// Chooses weights. `document` names a chunk's document; `fusion` is how rankings will be joined.
pub fn tune<'a>(topics: &[TunedTopic], fusion: Fusion, document: &dyn Fn(ChunkId) -> &'a str) -> (Tuning, Vec<Step>) {
    let prepared: Vec<Prepared> = topics.iter().map(|topic| Prepared::of(topic, fusion, document)).collect();
    let fields: BTreeSet<&Field> = prepared.iter().flat_map(|topic| topic.fields.keys()).collect();
    let plain_lanes = topics.iter().flat_map(|topic| &topic.lanes).filter(|ranking| ranking.lane.is_plain());
    let plain_weights: BTreeMap<Field, f32> =
        plain_lanes.map(|ranking| (ranking.lane.field.clone(), ranking.weight)).collect();
    let kinds: Vec<&Field> = fields.into_iter().filter(|field| !plain_weights.contains_key(field)).collect();
    let mut weights: BTreeMap<&Field, f32> = plain_weights.iter().map(|(field, weight)| (field, *weight)).collect();
    let mut values = gains(&prepared, &weights);
    let plain = mean(&values);
    let mut steps = Vec::new();
    while let Some((kind, weight, next)) = best_step(&prepared, &kinds, &weights, &values) {
        weights.insert(kind, weight);
        steps.push(Step { kind: kind.to_string(), weight, before: mean(&values), after: mean(&next) });
        values = next;
    }
    let lanes: BTreeSet<&Lane> = topics.iter().flat_map(|topic| &topic.lanes).map(|ranking| &ranking.lane).collect();
    let weight_of = |lane: &Lane| weights.get(&lane.field).copied().unwrap_or(0.0);
    let chosen = lanes.into_iter().map(|lane| (lane.clone(), weight_of(lane))).collect();
    let (measure, topics) = (TUNED_MEASURE.to_owned(), topics.len() as u64);
    (Tuning { weights: chosen, measure, topics, plain, tuned: mean(&values) }, steps)
}

/// The change of one kind's weight that gains most, if any gains enough on enough parts.
fn best_step<'a>(
    topics: &[Prepared],
    kinds: &[&'a Field],
    weights: &BTreeMap<&'a Field, f32>,
    values: &[f64],
) -> Option<(&'a Field, f32, Vec<f64>)> {
    let mut best: Option<(f64, &Field, f32, Vec<f64>)> = None;
    for &kind in kinds {
        let now = weights.get(kind).copied().unwrap_or(0.0);
        for weight in WEIGHTS.into_iter().filter(|weight| weight.total_cmp(&now).is_ne()) {
            let mut changed = weights.clone();
            changed.insert(kind, weight);
            let next = gains(topics, &changed);
            let gain = mean(&next) - mean(values);
            let helped = (0..PARTS).filter(|&part| part_gain(part, values, &next) > 0.0).count();
            let enough = gain >= SMALLEST_GAIN && helped >= PARTS_HELPED;
            if enough && best.as_ref().is_none_or(|(most, ..)| gain > *most) {
                best = Some((gain, kind, weight, next));
            }
        }
    }
    best.map(|(_, kind, weight, next)| (kind, weight, next))
}

fn part_gain(part: usize, before: &[f64], after: &[f64]) -> f64 {
    before.iter().zip(after).skip(part).step_by(PARTS).map(|(before, after)| after - before).sum()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn gains(topics: &[Prepared], weights: &BTreeMap<&Field, f32>) -> Vec<f64> {
    topics.iter().map(|topic| topic.gain(weights)).collect()
}

impl Prepared {
    fn of<'a>(topic: &TunedTopic, fusion: Fusion, document: &dyn Fn(ChunkId) -> &'a str) -> Self {
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
        let mut fields: BTreeMap<Field, Vec<(usize, f32)>> = BTreeMap::new();
        for ranking in &topic.lanes {
            let parts = ranking.parts(fusion).into_iter();
            let placed = parts.filter_map(|part| Some((*place.get(&part.hit.chunk)?, part.worth)));
            fields.entry(ranking.lane.field.clone()).or_default().extend(placed);
        }
        let mut best: Vec<i64> = topic.judged.values().copied().filter(|&level| level > 0).collect();
        best.sort_unstable_by(|left, right| right.cmp(left));
        let ideal = discounted(best.into_iter());
        Self { documents, relevance, fields, ideal }
    }

    /// nDCG@10 of the documents under these weights.
    fn gain(&self, weights: &BTreeMap<&Field, f32>) -> f64 {
        let mut scores = vec![0.0_f32; self.documents.len()];
        for (field, parts) in &self.fields {
            let weight = weights.get(field).copied().unwrap_or(0.0);
            for &(at, part) in parts.iter().filter(|_| weight > 0.0) {
                if let Some(score) = scores.get_mut(at) {
                    *score += weight * part;
                }
            }
        }
        let mut order: Vec<usize> = (0..scores.len()).filter(|&at| scores.get(at).is_some_and(|&s| s > 0.0)).collect();
        let score = |at: &usize| scores.get(*at).copied().unwrap_or(0.0);
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

#[cfg(test)]
mod tests {
    use frontload_core::{Against, Scale, Scored};

    use super::*;

    /// Twenty topics over ten documents: topic `t` asks for document `t % 10`.
    fn tuned(kinds: &[(&str, &dyn Fn(u32) -> u32)]) -> (Tuning, Vec<Step>) {
        let names: Vec<String> = (0..10).map(|at| format!("d{at}")).collect();
        let judged: Vec<BTreeMap<String, i64>> =
            (0..20).map(|topic| BTreeMap::from([(format!("d{}", topic % 10), 1)])).collect();
        // Each lane has its answer first and the others in order.
        let ranking = |name: &str, first: u32| {
            let others = (0..10).filter(|&at| at != first);
            let hits = std::iter::once(first).chain(others).enumerate();
            let scored = |(at, chunk)| Scored { chunk: ChunkId(chunk), score: 10.0 - at as f32, item: None };
            let (lane, scale) = (name.parse().expect("a lane"), Scale { floor: 0.0, ceiling: 10.0 });
            LaneRanking { lane, weight: 1.0, hits: hits.map(scored).collect(), behind: vec![], scale }
        };
        let topics: Vec<TunedTopic> = (0..20)
            .zip(&judged)
            .map(|(topic, judged)| {
                let body = ranking("body.bm25", (topic + 5) % 10);
                let others = kinds.iter().map(|(name, first)| ranking(name, first(topic)));
                TunedTopic { lanes: std::iter::once(body).chain(others).collect(), judged }
            })
            .collect();
        tune(&topics, Fusion::Convex { against: Against::Candidates }, &|chunk| &names[chunk.0 as usize])
    }

    fn kept(tuning: &Tuning) -> Vec<String> {
        tuning.weights.iter().filter(|(_, weight)| **weight > 0.0).map(|(lane, _)| lane.to_string()).collect()
    }

    #[test]
    fn a_kind_that_helps_is_kept_and_one_that_does_not_is_off() {
        let (tuning, steps) = tuned(&[("good.dense", &|topic| topic % 10), ("bad.dense", &|topic| (topic + 3) % 10)]);
        assert_eq!(kept(&tuning), ["body.bm25", "good.dense"]);
        assert!(tuning.tuned > tuning.plain + 0.2, "{tuning:?}");
        assert!(steps.iter().all(|step| step.kind == "good" && step.after > step.before));
    }

    #[test]
    fn nothing_that_helps_leaves_plain() {
        let (tuning, steps) = tuned(&[("bad.dense", &|topic| (topic + 3) % 10)]);
        assert_eq!((kept(&tuning).len(), steps.len()), (1, 0));
        assert!((tuning.tuned - tuning.plain).abs() < 1e-12);
    }

    #[test]
    fn what_helps_a_few_topics_alone_is_chance() {
        // It answers the topics of one part in five, and adds nothing elsewhere.
        let (tuning, _) =
            tuned(&[("lucky.dense", &|topic| if topic % 5 == 0 { topic % 10 } else { (topic + 5) % 10 })]);
        assert_eq!(kept(&tuning), ["body.bm25"], "{tuning:?}");
    }
}
