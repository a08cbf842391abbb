//! Tables of values separated by commas or tabs, with a header: every row is a document.

use std::io::{self, BufRead, BufReader, Read};

use csv::{ReaderBuilder, StringRecord, Terminator};
use encoding_rs::UTF_8;
use encoding_rs_io::DecodeReaderBytesBuilder;
use frontload_core::{Anchor, Document, Form, MetaValue, Metadata, Origin, Unit};

use super::DOCUMENT_BYTES;
use crate::{
    Corpus,
    encoding::{self, Content},
    language,
    walk::SourceFile,
};

/// A column's name is cut behind so many bytes: it stands in every row that has no text of its own, and a header of
/// megabytes over rows of one figure would take up all memory.
const NAME_BYTES: usize = 256;

/// Reads a table, however many rows it has.
pub(crate) fn read(file: &SourceFile, delimiter: u8) -> Corpus {
    let mut corpus = Corpus::default();
    if let Err(reason) = add_rows(file, delimiter, &mut corpus) {
        corpus.skip(file.path.display().to_string(), reason);
    }
    corpus
}

fn add_rows(file: &SourceFile, delimiter: u8, corpus: &mut Corpus) -> Result<(), String> {
    let (mut text, is_guess) = open(file)?;
    let head = text.fill_buf().map_err(|error| error.to_string())?;
    let delimiter = actual(delimiter, head);
    // A carriage return is taken off by hand: as a terminator it would leave the line's number one behind.
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true).terminator(Terminator::Any(b'\n'));
    let mut rows = builder.from_reader(Bounded { inner: text, left: 0 });
    let mut row = StringRecord::new();
    let mut header: Option<Columns> = None;
    loop {
        rows.get_mut().left = DOCUMENT_BYTES;
        let more = rows.read_record(&mut row).map_err(|error| format!("line {}: {error}", rows.position().line()))?;
        if !more {
            return Ok(());
        }
        let mut values: Vec<&str> = row.iter().collect();
        if let Some(last) = values.last_mut() {
            *last = last.strip_suffix('\r').unwrap_or(last);
        }
        if values == [""] {
            continue;
        }
        let Some(columns) = &header else {
            header = Some(Columns::new(&values));
            continue;
        };
        // The reader stands behind the row. Where it began it does not say reliably: it counts blank lines in.
        let breaks = row.iter().map(|value| value.matches('\n').count()).sum::<usize>() as u32;
        let line = (rows.position().line() as u32).saturating_sub(1 + breaks);
        let place = format!("{}:{line}", file.path.display());
        if values.len() != columns.names.len() {
            corpus.skip_item(place, format!("{} values where the header has {}", values.len(), columns.names.len()));
        } else if is_guess && row.iter().any(|value| value.contains(char::REPLACEMENT_CHARACTER)) {
            corpus.skip_item(place, encoding::UNDECODABLE);
        } else {
            corpus.add(place, columns.document(file, line, &values));
        }
    }
}

/// The file as UTF-8 that ends in a line break, and whether its encoding was only guessed.
fn open(file: &SourceFile) -> Result<(impl BufRead + use<>, bool), String> {
    let sniffed = file.open().and_then(|mut file| Ok((encoding::sniff(&mut file)?, file)));
    let (content, file) = sniffed.map_err(|error| error.to_string())?;
    let (encoding, is_guess) = match content {
        Content::Binary => return Err(encoding::BINARY.to_owned()),
        Content::Utf8 => (UTF_8, false),
        Content::Encoded(encoding) => (encoding, true),
    };
    let decoded = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(file);
    // Without the break the last row would be counted to end on the line it begins on.
    Ok((BufReader::new(decoded.chain(b"\n".as_slice())), is_guess))
}

/// Where a comma is a decimal mark, spreadsheets separate by semicolons and call it the same.
fn actual(delimiter: u8, head: &[u8]) -> u8 {
    let header = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if delimiter == b',' && !header.contains(&b',') && header.contains(&b';') { b';' } else { delimiter }
}

/// Gives out so many bytes and no more: a quote that is never closed would make a row of the whole rest.
struct Bounded<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let reason = format!("a row larger than {} MiB; is a quote not closed?", DOCUMENT_BYTES >> 20);
            return Err(io::Error::other(reason));
        }
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count);
        Ok(count)
    }
}

/// What the columns are.
struct Columns {
    names: Vec<String>,
    id: Option<usize>,
    title: Option<usize>,
    text: Option<usize>,
    language: Option<usize>,
}

impl Columns {
    fn new(header: &[&str]) -> Self {
        let name = |(at, name): (usize, &&str)| {
            let name = name.trim();
            let end = (0..=NAME_BYTES).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
            let shown = name.get(..end).unwrap_or_default();
            if name.is_empty() { format!("column {}", at + 1) } else { shown.to_owned() }
        };
        let names: Vec<String> = header.iter().enumerate().map(name).collect();
        let column = |wanted: &[&str]| {
            wanted.iter().find_map(|wanted| names.iter().position(|name| name.eq_ignore_ascii_case(wanted)))
        };
        let (id, title) = (column(&["_id", "id"]), column(&["title"]));
        let (text, language) = (column(&["text", "body", "content"]), column(&["language", "lang"]));
        Self { names, id, title, text, language }
    }

    fn document(&self, file: &SourceFile, line: u32, values: &[&str]) -> Document {
        let value = |column: Option<usize>| column.and_then(|at| values.get(at)).copied().unwrap_or_default();
        let known = [self.id, self.title, self.text, self.language];
        let named = || self.names.iter().zip(values).enumerate().filter(|(_, (_, value))| !value.trim().is_empty());
        let facts = named().filter(|(at, _)| !known.contains(&Some(*at)));
        let metadata: Metadata = facts.map(|(_, (name, value))| (name.clone(), fact(value))).collect();
        let text = if self.text.is_some() {
            value(self.text).to_owned()
        } else {
            let told = named().filter(|(at, _)| ![self.id, self.language].contains(&Some(*at)));
            told.map(|(_, (name, value))| format!("{name}: {value}\n")).collect()
        };
        let id = match value(self.id).trim() {
            "" => format!("{}:{line}", file.name),
            id => id.to_owned(),
        };
        let anchors = vec![Anchor { text: 0, source: line }];
        Document {
            id,
            title: value(self.title).trim().to_owned(),
            text,
            metadata,
            language: language::normalised(value(self.language)),
            form: Form::Row,
            origin: Origin { path: file.name.clone(), anchors, unit: Unit::Line },
            ..Document::default()
        }
    }
}

/// A number, unless it is written as no number is: `0123` is a code, not 123.
fn fact(value: &str) -> MetaValue {
    let trimmed = value.trim();
    let digits = trimmed.trim_start_matches(['-', '+']);
    let is_code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    match trimmed.parse::<f64>() {
        Ok(number) if number.is_finite() && !is_code => MetaValue::Number(number),
        _ => MetaValue::Text(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn table(name: &str, bytes: &[u8]) -> Corpus {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        read(&SourceFile { path, name: name.to_owned() }, if name.ends_with("tsv") { b'\t' } else { b',' })
    }

    /// Checks `id|line|title|text` of every row, and why others were left out.
    fn check(name: &str, bytes: &[u8], expected: &[&str], reasons: &[&str]) {
        let corpus = table(name, bytes);
        let shown = |document: &Document| {
            let line = document.origin.anchors.first().expect("it has one").source;
            format!("{}|{line}|{}|{}", document.id, document.title, document.text)
        };
        assert_eq!(corpus.documents.iter().map(shown).collect::<Vec<_>>(), expected);
        assert_eq!(corpus.skipped.len(), reasons.len(), "{:?}", corpus.skipped);
        for (skipped, reason) in corpus.skipped.iter().zip(reasons) {
            assert!(format!("{} {}", skipped.place, skipped.reason).contains(reason), "{skipped:?} has no {reason:?}");
        }
    }

    #[test]
    fn rows_are_documents() {
        let quoted = b"ID,Title,Body\n1,\"The \"\"Quay\"\"\",\"one,\ntwo\"\n\n2,,three\n,,four";
        check("t.csv", quoted, &["1|2|The \"Quay\"|one,\ntwo", "2|5||three", "t.csv:6|6||four"], &[]);
        check("t.csv", b"id,text\r\n1,\"one\"\r\n\r\n2,two\r\n", &["1|2||one", "2|4||two"], &[]);
        check("t.tsv", b"\xef\xbb\xbfid\ttext\n1\ta,b\n", &["1|2||a,b"], &[]);
        check("t.csv", b"id;text\n1;a,b\n", &["1|2||a,b"], &[]);
    }

    #[test]
    fn a_row_without_a_text_is_told_by_its_columns() {
        check(
            "t.csv",
            b"id,name,year\n1,Fenn,1880\n2,,1881\n",
            &["1|2||name: Fenn\nyear: 1880\n", "2|3||year: 1881\n"],
            &[],
        );
    }

    #[test]
    fn a_name_that_is_no_name_is_cut() {
        let corpus = table("t.csv", format!("id,{}\n1,x\n", "é".repeat(4000)).as_bytes());
        let text = format!("{}: x\n", "é".repeat(NAME_BYTES / 2));
        assert_eq!(corpus.documents.first().map(|document| document.text.as_str()), Some(text.as_str()));
    }

    #[test]
    fn bad_rows_are_listed_and_the_rest_is_read() {
        let rows = b"id,text\n1,one\n2\n3,three,drei\n4, \n5,five\n";
        let reasons = ["t.csv:3 1 values where the header has 2", "t.csv:4 3 values", "t.csv:5 its text is empty"];
        check("t.csv", rows, &["1|2||one", "5|6||five"], &reasons);
        check("t.csv", b"id,text\n\0", &[], &["binary"]);
        check("t.csv", b"", &[], &[]);
        let open = format!("id,text\n1,one\n2,\"{}", "a".repeat(DOCUMENT_BYTES + (1 << 20)));
        check("t.csv", open.as_bytes(), &["1|2||one"], &["is a quote not closed?"]);
    }

    #[test]
    fn other_encodings_are_decoded() {
        let text = "id,text\n1,Größe zählt über Käse\n";
        let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        check("t.csv", &utf16, &["1|2||Größe zählt über Käse"], &[]);
        check("t.csv", &encoding_rs::WINDOWS_1252.encode(text).0, &["1|2||Größe zählt über Käse"], &[]);
    }

    #[test]
    fn other_columns_are_metadata() {
        let corpus = table("t.csv", b"id,text,lang,year,code,none\n1,one,DE,1880.5,0123,\n");
        let document = corpus.documents.first().expect("a row");
        let expected = [("code", MetaValue::Text("0123".to_owned())), ("year", MetaValue::Number(1880.5))];
        let found: Vec<_> = document.metadata.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(found, expected);
        assert_eq!(document.language.as_deref(), Some("de"));
    }
}
