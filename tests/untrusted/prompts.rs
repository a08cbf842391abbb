//! What a passage can do to the prompt that asks about it: nothing but stand in its place.

use serde_json::Value;

use super::{CANARY, attacks, corpus, hides};
use crate::bench::PASSAGES;

#[test]
fn a_passage_stays_in_its_turn() {
    let attacks = attacks();
    let bench = corpus(&attacks, &PASSAGES);
    let told = bench.run(&["export", "prompts", "--model", "batch:any", "untrusted"]).succeeded().stdout;
    // It goes to a terminal where no file is named.
    assert!(!told.chars().any(|letter| letter != '\n' && hides(letter)), "hidden characters are not escaped");
    let prompts: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("a request")).collect();
    assert_eq!(prompts.len(), attacks.len() + PASSAGES.len());
    let turns = |prompt: &Value| -> Vec<(String, String)> {
        let messages = prompt["body"]["messages"].as_array().expect("turns");
        let word = |message: &Value, name: &str| message[name].as_str().expect("text").to_owned();
        messages.iter().map(|message| (word(message, "role"), word(message, "content"))).collect()
    };
    let asked: Vec<Vec<(String, String)>> = prompts.iter().map(turns).collect();
    let about = |text: &str| {
        let found = asked.iter().find(|turns| turns.last().is_some_and(|(_, content)| content == text));
        found.unwrap_or_else(|| panic!("nothing asks about {text:?} as it stands"))
    };
    let clean = about(PASSAGES[0].1);
    let (_, before) = clean.split_last().expect("turns");
    let roles: Vec<&str> = clean.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert!(!before.iter().any(|(_, content)| content.contains(CANARY)), "{before:?}");
    for attack in &attacks {
        let turns = about(attack.text.trim());
        let (last, others) = turns.split_last().expect("turns");
        assert_eq!(last.0, "user", "{}", attack.id);
        assert_eq!(others, before, "{}: what stands before the passage is another", attack.id);
    }
}
