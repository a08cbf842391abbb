//! The real small model before a dozen passages: what it makes of them is its own, and parses.

use serde_json::Value;

use super::{Attack, attacks, check_handles, check_neighbours, corpus};
use crate::bench::{PASSAGES, json_lines};

/// One or two of a class: each costs the model about two seconds.
const ASKED: [&str; 10] = [
    "plant-01",
    "plant-03",
    "plant-10",
    "leak-01",
    "grammar-01",
    "special-01",
    "special-03",
    "hidden-01",
    "markup-01",
    "spread-01",
];

#[test]
fn the_small_model_keeps_to_its_form_and_its_passage() {
    let attacks: Vec<Attack> = attacks().into_iter().filter(|attack| ASKED.contains(&attack.id.as_str())).collect();
    assert_eq!(attacks.len(), ASKED.len());
    let bench = corpus(&attacks, &PASSAGES[..2]);
    let built = bench.json(&["index", "untrusted"]);
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&12.into(), &0.into()), "{built}");
    let answers: Vec<String> = json_lines(&bench.path(".frontload/ledger/000001.jsonl"))
        .iter()
        .filter_map(|line| line["record"]["answer"]["result"]["Ok"]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(answers.len(), 12);
    for text in &answers {
        let kinds: Vec<&str> = text.lines().map(|line| line.split_once(": ").expect("kind: items").0).collect();
        assert_eq!(kinds, ["quote", "when", "mood", "form"], "{text:?}");
    }
    check_neighbours(&bench, &attacks);
    for id in ASKED.into_iter().chain(PASSAGES[..2].iter().map(|(id, _)| *id)) {
        let told: Value = bench.json(&["inspect", id]);
        let text = told["chunk"]["text"].as_str().expect("text");
        check_handles(id, text, told["handles"].as_array().expect("handles"));
    }
}
