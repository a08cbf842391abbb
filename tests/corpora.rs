//! The bundled corpus is what every newcomer judges by: its promises are checked here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    path::PathBuf,
};

use frontload_core::{Evidence, Schema, fold};
use frontload_eval::{Qrels, read_qrels, read_topics};

use crate::bench::{json_lines, root};

fn corpus_folder() -> PathBuf {
    root().join("corpora/ostrel")
}

fn topics_folder() -> PathBuf {
    root().join("queries/ostrel")
}

/// Every passage's text, by id.
fn passages() -> BTreeMap<String, String> {
    let rows = json_lines(&corpus_folder().join("corpus.jsonl"));
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().expect("a string").to_owned();
    let passages: BTreeMap<String, String> = rows.iter().map(|row| (text(row, "_id"), text(row, "text"))).collect();
    assert_eq!(passages.len(), rows.len(), "an id stands twice");
    passages
}

fn judgments(split: &str) -> Qrels {
    read_qrels(&topics_folder().join(format!("qrels/{split}.tsv"))).expect("qrels")
}

#[test]
fn passages_are_many_short_and_no_near_copies() {
    let passages = passages();
    assert!(passages.len() >= 240, "{} passages", passages.len());
    let mut openings: HashMap<String, &str> = HashMap::new();
    let mut shingles: HashMap<String, &str> = HashMap::new();
    let mut shared: HashMap<(&str, &str), usize> = HashMap::new();
    for (id, text) in &passages {
        let words: Vec<String> = fold::fold(text).split(' ').map(str::to_owned).collect();
        assert!(
            (50..=180).contains(&text.split_whitespace().count()),
            "{id}: {} words",
            text.split_whitespace().count()
        );
        if let Some(other) = openings.insert(words[..4].join(" "), id) {
            panic!("{id} and {other} begin alike");
        }
        for window in words.windows(5) {
            if let Some(other) = shingles.insert(window.join(" "), id).filter(|other| other != id) {
                *shared.entry((other, id)).or_default() += 1;
            }
        }
    }
    let (pair, most) = shared.into_iter().max_by_key(|(_, count)| *count).unwrap_or_default();
    assert!(most < 8, "{pair:?} share {most} runs of five words");
}

#[test]
fn topics_are_judged_halved_and_typed() {
    let passages = passages();
    let topics = read_topics(&topics_folder().join("queries.jsonl")).expect("topics");
    assert!(topics.len() >= 120, "{} topics", topics.len());
    let texts: HashSet<String> = topics.iter().map(|topic| fold::fold(&topic.text)).collect();
    assert_eq!(texts.len(), topics.len(), "a topic stands twice");
    let (dev, test) = (judgments("dev"), judgments("test"));
    assert!(dev.keys().all(|topic| !test.contains_key(topic)), "a topic is in both halves");
    assert!(dev.len().abs_diff(test.len()) <= 2, "{} dev and {} test topics", dev.len(), test.len());
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &topics {
        let judged = dev.get(&topic.id).or(test.get(&topic.id)).unwrap_or_else(|| panic!("{} is not judged", topic.id));
        assert!(judged.values().any(|&level| level >= 2), "{}: nothing answers it fully", topic.id);
        for (document, level) in judged {
            assert!(passages.contains_key(document), "{}: {document} is no passage", topic.id);
            assert!((0..=2).contains(level), "{}: relevance {level}", topic.id);
        }
        *types.entry(topic.labels["type"].as_str()).or_default() += 1;
    }
    assert_eq!(dev.len() + test.len(), topics.len(), "a judged topic has no text");
    let expected = ["emotion", "fact", "moral", "object", "style", "time", "two"];
    assert_eq!(types.keys().copied().collect::<Vec<_>>(), expected, "{types:?}");
    assert!(types.values().all(|&count| count >= 12), "{types:?}");
    let graded: BTreeSet<i64> = dev.values().chain(test.values()).flat_map(BTreeMap::values).copied().collect();
    assert!(graded.contains(&1) && graded.contains(&2), "the judgments are not graded: {graded:?}");
}

#[test]
fn the_large_models_handles_follow_the_schema() {
    let passages = passages();
    let text = fs::read_to_string(corpus_folder().join("handles.toml")).expect("a schema");
    let schema = Schema::from_toml(&text).expect("valid");
    let mut covered: HashSet<String> = HashSet::new();
    for row in json_lines(&corpus_folder().join("handles.jsonl")) {
        let field = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{name} in {row}"));
        let passage = passages.get(field("id")).unwrap_or_else(|| panic!("{row} is for no passage"));
        let spec = schema.kind(field("kind")).unwrap_or_else(|| panic!("{row} is of no declared kind"));
        assert_eq!(field("evidence"), spec.evidence.to_string(), "{row}");
        assert!(field("text").chars().count() <= spec.max_chars as usize, "{row} is too long");
        if spec.evidence == Evidence::Verbatim {
            assert!(fold::find_quote(passage, field("text")).is_some(), "{row} is not in the passage");
        }
        covered.insert(field("id").to_owned());
    }
    assert_eq!(covered.len(), passages.len(), "a passage has no handle");
}

#[test]
fn exemplars_share_nothing_with_topics_or_passages() {
    let topics = read_topics(&topics_folder().join("queries.jsonl")).expect("topics");
    let asked: HashSet<String> = topics.iter().map(|topic| fold::fold(&topic.text)).collect();
    let known: HashSet<String> = passages().values().map(|text| fold::fold(text)).collect();
    let exemplars = json_lines(&topics_folder().join("exemplars.jsonl"));
    assert!(exemplars.len() >= 2);
    for exemplar in exemplars {
        assert!(!asked.contains(&fold::fold(exemplar["question"].as_str().expect("a question"))), "{exemplar}");
        for passage in exemplar["passages"].as_array().expect("passages") {
            assert!(!known.contains(&fold::fold(passage.as_str().expect("text"))), "{passage}");
        }
    }
}
