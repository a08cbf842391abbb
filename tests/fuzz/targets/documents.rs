//! Documents of every format: whatever is in a file, every chunk is a piece of its document and leads back into the
//! file.

use std::{fs, path::Path, slice};

use frontload_core::{Chunk, Document, Unit};
use frontload_corpus::{chunk_all, read_corpus};

use super::{about, outcome};

#[rustfmt::skip] // a word a line says no more
pub const MARKDOWN: &[&str] = &[
    "# ", "## ", "\n===\n", "\n---\n", "```\n", "~~~", "* ", "1. ", "> ", "    ", "[a](b)", "![", "**", "`", "<div>",
    "<!--", "| a | b |\n|---|---|\n", "---\ntitle: a\n---\n", "+++\n", "\\", "&amp;", "[^1]", "\n\n",
];
#[rustfmt::skip] // a word a line says no more
pub const HTML: &[&str] = &[
    "<p>", "</p>", "<h1>", "</h1>", "<h6", "<title>", "</title>", "<head>", "<body>", "<script>", "</script>",
    "<style>", "<template>", "</template>", "<pre>", "</pre>", "<html lang=de>", "<!--", "-->", "<![CDATA[", "]]>",
    "<!DOCTYPE", "&amp;", "&eacute;", "&#0;", "&#x10FFFF;", "&#xD800;", "&", ";", "&nbsp;", "&shy;", "<br/>",
    "<a b='", "\">", "<", "/>", "#", "<textarea>", "<noscript>", "&NotEqualTilde;",
];
#[rustfmt::skip] // a word a line says no more
pub const JSON: &[&str] = &[
    "{\"_id\": ", "\"id\": ", "\"text\": \"", "\"title\": ", "\"language\": \"de\"", "\"metadata\": {", "null",
    "true", "[", "]", "{", "}", ",", ":", "\"", "\\u0000", "\\ud83d\\ude00", "\\ud800", "\\n", "1e400", "0.1", "[{",
    "\n",
];
#[rustfmt::skip] // a word a line says no more
pub const CODE: &[&str] = &[
    "fn a() {", "}", "{", "(", ")", "impl A for B {", "class A:\n", "    def a(self):\n", "function a() {",
    "const a = () => ", "package a\n", "func (a A) B() {", "public class A {", "int (*a(int b))[3] {",
    "#define A \\\n", "/*", "*/", "//", "\"", "'", "`${", "r#\"", "\"#", "<A>", "=>", ";\n", "mod a {",
    "interface A {", "namespace a {", "\n\n", "\t", "async ",
];
pub const LANGUAGES: &[&str] = &["rs", "py", "js", "ts", "tsx", "go", "java", "c", "sh"];
#[rustfmt::skip] // a word a line says no more
pub const PDF: &[&str] = &[
    "<<", ">>", "[", "]", "/Type /Page", "/Kids [3 0 R]", "/Count 1", "/Contents 5 0 R", "/Resources 4 0 R",
    "/Parent 2 0 R", "/Font << /F1 3 0 R >>", "/XObject << /X 6 0 R >>", "/Filter /FlateDecode",
    "/Filter /ASCIIHexDecode", "/Length 40", "1 0 R", "2 0 R", "9 0 R", " 0 obj\n", "endobj\n", "stream\n",
    "endstream", "BT /F1 12 Tf 72 700 Td (", ") Tj ET", "/X Do", "q ", "Q ", "xref\n", "trailer", "startxref",
    "%%EOF", "/Encrypt 3 0 R", "/ToUnicode 5 0 R", "/Encoding /Identity-H", "/Subtype /Type0",
    "/DescendantFonts [3 0 R]", "/W [0 [1000000000]]", "/Predictor 12 /Columns 99999", "1 0 0 1 0 0 cm",
    "/MediaBox [0 0 0 0]", "[(a) -1e30 (b)] TJ", "beginbfrange", "<0000> <FFFF> <0000>", "endbfrange", "'",
];

/// Documents of a file whose chunks are looked at: the others are read as they are.
const LOOKED_AT: usize = 6;

/// Reads the input as a file with each of these endings.
pub fn run(folder: &Path, endings: &[&str], input: &[u8]) -> String {
    let mut told = Vec::new();
    for ending in endings {
        let path = folder.join(format!("a_file.{ending}"));
        fs::write(&path, input).expect("written");
        match read_corpus(slice::from_ref(&path)) {
            Ok(corpus) => {
                let skipped = corpus.skipped.first().map(|skipped| outcome(&skipped.reason)).unwrap_or_default();
                told.push(format!("{} documents, {skipped}:", about(corpus.documents.len())));
                let documents = corpus.documents.iter().take(LOOKED_AT);
                told.extend(documents.map(|document| chunked(document, input)));
            }
            Err(_) => told.push("none".to_owned()),
        }
        fs::remove_file(&path).expect("removed");
    }
    told.join(" ")
}

fn chunked(document: &Document, file: &[u8]) -> String {
    assert!(!document.text.trim().is_empty() && !document.id.is_empty(), "{document:?}");
    let mut told = Vec::new();
    for limit in [None, Some(24), Some(400)] {
        let chunks = chunk_all(slice::from_ref(document), limit);
        assert!(!chunks.is_empty(), "{document:?} has no chunk of {limit:?}");
        let mut end = 0;
        for (ordinal, chunk) in (0..).zip(&chunks) {
            assert_eq!(chunk.ordinal, ordinal);
            assert!(chunk.span.0 >= end, "{:?} begins before {end}", chunk.span);
            end = chunk.span.1;
            piece_of(document, file, chunk);
            let length = chunk.text.chars().count();
            assert!(limit.is_none_or(|limit| length <= limit as usize), "{length} characters: {:?}", chunk.text);
        }
        let deepest = chunks.iter().map(|chunk| chunk.headings.len()).max().unwrap_or_default();
        told.push(format!("{} {}", about(chunks.len()), about(deepest)));
    }
    let (facts, language) = (about(document.metadata.len()), document.language.is_some());
    format!("{:?} {told:?} {facts} {language} {};", document.form, about(document.origin.anchors.len()))
}

/// The chunk's text is what stands at its span, and its place is one in the file.
fn piece_of(document: &Document, file: &[u8], chunk: &Chunk) {
    let (start, end) = chunk.span;
    assert_eq!(document.text.get(start as usize..end as usize), Some(chunk.text.as_str()), "{start}..{end}");
    let place = chunk.place.as_ref().expect("what was read from a file stands somewhere in it");
    assert!(place.start <= place.end, "{place:?}");
    match place.unit {
        Unit::Byte => assert!(place.end as usize <= file.len(), "{place:?} of {} bytes", file.len()),
        Unit::Line => {
            let lines = file.split(|&byte| byte == b'\n').count();
            assert!(place.start >= 1 && place.end as usize <= lines, "{place:?} of {lines} lines");
        }
        Unit::Page => assert!(place.start >= 1, "{place:?}"),
    }
}
