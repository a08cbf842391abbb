//! A filter as an expression of Milvus, from the same tree that a generation here answers from its columns.

use frontload_core::{Comparison, Filter, Interval, Operand, Subject};
use frontload_index::IndexError;

use crate::{
    facts::{self, Known},
    layout::{FACTS, NUMBER},
};

/// Every class of evidence, in the order of their names.
const EVIDENCE: [&str; 3] = ["inferred", "normalised", "verbatim"];

/// The expression for a filter.
///
/// # Errors
/// When it names a fact or kind that no chunk has.
pub fn expression(filter: &Filter, known: &Known) -> Result<String, IndexError> {
    match filter {
        Filter::And(parts) => joined(parts, " and ", known),
        Filter::Or(parts) => joined(parts, " or ", known),
        Filter::Not(part) => Ok(format!("(not {})", expression(part, known)?)),
        Filter::Has(subject) => has(subject, known),
        Filter::Is(subject, comparison, operand) => is(subject, *comparison, operand, known),
        Filter::During(days) => Ok(during(*days, known)),
    }
}

/// Both conditions, where both are there.
pub fn both(one: &str, other: Option<&str>) -> String {
    match other {
        Some(other) => format!("{one} and {other}"),
        None => one.to_owned(),
    }
}

fn joined(parts: &[Filter], word: &str, known: &Known) -> Result<String, IndexError> {
    let parts = parts.iter().map(|part| expression(part, known)).collect::<Result<Vec<_>, _>>()?;
    Ok(match (parts.is_empty(), word) {
        (false, _) => format!("({})", parts.join(word)),
        (true, " and ") => everything(),
        (true, _) => nothing(),
    })
}

fn everything() -> String {
    format!("({NUMBER} >= 0)")
}

fn nothing() -> String {
    format!("({NUMBER} < 0)")
}

fn has(subject: &Subject, known: &Known) -> Result<String, IndexError> {
    Ok(match subject {
        Subject::Source | Subject::Document => everything(),
        Subject::Handle(kind) => contains(facts::KINDS, kind),
        Subject::Language => format!("({})", exists(facts::LANGUAGE)),
        Subject::Evidence => format!("({})", exists(facts::EVIDENCE)),
        Subject::Meta(name) => {
            let place = known.columns.place(name).ok_or_else(|| known.unknown(subject))?;
            format!("({})", exists(&facts::words(place)))
        }
    })
}

fn is(subject: &Subject, comparison: Comparison, operand: &Operand, known: &Known) -> Result<String, IndexError> {
    let folded = match subject {
        Subject::Document => operand.as_written(),
        _ => operand.folded(),
    };
    Ok(match subject {
        Subject::Handle(kind) => {
            if !known.kinds.contains(kind) {
                return Err(known.unknown(subject));
            }
            contains(facts::HANDLES, &facts::handle(kind, &folded))
        }
        Subject::Source => compared(facts::SOURCE, comparison, &quoted(&folded)),
        Subject::Document => compared(facts::DOCUMENT, comparison, &quoted(&folded)),
        Subject::Language => compared(facts::LANGUAGE, comparison, &quoted(&folded)),
        Subject::Evidence => {
            let fits = |class: &&&str| holds(comparison, class.cmp(&&folded.as_str()));
            let classes: Vec<String> =
                EVIDENCE.iter().filter(fits).map(|class| contains(facts::EVIDENCE, class)).collect();
            if classes.is_empty() { nothing() } else { format!("({})", classes.join(" or ")) }
        }
        Subject::Meta(name) => {
            let place = known.columns.place(name).ok_or_else(|| known.unknown(subject))?;
            // Some value is below when the least is, and above when the most is.
            match (comparison, operand) {
                (Comparison::Equal, _) => contains(&facts::words(place), &folded),
                (Comparison::Less | Comparison::AtMost, Operand::Number(number)) => {
                    compared(&facts::least(place), comparison, &format!("{number:?}"))
                }
                (Comparison::More | Comparison::AtLeast, Operand::Number(number)) => {
                    compared(&facts::most(place), comparison, &format!("{number:?}"))
                }
                (Comparison::Less | Comparison::AtMost, Operand::Text(_)) => {
                    compared(&facts::first_word(place), comparison, &quoted(&folded))
                }
                (Comparison::More | Comparison::AtLeast, Operand::Text(_)) => {
                    compared(&facts::last_word(place), comparison, &quoted(&folded))
                }
            }
        }
    })
}

fn during(wanted: Interval, known: &Known) -> String {
    let (first, last) = wanted.days();
    let touches = |nth: usize| {
        let (from, to) = (facts::from(nth), facts::to(nth));
        format!("({} and {} <= {last} and {} >= {first})", exists(&from), fact(&from), fact(&to))
    };
    let any: Vec<String> = (0..known.times).map(touches).collect();
    if any.is_empty() { nothing() } else { format!("({})", any.join(" or ")) }
}

fn fact(name: &str) -> String {
    format!("{FACTS}[\"{name}\"]")
}

fn exists(name: &str) -> String {
    format!("exists {}", fact(name))
}

fn contains(name: &str, value: &str) -> String {
    format!("({} and json_contains({}, {}))", exists(name), fact(name), quoted(value))
}

fn compared(name: &str, comparison: Comparison, value: &str) -> String {
    let sign = match comparison {
        Comparison::Equal => "==",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::More => ">",
        Comparison::AtLeast => ">=",
    };
    format!("({} and {} {sign} {value})", exists(name), fact(name))
}

fn holds(comparison: Comparison, order: std::cmp::Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::More => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
    }
}

/// A string as Milvus reads it: whatever it holds, it ends where it ends.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, expected: &str) {
        let columns = serde_json::from_str(r#"["year", "place"]"#).expect("columns");
        let known = Known { columns, kinds: ["mood".to_owned()].into(), times: 1 };
        let told = match expression(&filter.parse().expect(filter), &known) {
            Ok(told) => told,
            Err(error) => error.to_string(),
        };
        assert_eq!(told, expected, "{filter}");
    }

    #[test]
    fn every_condition_asks_first_whether_there_is_a_value() {
        check("source = letters", r#"(exists facts["source"] and facts["source"] == "letters")"#);
        check("meta.year < 1900", r#"(exists facts["na0"] and facts["na0"] < 1900.0)"#);
        check("not meta.place >= x", r#"(not (exists facts["wz1"] and facts["wz1"] >= "x"))"#);
        check(
            "handle.mood = \"Quite calm\"",
            r#"(exists facts["handles"] and json_contains(facts["handles"], "mood=quite calm"))"#,
        );
        check("has language", r#"(exists facts["language"])"#);
        check("during 1970", r#"((exists facts["from0"] and facts["from0"] <= 364 and facts["to0"] >= 0))"#);
    }

    #[test]
    fn what_no_chunk_has_is_named() {
        check("meta.colour = red", "filter: no chunk has meta.colour; there is meta.year, meta.place");
        check("handle.colour = red", "filter: no chunk has handle.colour");
    }

    #[test]
    fn a_string_ends_where_it_ends() {
        assert_eq!(quoted("a\" or number >= 0 or \"\\"), r#""a\" or number >= 0 or \"\\""#);
    }
}
