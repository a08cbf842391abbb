//! Recall, nDCG, reciprocal rank, average precision, precision and success at a cutoff, as `ir_measures`
//! (which follows `trec_eval`) defines them: a topic that is judged but has no ranking counts as 0, a topic
//! that is not judged does not count.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{Qrels, Run};

/// A measure with its cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// `R@k`: the share of the relevant documents among the first k.
    Recall(usize),
    /// `P@k`: the share of relevant documents among the first k.
    Precision(usize),
    /// `nDCG@k`: discounted gain over the best possible one; the gain is the relevance (not `2^rel − 1`), the
    /// discount `log2(rank + 1)`. Järvelin and Kekäläinen, ACM TOIS 2002.
    Ndcg(usize),
    /// `RR@k`, or `RR` without a cutoff: 1 over the rank of the first relevant document.
    ReciprocalRank(Option<usize>),
    /// `AP@k`, or `AP`: precision averaged over the ranks of the relevant documents.
    AveragePrecision(Option<usize>),
    /// `Success@k`: whether there is a relevant document among the first k.
    Success(usize),
    /// `Judged@k`: the share of the first k that were judged at all, whatever the judgment; the rest counts as not
    /// relevant, and may be.
    Judged(usize),
}

/// A name that is no measure.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a measure: expected R@k, P@k, nDCG@k, RR, RR@k, AP, AP@k, Success@k or Judged@k")]
pub struct MeasureError(String);

impl FromStr for Measure {
    type Err = MeasureError;

    fn from_str(name: &str) -> Result<Self, MeasureError> {
        let wrong = || MeasureError(name.to_owned());
        let (measure, cutoff) = match name.split_once('@') {
            Some((measure, cutoff)) => {
                let cutoff: usize = cutoff.parse().map_err(|_| wrong())?;
                (measure, Some(cutoff).filter(|&cutoff| cutoff > 0).ok_or_else(wrong)?.into())
            }
            None => (name, None),
        };
        match (measure, cutoff) {
            ("R", Some(k)) => Ok(Self::Recall(k)),
            ("P", Some(k)) => Ok(Self::Precision(k)),
            ("nDCG", Some(k)) => Ok(Self::Ndcg(k)),
            ("RR", cutoff) => Ok(Self::ReciprocalRank(cutoff)),
            ("AP", cutoff) => Ok(Self::AveragePrecision(cutoff)),
            ("Success", Some(k)) => Ok(Self::Success(k)),
            ("Judged", Some(k)) => Ok(Self::Judged(k)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recall(k) => write!(formatter, "R@{k}"),
            Self::Precision(k) => write!(formatter, "P@{k}"),
            Self::Ndcg(k) => write!(formatter, "nDCG@{k}"),
            Self::ReciprocalRank(None) => write!(formatter, "RR"),
            Self::ReciprocalRank(Some(k)) => write!(formatter, "RR@{k}"),
            Self::AveragePrecision(None) => write!(formatter, "AP"),
            Self::AveragePrecision(Some(k)) => write!(formatter, "AP@{k}"),
            Self::Success(k) => write!(formatter, "Success@{k}"),
            Self::Judged(k) => write!(formatter, "Judged@{k}"),
        }
    }
}

/// A run's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Topic, then measure by name.
    pub per_topic: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Measured {
    /// Every judged topic's value.
    pub fn values(&self, measure: Measure) -> Vec<f64> {
        let name = measure.to_string();
        self.per_topic.values().filter_map(|values| values.get(&name)).copied().collect()
    }

    /// The mean over all judged topics, or over those the filter keeps; `None` when it keeps none.
    pub fn mean(&self, measure: Measure, keep: impl Fn(&str) -> bool) -> Option<f64> {
        let name = measure.to_string();
        let values: Vec<f64> = self
            .per_topic
            .iter()
            .filter(|(topic, _)| keep(topic))
            .filter_map(|(_, values)| values.get(&name).copied())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// Two runs' values of a measure on the topics that the filter keeps.
pub fn pairs(first: &Measured, second: &Measured, measure: Measure, keep: impl Fn(&str) -> bool) -> Vec<(f64, f64)> {
    let name = measure.to_string();
    let topics = first.per_topic.iter().filter(|(topic, _)| keep(topic));
    let pair = |(topic, values): (&String, &BTreeMap<String, f64>)| {
        Some((*values.get(&name)?, *second.per_topic.get(topic)?.get(&name)?))
    };
    topics.filter_map(pair).collect()
}

/// Measures a run on every judged topic.
pub fn measure(qrels: &Qrels, run: &Run, measures: &[Measure]) -> Measured {
    let per_topic = qrels
        .iter()
        .map(|(topic, judged)| {
            let ranking = run.get(topic).map_or(&[][..], Vec::as_slice);
            let levels: Vec<Option<i64>> = ranking.iter().map(|(document, _)| judged.get(document).copied()).collect();
            let values = measures.iter().map(|measure| (measure.to_string(), measure.of(judged, &levels)));
            (topic.clone(), values.collect())
        })
        .collect();
    Measured { per_topic }
}

impl Measure {
    fn of(self, judged: &BTreeMap<String, i64>, levels: &[Option<i64>]) -> f64 {
        let relevance: Vec<i64> = levels.iter().map(|level| level.unwrap_or(0)).collect();
        let relevant = judged.values().filter(|&&level| level > 0).count();
        let first = |cutoff: Option<usize>| relevance.iter().take(cutoff.unwrap_or(usize::MAX));
        let found = |cutoff: usize| first(Some(cutoff)).filter(|&&level| level > 0).count() as f64;
        match self {
            Self::Judged(k) => {
                let seen = levels.len().min(k);
                let known = levels.iter().take(k).flatten().count();
                if seen == 0 { 0.0 } else { known as f64 / seen as f64 }
            }
            _ if relevant == 0 => 0.0,
            Self::Recall(k) => found(k) / relevant as f64,
            Self::Precision(k) => found(k) / k as f64,
            Self::Success(k) => f64::from(u8::from(found(k) > 0.0)),
            Self::ReciprocalRank(cutoff) => {
                first(cutoff).position(|&level| level > 0).map_or(0.0, |at| 1.0 / (at + 1) as f64)
            }
            Self::AveragePrecision(cutoff) => {
                let hits = first(cutoff).enumerate().filter(|(_, level)| **level > 0);
                let sum: f64 = hits.enumerate().map(|(before, (at, _))| (before + 1) as f64 / (at + 1) as f64).sum();
                sum / relevant as f64
            }
            Self::Ndcg(k) => {
                let mut ideal: Vec<i64> = judged.values().copied().filter(|&level| level > 0).collect();
                ideal.sort_unstable_by(|left, right| right.cmp(left));
                gain(&relevance, k) / gain(&ideal, k)
            }
        }
    }
}

fn gain(relevance: &[i64], cutoff: usize) -> f64 {
    let levels = relevance.iter().take(cutoff).enumerate();
    levels.map(|(at, &level)| level.max(0) as f64 / ((at + 2) as f64).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_by_hand() {
        let qrels = Qrels::from([
            ("q1".into(), BTreeMap::from([("a".into(), 2), ("b".into(), 1), ("c".into(), 0)])),
            ("q2".into(), BTreeMap::from([("a".into(), 1)])),
        ]);
        let ranking = ["c", "a", "x", "b"].iter().enumerate().map(|(at, id)| ((*id).to_owned(), -(at as f64)));
        let run = Run::from([("q1".into(), ranking.collect()), ("unjudged".into(), vec![("a".into(), 1.0)])]);
        let check = |name: &str, expected: f64| {
            let measure: Measure = name.parse().expect("a measure");
            let measured = super::measure(&qrels, &run, &[measure]);
            let value = measured.mean(measure, |topic| topic == "q1").expect("judged");
            assert!((value - expected).abs() < 1e-9, "{name}: {value} is not {expected}");
            assert_eq!(measured.mean(measure, |_| true), Some(value / 2.0), "{name}: a missing topic counts 0");
        };
        check("R@2", 0.5);
        check("R@10", 1.0);
        check("P@4", 0.5);
        check("RR", 0.5);
        check("RR@1", 0.0);
        check("AP", f64::midpoint(1.0 / 2.0, 2.0 / 4.0));
        check("Success@1", 0.0);
        check("Judged@4", 0.75);
        check("Judged@9", 0.75);
        let ideal = 2.0 + 1.0 / 3_f64.log2();
        check("nDCG@10", (2.0 / 3_f64.log2() + 1.0 / 5_f64.log2()) / ideal);
    }

    #[test]
    fn names_read_as_they_are_written() {
        for name in ["R@10", "P@5", "nDCG@10", "RR", "RR@10", "AP", "AP@100", "Success@1", "Judged@10"] {
            assert_eq!(name.parse::<Measure>().map(|measure| measure.to_string()), Ok(name.to_owned()));
        }
        for wrong in ["R", "R@0", "nDCG", "recall@10", "R@ten", ""] {
            assert!(wrong.parse::<Measure>().is_err(), "{wrong:?}");
        }
    }
}
