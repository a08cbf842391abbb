//! Files to documents to chunks, each of which leads back to its place in the file it came from.
//!
//! What cannot be read is listed with its reason and left out; it never stops the rest. Nothing here trusts a
//! file: sizes are bounded, only regular files are opened, and what comes out of a library is checked; PDFs are
//! parsed in a process of their own.

mod anchors;
mod apart;
mod chunking;
mod corpus;
mod encoding;
mod error;
mod formats;
mod language;
mod sections;
mod syntax;
mod walk;
mod windows;
mod worker;

pub use apart::parse_pdfs_with;
pub use chunking::chunk_all;
pub use corpus::{Corpus, Skipped, read_corpus, source_names};
pub use error::CorpusError;
pub use formats::FORMATS;
pub use walk::SCHEMA_FILE;
pub use worker::pdf_worker;
