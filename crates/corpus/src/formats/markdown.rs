//! Markdown: the text is the file, and the title is its first heading.

use frontload_core::{Document, Form};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::document;
use crate::{anchors::Anchored, sections::Heading, walk::SourceFile};

pub(crate) fn read(file: &SourceFile, text: Anchored) -> Document {
    let title = headings(&text.text).into_iter().map(|heading| heading.name).find(|name| !name.is_empty());
    document(file, title.unwrap_or_else(|| file.stem()), Form::Markdown, text)
}

/// The headings of a text, in order.
pub(crate) fn headings(text: &str) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let mut inside = false;
    // Without these a metadata block's last line would be a heading, underlined by the block's end.
    let options = Options::ENABLE_YAML_STYLE_METADATA_BLOCKS | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                headings.push(Heading { start: range.start, level: level as usize, name: String::new() });
                inside = true;
            }
            Event::End(TagEnd::Heading(_)) => inside = false,
            Event::Text(words) | Event::Code(words) if inside => say(&mut headings, &words),
            Event::SoftBreak | Event::HardBreak if inside => say(&mut headings, " "),
            _ => {}
        }
    }
    headings
}

fn say(headings: &mut [Heading], words: &str) {
    if let Some(heading) = headings.last_mut() {
        heading.name.push_str(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_found() {
        let check = |text: &str, expected: &[(usize, usize, &str)]| {
            let found = headings(text);
            let found: Vec<_> = found.iter().map(|found| (found.start, found.level, found.name.as_str())).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("# Guide\n\nIntro.\n\n### Start `it`\n", &[(0, 1, "Guide"), (17, 3, "Start it")]);
        check("The\nQuay\n===\n", &[(0, 1, "The Quay")]);
        check("```\n# no heading\n```\n", &[]);
        check("---\ntitle: Quay\n---\n\n## Text\n", &[(21, 2, "Text")]);
    }
}
