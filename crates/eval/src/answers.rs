//! Answers against references: what was said, what was cited, and whether silence was right.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use serde::Deserialize;

use crate::{
    FileError,
    files::{labels, lines, wrong},
};

/// A question with what a good answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its id.
    pub id: String,
    /// The question.
    pub text: String,
    /// Short reference answers; none when the corpus does not answer it.
    pub answers: Vec<String>,
    /// The documents that answer it.
    pub documents: BTreeSet<String>,
    /// Labels such as `type` and `split`.
    pub labels: BTreeMap<String, String>,
}

impl Question {
    /// Whether the corpus answers it.
    pub fn is_answerable(&self) -> bool {
        !self.answers.is_empty()
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "_id")]
    id: String,
    text: String,
    answers: Vec<String>,
    #[serde(default)]
    documents: BTreeSet<String>,
    #[serde(default)]
    metadata: BTreeMap<String, serde_json::Value>,
}

/// Reads questions: JSON lines with `_id`, `text`, `answers` (empty when unanswerable), `documents` and optional
/// `metadata`.
///
/// # Errors
/// When a line is unreadable, an id stands twice, or a question has answers and no document.
pub fn read_questions(path: &Path) -> Result<Vec<Question>, FileError> {
    let mut seen = BTreeSet::new();
    let mut questions = Vec::new();
    for (line, text) in lines(path)? {
        let row: Row = serde_json::from_str(&text).map_err(|error| wrong(path, line, error))?;
        if !seen.insert(row.id.clone()) {
            return Err(wrong(path, line, format!("question {:?} stands here for the second time", row.id)));
        }
        if row.answers.is_empty() != row.documents.is_empty() {
            let problem = "answers and documents belong together: both empty when the corpus does not answer it";
            return Err(wrong(path, line, problem));
        }
        let labels = labels(row.metadata);
        questions.push(Question { id: row.id, text: row.text, answers: row.answers, documents: row.documents, labels });
    }
    if questions.is_empty() { Err(FileError::Empty(path.to_owned())) } else { Ok(questions) }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// The answer's words, without citation marks; empty for a refusal.
    pub text: String,
    /// The documents it cites.
    pub cited: BTreeSet<String>,
}

/// How one answer did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Score {
    /// To a question the corpus answers.
    Answerable {
        /// The best overlap of words with a reference: the harmonic mean of precision and recall, as `SQuAD` has it
        /// (Rajpurkar et al., EMNLP 2016). A quoted sentence says more than the reference, so this stays low where
        /// [`contained`](Self::Answerable::contained) is high.
        f1: f64,
        /// Whether a reference stands in the answer, word for word.
        contained: bool,
        /// The share of the cited documents that answer the question; `None` when nothing is cited.
        cited_right: Option<f64>,
        /// Whether a document that answers it is cited.
        found: bool,
        /// Whether nothing was said, which is wrong here.
        refused: bool,
    },
    /// To a question the corpus does not answer.
    Unanswerable {
        /// Whether nothing was said, which is right here.
        refused: bool,
    },
}

/// Scores one answer.
pub fn score(question: &Question, given: &Given) -> Score {
    let said = words(&given.text);
    let refused = said.is_empty();
    if !question.is_answerable() {
        return Score::Unanswerable { refused };
    }
    let references: Vec<Vec<String>> = question.answers.iter().map(|answer| words(answer)).collect();
    let right = given.cited.intersection(&question.documents).count();
    let cited = given.cited.len();
    Score::Answerable {
        f1: references.iter().map(|reference| f1(reference, &said)).fold(0.0, f64::max),
        contained: references
            .iter()
            .any(|reference| said.windows(reference.len().max(1)).any(|part| part == reference)),
        cited_right: (cited > 0).then(|| right as f64 / cited as f64),
        found: right > 0,
        refused,
    }
}

/// Small letters, no punctuation, no articles: `SQuAD`'s normal form.
fn words(text: &str) -> Vec<String> {
    let kept: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|letter| letter.is_alphanumeric() || letter.is_whitespace())
        .collect();
    kept.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the")).map(str::to_owned).collect()
}

fn f1(reference: &[String], said: &[String]) -> f64 {
    let mut left: HashMap<&String, usize> = HashMap::new();
    for word in reference {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in said {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    if common == 0 { 0.0 } else { 2.0 * f64::from(common) / (reference.len() + said.len()) as f64 }
}

/// Where to refuse, by how near the nearest sentence is to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Questions whose nearness is below it are refused.
    pub threshold: f64,
    /// The share of questions without an answer that it refuses.
    pub right: f64,
    /// The share of questions with an answer that it refuses.
    pub wrong: f64,
    /// How often a question with an answer is nearer than one without: 0.5 is chance.
    pub auc: f64,
}

/// Chooses the threshold that refuses most questions without an answer more than it does others, and no more than a
/// share of those that have one. `None` where a side is empty.
pub fn calibrate(answerable: &[f64], unanswerable: &[f64], most_wrong: f64) -> Option<Calibration> {
    if answerable.is_empty() || unanswerable.is_empty() {
        return None;
    }
    let below = |values: &[f64], threshold: f64| {
        values.iter().filter(|value| **value < threshold).count() as f64 / values.len() as f64
    };
    // Only between two neighbouring values does anything change.
    let mut values: Vec<f64> = answerable.iter().chain(unanswerable).copied().collect();
    values.sort_by(f64::total_cmp);
    let between = values.windows(2).filter_map(|pair| match pair {
        [left, right] if right > left => Some(f64::midpoint(*left, *right)),
        _ => None,
    });
    let weighed = between.map(|threshold| (below(unanswerable, threshold), below(answerable, threshold), threshold));
    let allowed = weighed.filter(|(_, wrong, _)| *wrong <= most_wrong);
    // Of thresholds that do as well, the lowest: what is refused was then never close.
    let best = allowed.reduce(|best, other| if other.0 - other.1 > best.0 - best.1 { other } else { best });
    let (right, wrong, threshold) = best.unwrap_or((0.0, 0.0, values.first().copied().unwrap_or(0.0)));
    let pairs = answerable.iter().flat_map(|with| unanswerable.iter().map(move |without| with.total_cmp(without)));
    let win = |order: Ordering| match order {
        Ordering::Greater => 1.0,
        Ordering::Equal => 0.5,
        Ordering::Less => 0.0,
    };
    let wins: f64 = pairs.map(win).sum();
    Some(Calibration { threshold, right, wrong, auc: wins / (answerable.len() * unanswerable.len()) as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(answers: &[&str], documents: &[&str]) -> Question {
        Question {
            id: "q".to_owned(),
            text: "When?".to_owned(),
            answers: answers.iter().map(|answer| (*answer).to_owned()).collect(),
            documents: documents.iter().map(|document| (*document).to_owned()).collect(),
            labels: BTreeMap::new(),
        }
    }

    fn given(text: &str, cited: &[&str]) -> Given {
        Given { text: text.to_owned(), cited: cited.iter().map(|document| (*document).to_owned()).collect() }
    }

    #[test]
    fn answers_by_hand() {
        let asked = question(&["the 4th of May", "May 4"], &["a", "b"]);
        let Score::Answerable { f1, contained, cited_right, found, refused } =
            score(&asked, &given("It was hung on the 4th of May, in the rain.", &["a", "x"]))
        else {
            panic!("answerable");
        };
        // "4th of may": three of three words, out of nine said without the articles.
        assert!((f1 - 2.0 * 3.0 / 12.0).abs() < 1e-12, "{f1}");
        assert!(contained && found && !refused);
        assert_eq!(cited_right, Some(0.5));
        let wrong = score(&asked, &given("In June.", &["x"]));
        let expected =
            Score::Answerable { f1: 0.0, contained: false, cited_right: Some(0.0), found: false, refused: false };
        assert_eq!(wrong, expected);
    }

    #[test]
    fn silence_is_right_where_there_is_no_answer() {
        assert_eq!(score(&question(&[], &[]), &given("", &[])), Score::Unanswerable { refused: true });
        assert_eq!(score(&question(&[], &[]), &given("In May.", &["a"])), Score::Unanswerable { refused: false });
        let Score::Answerable { refused, cited_right, .. } = score(&question(&["May"], &["a"]), &given("", &[])) else {
            panic!("answerable");
        };
        assert!(refused && cited_right.is_none());
    }

    #[test]
    fn questions_that_contradict_themselves_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("questions.jsonl");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            read_questions(&path)
        };
        let good =
            r#"{"_id": "q", "text": "When?", "answers": ["May"], "documents": ["a"], "metadata": {"split": "dev"}}"#;
        let questions = read(good).expect("read");
        assert!(questions[0].is_answerable() && questions[0].labels["split"] == "dev");
        let twice = read(&format!("{good}\n{good}")).expect_err("twice").to_string();
        assert!(twice.contains("line 2") && twice.contains("second time"), "{twice}");
        assert!(read(r#"{"_id": "q", "text": "When?", "answers": ["May"], "documents": []}"#).is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn a_threshold_lies_between_what_it_parts() {
        let check = |answerable: &[f64], unanswerable: &[f64], expected: (f64, f64, f64)| {
            let found = calibrate(answerable, unanswerable, 0.25).expect("both sides");
            let near = |left: f64, right: f64| (left - right).abs() < 1e-9;
            let told = (found.threshold, found.right, found.wrong);
            assert!(near(told.0, expected.0) && near(told.1, expected.1) && near(told.2, expected.2), "{found:?}");
        };
        check(&[0.6, 0.7, 0.8, 0.9], &[0.2, 0.4], (0.5, 1.0, 0.0));
        // One of four may be refused wrongly, for both others.
        check(&[0.3, 0.7, 0.8, 0.9], &[0.2, 0.4], (0.55, 1.0, 0.25));
        // Two of four may not.
        check(&[0.3, 0.35, 0.8, 0.9], &[0.2, 0.4], (0.25, 0.5, 0.0));
        let apart = calibrate(&[0.9], &[0.1, 0.9], 1.0).expect("both sides");
        assert!((apart.auc - 0.75).abs() < 1e-9);
        assert_eq!(calibrate(&[], &[0.1], 1.0), None);
    }
}
