//! Chunks: the spans of documents that are enriched, indexed and found.
//! Spans are byte offsets into the document's text and always fall on character boundaries.

use serde::{Deserialize, Serialize};

use crate::{Digest, Metadata, Place};

/// A chunk's number in a generation. A generation that only changes a part of the one before keeps the numbers of
/// what stayed; one that is written afresh counts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkId(pub u32);

/// What a chunk is, wherever it is: a hash of its title and text.
/// Two documents with the same title and text share it, and so share what was paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkKey(pub Digest);

/// A span of a document: the unit that is enriched, indexed and found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// The document's id.
    pub document: String,
    /// The chunk's place in its document, from 0.
    pub ordinal: u32,
    /// Start and end in bytes of the document's text.
    pub span: (u32, u32),
    /// The document's title.
    pub title: String,
    /// The headings the span stands under, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// The text of the span, unchanged.
    pub text: String,
    /// The corpus its document belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Its document's language as an ISO 639 code, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What else is known of its document.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Where it stands in the file it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether it is a program's text, whose words are identifiers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code: bool,
}

impl Chunk {
    /// The content hash everything that was paid for hangs on.
    pub fn key(&self) -> ChunkKey {
        ChunkKey(Digest::of_parts(["chunk", &self.title, &self.text]))
    }

    /// The id shown to people and used in files: the document's id, with `#n` after the first chunk.
    pub fn id(&self) -> String {
        if self.ordinal == 0 { self.document.clone() } else { format!("{}#{}", self.document, self.ordinal) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_title_and_text_only() {
        let chunk = |document: &str, title: &str, text: &str| Chunk {
            document: document.into(),
            title: title.into(),
            text: text.into(),
            ..Chunk::default()
        };
        assert_eq!(chunk("a", "t", "x").key(), chunk("b", "t", "x").key());
        assert_ne!(chunk("a", "t", "x").key(), chunk("a", "tx", "").key());
    }
}
