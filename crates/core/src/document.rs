//! Documents as the corpus has them, and where their text stands in the file it came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One item of the corpus, under the id the corpus gave it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// A row's own id, or a path relative to the indexed folder.
    pub id: String,
    /// May be empty.
    pub title: String,
    /// The whole text.
    pub text: String,
    /// The corpus it belongs to: the name of the folder or file that was given.
    pub source: String,
    /// What else is known of it.
    pub metadata: Metadata,
    /// Its language as an ISO 639 code, where it is known.
    pub language: Option<String>,
    /// What its text is written in, which says where it may be cut.
    pub form: Form,
    /// Where its text stands.
    pub origin: Origin,
}

/// Facts about a document, by name.
pub type Metadata = BTreeMap<String, MetaValue>;

/// One fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetaValue {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// Words.
    Text(String),
    /// Several of them.
    Many(Vec<MetaValue>),
}

/// What a text is written in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Plain text.
    #[default]
    Text,
    /// Markdown.
    Markdown,
    /// reStructuredText.
    ReStructured,
    /// A program, in this language.
    Code(String),
    /// The visible text of a page.
    Html,
    /// The text layer of a PDF.
    Pdf,
    /// A row of a table, or a line of a file of records.
    Row,
}

/// Where a document's text stands in its file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file, relative to the indexed folder.
    pub path: String,
    /// Where parts of the text stand, in the text's order. None: the text is the file.
    pub anchors: Vec<Anchor>,
    /// What a place counts.
    pub unit: Unit,
}

/// From this byte of the text on, the text stands from this place of the file on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// A byte of the document's text.
    pub text: u32,
    /// The place in the file, in its [`Unit`].
    pub source: u32,
}

/// What places in a file are counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Bytes from 0, the end not included.
    #[default]
    Byte,
    /// Lines from 1, the last one included.
    Line,
    /// Pages from 1, the last one included.
    Page,
}

/// Where a chunk stands in the file it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, relative to the indexed folder.
    pub path: String,
    /// Where it begins.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// What both are counted in.
    pub unit: Unit,
}
