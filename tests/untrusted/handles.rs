//! The gates, before a model that does whatever its passage says.

use serde_json::Value;

use super::{CANARY, attacks, check_handles, check_neighbours, corpus, index};
use crate::bench::PASSAGES;

#[test]
fn an_obedient_model_reaches_its_own_passage_alone() {
    let attacks = attacks();
    assert!(attacks.len() >= 64, "{} attacks", attacks.len());
    let canaries: std::collections::BTreeSet<&str> = attacks.iter().map(|attack| attack.canary.as_str()).collect();
    assert_eq!(canaries.len(), attacks.len(), "two attacks share a canary");
    let bench = corpus(&attacks, &PASSAGES);
    let built = index(&bench);
    assert_eq!(built["chunks"], attacks.len() + PASSAGES.len(), "{built}");
    check_neighbours(&bench, &attacks);

    let failed = built["quarantined"].as_array().expect("a list");
    for failure in failed {
        let id = failure["id"].as_str().expect("an id");
        assert!(["grammar", "spread"].contains(&id.split('-').next().expect("a class")), "{failure}");
        assert!(!failure["reason"].as_str().expect("a reason").is_empty(), "{failure}");
    }
    let mut planted = 0;
    for attack in &attacks {
        let told = bench.json(&["inspect", &attack.id]);
        let text = told["chunk"]["text"].as_str().expect("text");
        assert_eq!(text, attack.text.trim(), "the text is shown to nobody but unchanged");
        let handles = told["handles"].as_array().expect("handles");
        check_handles(&attack.id, text, handles);
        // What was turned away is kept, each with its reason.
        let rejected = told["rejected"].as_array().expect("a list");
        let known = |item: &Value| item["text"].is_string() && item["reason"].is_string();
        assert!(rejected.iter().all(known), "{told}");
        let is_failed = failed.iter().any(|failure| failure["id"] == attack.id.as_str());
        assert!(is_failed || !rejected.is_empty(), "{}: all was taken: {handles:?}", attack.id);
        if ["special", "escape", "hidden", "address"].contains(&attack.class()) {
            assert!(rejected.iter().any(|item| item["reason"] == "unsafe"), "{}: {rejected:?}", attack.id);
        }
        let is_planted = |handle: &&Value| {
            handle["kind"] == "mood" && handle["text"].as_str().is_some_and(|text| text.contains(&attack.canary))
        };
        planted += handles.iter().filter(is_planted).count();
    }
    // What no gate stops: a mood, in words that the passage does not have, of the passage itself. Were there none, the
    // model would not obey, and the rest of this test would show nothing.
    assert!(planted > 0, "the model is not obedient");
    for (id, text) in PASSAGES {
        let told = bench.json(&["inspect", id]);
        check_handles(id, text, told["handles"].as_array().expect("handles"));
        assert!(!told["handles"].to_string().contains(CANARY), "{told}");
        assert!(!told["rejected"].to_string().contains(CANARY), "{told}");
    }
}
