//! Reading a raw answer back into items. The grammar makes a constrained answer parse by construction; an
//! endpoint's answer may be anything, so nothing is assumed.

use std::collections::BTreeMap;

/// The items of each kind, in the order given; a kind that was not answered is not in it.
pub type Answer = BTreeMap<String, Vec<String>>;

/// Reads an answer in either form: `kind: item|item` lines, or one JSON object of lists. Kinds nobody asked for
/// are ignored.
///
/// # Errors
/// Why there is no answer in it: nothing but thinking, JSON that does not parse, or none of the kinds.
pub fn parse(raw: &str, kinds: &[&str]) -> Result<Answer, String> {
    let said = after_thinking(raw)?.trim();
    let answer = match json_object(said) {
        Some(object) => from_json(object, kinds)?,
        None => from_lines(said, kinds),
    };
    if answer.is_empty() {
        let start: String = said.chars().take(60).collect();
        return Err(format!("the answer names none of the kinds; it begins {start:?}"));
    }
    Ok(answer)
}

/// What follows the model's thinking aloud, if it did. An object has not thought: a mark in it is its passage's.
fn after_thinking(raw: &str) -> Result<&str, String> {
    if raw.trim_start().starts_with('{') {
        return Ok(raw);
    }
    match (raw.trim_start().starts_with("<think>"), raw.rsplit_once("</think>")) {
        (_, Some((_, said))) => Ok(said),
        (true, None) => Err("the answer is all thinking, and was cut before it said anything".to_owned()),
        (false, None) => Ok(raw),
    }
}

/// The JSON object an answer consists of, perhaps in a code fence.
fn json_object(said: &str) -> Option<&str> {
    let bare = said.strip_prefix("```json").or_else(|| said.strip_prefix("```")).unwrap_or(said);
    let bare = bare.strip_suffix("```").unwrap_or(bare).trim();
    bare.starts_with('{').then_some(bare)
}

fn from_json(object: &str, kinds: &[&str]) -> Result<Answer, String> {
    let fields: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(object).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let text =
        |value: &serde_json::Value| value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut answer = Answer::new();
    for (kind, value) in fields {
        if !kinds.contains(&kind.as_str()) {
            continue;
        }
        let items: Vec<String> = match &value {
            serde_json::Value::Array(items) => items.iter().filter_map(text).collect(),
            other => text(other).into_iter().collect(),
        };
        answer.insert(kind, items.into_iter().filter(|item| !is_none(item)).collect());
    }
    Ok(answer)
}

fn from_lines(said: &str, kinds: &[&str]) -> Answer {
    let mut answer = Answer::new();
    for line in said.lines() {
        let Some((kind, items)) = line.split_once(':') else { continue };
        let kind = kind.trim().trim_start_matches(['-', '*', ' ']);
        if !kinds.contains(&kind) || answer.contains_key(kind) {
            continue;
        }
        let items = items.split('|').map(str::trim).filter(|item| !item.is_empty() && !is_none(item));
        answer.insert(kind.to_owned(), items.map(str::to_owned).collect());
    }
    answer
}

fn is_none(item: &str) -> bool {
    item.trim_end_matches('.').eq_ignore_ascii_case("none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_form_becomes_items() {
        let check = |raw: &str, expected: &[(&str, &[&str])]| {
            let expected: Answer = expected
                .iter()
                .map(|(kind, items)| ((*kind).to_owned(), items.iter().map(|item| (*item).to_owned()).collect()))
                .collect();
            assert_eq!(parse(raw, &["time", "mood"]), Ok(expected), "{raw:?}");
        };
        check("time: dawn|dusk \nmood: none\n", &[("time", &["dawn", "dusk"]), ("mood", &[])]);
        check("Sure!\n- mood: calm: very\ncolour: red", &[("mood", &["calm: very"])]);
        check("time: a\ntime: b", &[("time", &["a"])]);
        check("<think>\nHm: mood?\n</think>\nmood: calm", &[("mood", &["calm"])]);
        check("{\"time\": [\"dawn\", \" \"], \"mood\": \"calm\"}", &[("time", &["dawn"]), ("mood", &["calm"])]);
        check("{\"time\": [\"a </think> b\"]}", &[("time", &["a </think> b"])]);
        check("```json\n{\"time\": [\"None\", 7], \"colour\": []}\n```", &[("time", &[])]);
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let check = |raw: &str, expected: &str| {
            let reason = parse(raw, &["time", "mood"]).expect_err(raw);
            assert!(reason.contains(expected), "{raw:?}: {reason}");
        };
        check("<think>\nmood: calm", "all thinking");
        check("{\"time\": [\"daw", "not JSON");
        check("", "none of the kinds");
        check("I am a helpful assistant: ask me", "begins \"I am a helpful");
        check("[1, 2]", "none of the kinds");
    }
}
