//! The text layer of a PDF, page by page. Scanned pages have none: nothing is recognised here.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use frontload_core::{Anchor, Document, Form, Origin, Unit};
use pdf_extract::{Object, ObjectId, PlainTextOutput};

use super::{DOCUMENT_BYTES, forms};
use crate::{Corpus, apart::Apart, walk::SourceFile};

/// What the parser may use: it calls itself as deep as a file is nested.
pub(crate) const PARSER_STACK_BYTES: usize = 64 << 20;

/// The text of every page, or why one has none; or why none has.
pub(crate) type Pages = Result<Vec<Result<String, String>>, String>;

pub(super) fn read(file: &SourceFile, apart: &Apart) -> Corpus {
    let mut corpus = Corpus::default();
    let place = file.path.display().to_string();
    let pages = match file.bytes(DOCUMENT_BYTES).and_then(|bytes| apart.pages(bytes)) {
        Ok(pages) => pages,
        Err(reason) => {
            corpus.skip(place, reason);
            return corpus;
        }
    };
    let mut text = String::new();
    let mut anchors = Vec::new();
    for (number, page) in (1..).zip(pages) {
        let page = match page {
            Ok(page) => tidy(&page),
            Err(problem) => {
                corpus.skip(format!("{place}, page {number}"), problem);
                continue;
            }
        };
        if page.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        anchors.push(Anchor { text: text.len() as u32, source: number });
        text.push_str(&page);
    }
    if text.len() > DOCUMENT_BYTES {
        corpus.skip(place, too_much());
        return corpus;
    }
    if text.is_empty() {
        corpus.skip(place, "no text layer: its pages are pictures, or empty");
        return corpus;
    }
    let origin = Origin { path: file.name.clone(), anchors, unit: Unit::Page };
    let (id, title) = (file.name.clone(), file.stem());
    corpus.add(place, Document { id, title, text, form: Form::Pdf, origin, ..Document::default() });
    corpus
}

/// Parses in this process. The parser gets a thread of its own, for its stack.
pub(crate) fn parse_pdf_here(file: &[u8]) -> Pages {
    thread::scope(|scope| {
        let parser = thread::Builder::new().stack_size(PARSER_STACK_BYTES).spawn_scoped(scope, || parse_pdf(file));
        parser.map_err(|error| error.to_string())?.join().unwrap_or_else(|_| Err(GAVE_UP.to_owned()))
    })
}

const GAVE_UP: &str = "the parser gave up on it";

/// Parses on this thread, which should have [`PARSER_STACK_BYTES`].
pub(crate) fn parse_pdf(file: &[u8]) -> Pages {
    // The parser panics on what is not as it should be.
    let outcome = catch_unwind(|| parse(file)).unwrap_or_else(|_| Err(GAVE_UP.to_owned()));
    outcome.map_err(|problem| format!("not a PDF that can be read, or one with a password ({problem})"))
}

fn parse(file: &[u8]) -> Pages {
    let mut document = pdf_extract::Document::load_mem(file).map_err(|error| error.to_string())?;
    if document.is_encrypted() {
        document.decrypt("").map_err(|error| error.to_string())?;
    }
    // The parser would read a picture as if it were text that is drawn.
    for stream in document.objects.values_mut().filter_map(|object| object.as_stream_mut().ok()) {
        if stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Image") {
            stream.dict.remove(b"Filter");
            stream.set_content(Vec::new());
        }
    }
    let mut seen = HashSet::new();
    let mut pages = Vec::new();
    let mut bytes = 0;
    for (number, page) in document.get_pages() {
        // A tree of pages may lead back to itself.
        let text = if seen.insert(page) { page_text(&document, number, page) } else { Ok(String::new()) };
        bytes += text.as_ref().map_or(0, String::len);
        pages.push(text);
        if bytes > DOCUMENT_BYTES {
            // The document is left out for it.
            break;
        }
    }
    Ok(pages)
}

fn page_text(document: &pdf_extract::Document, number: u32, page: ObjectId) -> Result<String, String> {
    if !forms::end(document, page) {
        return Err("what it draws or inherits leads back to itself".to_owned());
    }
    let mut text = String::new();
    // A panic costs this page; the others are read.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pdf_extract::output_doc_page(document, &mut PlainTextOutput::new(&mut text), number)
    }));
    match outcome {
        Ok(Ok(())) if text.len() > DOCUMENT_BYTES => Err(too_much()),
        Ok(Ok(())) => Ok(text),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(GAVE_UP.to_owned()),
    }
}

fn too_much() -> String {
    format!("its text is larger than {} MiB", DOCUMENT_BYTES >> 20)
}

/// A page without the space around its lines and with one empty line where it had several.
fn tidy(page: &str) -> String {
    let mut tidy = String::with_capacity(page.len());
    let mut gap = "";
    for line in page.lines().map(str::trim) {
        if line.is_empty() {
            gap = if tidy.is_empty() { "" } else { "\n\n" };
        } else {
            tidy.push_str(gap);
            tidy.push_str(line);
            gap = "\n";
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write, fs};

    use super::*;

    /// A PDF of these objects, numbered from 1; the first is the catalogue.
    fn pdf(objects: &[String]) -> Vec<u8> {
        let mut file = "%PDF-1.4\n".to_owned();
        let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
        for (object, body) in objects.iter().enumerate() {
            writeln!(table, "{:010} 00000 n ", file.len()).expect("a string takes it");
            write!(file, "{} 0 obj\n{body}\nendobj\n", object + 1).expect("a string takes it");
        }
        let (start, size) = (file.len(), objects.len() + 1);
        write!(file, "{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n")
            .expect("so it does");
        file.into_bytes()
    }

    fn stream(keys: &str, content: &str) -> String {
        format!("<< {keys} /Length {} >>\nstream\n{content}\nendstream", content.len())
    }

    /// The objects of a PDF with these words on its pages.
    fn objects(pages: &[&str]) -> Vec<String> {
        let kids: String = (0..pages.len()).map(|page| format!("{} 0 R ", 4 + 2 * page)).collect();
        let mut objects = vec![
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            format!("<< /Type /Pages /Kids [{kids}] /Count {} /MediaBox [0 0 612 792] >>", pages.len()),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        ];
        for (page, words) in pages.iter().enumerate() {
            let resources = "<< /Font << /F1 3 0 R >> >>";
            let content = 5 + 2 * page;
            objects.push(format!("<< /Type /Page /Parent 2 0 R /Resources {resources} /Contents {content} 0 R >>"));
            let drawn =
                if words.is_empty() { String::new() } else { format!("BT /F1 12 Tf 72 700 Td ({words}) Tj ET") };
            objects.push(stream("", &drawn));
        }
        objects
    }

    fn read_bytes(bytes: &[u8]) -> Corpus {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("the_quay.pdf");
        fs::write(&path, bytes).expect("written");
        read(&SourceFile { path, name: "the_quay.pdf".to_owned() }, &Apart::new())
    }

    fn check(bytes: &[u8], text: Option<&str>, reasons: &[&str]) {
        let corpus = read_bytes(bytes);
        assert_eq!(corpus.documents.first().map(|document| document.text.as_str()), text);
        assert_eq!(corpus.skipped.len(), reasons.len(), "{:?}", corpus.skipped);
        for (skipped, reason) in corpus.skipped.iter().zip(reasons) {
            assert!(format!("{} {}", skipped.place, skipped.reason).contains(reason), "{skipped:?} has no {reason:?}");
        }
    }

    #[test]
    fn pages_are_told_apart() {
        let corpus = read_bytes(&pdf(&objects(&["Fog on the bar.", "", "The mace is silver."])));
        let document = corpus.documents.first().expect("it has a text layer");
        assert_eq!(document.text, "Fog on the bar.\n\nThe mace is silver.");
        let anchors: Vec<_> = document.origin.anchors.iter().map(|anchor| (anchor.text, anchor.source)).collect();
        assert_eq!(anchors, [(0, 1), (17, 3)]);
        assert_eq!(document.title, "the quay");
    }

    #[test]
    fn what_has_no_text_is_refused() {
        check(&pdf(&objects(&[""])), None, &["no text layer"]);
        check(b"", None, &["not a PDF that can be read"]);
        check(b"%PDF-1.4\nnothing of the kind", None, &["not a PDF that can be read"]);
    }

    #[test]
    fn a_bad_page_is_left_out_and_the_others_are_read() {
        let mut bad = objects(&["Fog.", "Salt."]);
        bad[3] = bad[3].replace("/F1 3 0 R", "/F1 99 0 R");
        check(&pdf(&bad), Some("Salt."), &["page 1 the parser gave up"]);
    }

    #[test]
    fn pictures_are_passed_over() {
        let mut pictures = objects(&["Fog."]);
        pictures[3] = pictures[3].replace("/Font", "/XObject << /X 6 0 R >> /Font");
        pictures[4] = stream("", "/X Do BT /F1 12 Tf 72 700 Td (Fog.) Tj ET");
        pictures.push(stream("/Type /XObject /Subtype /Image /Filter /DCTDecode", "BT (no text) Tj ET"));
        check(&pdf(&pictures), Some("Fog."), &[]);
    }

    #[test]
    fn what_never_ends_is_not_begun() {
        let mut drawn = objects(&["Fog.", "Salt."]);
        drawn[3] = drawn[3].replace("/Font", "/XObject << /X 8 0 R >> /Font");
        drawn[4] = stream("", "/X Do");
        drawn.push(stream("/Type /XObject /Subtype /Form /BBox [0 0 9 9]", "/X Do"));
        check(&pdf(&drawn), Some("Salt."), &["page 1 what it draws or inherits leads back to itself"]);
        let mut parents = objects(&["Fog."]);
        parents[1] = parents[1].replace("/MediaBox [0 0 612 792]", "/Parent 2 0 R");
        check(&pdf(&parents), None, &["page 1 what it draws or inherits leads back to itself", "no text layer"]);
        let mut kids = objects(&["Fog."]);
        kids[1] = kids[1].replace("[4 0 R ]", "[4 0 R 2 0 R]");
        check(&pdf(&kids), Some("Fog."), &[]);
    }

    #[test]
    fn whatever_it_is_fed_it_returns() {
        let whole = pdf(&objects(&["Fog on the bar."]));
        for length in (0..whole.len()).step_by(29) {
            read_bytes(&whole[..length]);
        }
        for at in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 0x15;
            read_bytes(&spoilt);
        }
    }

    #[test]
    fn pages_are_tidied() {
        let check = |page: &str, expected: &str| assert_eq!(tidy(page), expected);
        check("\n\n  Fog \n on the bar.\n\n\n\nMore.\n", "Fog\non the bar.\n\nMore.");
        check(" \n", "");
    }
}
