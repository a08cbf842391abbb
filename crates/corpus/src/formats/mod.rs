//! The formats that are read, one file each, and how a file's name tells which of them it is in.

mod code;
mod forms;
mod html;
mod json;
mod markdown;
mod pdf;
mod restructured;
mod table;
mod visible;

use frontload_core::{Document, Form, Origin};

use crate::{Corpus, anchors::Anchored, apart::Apart, encoding, walk::SourceFile};

pub(crate) use html::headings as html_headings;
pub(crate) use markdown::headings as markdown_headings;
pub(crate) use pdf::{PARSER_STACK_BYTES, Pages, parse_pdf, parse_pdf_here};
pub(crate) use restructured::headings as restructured_headings;

/// What is read, for messages.
pub const FORMATS: &str = "BEIR folders, .jsonl, .json, .csv, .tsv, .md, .rst, .txt, .html, .pdf, source code";
/// A document larger than this is left out: it is a dump, not a text. Files of rows may be larger, their rows not.
pub(crate) const DOCUMENT_BYTES: usize = 8 << 20;

/// Reads a file's documents.
pub(crate) fn read(file: &SourceFile, apart: &Apart) -> Corpus {
    let mut corpus = documents(file, apart);
    corpus.close(file.path.display().to_string());
    corpus
}

fn documents(file: &SourceFile, apart: &Apart) -> Corpus {
    let mut corpus = Corpus::default();
    let place = file.path.display().to_string();
    let extension = file.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let document = match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" => return json::read_lines(file),
        "json" => return json::read_array(file),
        "csv" => return table::read(file, b','),
        "tsv" => return table::read(file, b'\t'),
        "pdf" => return pdf::read(file, apart),
        "txt" | "text" | "log" => text_of(file).map(|text| document(file, file.stem(), Form::Text, text)),
        "md" | "markdown" => text_of(file).map(|text| markdown::read(file, text)),
        "rst" => text_of(file).map(|text| restructured::read(file, text)),
        "html" | "htm" => text_of(file).map(|text| html::read(file, text, html::Syntax::Html)),
        "xhtml" => text_of(file).map(|text| html::read(file, text, html::Syntax::Xml)),
        extension => match code::language(extension) {
            Some(language) => text_of(file).map(|text| {
                let form = Form::Code(language.to_owned());
                document(file, file.name.clone(), form, text)
            }),
            None => Err(format!("not a format that is read ({FORMATS})")),
        },
    };
    match document {
        Ok(document) => corpus.add(place, document),
        Err(reason) => corpus.skip(place, reason),
    }
    corpus
}

fn text_of(file: &SourceFile) -> Result<Anchored, String> {
    file.bytes(DOCUMENT_BYTES).and_then(encoding::decode)
}

/// A document that is a whole file.
fn document(file: &SourceFile, title: String, form: Form, text: Anchored) -> Document {
    let origin = Origin { path: file.name.clone(), anchors: text.anchors.into_vec(), ..Origin::default() };
    Document { id: file.name.clone(), title, text: text.text, form, origin, ..Document::default() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::walk;

    fn check(name: &str, bytes: &[u8], expected: Result<(Form, &str), &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(name), bytes).expect("written");
        let found = walk::files_of(folder.path()).expect("it is there");
        let corpus = read(found.files.first().expect("one file"), &Apart::new());
        match (corpus.documents.first(), corpus.skipped.first(), expected) {
            (Some(document), None, Ok((form, title))) => {
                assert_eq!((&document.form, document.title.as_str()), (&form, title));
                assert_eq!((document.id.as_str(), document.origin.path.as_str()), (name, name));
            }
            (None, Some(skipped), Err(reason)) => assert!(skipped.reason.contains(reason), "{}", skipped.reason),
            (document, skipped, _) => panic!("{name}: {document:?}, {skipped:?}"),
        }
    }

    #[test]
    fn the_name_tells_the_format() {
        check("the_old-quay.TXT", b"Text.", Ok((Form::Text, "the old quay")));
        check("quay.md", b"## The Quay\n", Ok((Form::Markdown, "The Quay")));
        check("quay.rst", b"The Quay\n========\n\nText.", Ok((Form::ReStructured, "The Quay")));
        check("quay.htm", b"<title>The Quay</title>Text.", Ok((Form::Html, "The Quay")));
        check("quay.rs", b"fn quay() {}", Ok((Form::Code("rust".to_owned()), "quay.rs")));
        check("quay.sh", b"echo quay", Ok((Form::Code("shell".to_owned()), "quay.sh")));
    }

    #[test]
    fn what_is_not_read_is_said_so() {
        check("quay.bin", b"\0", Err("not a format that is read"));
        check("README", b"Text.", Err("not a format that is read"));
        check("quay.txt", b"Te\0xt.", Err("binary"));
        check("quay.txt", b" \n", Err("its text is empty"));
        check("quay.txt", &vec![b'a'; DOCUMENT_BYTES + 1], Err("larger than 8 MiB"));
        check("quay.jsonl", b"\n", Err("nothing is in it"));
        check("quay.csv", b"id,text\n", Err("nothing is in it"));
    }

    #[test]
    fn a_file_of_bad_lines_is_not_listed_line_by_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("quay.jsonl");
        fs::write(&path, "fog\n".repeat(5000) + "{\"text\": \"Salt.\"}").expect("written");
        let corpus = read(&SourceFile { path, name: "quay.jsonl".to_owned() }, &Apart::new());
        assert_eq!((corpus.documents.len(), corpus.skipped.len()), (1, 1001));
        let last = corpus.skipped.last().expect("one");
        assert!(last.place.ends_with("quay.jsonl") && last.reason.contains("4000 more"), "{last:?}");
    }
}
