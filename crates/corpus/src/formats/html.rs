//! HTML: the visible text, with its headings, and every run of it leading back to its bytes. Only the tokens are
//! looked at, never a tree, so that no nesting is too deep.

use frontload_core::{Document, Form};
use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

use super::{
    document,
    visible::{Gap, Visible},
};
use crate::{anchors::Anchored, language, sections::Heading, walk::SourceFile};

/// How a file is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// What is in a script is no markup.
    #[default]
    Html,
    /// Everything is markup, and elements may be closed where they are opened.
    Xml,
}

/// Elements whose text nobody sees.
const HIDDEN: [&str; 4] = ["noscript", "script", "style", "template"];
/// What may stand in a head; anything else ends one that was not closed.
const IN_HEAD: [&str; 11] =
    ["base", "basefont", "bgsound", "head", "link", "meta", "noscript", "script", "style", "template", "title"];

pub(super) fn read(file: &SourceFile, text: Anchored, syntax: Syntax) -> Document {
    let mut page = Page { source: &text.text, syntax, ..Page::default() };
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    emitter.naively_switch_states(syntax == Syntax::Html);
    for token in Tokenizer::new_with_emitter(&text.text, emitter) {
        let Ok(token) = token;
        page.take(token);
    }
    let Page { title, language, visible, .. } = page;
    let Anchored { text: seen, anchors } = visible.finish();
    let anchors = anchors.through(&text.anchors, seen.len());
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let first_heading = || headings(&seen).into_iter().find(|heading| heading.level == 1).map(|heading| heading.name);
    let title = if title.is_empty() { first_heading().unwrap_or_else(|| file.stem()) } else { title };
    Document { language, ..document(file, title, Form::Html, Anchored { text: seen, anchors }) }
}

/// The headings of a page's visible text, in order.
pub(crate) fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let name = line.trim_start_matches('#');
        if name.len() < line.len() {
            headings.push(Heading { start, level: line.len() - name.len(), name: name.trim().to_owned() });
        }
        start += line.len();
    }
    headings
}

/// Where the reading of a page stands.
#[derive(Default)]
struct Page<'a> {
    source: &'a str,
    syntax: Syntax,
    visible: Visible,
    title: String,
    is_title: bool,
    is_head: bool,
    /// The outermost element nothing of which is seen, and how many of its name are open.
    hidden: Option<(String, usize)>,
    language: Option<String>,
}

impl Page<'_> {
    fn take(&mut self, token: Token<usize>) {
        match token {
            Token::StartTag(tag) => self.open(&tag),
            Token::EndTag(tag) => self.close(&String::from_utf8_lossy(&tag.name)),
            Token::String(words) => self.say(&String::from_utf8_lossy(&words.value), words.span.start, words.span.end),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }

    fn open(&mut self, tag: &StartTag<usize>) {
        let name = String::from_utf8_lossy(&tag.name);
        let is_empty = tag.self_closing && self.syntax == Syntax::Xml;
        if let Some((hidden, depth)) = &mut self.hidden {
            *depth += usize::from(*hidden == name && !is_empty);
            return;
        }
        self.is_head = (self.is_head || name == "head") && IN_HEAD.contains(&name.as_ref());
        if HIDDEN.contains(&name.as_ref()) {
            self.hidden = (!is_empty).then(|| (name.into_owned(), 1));
            return;
        }
        let gap = gap(&name);
        if gap == Gap::Paragraph {
            self.visible.leave_heading();
        }
        self.visible.separate(gap);
        match name.as_ref() {
            "html" => self.language = attribute(tag, "lang").or_else(|| attribute(tag, "xml:lang")),
            "title" => self.is_title = !is_empty && self.title.is_empty(),
            "pre" if !is_empty => self.visible.open_preformatted(),
            name => {
                if let Some(level) = heading_level(name) {
                    self.visible.open_heading(level, tag.span.start);
                }
            }
        }
    }

    fn close(&mut self, name: &str) {
        if let Some((hidden, depth)) = &mut self.hidden {
            *depth -= usize::from(hidden == name);
            if *depth == 0 {
                self.hidden = None;
            }
            return;
        }
        match name {
            "head" => self.is_head = false,
            "title" => self.is_title = false,
            "pre" => self.visible.close_preformatted(),
            name if heading_level(name).is_some() => self.visible.close_heading(),
            _ => {}
        }
        self.visible.separate(gap(name));
    }

    /// Takes text that the source has in these bytes.
    fn say(&mut self, text: &str, start: usize, end: usize) {
        if self.hidden.is_some() || self.is_head && !self.is_title && text.trim().is_empty() {
            return;
        }
        if self.is_title {
            self.title.push_str(text);
            return;
        }
        self.is_head = false;
        let raw = self.source.get(start..end).unwrap_or_default();
        // Compared once: at every `&`, a page of nothing else would take hours.
        let holds_references = raw != text;
        let mut at = start;
        for piece in pieces(raw) {
            let decoded = if piece.starts_with('&') && holds_references { decode(piece) } else { piece.to_owned() };
            let is_reference = decoded != piece;
            for (offset, character) in decoded.char_indices() {
                if is_reference {
                    self.visible.push(character, at, at + piece.len());
                } else {
                    self.visible.push(character, at + offset, at + offset + character.len_utf8());
                }
            }
            at += piece.len();
        }
    }
}

/// The text cut into what may be references to characters, such as `&amp;`, and what stands between them.
fn pieces(raw: &str) -> impl Iterator<Item = &str> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let length = match rest.strip_prefix('&') {
            Some(reference) => {
                let is_part = |character: char| character.is_ascii_alphanumeric() || character == '#';
                let name = reference.trim_start_matches(is_part);
                rest.len() - name.strip_prefix(';').unwrap_or(name).len()
            }
            None => rest.find('&').unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at_checked(length)?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn decode(reference: &str) -> String {
    let mut decoded = String::new();
    for token in Tokenizer::new(reference) {
        if let Ok(Token::String(words)) = token {
            decoded.push_str(&String::from_utf8_lossy(&words.value));
        }
    }
    decoded
}

fn attribute(tag: &StartTag<usize>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    language::normalised(&String::from_utf8_lossy(&value.value))
}

fn heading_level(name: &str) -> Option<usize> {
    ["h1", "h2", "h3", "h4", "h5", "h6"].iter().position(|heading| *heading == name).map(|at| at + 1)
}

/// What an element's borders are to a reader.
fn gap(name: &str) -> Gap {
    match name {
        "address" | "article" | "aside" | "blockquote" | "body" | "details" | "dialog" | "dl" | "fieldset"
        | "figure" | "footer" | "form" | "header" | "hgroup" | "hr" | "main" | "nav" | "ol" | "p" | "pre"
        | "section" | "table" | "ul" => Gap::Paragraph,
        "br" | "caption" | "center" | "dd" | "dir" | "div" | "dt" | "figcaption" | "legend" | "li" | "menu"
        | "optgroup" | "option" | "summary" | "tbody" | "textarea" | "tfoot" | "thead" | "tr" => Gap::Line,
        "button" | "input" | "select" | "td" | "th" => Gap::Space,
        _ => Gap::None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use frontload_core::Unit;

    use super::*;
    use crate::anchors::place_of;

    fn page(html: &str, syntax: Syntax) -> Document {
        let file = SourceFile { path: PathBuf::from("in/a_page.html"), name: "a_page.html".to_owned() };
        read(&file, Anchored { text: html.to_owned(), ..Anchored::default() }, syntax)
    }

    #[test]
    fn only_what_is_seen_is_text() {
        let check = |html: &str, expected: &str| assert_eq!(page(html, Syntax::Html).text, expected, "{html}");
        check("<p>One <b>t</b>wo<p>Three<br>four<div>five</div>", "One two\n\nThree\nfour\nfive");
        check("<ul><li>a<li>b</ul><table><tr><td>c<td>d<tr><td>e</table>", "a\nb\n\nc d\ne");
        check("<head><title>t</title><style>s {}</style></head><body>b<script>if (a<b) '</p>'</script>c", "bc");
        check("<title>t</title><meta charset=utf-8>a<noscript>n</noscript><!-- c --><template><p>t</template>b", "ab");
        check("<head><title>t</title><p>a", "a");
        check("a &amp; b &lt;c&gt; caf&eacute; &#8211;&#x2013; &notaname; AT&T", "a & b <c> café –– ¬aname; AT&T");
        check("<pre>\nif a:\n    # b\n\n# c</pre>d", "if a:\n    # b\n\n # c\n\nd");
        check("<h2>One <i>two</i><br>three</h2>four <h1>five<p>six", "## One two three\n\nfour\n\n# five\n\nsix");
    }

    #[test]
    fn xml_may_close_what_it_opens() {
        let html = "<html xml:lang='de-AT'><head><script src='a'/><title/></head><body>b<template/>c</body></html>";
        let document = page(html, Syntax::Xml);
        assert_eq!((document.text.as_str(), document.language.as_deref()), ("bc", Some("de")));
    }

    #[test]
    fn the_title_is_the_pages_or_its_first_heading() {
        let check = |html: &str, expected: &str| assert_eq!(page(html, Syntax::Html).title, expected, "{html}");
        check("<title> The\nQuay &amp; bar </title><h1>Other</h1>", "The Quay & bar");
        check("<h2>Two</h2><h1>The <i>Quay</i></h1>", "The Quay");
        check("<p>Text.", "a page");
    }

    #[test]
    fn words_lead_back_to_their_bytes() {
        let html = "<!DOCTYPE html>\r\n<html lang=en><title>t</title>\r\n<body class=\"a\"><h1 id=x>The  Quay</h1>\r\n\
                    <p>Fog &amp; <b>salt<i>ed</i></b> caf&eacute;s,\r\n  and&nbsp;an&#776; Größe<br>end&hellip;</p>tail";
        let document = page(html, Syntax::Html);
        assert_eq!(document.text, "# The Quay\n\nFog & salted cafés, and an\u{308} Größe\nend…\n\ntail");
        for (word, source) in [
            ("The", "The"),
            ("Quay", "Quay"),
            ("Fog", "Fog"),
            ("&", "&amp;"),
            ("salted", "salt<i>ed"),
            ("cafés,", "caf&eacute;s,"),
            ("and", "and"),
            ("an\u{308}", "an&#776;"),
            ("Größe", "Größe"),
            ("end…", "end&hellip;"),
            ("tail", "tail"),
        ] {
            let start = document.text.find(word).expect(word) as u32;
            let place = place_of(&document.origin, (start, start + word.len() as u32)).expect("it has a path");
            assert_eq!(place.unit, Unit::Byte);
            assert_eq!(&html[place.start as usize..place.end as usize], source, "{word}");
        }
    }

    #[test]
    fn no_nesting_is_too_deep() {
        let deep = format!("{}fog{}", "<div><template>".repeat(100_000), "</template></div>".repeat(100_000));
        assert_eq!(page(&deep, Syntax::Html).text, "");
        let deep = format!("{}fog", "<div><b><h1>".repeat(100_000));
        assert_eq!(page(&deep, Syntax::Html).text, "# fog");
        // Read in hours, were the whole looked at for each of them.
        let many = "& ".repeat(2_000_000);
        assert_eq!(page(&many, Syntax::Html).text.len(), many.len() - 1);
    }
}
