//! Filter expressions: what is read, printed and read again is the same, and means the same.

use std::path::Path;

use frontload_core::{Chunk, Comparison, Evidence, Filter, Handle, Interval, MetaValue, Operand, Source, Subject};

use super::outcome;

#[rustfmt::skip] // a word a line says no more
pub const WORDS: &[&str] = &[
    " and ", " or ", "not ", "(", ")", " in (", "has ", "during ", "source", "document", "language", "evidence",
    "meta.", "handle.", "meta.year", "handle.mood", " = ", " != ", " < ", " <= ", " > ", " >= ", ",", "\"", "\\",
    "\\\"", "verbatim", "inferred", "1880..1890", "..", "-43", "1883-03-12", "letters", "de", "1e-7", ".5", "0x10",
    "inf",
];

/// Longer ones are refused.
const LONGEST_BYTES: usize = 4096;

pub fn run(_: &Path, input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let filter = match text.parse::<Filter>() {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.at <= text.chars().count(), "{error} at {}", error.at);
            return outcome(&error.problem);
        }
    };
    assert!(text.len() <= LONGEST_BYTES);
    let printed = printed(&filter);
    if printed.len() <= LONGEST_BYTES {
        let again: Filter = printed.parse().unwrap_or_else(|error| panic!("{error} in {printed}"));
        assert_eq!(again, filter, "{printed}");
    }
    let (chunk, handles) = sample();
    let holds = filter.holds(&chunk, &handles);
    assert_eq!(Filter::Not(Box::new(filter.clone())).holds(&chunk, &handles), !holds);
    format!("{holds} {}", skeleton(&filter, 3))
}

/// The expression with no more parentheses than it needs: nesting is limited, and what fits must still fit.
fn printed(filter: &Filter) -> String {
    match filter {
        Filter::Or(parts) if same_subject(parts).is_none() => joined(parts, " or "),
        Filter::And(parts) => joined(parts, " and "),
        one => one_of(one),
    }
}

fn joined(parts: &[Filter], by: &str) -> String {
    let part = |part: &Filter| match part {
        // "and" binds closer than "or".
        Filter::And(inner) if by == " or " => joined(inner, " and "),
        part => one_of(part),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(by)
}

fn one_of(filter: &Filter) -> String {
    match filter {
        Filter::Or(parts) => match same_subject(parts) {
            Some((subject, values)) => format!("{} in ({})", name(subject), values.join(", ")),
            None => format!("({})", printed(filter)),
        },
        Filter::And(_) => format!("({})", printed(filter)),
        Filter::Not(inner) => match &**inner {
            Filter::Is(subject, Comparison::Equal, operand) => format!("{} != {}", name(subject), value(operand)),
            inner => format!("not {}", one_of(inner)),
        },
        Filter::Is(subject, comparison, operand) => {
            let sign = match comparison {
                Comparison::Equal => "=",
                Comparison::Less => "<",
                Comparison::AtMost => "<=",
                Comparison::More => ">",
                Comparison::AtLeast => ">=",
            };
            format!("{} {sign} {}", name(subject), value(operand))
        }
        Filter::Has(subject) => format!("has {}", name(subject)),
        Filter::During(days) => format!("during {days}"),
    }
}

/// The one subject that all parts compare for equality, with the values: how "in" is read.
fn same_subject(parts: &[Filter]) -> Option<(&Subject, Vec<String>)> {
    let all: Vec<(&Subject, &Operand)> = parts.iter().map(equality).collect::<Option<_>>()?;
    let (subject, _) = *all.first()?;
    let same = all.iter().all(|(other, _)| *other == subject);
    same.then(|| (subject, all.iter().map(|(_, operand)| value(operand)).collect()))
}

fn equality(part: &Filter) -> Option<(&Subject, &Operand)> {
    match part {
        Filter::Is(subject, Comparison::Equal, operand) => Some((subject, operand)),
        _ => None,
    }
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::Meta(name) => format!("meta.{}", quoted(name)),
        Subject::Handle(kind) => format!("handle.{}", quoted(kind)),
        other => other.to_string(),
    }
}

fn value(operand: &Operand) -> String {
    match operand {
        // With an exponent where it is long.
        Operand::Number(number) => format!("{number:?}"),
        Operand::Text(text) => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A chunk with something for every subject.
fn sample() -> (Chunk, Vec<Handle>) {
    let many = MetaValue::Many(vec![MetaValue::Text("de".into()), MetaValue::Number(1.5), MetaValue::Flag(true)]);
    let metadata = [("year", MetaValue::Number(1883.0)), ("tags", many), ("code", MetaValue::Text("0123".into()))];
    let chunk = Chunk {
        document: "notes/a-1.md".into(),
        source: "letters".into(),
        language: Some("de".into()),
        metadata: metadata.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Chunk::default()
    };
    let days: Interval = "1883-03-12..1884".parse().expect("days");
    let handle = |kind: &str, text: &str, evidence, interval| Handle {
        kind: kind.into(),
        text: text.into(),
        evidence,
        span: None,
        interval,
        source: Source::Import,
    };
    let handles = vec![
        handle("mood", "quite \"tense\"", Evidence::Inferred, None),
        handle("time", "March 1883", Evidence::Normalised, Some(days)),
    ];
    (chunk, handles)
}

/// How it is built, so many levels down.
fn skeleton(filter: &Filter, depth: usize) -> String {
    let inside = |parts: &[Filter]| match depth {
        0 => String::new(),
        _ => parts.iter().take(3).map(|part| skeleton(part, depth - 1)).collect::<Vec<_>>().join(","),
    };
    match filter {
        Filter::And(parts) => format!("and({})", inside(parts)),
        Filter::Or(parts) => format!("or({})", inside(parts)),
        Filter::Not(part) => format!("not({})", inside(std::slice::from_ref(part))),
        Filter::Is(_, comparison, Operand::Number(_)) => format!("{comparison:?}#"),
        Filter::Is(_, comparison, Operand::Text(_)) => format!("{comparison:?}"),
        Filter::Has(_) => "has".to_owned(),
        Filter::During(_) => "during".to_owned(),
    }
}
