//! A measurement as one page that needs nothing else: tables and plots, no script, no outside request.

mod html;
mod plot;

use std::collections::{BTreeMap, BTreeSet};

use frontload_core::{ChunkId, Fusion, Lane};
use serde::Serialize;

use crate::{Ablation, Measure, Measured, Qrels, RankedTopic, Run, Verdict, Weights, interval, measure, reweigh};

pub use html::{p_value, page};

/// Where recall is shown.
const CUTOFFS: [usize; 8] = [1, 2, 3, 5, 10, 20, 50, 100];
/// Queries shown that did worst.
const WORST: usize = 10;

/// Recall by depth, with the range in which it would lie on other topics like these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The system.
    pub name: String,
    /// Cutoff, mean, and the ends of its 95% interval.
    pub points: Vec<(usize, f64, f64, f64)>,
}

/// The measure for the topics of one label value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The label's value.
    pub name: String,
    /// Topics.
    pub topics: usize,
    /// With the lanes over the text alone.
    pub plain: f64,
    /// With everything.
    pub all: f64,
}

/// A query that did badly, and the lane that would have found its answer best.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worst {
    /// The topic's id.
    pub topic: String,
    /// The query.
    pub text: String,
    /// Its value.
    pub value: f64,
    /// The relevant document that any lane ranks best, the lane and the rank there; `None` where none has one.
    pub best: Option<(String, Lane, usize)>,
}

/// What one row of the ablation costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RowCost {
    /// Tokens the model read and wrote for it.
    pub tokens: Option<f64>,
    /// Seconds that took.
    pub seconds: Option<f64>,
    /// Bytes in the index.
    pub index_bytes: u64,
    /// Milliseconds a query.
    pub query_ms: f64,
}

/// Everything the page shows.
pub struct Report<'a> {
    /// Its title.
    pub title: String,
    /// A line about the index.
    pub about: String,
    /// The ablation.
    pub ablation: &'a Ablation,
    /// What each kind costs, by its name.
    pub costs: BTreeMap<String, RowCost>,
    /// Recall with the text alone, and with everything.
    pub curves: Vec<Curve>,
    /// By label.
    pub groups: Vec<Group>,
    /// The worst queries.
    pub worst: Vec<Worst>,
}

/// A topic's text and the label it is grouped by.
pub struct Described<'a> {
    /// The query.
    pub text: &'a str,
    /// The label's value, when topics are to be grouped.
    pub group: Option<&'a str>,
}

/// Curves, groups and worst queries of a set of topics.
pub struct Details {
    /// Recall with the text alone, and with everything.
    pub curves: Vec<Curve>,
    /// By label.
    pub groups: Vec<Group>,
    /// The worst queries.
    pub worst: Vec<Worst>,
}

/// Looks closer than the ablation does. `described` is in the order of the topics.
pub fn details<'a>(
    topics: &[RankedTopic],
    described: &[Described],
    weights: &Weights,
    (fusion, judged_by, seed): (Fusion, Measure, u64),
    document: &dyn Fn(ChunkId) -> &'a str,
) -> Details {
    let qrels: Qrels = topics.iter().map(|topic| (topic.id.to_owned(), topic.judged.clone())).collect();
    let mut measures: Vec<Measure> = CUTOFFS.iter().map(|&k| Measure::Recall(k)).collect();
    measures.push(judged_by);
    let measured = |keep: &dyn Fn(&Lane) -> bool| {
        let on: Weights = weights.iter().filter(|(lane, _)| keep(lane)).map(|(lane, w)| (lane.clone(), *w)).collect();
        let ranked = |topic: &RankedTopic| (topic.id.to_owned(), reweigh(topic.lanes, &on, fusion, document));
        let run: Run = topics.iter().map(ranked).collect();
        measure(&qrels, &run, &measures)
    };
    let (plain, all) = (measured(&Lane::is_plain), measured(&|_| true));
    let curves = [("text alone", &plain), ("with handles", &all)];
    let worst = worst(topics, described, &all, judged_by, document);
    Details {
        curves: curves.map(|(name, measured)| curve(name, measured, seed)).into(),
        groups: groups(topics, described, (&plain, &all), judged_by),
        worst,
    }
}

fn curve(name: &str, measured: &Measured, seed: u64) -> Curve {
    let point = |&k: &usize| {
        let values = measured.values(Measure::Recall(k));
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (low, high) = interval(&values, seed);
        (k, mean, low, high)
    };
    Curve { name: name.to_owned(), points: CUTOFFS.iter().map(point).collect() }
}

fn groups(
    topics: &[RankedTopic],
    described: &[Described],
    (plain, all): (&Measured, &Measured),
    measure: Measure,
) -> Vec<Group> {
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (topic, described) in topics.iter().zip(described) {
        if let Some(group) = described.group {
            ids.entry(group).or_default().insert(topic.id);
        }
    }
    let group = |(name, ids): (&str, BTreeSet<&str>)| {
        let mean = |measured: &Measured| measured.mean(measure, |topic| ids.contains(topic)).unwrap_or(0.0);
        Group { name: name.to_owned(), topics: ids.len(), plain: mean(plain), all: mean(all) }
    };
    ids.into_iter().map(group).collect()
}

fn worst<'a>(
    topics: &[RankedTopic],
    described: &[Described],
    measured: &Measured,
    measure: Measure,
    document: &dyn Fn(ChunkId) -> &'a str,
) -> Vec<Worst> {
    let name = measure.to_string();
    let value = |topic: &RankedTopic| measured.per_topic.get(topic.id).and_then(|values| values.get(&name)).copied();
    let mut rows: Vec<Worst> = topics
        .iter()
        .zip(described)
        .map(|(topic, described)| Worst {
            topic: topic.id.to_owned(),
            text: described.text.to_owned(),
            value: value(topic).unwrap_or(0.0),
            best: best_lane(topic, document),
        })
        .collect();
    rows.sort_by(|left, right| left.value.total_cmp(&right.value).then_with(|| left.topic.cmp(&right.topic)));
    rows.truncate(WORST);
    rows
}

fn best_lane<'a>(topic: &RankedTopic, document: &dyn Fn(ChunkId) -> &'a str) -> Option<(String, Lane, usize)> {
    let is_relevant = |name: &str| topic.judged.get(name).is_some_and(|&level| level > 0);
    let of_lane = topic.lanes.iter().filter_map(|ranking| {
        let at = ranking.hits.iter().position(|hit| is_relevant(document(hit.chunk)))?;
        let found = ranking.hits.get(at)?;
        Some((document(found.chunk).to_owned(), ranking.lane.clone(), at + 1))
    });
    of_lane.min_by(|left, right| left.2.cmp(&right.2).then_with(|| left.1.cmp(&right.1)))
}

/// A verdict in one word.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Keep => "keep",
        Verdict::Drop => "drop",
        Verdict::Undecided { .. } => "undecided",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ablated, Effect, Paired};

    fn effect(difference: f64) -> Effect {
        let interval = (difference - 0.05, difference + 0.05);
        let compared = Paired { topics: 3, difference, interval, p: 0.01, topics_needed: Some(9) };
        Effect { compared, corrected: 0.02 }
    }

    #[test]
    fn the_page_shows_everything_and_runs_nothing() {
        let row = |name: &str, verdict| Ablated {
            name: name.to_owned(),
            weights: Weights::new(),
            add_one: effect(0.2),
            leave_one_out: effect(-0.1),
            verdict,
            others: BTreeMap::new(),
        };
        let ablation = Ablation {
            measure: Measure::Ndcg(10),
            topics: 3,
            plain: 0.2,
            all: 0.5,
            all_against_plain: effect(0.3).compared,
            kinds: vec![row("mood", Verdict::Keep), row("time", Verdict::Undecided { topics_needed: Some(90) })],
            lanes: vec![row("mood.dense", Verdict::Drop)],
        };
        let curve = Curve { name: "text alone".to_owned(), points: vec![(1, 0.1, 0.0, 0.2), (10, 0.5, 0.4, 0.6)] };
        let text = "<script>alert(1)</script> & \"quotes\"".to_owned();
        let best = Some(("letter".to_owned(), "mood.dense".parse().expect("a lane"), 4));
        let report = Report {
            title: "An index".to_owned(),
            about: "three topics".to_owned(),
            ablation: &ablation,
            costs: BTreeMap::from([("mood".to_owned(), RowCost { tokens: Some(1200.0), ..RowCost::default() })]),
            curves: vec![curve],
            groups: vec![Group { name: "emotion".to_owned(), topics: 3, plain: 0.1, all: 0.6 }],
            worst: vec![Worst { topic: "t1".to_owned(), text, value: 0.0, best }],
        };
        let page = page(&report);
        for shown in
            ["An index", "mood.dense", "undecided", "90 topics", "emotion", "<svg", "letter", "&lt;script&gt;alert"]
        {
            assert!(page.contains(shown), "{shown} is missing");
        }
        for forbidden in ["<script", "http://", "https://", "src=", "@import", "url(", "NaN"] {
            assert!(!page.contains(forbidden), "{forbidden} is in it");
        }
    }
}
