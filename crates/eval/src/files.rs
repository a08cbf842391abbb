//! The file formats of the field: BEIR topics and judgments, TREC judgments and runs.

use std::{
    collections::{BTreeMap, BTreeSet},
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

/// A line of what a service writes down about its hits.
#[derive(Deserialize)]
struct RemarkRow {
    query: String,
    document: String,
    relevant: bool,
}

/// A line of topics: one of BEIR's, or a remark, whose query is a topic of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum TopicLine {
    Topic(TopicRow),
    Remark(RemarkRow),
}

/// A remark's query as an id: judgments files part their columns by blanks.
fn remark_id(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join("_")
}

/// Reads BEIR topics: JSON lines with `_id`, `text` and optional `metadata`; or a service's log of remarks, each query
/// once.
///
/// # Errors
/// When a line is unreadable.
pub fn read_topics(path: &Path) -> Result<Vec<Topic>, FileError> {
    let mut topics: Vec<Topic> = Vec::new();
    let mut remarked = BTreeSet::new();
    for (line, text) in lines(path)? {
        match serde_json::from_str(&text) {
            Ok(TopicLine::Topic(row)) => {
                topics.push(Topic { id: row.id, text: row.text, labels: labels(row.metadata) });
            }
            Ok(TopicLine::Remark(row)) => {
                let id = remark_id(&row.query);
                if remarked.insert(id.clone()) {
                    topics.push(Topic { id, text: row.query, labels: BTreeMap::new() });
                }
            }
            // What an untagged value says of itself helps nobody: what a topic lacks does.
            Err(_) => match serde_json::from_str::<TopicRow>(&text) {
                Err(error) => return Err(wrong(path, line, error)),
                Ok(_) => return Err(wrong(path, line, "neither a topic nor a remark")),
            },
        }
    }
    if topics.is_empty() { Err(FileError::Empty(path.to_owned())) } else { Ok(topics) }
}

/// Reads judgments: BEIR's three columns under a header, TREC's `topic 0 document relevance`, or a service's log of
/// remarks, of which the last on a document counts.
///
/// # Errors
/// When a line has neither form.
pub fn read_qrels(path: &Path) -> Result<Qrels, FileError> {
    let mut qrels = Qrels::new();
    for (line, text) in lines(path)? {
        if text.starts_with('{') {
            let remark: RemarkRow = serde_json::from_str(&text).map_err(|error| wrong(path, line, error))?;
            let judged = qrels.entry(remark_id(&remark.query)).or_default();
            judged.insert(remark.document, i64::from(remark.relevant));
            continue;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_remarks_is_topics_and_judgments() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("feedback.jsonl");
        let remark = |query: &str, document: &str, relevant: bool| {
            format!("{{\"query\": \"{query}\", \"document\": \"{document}\", \"relevant\": {relevant}, \"at\": 1}}\n")
        };
        let log =
            remark("an old bell", "a", true) + &remark("an old bell", "b", true) + &remark("an old bell", "b", false);
        fs::write(&path, log).expect("written");
        let topics = read_topics(&path).expect("topics");
        assert_eq!((topics.len(), topics[0].id.as_str(), topics[0].text.as_str()), (1, "an_old_bell", "an old bell"));
        let judged = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 0)]);
        assert_eq!(read_qrels(&path).expect("judgments"), Qrels::from([("an_old_bell".to_owned(), judged)]));
    }
}
