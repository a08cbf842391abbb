//! Cutting documents into chunks at the most natural place that fits: headings or definitions, paragraphs,
//! sentences, words.

use frontload_core::{Chunk, Document, Form};
use rayon::prelude::*;
use text_splitter::{MarkdownSplitter, TextSplitter};
use tree_sitter::Language;

use crate::{
    anchors::place_of,
    formats::{html_headings, markdown_headings, restructured_headings},
    sections::{Around, Section, sections},
    syntax::{self, Patience},
    windows::windows,
};

/// How much the splitter is given at once, and at least how many chunks' worth.
const WINDOW_BYTES: usize = 64 << 10;
const WINDOW_CHUNKS: usize = 16;

/// Cuts every document into chunks of at most `chunk_chars` characters, or leaves each whole.
pub fn chunk_all(documents: &[Document], chunk_chars: Option<u32>) -> Vec<Chunk> {
    documents.par_iter().flat_map_iter(|document| chunk(document, chunk_chars)).collect()
}

fn chunk(document: &Document, chunk_chars: Option<u32>) -> Vec<Chunk> {
    let grammar = match &document.form {
        Form::Code(language) => syntax::grammar(language),
        Form::Text | Form::Markdown | Form::ReStructured | Form::Html | Form::Pdf | Form::Row => None,
    };
    let patience = Patience::with(&document.text);
    let pieces = pieces(document, grammar.as_ref(), chunk_chars, &patience);
    // Nothing is above the only chunk, and most programs need not be parsed for that.
    let sections = if pieces.len() > 1 { sections_of(document, grammar.as_ref(), &patience) } else { Vec::new() };
    let mut around = Around::new(&sections);
    let is_code = matches!(document.form, Form::Code(_));
    let chunk = |(ordinal, (start, piece)): (usize, (usize, &str))| {
        let end = start + piece.len();
        let span = (start as u32, end as u32);
        Chunk {
            document: document.id.clone(),
            ordinal: ordinal as u32,
            span,
            title: document.title.clone(),
            // Prose stands under the headings it begins under; a program's chunk is in what is all around it.
            headings: around.names(start, if is_code { end } else { start + 1 }),
            text: piece.to_owned(),
            source: document.source.clone(),
            language: document.language.clone(),
            metadata: document.metadata.clone(),
            place: place_of(&document.origin, span),
            code: is_code,
        }
    };
    pieces.into_iter().enumerate().map(chunk).collect()
}

/// The pieces of a document's text, each with the byte it begins at.
fn pieces<'a>(
    document: &'a Document,
    grammar: Option<&Language>,
    chunk_chars: Option<u32>,
    patience: &Patience,
) -> Vec<(usize, &'a str)> {
    let text = document.text.as_str();
    let chars = chunk_chars.map_or(usize::MAX, |chars| chars.max(1) as usize);
    if chunk_chars.is_none() || text.chars().count() <= chars {
        return vec![(text.len() - text.trim_start().len(), text.trim())];
    }
    let text_splitter = TextSplitter::new(chars);
    let markdown_splitter = MarkdownSplitter::new(chars);
    let split = |window: &'a str| -> Vec<(usize, &'a str)> {
        let plain = || text_splitter.chunk_indices(window).collect();
        match &document.form {
            // A page's headings are written as Markdown's are.
            Form::Markdown | Form::Html => markdown_splitter.chunk_indices(window).collect(),
            Form::Code(_) => {
                let parsed = grammar.and_then(|grammar| syntax::pieces(window, grammar, chars, patience));
                parsed.unwrap_or_else(plain)
            }
            Form::Text | Form::ReStructured | Form::Pdf | Form::Row => plain(),
        }
    };
    let windows = windows(text, WINDOW_BYTES.max(chars.saturating_mul(WINDOW_CHUNKS)));
    windows
        .into_iter()
        .flat_map(|(at, window)| split(window).into_iter().map(move |(start, piece)| (at + start, piece)))
        .collect()
}

fn sections_of(document: &Document, grammar: Option<&Language>, patience: &Patience) -> Vec<Section> {
    let text = document.text.as_str();
    let headings = match &document.form {
        Form::Markdown => markdown_headings(text),
        Form::ReStructured => restructured_headings(text),
        Form::Html => html_headings(text),
        Form::Code(_) => return grammar.map_or_else(Vec::new, |grammar| syntax::definitions(text, grammar, patience)),
        Form::Text | Form::Pdf | Form::Row => return Vec::new(),
    };
    sections(headings, text.len())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use encoding_rs::{Encoding, UTF_8, UTF_16LE, WINDOWS_1252};
    use frontload_core::Unit;

    use super::*;
    use crate::read_corpus;

    fn chunks(name: &str, bytes: &[u8], chunk_chars: Option<u32>) -> (Vec<Document>, Vec<Chunk>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let corpus = read_corpus(&[path]).expect("read");
        let chunks = chunk_all(&corpus.documents, chunk_chars);
        (corpus.documents, chunks)
    }

    /// The headings of the chunk that holds the words.
    fn headings(name: &str, text: &str, words: &str) -> Vec<String> {
        let (_, chunks) = chunks(name, text.as_bytes(), Some(24));
        chunks.into_iter().find(|chunk| chunk.text.contains(words)).expect(words).headings
    }

    #[test]
    fn a_chunk_knows_what_it_stands_under() {
        let check = |name: &str, text: &str, words: &str, expected: &[&str]| {
            assert_eq!(headings(name, text, words), expected, "{name}: {words}");
        };
        let markdown =
            "# Guide\n\nIntroduction to it.\n\n## Start `it`\n\nTurn the key around.\n\n## Stop\n\nTurn back.";
        check("a.md", markdown, "# Guide", &[]);
        check("a.md", markdown, "Turn the key", &["Guide", "Start it"]);
        check("a.md", markdown, "Turn back", &["Guide"]);
        let restructured = "Guide\n=====\n\nIntroduction to it all.\n\nStart\n-----\n\nTurn the key around it.\n";
        check("a.rst", restructured, "Turn the key", &["Guide", "Start"]);
        let html = "<h1>Guide</h1><p>Introduction to it all.<h2>Start</h2><p>Turn the key around it.";
        check("a.html", html, "Turn the key", &["Guide", "Start"]);
        let rust = "impl Engine {\n    fn start(&self) {\n        self.turn_the_key();\n        self.wait_for_it();\n    }\n}\n";
        check("a.rs", rust, "wait_for_it", &["Engine", "start"]);
        let python = "class Engine:\n    def start(self):\n        self.turn_the_key()\n        self.wait_for_it()\n";
        check("a.py", python, "wait_for_it", &["Engine", "start"]);
        check("a.txt", "# Guide\n\nIntroduction to it all, and more.", "more", &[]);
    }

    #[test]
    fn spans_slice_the_document() {
        let prose = format!("  {} Ünde. {}\n", "Fog on the bar. ".repeat(20), "Größe zählt. ".repeat(20));
        let code = "fn größe() { let ä = \"ö\"; }\n".repeat(20);
        for (name, text) in
            [("a.txt", &prose), ("a.md", &prose), ("a.rst", &prose), ("a.html", &prose), ("a.rs", &code)]
        {
            for limit in [None, Some(100), Some(5000)] {
                let (documents, chunks) = chunks(name, text.as_bytes(), limit);
                let document = &documents.first().expect("one document").text;
                assert_eq!(chunks.len() > 1, limit == Some(100), "{name}");
                for chunk in chunks {
                    assert_eq!(document[chunk.span.0 as usize..chunk.span.1 as usize], chunk.text);
                    assert!(limit.is_none_or(|limit| chunk.text.chars().count() <= limit as usize));
                    assert_eq!(chunk.code, name == "a.rs");
                }
            }
        }
    }

    /// The bytes at every chunk's place hold its first and its last word.
    fn check_places(name: &str, bytes: &[u8], encoding: &'static Encoding) {
        let (_, chunks) = chunks(name, bytes, Some(40));
        assert!(chunks.len() > 2, "{name}");
        for chunk in chunks {
            let place = chunk.place.expect("it stands somewhere");
            assert_eq!((place.path.as_str(), place.unit), (name, Unit::Byte));
            let (source, _) = encoding.decode_without_bom_handling(&bytes[place.start as usize..place.end as usize]);
            let is_mark = |word: &&str| word.chars().any(char::is_alphanumeric);
            let mut words = chunk.text.split_whitespace().filter(is_mark);
            let first = words.next().expect("a word");
            let source = source
                .replace("&eacute;", "é")
                .replace("&amp;", "&")
                .replace("<b>", "")
                .replace("</b>", "")
                .replace("&ouml;", "ö");
            for word in [first, words.next_back().unwrap_or(first)] {
                assert!(source.contains(word), "{name}: {word:?} is not in {source:?}");
            }
        }
    }

    #[test]
    fn chunks_lead_back_to_their_bytes() {
        let text = "Größe zählt über alles.\r\n\r\nFog lay on the bar – “thick” as wool – and nobody saw the café.\r\n\
                    Später, viel später, kam das Schiff mit dem Salz doch noch in den Hafen.\n";
        let html = "<title>t</title><p>Gr&ouml;ße z<b>ä</b>hlt   über alles.<p class=x>Fog lay on <i>the bar &amp; the \
                    quay</i>, and nobody saw the caf&eacute;.<ul><li>Später, viel später,<li>kam das Schiff</ul>Ende";
        check_places("a.txt", text.as_bytes(), UTF_8);
        check_places("a.md", format!("# Über\n\n{text}").as_bytes(), UTF_8);
        check_places("a.rst", format!("Über\n====\n\n{text}").as_bytes(), UTF_8);
        check_places("a.txt", format!("\u{feff}{text}").as_bytes(), UTF_8);
        check_places("a.html", html.as_bytes(), UTF_8);
        check_places("a.html", &WINDOWS_1252.encode(html).0, WINDOWS_1252);
        check_places("a.txt", &WINDOWS_1252.encode(text).0, WINDOWS_1252);
        let utf16 =
            |text: &str| format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        check_places("a.txt", &utf16(text), UTF_16LE);
        check_places("a.html", &utf16(html), UTF_16LE);
    }

    #[test]
    fn rows_are_placed_by_their_line() {
        let (_, chunks) = chunks("a.csv", b"id,text,year\na,\"Fog on\nthe bar.\",1880\nb,Salt.,1881\n", Some(5));
        let places = chunks.iter().map(|chunk| chunk.place.as_ref().map(|place| (place.start, place.end, place.unit)));
        let lines: Vec<_> = places.map(|place| place.expect("it has one")).collect();
        assert_eq!(lines.first(), Some(&(2, 2, Unit::Line)));
        assert_eq!(lines.last(), Some(&(4, 4, Unit::Line)));
        assert!(chunks.iter().all(|chunk| chunk.metadata.contains_key("year")));
    }
}
