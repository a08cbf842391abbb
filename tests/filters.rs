//! Filters: an index answers what their definition says, on random corpora and random filters.

use std::collections::BTreeSet;

use frontload_core::{Comparison, Filter, Operand, Subject};
use frontload_index::{IndexDir, Reader};
use serde_json::json;

use crate::bench::Bench;

/// A linear congruential generator: repeatable without a dependency.
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

const MOODS: [&str; 4] = ["tense", "Quite calm!", "quite calm", "1907"];

/// Sixty documents of two corpora with facts of every form, some of them missing, and handles.
pub fn random_index(dice: &mut Dice) -> Bench {
    let bench = Bench::new();
    let mut handles = Vec::new();
    for corpus in ["letters", "logs"] {
        let rows: Vec<String> = (0..30)
            .map(|at| {
                let id = format!("{corpus}-{at}");
                let mut metadata = serde_json::Map::new();
                if dice.roll(3) > 0 {
                    let year = 1900 + dice.roll(6);
                    let year = if dice.roll(2) == 0 { json!(year) } else { json!(year.to_string()) };
                    metadata.insert("year".into(), year);
                }
                if dice.roll(2) == 0 {
                    metadata.insert("tags".into(), json!([dice.pick(&["a", "B", "c d"]), dice.pick(&["a", "e"])]));
                }
                metadata.insert("open".into(), json!(dice.roll(2) == 0));
                if dice.roll(2) == 0 {
                    handles.push(json!({"id": id, "kind": "mood", "text": dice.pick(&MOODS), "evidence": "inferred"}));
                }
                if dice.roll(4) == 0 {
                    handles.push(json!({"id": id, "kind": "style", "text": "terse", "evidence": "normalised"}));
                }
                let mut row = json!({"_id": id, "text": format!("Row {at} of the {corpus}."), "metadata": metadata});
                if dice.roll(2) == 0 {
                    row["language"] = json!(dice.pick(&["de", "fr"]));
                }
                row.to_string()
            })
            .collect();
        bench.write(&format!("{corpus}/corpus.jsonl"), rows.join("\n"));
    }
    bench.json(&["index", "--no-handles", "letters", "logs"]);
    bench.write("handles.jsonl", handles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    bench.json(&["handles", "import", "handles.jsonl"]);
    bench
}

fn word(dice: &mut Dice, from: &[&str]) -> Operand {
    Operand::Text((*dice.pick(from)).to_owned())
}

pub fn random_filter(dice: &mut Dice, depth: usize) -> Filter {
    let text = |text: &str| Operand::Text(text.to_owned());
    match dice.roll(if depth == 0 { 7 } else { 11 }) {
        0 => Filter::Is(Subject::Source, Comparison::Equal, word(dice, &["letters", "logs", "neither"])),
        1 => Filter::Is(Subject::Language, Comparison::Equal, word(dice, &["de", "fr", "en"])),
        2 => Filter::Is(Subject::Document, Comparison::Equal, word(dice, &["letters-3", "logs-29", "Letters-3"])),
        3 => Filter::Is(Subject::Evidence, Comparison::Equal, word(dice, &["inferred", "normalised", "verbatim"])),
        4 => Filter::Is(Subject::Handle("mood".into()), Comparison::Equal, word(dice, &MOODS)),
        5 => Filter::Has(
            dice.pick(&[
                Subject::Meta("year".into()),
                Subject::Meta("tags".into()),
                Subject::Language,
                Subject::Handle("style".into()),
                Subject::Evidence,
            ])
            .clone(),
        ),
        6 => {
            use Comparison::{AtLeast, AtMost, Equal, Less, More};
            let comparison = *dice.pick(&[Equal, Less, AtMost, More, AtLeast]);
            let year = 1899 + dice.roll(8);
            let operands = [Operand::Number(year as f64), text(&year.to_string()), text("a"), text("true")];
            let name = (*dice.pick(&["year", "tags", "open"])).to_owned();
            Filter::Is(Subject::Meta(name), comparison, dice.pick(&operands).clone())
        }
        7 => Filter::Not(Box::new(random_filter(dice, depth - 1))),
        8 => Filter::And((0..2).map(|_| random_filter(dice, depth - 1)).collect()),
        _ => Filter::Or((0..2).map(|_| random_filter(dice, depth - 1)).collect()),
    }
}

#[test]
fn an_index_answers_what_the_definition_says() {
    let mut dice = Dice(42);
    let (mut some, mut none) = (0, 0);
    for _ in 0..3 {
        let bench = random_index(&mut dice);
        let reader = Reader::open(&IndexDir::new(bench.path(".frontload"))).expect("opens").reader;
        let chunks: Vec<_> = reader.ids().map(|id| (id, reader.chunk(id).expect("stored"))).collect();
        for _ in 0..400 {
            let filter = random_filter(&mut dice, 3);
            let found: BTreeSet<u32> = reader.among(&filter).expect("answers").iter().map(|chunk| chunk.0).collect();
            let holding = chunks.iter().filter(|(_, chunk)| filter.holds(&chunk.chunk, &chunk.handles));
            let expected: BTreeSet<u32> = holding.map(|(id, _)| id.0).collect();
            assert_eq!(found, expected, "{filter:?}");
            if found.is_empty() { none += 1 } else { some += 1 }
        }
    }
    assert!(some > 300 && none > 100, "{some} filters let something through, {none} nothing: too much alike");
}

#[test]
fn every_lane_keeps_to_the_filter() {
    let bench = random_index(&mut Dice(7));
    let all = |lanes: &str| -> BTreeSet<String> {
        let arguments = ["search", "-k", "100", "--lanes", lanes, "--filter", "source = letters", "a calm row"];
        let found = bench.json(&arguments);
        let hits = found["hits"].as_array().expect("hits").iter();
        hits.map(|hit| hit["document"].as_str().expect("an id").to_owned()).collect()
    };
    for lanes in ["body.bm25", "body.dense", "mood.bm25", "mood.dense", "all"] {
        let found = all(lanes);
        assert!(!found.is_empty() && found.iter().all(|id| id.starts_with("letters")), "{lanes}: {found:?}");
    }
    assert_eq!(all("body.dense").len(), 30);
}

#[test]
fn a_filter_that_cannot_be_is_refused_and_one_that_selects_nothing_is_not() {
    let bench = random_index(&mut Dice(3));
    let refused = |filter: &str, part: &str| {
        let ended = bench.run(&["search", "--filter", filter, "row"]).exited(2);
        assert!(ended.stderr.contains(part), "{filter}: {}", ended.stderr);
    };
    refused("colour = red", "expected source");
    refused("meta.colour = red", "meta.year");
    refused("handle.colour = red", "handle.colour");
    refused("source = letters and", "the end");
    let nothing = bench.run(&["--json", "search", "--filter", "source = nowhere", "row"]).exited(1);
    assert_eq!(nothing.json()["hits"], json!([]));
}

#[test]
fn grouping_keeps_the_best_of_each_document() {
    let bench = Bench::new();
    let long = "The ferry was late again. ".repeat(40);
    bench.write("long/a.txt", &long);
    bench.write("long/b.txt", format!("{long} Nobody minded the ferry."));
    bench.json(&["index", "--no-handles", "--chunk", "200", "long"]);
    let documents = |arguments: &[&str]| -> Vec<String> {
        let found = bench.json(arguments);
        let hits = found["hits"].as_array().expect("hits").iter();
        hits.map(|hit| hit["document"].as_str().expect("an id").to_owned()).collect()
    };
    let all = documents(&["search", "-k", "50", "the late ferry"]);
    assert!(all.len() > 4, "{all:?}");
    let grouped = documents(&["search", "-k", "50", "--group", "the late ferry"]);
    assert_eq!(grouped.len(), 2);
    assert_eq!(grouped[0], all[0]);
}
