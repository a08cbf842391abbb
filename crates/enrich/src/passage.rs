//! What the model is given about one chunk: its heading line always, and what stands around it when a kind's
//! scope asks for it. All of it enters the key of the answer.

use std::{collections::HashMap, fmt::Write, ops::Range};

use frontload_core::{Chunk, Digest, Scope};

/// Characters of each neighbour.
const NEIGHBOUR_CHARS: usize = 500;
/// Characters of the rest of a section.
const SECTION_CHARS: usize = 1600;
/// Headings listed in a document's digest.
const DIGEST_HEADINGS: usize = 24;
/// Characters of a document's beginning and of its end.
const DIGEST_CHARS: (usize, usize) = (700, 300);

/// A chunk as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage<'a> {
    /// Title and headings on one line; may be empty.
    pub heading: String,
    /// What stands around it; empty in the narrowest scope.
    pub context: String,
    /// The chunk's text.
    pub text: &'a str,
}

impl Passage<'_> {
    /// Hashes all of it.
    pub fn digest(&self) -> Digest {
        Digest::of_parts(["passage", &self.heading, &self.context, self.text])
    }
}

/// Every chunk of a corpus with what stands around it. Chunks of one document follow each other.
pub(crate) struct Passages<'a> {
    chunks: &'a [Chunk],
    documents: HashMap<&'a str, Range<usize>>,
}

impl<'a> Passages<'a> {
    pub fn new(chunks: &'a [Chunk]) -> Self {
        let mut documents: HashMap<&str, Range<usize>> = HashMap::new();
        for (at, chunk) in chunks.iter().enumerate() {
            documents.entry(&chunk.document).or_insert(at..at).end = at + 1;
        }
        Self { chunks, documents }
    }

    /// The chunk at a place, in a scope; `None` past the end.
    pub fn get(&self, at: usize, scope: Scope) -> Option<Passage<'a>> {
        let chunk = self.chunks.get(at)?;
        let context = match scope {
            Scope::Chunk => String::new(),
            Scope::Neighbours => self.neighbours(at),
            Scope::Section => self.section(at),
            Scope::Document => self.digest(chunk),
        };
        Some(Passage { heading: heading(chunk), context, text: &chunk.text })
    }

    fn document(&self, chunk: &Chunk) -> &'a [Chunk] {
        let range = self.documents.get(chunk.document.as_str()).cloned();
        range.and_then(|range| self.chunks.get(range)).unwrap_or_default()
    }

    fn neighbours(&self, at: usize) -> String {
        let chunk = self.chunks.get(at);
        let beside = |place: Option<usize>| {
            self.chunks.get(place?).filter(|other| chunk.is_some_and(|chunk| chunk.document == other.document))
        };
        let mut text = String::new();
        if let Some(before) = beside(at.checked_sub(1)) {
            let _ = writeln!(text, "Before: … {}", tail(&before.text, NEIGHBOUR_CHARS));
        }
        if let Some(after) = beside(at.checked_add(1)) {
            let _ = writeln!(text, "After: {} …", head(&after.text, NEIGHBOUR_CHARS));
        }
        text.trim_end().to_owned()
    }

    /// The chunks under the same headings, the nearest first taken, in the document's order.
    fn section(&self, at: usize) -> String {
        let Some(chunk) = self.chunks.get(at) else { return String::new() };
        let mut others: Vec<&Chunk> = self
            .document(chunk)
            .iter()
            .filter(|other| other.ordinal != chunk.ordinal && other.headings == chunk.headings)
            .collect();
        others.sort_by_key(|other| other.ordinal.abs_diff(chunk.ordinal));
        let mut room = SECTION_CHARS;
        let mut taken: Vec<(u32, String)> = Vec::new();
        for other in others {
            if room == 0 {
                break;
            }
            let text = if other.ordinal < chunk.ordinal { tail(&other.text, room) } else { head(&other.text, room) };
            room -= text.chars().count().min(room);
            taken.push((other.ordinal, text));
        }
        taken.sort_by_key(|(ordinal, _)| *ordinal);
        let texts: Vec<String> = taken.into_iter().map(|(_, text)| text).collect();
        if texts.is_empty() { String::new() } else { format!("Same section: {}", texts.join(" … ")) }
    }

    /// The same for every chunk of a document.
    fn digest(&self, chunk: &Chunk) -> String {
        let chunks = self.document(chunk);
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return String::new() };
        let mut headings: Vec<&str> = Vec::new();
        for heading in chunks.iter().flat_map(|chunk| &chunk.headings) {
            if !headings.contains(&heading.as_str()) && headings.len() < DIGEST_HEADINGS {
                headings.push(heading);
            }
        }
        let mut text = String::new();
        if !headings.is_empty() {
            let _ = writeln!(text, "Contents: {}", headings.join("; "));
        }
        let _ = writeln!(text, "It begins: {}", head(&first.text, DIGEST_CHARS.0));
        if last.ordinal > first.ordinal {
            let _ = writeln!(text, "It ends: {}", tail(&last.text, DIGEST_CHARS.1));
        }
        text.trim_end().to_owned()
    }
}

fn heading(chunk: &Chunk) -> String {
    let title = std::iter::once(chunk.title.as_str()).filter(|title| !title.is_empty());
    let below = chunk.headings.iter().map(String::as_str).filter(|heading| *heading != chunk.title);
    one_line(&title.chain(below).collect::<Vec<_>>().join(" > "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first so many characters, on one line.
fn head(text: &str, chars: usize) -> String {
    one_line(text).chars().take(chars).collect::<String>().trim_end().to_owned()
}

/// The last so many characters, on one line.
fn tail(text: &str, chars: usize) -> String {
    let text = one_line(text);
    let skipped = text.chars().count().saturating_sub(chars);
    text.chars().skip(skipped).collect::<String>().trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(document: &str, ordinal: u32, heading: &str, text: &str) -> Chunk {
        let headings = if heading.is_empty() { vec![] } else { vec![heading.to_owned()] };
        Chunk {
            document: document.into(),
            ordinal,
            title: "Log".into(),
            headings,
            text: text.into(),
            ..Chunk::default()
        }
    }

    #[test]
    fn each_scope_sees_what_it_should() {
        let chunks = [
            chunk("a", 0, "Spring", "Ice went out."),
            chunk("a", 1, "Spring", "First boat."),
            chunk("a", 2, "Summer", "No rain."),
            chunk("b", 0, "", "Another log."),
        ];
        let passages = Passages::new(&chunks);
        let check = |at: usize, scope: Scope, expected: &str| {
            assert_eq!(passages.get(at, scope).expect("there").context, expected, "{at} {scope:?}");
        };
        check(1, Scope::Chunk, "");
        check(1, Scope::Neighbours, "Before: … Ice went out.\nAfter: No rain. …");
        check(2, Scope::Neighbours, "Before: … First boat.");
        check(3, Scope::Neighbours, "");
        check(1, Scope::Section, "Same section: Ice went out.");
        check(2, Scope::Section, "");
        check(1, Scope::Document, "Contents: Spring; Summer\nIt begins: Ice went out.\nIt ends: No rain.");
        check(3, Scope::Document, "It begins: Another log.");
        assert_eq!(passages.get(1, Scope::Chunk).expect("there").heading, "Log > Spring");
        assert_eq!(passages.get(4, Scope::Chunk), None);
    }

    #[test]
    fn a_change_next_door_reaches_only_the_scopes_that_see_it() {
        let before = [chunk("a", 0, "", "One."), chunk("a", 1, "", "Two.")];
        let after = [chunk("a", 0, "", "One!"), chunk("a", 1, "", "Two.")];
        let digest = |chunks: &[Chunk], scope| Passages::new(chunks).get(1, scope).expect("there").digest();
        assert_eq!(digest(&before, Scope::Chunk), digest(&after, Scope::Chunk));
        assert_ne!(digest(&before, Scope::Neighbours), digest(&after, Scope::Neighbours));
    }

    #[test]
    fn contexts_are_bounded() {
        let long = "wort ".repeat(10_000);
        let chunks: Vec<Chunk> = (0..50).map(|at| chunk("a", at, &format!("H{at}"), &long)).collect();
        let same: Vec<Chunk> = (0..50).map(|at| chunk("a", at, "H", &long)).collect();
        for scope in [Scope::Neighbours, Scope::Section, Scope::Document] {
            for chunks in [&chunks, &same] {
                let context = Passages::new(chunks).get(25, scope).expect("there").context;
                assert!(context.chars().count() < 2000, "{scope:?}: {}", context.chars().count());
            }
        }
    }
}
