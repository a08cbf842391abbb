//! One on-disk generation: BM25 in tantivy, vectors with a scan and a graph beside them, and the manifest
//! that says what belongs to it. A generation is written once, published by one rename, and never changed.

mod analysis;
mod bm25;
mod dense;
mod elsewhere;
mod files;
mod layout;
mod lock;
mod manifest;
mod places;
mod reader;
mod scope;
mod source;
mod verify;
mod writer;

use std::{io, path::PathBuf};

pub use analysis::Analysis;
pub use bm25::{Among, LaneStatistics, MetaColumns, chunk_weight, most, query_weight};
pub use dense::GraphEntry;
pub use elsewhere::{Ask, Elsewhere, Reply, Sought};
pub use layout::IndexDir;
pub use lock::WriterLock;
pub use manifest::{FORMAT_VERSION, FileEntry, LaneEntry, Manifest};
pub use reader::{IndexedChunk, LaneQuery, Opened, Reader};
pub use scope::Scope;
pub use source::{KeptVectors, VectorRow};
pub use verify::{Finding, verify};
pub use writer::{Build, Built, DEFAULT_GRAPH_ROWS, DEFAULT_SHARE_ABOVE, body_text, remove_older, write};

/// Why an index cannot be used. Every message names the path and what to do.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// There is no index here.
    #[error("{0}: no index here; make one with `frontload index PATH --index {0}`")]
    NotAnIndex(PathBuf),
    /// That generation is not kept.
    #[error("{path}: no generation {number}; there is {kept:?}")]
    NoGeneration {
        /// The index.
        path: PathBuf,
        /// What was asked for.
        number: u64,
        /// What there is.
        kept: Vec<u64>,
    },
    /// A newer program wrote it.
    #[error(
        "{path}: index format {found}, this program reads {} to {}; nothing was changed: upgrade the program, or \
         `frontload rebuild` writes the index anew out of the ledger",
        manifest::OLDEST_VERSION,
        FORMAT_VERSION
    )]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// An older program wrote it, in a form this one no longer reads.
    #[error(
        "{path}: index format {found}, this program reads {} on; the ledger is kept: `frontload rebuild` writes the \
         index anew without calling the model",
        manifest::OLDEST_VERSION
    )]
    Older {
        /// The manifest.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A filter names what the index does not have.
    #[error("filter: no chunk has {subject}{}", known_names(.known))]
    UnknownInFilter {
        /// What it names.
        subject: frontload_core::Subject,
        /// What there is instead.
        known: Vec<String>,
    },
    /// A file is not what was written.
    #[error("{path}: {problem}; the ledger is kept: `frontload rebuild` restores the index without calling the model")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Somebody else is writing.
    #[error("{path}: locked by another writer (process {pid}); wait for it, or stop it")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as far as the file says.
        pid: String,
    },
    /// The system refused.
    #[error("{path}: {source}; the live index and the ledger are as they were")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The embedding model at hand is not the one that made the vectors.
    #[error("the index was built with embedding model {index}, this one is {given}; `frontload rebuild` embeds anew")]
    OtherEmbedder {
        /// The index's.
        index: String,
        /// The one at hand.
        given: String,
    },
    /// Somebody stopped the build while texts were embedded.
    #[error("stopped with {done} of {total} texts embedded; they are kept, and the same command goes on from there")]
    Interrupted {
        /// Texts embedded.
        done: usize,
        /// Texts to embed.
        total: usize,
    },
    /// The lanes lie elsewhere, and what holds them does not answer as it should.
    #[error("{place}: {problem}")]
    Elsewhere {
        /// What holds them.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The embedding model failed.
    #[error("embedding failed: {0}")]
    Embed(#[from] frontload_core::EmbedError),
}

fn known_names(known: &[String]) -> String {
    match known {
        [] => String::new(),
        known => {
            format!("; there is {}", known.iter().map(|name| format!("meta.{name}")).collect::<Vec<_>>().join(", "))
        }
    }
}

impl IndexError {
    pub(crate) fn io(path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &std::path::Path, problem: impl std::fmt::Display) -> Self {
        Self::Corrupt { path: path.to_owned(), problem: problem.to_string() }
    }
}
