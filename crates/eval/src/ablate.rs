//! Which kinds of handle and which lanes earn their place: each is added to the text alone and taken from the whole,
//! and the differences are tested topic by topic.

use std::collections::{BTreeMap, BTreeSet};

use frontload_core::{ChunkId, Field, Fusion, Lane};

use crate::{
    Measure, Measured, Paired, Qrels, RankedTopic, Run, Weights, holm, measure, paired, pairs, reweigh,
    significance::ALPHA,
};

/// A gain smaller than this is not worth a lane: what cannot be so large, by its interval, is dropped.
pub const WORTH: f64 = 0.005;

/// What having something changes: the mean with it, less the mean without.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The comparison.
    pub compared: Paired,
    /// Its p-value, corrected for all tests of the same table (Holm).
    pub corrected: f64,
}

/// What the measurements say of a kind or a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was shown to help, beside the text alone or beside everything else, and nowhere to do harm.
    Keep,
    /// It was shown to do harm, or not to help as much as [`WORTH`].
    Drop,
    /// Neither was shown.
    Undecided {
        /// So many topics like these would show a gain of the size seen; `None` where no gain was seen.
        topics_needed: Option<usize>,
    },
}

/// One kind or lane, switched on and off.
#[derive(Debug, Clone, PartialEq)]
pub struct Ablated {
    /// The kind's or lane's name.
    pub name: String,
    /// What its lanes counted when they were on.
    pub weights: Weights,
    /// Beside the lanes over the text alone.
    pub add_one: Effect,
    /// Beside everything else.
    pub leave_one_out: Effect,
    /// Judged by the first measure.
    pub verdict: Verdict,
    /// The two differences by every other measure, by its name: shown, and not judged by.
    pub others: BTreeMap<String, (Paired, Paired)>,
}

/// The whole table.
#[derive(Debug, Clone, PartialEq)]
pub struct Ablation {
    /// What was judged by.
    pub measure: Measure,
    /// Topics.
    pub topics: usize,
    /// The mean with the lanes over the text alone.
    pub plain: f64,
    /// The mean with everything.
    pub all: f64,
    /// Everything against the text alone.
    pub all_against_plain: Paired,
    /// Kinds of handle.
    pub kinds: Vec<Ablated>,
    /// Single lanes, those over the text too.
    pub lanes: Vec<Ablated>,
}

/// Switches every kind and every lane on and off. `weights` are what all lanes count when they are on; the first of
/// `measures` is judged by.
pub fn ablate<'a>(
    topics: &[RankedTopic],
    weights: &Weights,
    (fusion, measures, seed): (Fusion, &[Measure], u64),
    document: &dyn Fn(ChunkId) -> &'a str,
) -> Option<Ablation> {
    let (&judged_by, others) = measures.split_first()?;
    let table = Table { topics, fusion, measures, document, seed };
    let is_on = |lane: &&Lane| weights.get(lane).is_some_and(|&weight| weight > 0.0);
    let on: BTreeSet<&Lane> = weights.keys().filter(is_on).collect();
    let plain: BTreeSet<&Lane> = on.iter().copied().filter(|lane| lane.is_plain()).collect();
    let (by_text, by_all) = (table.measured(weights, &plain), table.measured(weights, &on));
    let mut kinds: BTreeMap<String, BTreeSet<&Lane>> = BTreeMap::new();
    for &lane in &on {
        if let Field::Handle(kind) = &lane.field {
            kinds.entry(kind.clone()).or_default().insert(lane);
        }
    }
    let lanes = on.iter().map(|&lane| (lane.to_string(), BTreeSet::from([lane]))).collect();
    let ablated = |subjects: BTreeMap<String, BTreeSet<&Lane>>| {
        let switched: Vec<Switched> =
            subjects.into_iter().map(|(name, subject)| table.switch(name, &subject, weights, (&plain, &on))).collect();
        judged(switched, (judged_by, others), seed)
    };
    Some(Ablation {
        measure: judged_by,
        topics: topics.len(),
        plain: by_text.mean(judged_by, |_| true).unwrap_or(0.0),
        all: by_all.mean(judged_by, |_| true).unwrap_or(0.0),
        all_against_plain: table.compared(&by_text, &by_all, judged_by),
        kinds: ablated(kinds),
        lanes: ablated(lanes),
    })
}

struct Table<'a, 't> {
    topics: &'t [RankedTopic<'t>],
    fusion: Fusion,
    measures: &'t [Measure],
    document: &'t dyn Fn(ChunkId) -> &'a str,
    seed: u64,
}

/// A subject's values off and on, beside the text and beside everything.
struct Switched {
    name: String,
    weights: Weights,
    beside_text: (Measured, Measured),
    beside_all: (Measured, Measured),
}

impl Table<'_, '_> {
    fn measured(&self, weights: &Weights, lanes: &BTreeSet<&Lane>) -> Measured {
        let on: Weights =
            weights.iter().filter(|(lane, _)| lanes.contains(lane)).map(|(l, w)| (l.clone(), *w)).collect();
        let ranked = |topic: &RankedTopic| (topic.id.to_owned(), reweigh(topic.lanes, &on, self.fusion, self.document));
        let run: Run = self.topics.iter().map(ranked).collect();
        let qrels: Qrels = self.topics.iter().map(|topic| (topic.id.to_owned(), topic.judged.clone())).collect();
        measure(&qrels, &run, self.measures)
    }

    fn compared(&self, without: &Measured, with: &Measured, measure: Measure) -> Paired {
        paired(&pairs(without, with, measure, |_| true), self.seed)
    }

    fn switch(
        &self,
        name: String,
        subject: &BTreeSet<&Lane>,
        weights: &Weights,
        (plain, on): (&BTreeSet<&Lane>, &BTreeSet<&Lane>),
    ) -> Switched {
        let off_and_on = |beside: &BTreeSet<&Lane>| {
            let without = beside.difference(subject).copied().collect();
            let with = beside.union(subject).copied().collect();
            (self.measured(weights, &without), self.measured(weights, &with))
        };
        let own = subject.iter().filter_map(|&lane| Some((lane.clone(), *weights.get(lane)?))).collect();
        Switched { name, weights: own, beside_text: off_and_on(plain), beside_all: off_and_on(on) }
    }
}

/// Tests all subjects of a table together: the more there are, the less a single one says.
fn judged(switched: Vec<Switched>, (judged_by, others): (Measure, &[Measure]), seed: u64) -> Vec<Ablated> {
    let compared =
        |(without, with): &(Measured, Measured), measure| paired(&pairs(without, with, measure, |_| true), seed);
    let both = |one: &Switched, measure| (compared(&one.beside_text, measure), compared(&one.beside_all, measure));
    let tested: Vec<(Paired, Paired)> = switched.iter().map(|one| both(one, judged_by)).collect();
    let p_values: Vec<f64> = tested.iter().flat_map(|(added, left)| [added.p, left.p]).collect();
    let corrected = holm(&p_values);
    let effects = tested.into_iter().zip(corrected.as_chunks::<2>().0).map(|((added, left), &[p_added, p_left])| {
        (Effect { compared: added, corrected: p_added }, Effect { compared: left, corrected: p_left })
    });
    switched
        .into_iter()
        .zip(effects)
        .map(|(one, (add_one, leave_one_out))| Ablated {
            verdict: verdict(&add_one, &leave_one_out),
            others: others.iter().map(|&measure| (measure.to_string(), both(&one, measure))).collect(),
            name: one.name,
            weights: one.weights,
            add_one,
            leave_one_out,
        })
        .collect()
}

fn verdict(add_one: &Effect, leave_one_out: &Effect) -> Verdict {
    let effects = [add_one, leave_one_out];
    let shown = |sign: f64| effects.iter().any(|one| one.corrected < ALPHA && one.compared.difference * sign > 0.0);
    let too_small = effects.iter().all(|one| one.compared.interval.1 < WORTH);
    if shown(-1.0) || too_small {
        Verdict::Drop
    } else if shown(1.0) {
        Verdict::Keep
    } else {
        let gains = effects.iter().filter(|one| one.compared.difference > 0.0);
        Verdict::Undecided { topics_needed: gains.filter_map(|one| one.compared.topics_needed).min() }
    }
}

#[cfg(test)]
mod tests {
    use frontload_core::{Against, LaneRanking, Scale, Scored};

    use super::*;

    const TOPICS: u32 = 40;

    /// Topic `t` asks for document `t`; each lane puts one document first and the others behind it.
    fn table(lanes: &[(&str, &dyn Fn(u32) -> u32)]) -> Ablation {
        let names: Vec<String> = (0..TOPICS).map(|at| format!("d{at}")).collect();
        let judged: Vec<BTreeMap<String, i64>> = names.iter().map(|name| BTreeMap::from([(name.clone(), 1)])).collect();
        let ranking = |name: &str, first: u32| {
            let others = (0..TOPICS).filter(|&at| at != first);
            let hits = std::iter::once(first).chain(others).enumerate();
            let scored = |(at, chunk)| Scored { chunk: ChunkId(chunk), score: 100.0 - at as f32, item: None };
            let (lane, scale) = (name.parse().expect("a lane"), Scale { floor: 0.0, ceiling: 100.0 });
            LaneRanking { lane, weight: 1.0, hits: hits.map(scored).collect(), behind: vec![], scale }
        };
        let ranked: Vec<Vec<LaneRanking>> =
            (0..TOPICS).map(|topic| lanes.iter().map(|(name, first)| ranking(name, first(topic))).collect()).collect();
        let topics: Vec<RankedTopic> = names
            .iter()
            .zip(&ranked)
            .zip(&judged)
            .map(|((id, lanes), judged)| RankedTopic { id, lanes, judged })
            .collect();
        let weights = lanes.iter().map(|(name, _)| (name.parse().expect("a lane"), 1.0)).collect();
        let how = Fusion::Convex { against: Against::Candidates };
        let measures = ["nDCG@10", "R@10"].map(|name| name.parse().expect("a measure"));
        ablate(&topics, &weights, (how, &measures, 1), &|chunk| &names[chunk.0 as usize]).expect("measures")
    }

    fn verdict_of(table: &Ablation, name: &str) -> Verdict {
        table.kinds.iter().chain(&table.lanes).find(|one| one.name == name).expect("in the table").verdict
    }

    #[test]
    fn what_helps_is_kept_and_what_harms_is_dropped() {
        // The body answers half of the topics, one kind all; the other kind answers others' topics.
        let body = |topic: u32| if topic.is_multiple_of(2) { topic } else { (topic + 7) % TOPICS };
        let table = table(&[
            ("body.bm25", &body),
            ("good.dense", &|topic| topic),
            ("bad.dense", &|topic| (topic + 3) % TOPICS),
        ]);
        assert_eq!(verdict_of(&table, "good"), Verdict::Keep, "{table:#?}");
        assert_eq!(verdict_of(&table, "bad"), Verdict::Drop, "{table:#?}");
        assert_eq!(verdict_of(&table, "good.dense"), Verdict::Keep);
        let good = table.kinds.iter().find(|one| one.name == "good").expect("there");
        assert!(good.add_one.corrected >= good.add_one.compared.p, "corrected for four tests");
        assert!(table.plain > 0.4 && table.plain < 0.7 && good.others.contains_key("R@10"), "{table:#?}");
    }

    #[test]
    fn a_copy_of_what_is_there_is_dropped_and_a_small_gain_is_undecided() {
        let body = |topic: u32| (topic + 5) % TOPICS;
        let copied = table(&[("body.bm25", &body), ("copy.dense", &body)]);
        assert_eq!(verdict_of(&copied, "copy"), Verdict::Drop, "it changes nothing, with certainty");
        // One topic in twenty is answered better, which chance explains as well.
        let few = table(&[
            ("body.bm25", &body),
            ("few.dense", &|topic| if topic.is_multiple_of(20) { topic } else { body(topic) }),
        ]);
        let Verdict::Undecided { topics_needed: Some(needed) } = verdict_of(&few, "few") else {
            panic!("{few:#?}");
        };
        assert!(needed > TOPICS as usize, "{needed}");
    }
}
