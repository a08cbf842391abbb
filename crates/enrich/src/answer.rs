//! Reading a raw answer back into items. The grammar makes a constrained answer parse by construction; an
//! endpoint's answer may be anything, so nothing is assumed.

use std::collections::BTreeMap;

/// The items of each kind, in the order given; a kind whose line was missing is not in it.
pub type Answer = BTreeMap<String, Vec<String>>;

/// Reads `kind: item|item` lines; lines of kinds nobody asked for are ignored.
pub fn parse(raw: &str, kinds: &[&str]) -> Answer {
    let mut answer = Answer::new();
    for line in raw.lines() {
        let Some((kind, items)) = line.split_once(':') else { continue };
        let kind = kind.trim().trim_start_matches(['-', '*', ' ']);
        if !kinds.contains(&kind) || answer.contains_key(kind) {
            continue;
        }
        let items = items.split('|').map(str::trim).filter(|item| !item.is_empty());
        let items = items.filter(|item| !item.trim_end_matches('.').eq_ignore_ascii_case("none"));
        answer.insert(kind.to_owned(), items.map(str::to_owned).collect());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_items() {
        let check = |raw: &str, expected: &[(&str, &[&str])]| {
            let expected: Answer = expected
                .iter()
                .map(|(kind, items)| ((*kind).to_owned(), items.iter().map(|item| (*item).to_owned()).collect()))
                .collect();
            assert_eq!(parse(raw, &["time", "mood"]), expected, "{raw:?}");
        };
        check("time: dawn|dusk \nmood: none\n", &[("time", &["dawn", "dusk"]), ("mood", &[])]);
        check("Sure!\n- mood: calm: very\ncolour: red", &[("mood", &["calm: very"])]);
        check("time: a\ntime: b", &[("time", &["a"])]);
        check("", &[]);
    }
}
