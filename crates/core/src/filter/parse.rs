//! Reading a filter expression. The grammar:
//!
//! ```text
//! either    = both { "or" both }
//! both      = one { "and" one }
//! one       = "not" one | "(" either ")" | "has" subject | "during" days | subject test
//! test      = ("=" | "!=" | "<" | "<=" | ">" | ">=") value | "in" "(" value { "," value } ")"
//! subject   = "source" | "document" | "language" | "evidence" | "meta." name | "handle." kind
//! value     = number | word | "words in quotes"
//! ```

use std::str::FromStr;

use super::{Comparison, Filter, Operand, Subject};
use crate::Interval;

/// Longer expressions are refused.
const LONGEST_BYTES: usize = 4096;
/// Parentheses and "not" inside one another.
const DEEPEST: usize = 50;

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter, character {}: {problem}", .at + 1)]
pub struct FilterError {
    /// The character at which it goes wrong, from 0.
    pub at: usize,
    /// What is wrong.
    pub problem: String,
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > LONGEST_BYTES {
            let problem = format!("{} bytes long, at most {LONGEST_BYTES} are taken", text.len());
            return Err(FilterError { at: 0, problem });
        }
        let letters: Vec<char> = text.chars().collect();
        let mut reading = Reading { letters: &letters, at: 0, depth: 0 };
        let filter = reading.either()?;
        reading.blanks();
        if reading.at < letters.len() {
            return Err(reading.wrong("expected \"and\", \"or\" or the end"));
        }
        Ok(filter)
    }
}

struct Reading<'a> {
    letters: &'a [char],
    at: usize,
    depth: usize,
}

impl Reading<'_> {
    fn either(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.both()?];
        while self.word("or") {
            parts.push(self.both()?);
        }
        Ok(one_or(parts, Filter::Or))
    }

    fn both(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(one_or(parts, Filter::And))
    }

    fn one(&mut self) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong(&format!("nested deeper than {DEEPEST}")));
        }
        let read = if self.word("not") {
            Filter::Not(Box::new(self.one()?))
        } else if self.sign("(") {
            let inside = self.either()?;
            self.expect(")")?;
            inside
        } else if self.word("has") {
            Filter::Has(self.subject()?)
        } else if self.word("during") {
            self.during()?
        } else {
            let subject = self.subject()?;
            self.test(subject)?
        };
        self.depth -= 1;
        Ok(read)
    }

    fn during(&mut self) -> Result<Filter, FilterError> {
        self.blanks();
        let start = self.at;
        let days = self.taken(|letter| !letter.is_whitespace() && letter != ')');
        days.parse::<Interval>()
            .map(Filter::During)
            .map_err(|error| FilterError { at: start, problem: error.to_string() })
    }

    fn subject(&mut self) -> Result<Subject, FilterError> {
        self.blanks();
        let start = self.at;
        let name = self.taken(is_name).to_lowercase();
        let subject = match name.as_str() {
            "source" => Subject::Source,
            "document" => Subject::Document,
            "language" => Subject::Language,
            "evidence" => Subject::Evidence,
            "meta" if self.next_is('.') => Subject::Meta(self.part()?),
            "handle" if self.next_is('.') => Subject::Handle(self.part()?),
            _ => {
                self.at = start;
                let expected = "expected source, document, language, evidence, meta.NAME or handle.KIND";
                return Err(self.wrong(expected));
            }
        };
        Ok(subject)
    }

    /// What follows the point of `meta.` and `handle.`: a name, in quotes if it has odd letters.
    fn part(&mut self) -> Result<String, FilterError> {
        self.at += 1;
        if self.next_is('"') {
            return self.quoted();
        }
        match self.taken(is_name) {
            name if name.is_empty() => Err(self.wrong("expected a name")),
            name => Ok(name),
        }
    }

    fn test(&mut self, subject: Subject) -> Result<Filter, FilterError> {
        if self.word("in") {
            self.expect("(")?;
            let mut parts = Vec::new();
            loop {
                let operand = self.operand(&subject)?;
                parts.push(Filter::Is(subject.clone(), Comparison::Equal, operand));
                if !self.sign(",") {
                    break;
                }
            }
            self.expect(")")?;
            return Ok(one_or(parts, Filter::Or));
        }
        self.blanks();
        let start = self.at;
        let signs = [
            ("!=", None),
            ("<=", Some(Comparison::AtMost)),
            (">=", Some(Comparison::AtLeast)),
            ("=", Some(Comparison::Equal)),
            ("<", Some(Comparison::Less)),
            (">", Some(Comparison::More)),
        ];
        let Some((_, comparison)) = signs.into_iter().find(|(sign, _)| self.sign(sign)) else {
            return Err(self.wrong("expected =, !=, <, <=, >, >= or in"));
        };
        let ordered = comparison.is_some_and(|comparison| comparison != Comparison::Equal);
        if ordered && !matches!(subject, Subject::Meta(_)) {
            let problem = format!("{subject} has no order: only =, != and in are for it");
            return Err(FilterError { at: start, problem });
        }
        let operand = self.operand(&subject)?;
        Ok(match comparison {
            Some(comparison) => Filter::Is(subject, comparison, operand),
            None => Filter::Not(Box::new(Filter::Is(subject, Comparison::Equal, operand))),
        })
    }

    fn operand(&mut self, subject: &Subject) -> Result<Operand, FilterError> {
        self.blanks();
        let start = self.at;
        let operand = if self.next_is('"') {
            Operand::Text(self.quoted()?)
        } else {
            let word = self.taken(|letter| is_name(letter) || ".+/:#@".contains(letter));
            if word.is_empty() {
                return Err(self.wrong("expected a value"));
            }
            match word.parse::<f64>() {
                Ok(number) if number.is_finite() && matches!(subject, Subject::Meta(_)) => Operand::Number(number),
                _ => Operand::Text(word),
            }
        };
        let classes = ["verbatim", "normalised", "inferred"];
        if *subject == Subject::Evidence && !classes.contains(&operand.folded().as_str()) {
            return Err(FilterError { at: start, problem: format!("evidence is one of {}", classes.join(", ")) });
        }
        Ok(operand)
    }

    fn quoted(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(&letter) = self.letters.get(self.at) {
            self.at += 1;
            match letter {
                '"' => return Ok(text),
                '\\' => {
                    text.extend(self.letters.get(self.at));
                    self.at += 1;
                }
                letter => text.push(letter),
            }
        }
        Err(FilterError { at: start, problem: "this quote is never closed".to_owned() })
    }

    /// Takes a keyword, if it comes next and ends there.
    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let start = self.at;
        let found = self.taken(is_name).eq_ignore_ascii_case(word);
        if !found {
            self.at = start;
        }
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.blanks();
        let found = sign.chars().enumerate().all(|(nth, letter)| self.letters.get(self.at + nth) == Some(&letter));
        if found {
            self.at += sign.chars().count();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), FilterError> {
        if self.sign(sign) { Ok(()) } else { Err(self.wrong(&format!("expected {sign:?}"))) }
    }

    fn taken(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let rest = self.letters.get(self.at..).unwrap_or_default();
        let taken: String = rest.iter().copied().take_while(|&letter| wanted(letter)).collect();
        self.at += taken.chars().count();
        taken
    }

    fn next_is(&self, letter: char) -> bool {
        self.letters.get(self.at) == Some(&letter)
    }

    fn blanks(&mut self) {
        self.taken(char::is_whitespace);
    }

    fn wrong(&self, expected: &str) -> FilterError {
        let rest: String = self.letters.iter().skip(self.at).take(20).collect();
        let found = if rest.is_empty() { "the end".to_owned() } else { format!("{rest:?}") };
        FilterError { at: self.at, problem: format!("{expected}, found {found}") }
    }
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '-'
}

fn one_or(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(subject: Subject, value: &str) -> Filter {
        Filter::Is(subject, Comparison::Equal, Operand::Text(value.to_owned()))
    }

    #[test]
    fn expressions_are_read() {
        let check = |written: &str, expected: Filter| assert_eq!(written.parse(), Ok(expected), "{written}");
        check("source = letters", text(Subject::Source, "letters"));
        check("not language != de", Filter::Not(Box::new(Filter::Not(Box::new(text(Subject::Language, "de"))))));
        check(
            "handle.mood = \"quite \\\"tense\\\"\" AND has meta.year",
            Filter::And(vec![
                text(Subject::Handle("mood".into()), "quite \"tense\""),
                Filter::Has(Subject::Meta("year".into())),
            ]),
        );
        check(
            "meta.year>=1900 or meta.\"first line\" in (x, \"y z\") and during 1880..1890",
            Filter::Or(vec![
                Filter::Is(Subject::Meta("year".into()), Comparison::AtLeast, Operand::Number(1900.0)),
                Filter::And(vec![
                    Filter::Or(vec![
                        text(Subject::Meta("first line".into()), "x"),
                        text(Subject::Meta("first line".into()), "y z"),
                    ]),
                    Filter::During("1880..1890".parse().expect("days")),
                ]),
            ]),
        );
        check("(evidence = verbatim)", text(Subject::Evidence, "verbatim"));
        check("document = notes/a-1.md#2", text(Subject::Document, "notes/a-1.md#2"));
    }

    #[test]
    fn errors_say_where_and_what() {
        let check = |written: &str, at: usize, part: &str| {
            let error = written.parse::<Filter>().expect_err(written);
            assert_eq!(error.at, at, "{written}: {error}");
            assert!(error.to_string().contains(part), "{written}: {error}");
        };
        check("", 0, "expected source");
        check("colour = red", 0, "meta.NAME");
        check("source", 6, "found the end");
        check("source = a b", 11, "\"and\"");
        check("source = \"a", 9, "never closed");
        check("handle.mood < tense", 12, "no order");
        check("evidence = maybe", 11, "verbatim");
        check("during then", 7, "");
        check("(source = a", 11, "\")\"");
        check("meta. = 3", 5, "a name");
        check(&"(".repeat(5000), 0, "at most");
        check(&"not ".repeat(100), 199, "nested");
    }
}
