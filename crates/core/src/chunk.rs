//! Documents as the corpus has them and chunks as the index has them.
//! Spans are byte offsets into the document's text and always fall on character boundaries.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// One item of the corpus, under the id the corpus gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The corpus's own id: a BEIR `_id`, or a path relative to the indexed folder.
    pub id: String,
    /// May be empty.
    pub title: String,
    /// The whole text.
    pub text: String,
}

/// A chunk's ordinal in one generation. It means nothing in another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkId(pub u32);

/// What a chunk is, wherever it is: a hash of its title and text.
/// Two documents with the same title and text share it, and so share what was paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkKey(pub Digest);

/// A span of a document: the unit that is enriched, indexed and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
            ordinal: 0,
            span: (0, 0),
            title: title.into(),
            headings: vec![],
            text: text.into(),
        };
        assert_eq!(chunk("a", "t", "x").key(), chunk("b", "t", "x").key());
        assert_ne!(chunk("a", "t", "x").key(), chunk("a", "tx", "").key());
    }
}
