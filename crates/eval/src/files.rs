//! The file formats of the field: BEIR topics and judgments, TREC judgments and runs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A query with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its id.
    pub id: String,
    /// The query.
    pub text: String,
    /// Labels such as `type`, from the topic's `metadata`.
    pub labels: BTreeMap<String, String>,
}

/// Judgments: topic, then document, then relevance (0 is not relevant).
pub type Qrels = BTreeMap<String, BTreeMap<String, i64>>;

/// Rankings: topic, then documents with scores, best first.
pub type Run = BTreeMap<String, Vec<(String, f64)>>;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A line is not what the format says.
    #[error("{path}, line {line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Nothing in it.
    #[error("{0}: empty")]
    Empty(PathBuf),
}

#[derive(Deserialize)]
struct TopicRow {
    #[serde(rename = "_id")]
    id: String,
    text: String,
    #[serde(default)]
    metadata: BTreeMap<String, serde_json::Value>,
}

/// Reads BEIR topics: JSON lines with `_id`, `text` and optional `metadata`.
///
/// # Errors
/// When a line is unreadable.
pub fn read_topics(path: &Path) -> Result<Vec<Topic>, FileError> {
    let topics: Vec<Topic> = lines(path)?
        .into_iter()
        .map(|(line, text)| {
            let row: TopicRow = serde_json::from_str(&text).map_err(|error| wrong(path, line, error))?;
            Ok(Topic { id: row.id, text: row.text, labels: labels(row.metadata) })
        })
        .collect::<Result<_, FileError>>()?;
    if topics.is_empty() { Err(FileError::Empty(path.to_owned())) } else { Ok(topics) }
}

/// Reads judgments: BEIR's three columns under a header, or TREC's `topic 0 document relevance`.
///
/// # Errors
/// When a line has neither form.
pub fn read_qrels(path: &Path) -> Result<Qrels, FileError> {
    let mut qrels = Qrels::new();
    for (line, text) in lines(path)? {
        let columns: Vec<&str> = text.split_whitespace().collect();
        let ([topic, document, relevance] | [topic, _, document, relevance]) = columns[..] else {
            return Err(wrong(path, line, "expected 3 columns (BEIR) or 4 (TREC)"));
        };
        match relevance.parse() {
            Ok(relevance) => {
                qrels.entry(topic.to_owned()).or_default().insert(document.to_owned(), relevance);
            }
            Err(_) if line == 1 => {}
            Err(error) => return Err(wrong(path, line, format!("relevance {relevance:?}: {error}"))),
        }
    }
    if qrels.is_empty() { Err(FileError::Empty(path.to_owned())) } else { Ok(qrels) }
}

/// Reads a TREC run: `topic Q0 document rank score tag`. As `trec_eval` does, the rank is ignored: documents
/// stand by score, equal scores by document id, the larger first.
///
/// # Errors
/// When a line has another form.
pub fn read_run(path: &Path) -> Result<Run, FileError> {
    let mut run = Run::new();
    for (line, text) in lines(path)? {
        let columns: Vec<&str> = text.split_whitespace().collect();
        let [topic, _, document, _, score, _] = columns[..] else {
            return Err(wrong(path, line, "expected 6 columns: topic Q0 document rank score tag"));
        };
        let score: f64 = score.parse().map_err(|error| wrong(path, line, format!("score {score:?}: {error}")))?;
        run.entry(topic.to_owned()).or_default().push((document.to_owned(), score));
    }
    for ranking in run.values_mut() {
        ranking.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| right.0.cmp(&left.0)));
    }
    Ok(run)
}

/// Writes a TREC run. Readers break equal scores by document id, so scores are written strictly decreasing:
/// the order is ours, whatever the scores were.
///
/// # Errors
/// When the file cannot be written.
pub fn write_run(path: &Path, run: &Run, tag: &str) -> Result<(), FileError> {
    let mut text = String::new();
    for (topic, ranking) in run {
        let mut before = f64::INFINITY;
        for (at, (document, score)) in ranking.iter().enumerate() {
            let score = if *score < before { *score } else { before - before.abs().max(1.0) * 1e-9 };
            before = score;
            let _ = writeln!(text, "{topic} Q0 {document} {} {score:.12} {tag}", at + 1);
        }
    }
    fs::write(path, text).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// Labels as words, whatever they were in the file.
pub(crate) fn labels(metadata: BTreeMap<String, serde_json::Value>) -> BTreeMap<String, String> {
    let label = |(key, value): (String, serde_json::Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (key, value)
    };
    metadata.into_iter().map(label).collect()
}

/// Lines that are not blank, numbered from 1.
pub(crate) fn lines(path: &Path) -> Result<Vec<(usize, String)>, FileError> {
    let text = fs::read_to_string(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned()));
    Ok(numbered.filter(|(_, line)| !line.trim().is_empty()).collect())
}

pub(crate) fn wrong(path: &Path, line: usize, problem: impl std::fmt::Display) -> FileError {
    FileError::Line { path: path.to_owned(), line, problem: problem.to_string() }
}
