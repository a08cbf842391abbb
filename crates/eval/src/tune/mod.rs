//! Choosing lane weights and the fusion on judged topics.
//!
//! Few parameters, so that a few dozen topics are enough: the text keeps weight 1, both lanes of a field share one
//! weight out of a short list, and a field that does not help keeps what it had, a kind of handle nothing. A step is
//! taken only when it helps on most of the parts into which the topics are cut, not only on their mean: what helps a
//! few topics much and hurts the others is chance.
//!
//! What was chosen on topics looks better on them than it is. So the choosing itself is tried first: on four fifths of
//! the topics, measured on the fifth it did not see, five times. Only when that beats the text alone, and does not fall
//! behind the weights nobody chose, are the weights chosen on all topics taken. At last a gate switches off every kind whose presence does significant harm.

mod greedy;
mod topic;

use std::collections::BTreeSet;

use frontload_core::{Against, Basis, ChunkId, Field, Fusion, Lane, Tuning};

use self::{
    greedy::{SMALLEST_GAIN, climb, gains, mean},
    topic::{FieldWeights, Prepared},
};
use crate::{RankedTopic, Weights, paired, significance::ALPHA};

pub use greedy::Step;

/// Parts for trying the choosing out.
const FOLDS: usize = 5;
/// The name of what is measured.
pub const TUNED_MEASURE: &str = "nDCG@10";
/// Ways of joining that are tried.
const FUSIONS: [Fusion; 4] = [
    Fusion::Convex { against: Against::Best },
    Fusion::Convex { against: Against::Candidates },
    Fusion::Convex { against: Against::Ceiling },
    Fusion::Rrf { k: 60.0 },
];

/// What was chosen, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// For the manifest.
    pub tuning: Tuning,
    /// The steps from the text alone, when weights were chosen.
    pub steps: Vec<Step>,
}

/// A fusion, weights under it, and the steps that led to them.
type Choice = (Fusion, FieldWeights, Vec<Step>);

/// All topics, under every fusion.
struct Topics {
    by_fusion: Vec<(Fusion, Vec<Prepared>)>,
    fields: Vec<Field>,
    plain: FieldWeights,
    seed: u64,
}

/// Chooses weights and fusion. `untuned` are the weights that the index has while nobody chooses, under its `fusion`;
/// `document` names a chunk's document.
pub fn tune<'a>(
    topics: &[RankedTopic],
    untuned: &Weights,
    (fusion, seed): (Fusion, u64),
    document: &dyn Fn(ChunkId) -> &'a str,
) -> Tuned {
    let prepared = Topics::of(topics, untuned, (fusion, seed), document);
    let default = by_field(untuned, |_| true);
    let lanes: BTreeSet<&Lane> = topics.iter().flat_map(|topic| topic.lanes).map(|ranking| &ranking.lane).collect();
    let all: Vec<usize> = (0..topics.len()).collect();
    let (by_text, by_default) =
        (prepared.values(fusion, &all, &prepared.plain), prepared.values(fusion, &all, &default));
    let held_out = prepared.held_out(&all);
    let (plain, untuned_mean) = (mean(&by_text), mean(&by_default));
    let basis = if mean(&held_out) > plain && mean(&held_out) >= untuned_mean {
        Basis::Chosen
    } else if untuned_mean > plain {
        Basis::Default
    } else {
        Basis::Plain
    };
    let (way, mut weights, mut steps) = match basis {
        Basis::Chosen => prepared.choose(&all),
        Basis::Default => (fusion, default, vec![]),
        Basis::Plain => (fusion, prepared.plain.clone(), vec![]),
    };
    let off = prepared.harm_gate(way, &all, &mut weights);
    steps.retain(|_| basis == Basis::Chosen);
    let weight_of = |lane: &Lane| weights.get(&lane.field).copied().unwrap_or(0.0);
    let compared: Vec<(f64, f64)> = by_text.iter().copied().zip(held_out.iter().copied()).collect();
    let tuning = Tuning {
        weights: lanes.into_iter().map(|lane| (lane.clone(), weight_of(lane))).collect(),
        fusion: Some(way),
        measure: TUNED_MEASURE.to_owned(),
        topics: topics.len() as u64,
        plain,
        untuned: Some(untuned_mean),
        tuned: mean(&prepared.values(way, &all, &weights)),
        held_out: Some(mean(&held_out)),
        p: Some(paired(&compared, seed).p),
        basis: Some(basis),
        off,
    };
    Tuned { tuning, steps }
}

/// Fields' weights out of lanes': both lanes of a field have the same.
fn by_field(weights: &Weights, keep: impl Fn(&Lane) -> bool) -> FieldWeights {
    let kept = weights.iter().filter(|(lane, _)| keep(lane));
    let mut fields = FieldWeights::new();
    for (lane, &weight) in kept {
        let entry = fields.entry(lane.field.clone()).or_default();
        *entry = entry.max(weight);
    }
    fields
}

impl Topics {
    fn of<'a>(
        topics: &[RankedTopic],
        untuned: &Weights,
        (fusion, seed): (Fusion, u64),
        document: &dyn Fn(ChunkId) -> &'a str,
    ) -> Self {
        // The index's own way first: another one must be better to be taken.
        let ways = std::iter::once(fusion).chain(FUSIONS.into_iter().filter(|way| *way != fusion));
        let prepare = |way| (way, topics.iter().map(|topic| Prepared::of(topic, way, document)).collect());
        let lanes = topics.iter().flat_map(|topic| topic.lanes);
        let fields: BTreeSet<&Field> = lanes.map(|ranking| &ranking.lane.field).collect();
        Self {
            by_fusion: ways.map(prepare).collect(),
            fields: fields.into_iter().filter(|field| **field != Field::Body).cloned().collect(),
            plain: by_field(untuned, Lane::is_plain),
            seed,
        }
    }

    fn under(&self, fusion: Fusion, which: &[usize]) -> Vec<&Prepared> {
        let topics = self.by_fusion.iter().find(|(way, _)| *way == fusion).map(|(_, topics)| topics.as_slice());
        which.iter().filter_map(|&at| topics?.get(at)).collect()
    }

    fn values(&self, fusion: Fusion, which: &[usize], weights: &FieldWeights) -> Vec<f64> {
        gains(&self.under(fusion, which), weights)
    }

    /// Weights and fusion that do best on these topics.
    fn choose(&self, which: &[usize]) -> Choice {
        let mut best: Option<(f64, Choice)> = None;
        for (way, _) in &self.by_fusion {
            let (weights, values, steps) = climb(&self.under(*way, which), &self.fields, self.plain.clone());
            let mean = mean(&values);
            if best.as_ref().is_none_or(|(most, _)| mean > most + SMALLEST_GAIN) {
                best = Some((mean, (*way, weights, steps)));
            }
        }
        best.map_or_else(|| (FUSIONS[0], self.plain.clone(), vec![]), |(_, chosen)| chosen)
    }

    /// Every topic's value under what was chosen on topics of the other parts.
    fn held_out(&self, all: &[usize]) -> Vec<f64> {
        let mut values = vec![0.0; all.len()];
        for fold in 0..FOLDS {
            let (tested, seen): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&at| at % FOLDS == fold);
            let (way, weights, _) = self.choose(&seen);
            for (&at, value) in tested.iter().zip(self.values(way, &tested, &weights)) {
                if let Some(place) = values.get_mut(at) {
                    *place = value;
                }
            }
        }
        values
    }

    /// Switches off, the worst first, every field whose presence does harm that chance hardly explains.
    fn harm_gate(&self, fusion: Fusion, all: &[usize], weights: &mut FieldWeights) -> Vec<String> {
        let mut off = Vec::new();
        loop {
            let with = self.values(fusion, all, weights);
            let on = self.fields.iter().filter(|field| weights.get(field).is_some_and(|&weight| weight > 0.0));
            let harms = on.filter_map(|field| {
                let mut without = weights.clone();
                without.insert(field.clone(), 0.0);
                let pairs: Vec<(f64, f64)> = self.values(fusion, all, &without).into_iter().zip(with.clone()).collect();
                let compared = paired(&pairs, self.seed);
                (compared.difference < 0.0 && compared.p < ALPHA).then_some((compared.difference, field))
            });
            let Some((_, worst)) = harms.min_by(|left, right| left.0.total_cmp(&right.0)) else { return off };
            weights.insert(worst.clone(), 0.0);
            off.push(worst.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use frontload_core::{LaneRanking, Scale, Scored};

    use super::*;

    const HOW: Fusion = Fusion::Convex { against: Against::Candidates };

    /// Twenty topics over ten documents: topic `t` asks for document `t % 10`. All handle lanes weigh 0.5 until tuned.
    fn with_topics<T>(
        kinds: &[(&str, &dyn Fn(u32) -> u32)],
        work: impl FnOnce(&[RankedTopic], &Weights, &dyn Fn(ChunkId) -> &'static str) -> T,
    ) -> T {
        const NAMES: [&str; 10] = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"];
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
        let ranked: Vec<Vec<LaneRanking>> = (0..20)
            .map(|topic| {
                let body = ranking("body.bm25", (topic + 5) % 10);
                let others = kinds.iter().map(|(name, first)| ranking(name, first(topic)));
                std::iter::once(body).chain(others).collect()
            })
            .collect();
        let topics: Vec<RankedTopic> =
            ranked.iter().zip(&judged).map(|(lanes, judged)| RankedTopic { id: "t", lanes, judged }).collect();
        let mut untuned = Weights::from([("body.bm25".parse().expect("a lane"), 1.0)]);
        untuned.extend(kinds.iter().map(|(name, _)| (name.parse::<Lane>().expect("a lane"), 0.5)));
        work(&topics, &untuned, &|chunk| NAMES[chunk.0 as usize])
    }

    fn tuned(kinds: &[(&str, &dyn Fn(u32) -> u32)]) -> Tuned {
        with_topics(kinds, |topics, untuned, document| tune(topics, untuned, (HOW, 1), document))
    }

    fn kept(tuned: &Tuned) -> Vec<String> {
        let on = tuned.tuning.weights.iter().filter(|(_, weight)| **weight > 0.0);
        on.map(|(lane, _)| lane.to_string()).collect()
    }

    #[test]
    fn a_kind_that_helps_is_kept_and_one_that_does_not_is_off() {
        let tuned = tuned(&[("good.dense", &|topic| topic % 10), ("bad.dense", &|topic| (topic + 3) % 10)]);
        assert_eq!(kept(&tuned), ["body.bm25", "good.dense"]);
        let Tuning { plain, tuned: value, held_out, basis, .. } = &tuned.tuning;
        assert!(*value > plain + 0.2 && held_out.is_some_and(|held_out| held_out > plain + 0.2), "{tuned:?}");
        assert_eq!(*basis, Some(Basis::Chosen));
        assert!(tuned.steps.iter().all(|step| step.field == "good" && step.after > step.before));
    }

    #[test]
    fn nothing_that_helps_leaves_plain() {
        // It says what the text says.
        let tuned = tuned(&[("echo.dense", &|topic| (topic + 5) % 10)]);
        assert_eq!((kept(&tuned).len(), tuned.steps.len(), tuned.tuning.basis), (1, 0, Some(Basis::Plain)));
        assert!((tuned.tuning.tuned - tuned.tuning.plain).abs() < 1e-12);
    }

    #[test]
    fn what_helps_a_few_topics_alone_is_chance() {
        // It answers the topics of one part in five, and adds nothing elsewhere.
        let tuned =
            tuned(&[("lucky.dense", &|topic| if topic.is_multiple_of(5) { topic % 10 } else { (topic + 5) % 10 })]);
        assert!(tuned.steps.is_empty() && tuned.tuning.basis != Some(Basis::Chosen), "{tuned:?}");
    }

    #[test]
    fn what_does_harm_is_switched_off() {
        let good = |topic: u32| topic % 10;
        let spoiling = |topic: u32| (topic + 1) % 10;
        with_topics(&[("good.dense", &good), ("bad.dense", &spoiling)], |topics, untuned, document| {
            let prepared = Topics::of(topics, untuned, (HOW, 1), document);
            let field = |kind: &str| Field::Handle(kind.to_owned());
            let mut weights = FieldWeights::from([(Field::Body, 1.0), (field("good"), 2.0), (field("bad"), 2.0)]);
            let all: Vec<usize> = (0..topics.len()).collect();
            let before = mean(&prepared.values(HOW, &all, &weights));
            assert_eq!(prepared.harm_gate(HOW, &all, &mut weights), ["bad"]);
            assert!(weights[&field("bad")] == 0.0 && weights[&field("good")] > 0.0);
            assert!(mean(&prepared.values(HOW, &all, &weights)) > before);
        });
    }
}
