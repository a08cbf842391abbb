//! Records in JSON: one a line, or an array of them in a file of its own. What a record holds besides its id, title,
//! text and language becomes metadata.

use std::io::{self, BufRead, BufReader};

use frontload_core::{Anchor, Document, Form, MetaValue, Metadata, Origin, Unit};
use serde_json::{Map, Value, value::RawValue};

use super::DOCUMENT_BYTES;
use crate::{Corpus, encoding, language, walk::SourceFile};

const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Reads a file with a record on every line, however many there are.
pub(crate) fn read_lines(file: &SourceFile) -> Corpus {
    let mut corpus = Corpus::default();
    if let Err(error) = add_lines(file, &mut corpus) {
        corpus.skip(file.path.display().to_string(), error);
    }
    corpus
}

/// Reads a file that is an array of records.
pub(crate) fn read_array(file: &SourceFile) -> Corpus {
    let mut corpus = Corpus::default();
    let text = super::text_of(file).map(|anchored| anchored.text);
    let records = text.as_deref().map_err(String::clone).and_then(records);
    let records = match records {
        Ok(records) => records,
        Err(reason) => {
            corpus.skip(file.path.display().to_string(), reason);
            return corpus;
        }
    };
    for (line, record) in records {
        add(file, line, record, &mut corpus);
    }
    corpus
}

fn add_lines(file: &SourceFile, corpus: &mut Corpus) -> io::Result<()> {
    let mut reader = BufReader::new(file.open()?);
    let mut line = Vec::new();
    for number in 1.. {
        let length = read_line(&mut reader, &mut line)?;
        if length == 0 {
            break;
        }
        if number == 1 && UTF_16_MARKS.iter().any(|mark| line.starts_with(mark)) {
            return Err(io::Error::other("UTF-16, where lines of JSON are UTF-8; convert it"));
        }
        let place = || format!("{}:{number}", file.path.display());
        // A byte order mark is no part of the first record.
        let bytes = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
        if length > DOCUMENT_BYTES {
            corpus.skip_item(place(), format!("a line of {} MiB, larger than {}", length >> 20, DOCUMENT_BYTES >> 20));
        } else if let Ok(record) = std::str::from_utf8(bytes) {
            if !record.trim().is_empty() {
                add(file, number, record, corpus);
            }
        } else {
            corpus.skip_item(place(), "not UTF-8");
        }
    }
    Ok(())
}

/// Reads one line and says how long it is. What is longer than a document may be is passed over, not kept. Where that
/// is no text the file has no lines: a disk image may go on for hours.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    let mut length = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        if line.len() <= DOCUMENT_BYTES {
            line.extend_from_slice(piece);
            if line.len() > DOCUMENT_BYTES && line.contains(&0) {
                return Err(io::Error::other(encoding::BINARY));
            }
        }
        let used = piece.len();
        reader.consume(used);
        length += used;
        if end.is_some() || used == 0 {
            return Ok(length);
        }
    }
}

/// The records of an array, each with the line it begins on.
fn records(text: &str) -> Result<Vec<(u32, &str)>, String> {
    let unusable = |problem: &str| format!("not an array of documents: {problem}");
    let array: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| unusable(&error.to_string()))?;
    if array.first().is_some_and(|first| !first.get().starts_with('{')) {
        return Err(unusable("its first item is no object"));
    }
    let mut line = 1;
    let mut seen = 0;
    let mut records = Vec::with_capacity(array.len());
    for record in array.into_iter().map(RawValue::get) {
        let start = record.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        line += text.get(seen..start).map_or(0, |between| between.matches('\n').count()) as u32;
        seen = start;
        records.push((line, record));
    }
    Ok(records)
}

fn add(file: &SourceFile, line: u32, record: &str, corpus: &mut Corpus) {
    let place = format!("{}:{line}", file.path.display());
    let value = serde_json::from_str(record).map_err(|error| format!("no document: {error}"));
    match value.and_then(|value| document(file, line, value)) {
        Ok(document) => corpus.add(place, document),
        Err(reason) => corpus.skip_item(place, reason),
    }
}

fn document(file: &SourceFile, line: u32, value: Value) -> Result<Document, String> {
    let Value::Object(mut record) = value else { return Err("no document: not an object".to_owned()) };
    let id = match record.remove("_id").or_else(|| record.remove("id")) {
        None => format!("{}:{line}", file.name),
        Some(Value::String(id)) if !id.is_empty() => id,
        Some(Value::Number(id)) => id.to_string(),
        Some(_) => return Err("its _id is empty, or neither text nor number".to_owned()),
    };
    let title = words(&mut record, "title")?;
    let text = words(&mut record, "text")?;
    let language = record.remove("language").or_else(|| record.remove("lang"));
    let language = language.as_ref().and_then(Value::as_str).and_then(language::normalised);
    let inner = match record.remove("metadata") {
        Some(Value::Object(inner)) => inner,
        Some(other) => Map::from_iter([("metadata".to_owned(), other)]),
        None => Map::new(),
    };
    let facts = record.into_iter().chain(inner);
    let metadata: Metadata = facts.filter_map(|(name, value)| Some((name, fact(value)?))).collect();
    let anchors = vec![Anchor { text: 0, source: line }];
    let origin = Origin { path: file.name.clone(), anchors, unit: Unit::Line };
    Ok(Document { id, title, text, metadata, language, form: Form::Row, origin, ..Document::default() })
}

/// What a record says under a name. Nothing, if it says null or does not have it.
fn words(record: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    match record.remove(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(words)) => Ok(words),
        Some(_) => Err(format!("no document: its {name} is no text")),
    }
}

/// A fact, unless it is nested.
fn fact(value: Value) -> Option<MetaValue> {
    let Value::Array(items) = value else { return scalar(value) };
    let items: Option<Vec<MetaValue>> = items.into_iter().map(scalar).collect();
    items.filter(|items| !items.is_empty()).map(MetaValue::Many)
}

fn scalar(value: Value) -> Option<MetaValue> {
    match value {
        Value::Bool(flag) => Some(MetaValue::Flag(flag)),
        Value::Number(number) => number.as_f64().map(MetaValue::Number),
        Value::String(text) => Some(MetaValue::Text(text)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Corpus {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let file = SourceFile { path, name: name.to_owned() };
        if Path::new(name).extension().is_some_and(|end| end == "json") { read_array(&file) } else { read_lines(&file) }
    }

    fn check(name: &str, bytes: &[u8], ids: &[&str], reasons: &[&str]) {
        let corpus = read(name, bytes);
        assert_eq!(corpus.documents.iter().map(|document| document.id.as_str()).collect::<Vec<_>>(), ids);
        assert_eq!(corpus.skipped.len(), reasons.len(), "{:?}", corpus.skipped);
        for (skipped, reason) in corpus.skipped.iter().zip(reasons) {
            assert!(skipped.reason.contains(reason), "{skipped:?} has no {reason:?}");
        }
    }

    #[test]
    fn bad_lines_are_listed_and_the_rest_is_read() {
        let mut file =
            b"{\"_id\": \"a\", \"text\": \"one\"}\n\n{\"_id\": 7, \"title\": null, \"text\": \"two\"}\n".to_vec();
        file.extend(b"{\"_id\": \"b\", \"text\": \" \"}\nnot json\n\xff\xfe\n{\"_id\": null, \"text\": \"three\"}\n");
        file.extend(format!("{{\"_id\": \"long\", \"text\": \"{}\"}}\n", "a".repeat(10 << 20)).as_bytes());
        file.extend(b"{\"text\": \"four\"}");
        let expected = ["text is empty", "no document", "not UTF-8", "its _id is empty", "10 MiB"];
        check("c.jsonl", &file, &["a", "7", "c.jsonl:9"], &expected);
    }

    #[test]
    fn what_has_no_lines_is_not_read_to_its_end() {
        let mut image = b"{\"_id\": \"a\", \"text\": \"one\"}\n".to_vec();
        image.resize(10 << 20, 0);
        image.extend(b"\nnot json");
        check("c.jsonl", &image, &["a"], &["binary"]);
        check("c.jsonl", b"\xff\xfe{\0\n\0}\0\n\0", &[], &["UTF-16"]);
    }

    #[test]
    fn an_array_is_read_like_lines() {
        let array = b"[\n{\"id\": \"a\", \"text\": \"1\"},\n{\"text\": \"2\"}, 3]";
        check("c.json", array, &["a", "c.json:3"], &["not an object"]);
    }

    #[test]
    fn other_json_is_said_to_be_other() {
        check("c.json", b"{\"name\": \"a package\"}", &[], &["not an array of documents"]);
        check("c.json", b"[1, 2, 3]", &[], &["its first item is no object"]);
        check("c.jsonl", b"[1]\n{\"text\": 1}", &[], &["not an object", "its text is no text"]);
        check("c.jsonl", "[".repeat(100_000).as_bytes(), &[], &["no document"]);
    }

    #[test]
    fn the_rest_of_a_record_is_metadata() {
        let line = br#"{"_id": "a", "text": "one", "language": "de-AT", "year": 1880, "draft": false, "none": null,
            "nested": {"a": 1}, "metadata": {"tags": ["x", 2], "by": "Fenn", "deep": [[1]]}}"#;
        let document = read("c.jsonl", &line.split(|&byte| byte == b'\n').collect::<Vec<_>>().concat());
        let document = document.documents.into_iter().next().expect("one document");
        let text = |text: &str| MetaValue::Text(text.to_owned());
        let expected = [
            ("by", text("Fenn")),
            ("draft", MetaValue::Flag(false)),
            ("tags", MetaValue::Many(vec![text("x"), MetaValue::Number(2.0)])),
            ("year", MetaValue::Number(1880.0)),
        ];
        let found: Vec<_> = document.metadata.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(found, expected);
        assert_eq!(document.language.as_deref(), Some("de"));
    }
}
