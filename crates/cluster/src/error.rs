//! Why a cluster cannot be used. Every message names what was tried, and what to do.

use std::{io, path::PathBuf};

use frontload_index::IndexError;

/// Which refusals something can be done about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A collection has to be loaded first: a server that was started anew may have forgotten.
    NotLoaded,
    /// The answer is larger than a message may be.
    TooLarge,
    /// Any other.
    Other,
}

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Nobody answers there, or no longer.
    #[error(
        "{uri}: no answer from Milvus in {seconds:.0} s ({problem}); see that it runs there, then repeat the command: \
         what was copied stays, and it goes on from there"
    )]
    Unreachable {
        /// Where.
        uri: String,
        /// For how long it was tried.
        seconds: f64,
        /// What was seen last.
        problem: String,
    },
    /// It answers, and says no.
    #[error("{uri}: Milvus refused to {what}: {problem}")]
    Refused {
        /// Where.
        uri: String,
        /// What was asked of it.
        what: String,
        /// Its reason.
        problem: String,
        /// What that means here.
        reason: Reason,
    },
    /// It is too old.
    #[error("{uri}: Milvus {found} is too old: 2.4 is the first that has sparse vectors; upgrade it")]
    OldServer {
        /// Where.
        uri: String,
        /// What it calls itself.
        found: String,
    },
    /// A name is taken by something else.
    #[error(
        "{uri}: collection {collection} is not one that this program made: {problem}; it was left as it is: choose \
         another name with --collection, or drop it there"
    )]
    NotOurs {
        /// Where.
        uri: String,
        /// Which.
        collection: String,
        /// In what it differs.
        problem: String,
    },
    /// There is no index there.
    #[error(
        "{uri}: no index is published as {collection}; publish one with `frontload copy --to milvus --uri {uri}`, or \
         name another with --collection"
    )]
    NothingPublished {
        /// Where.
        uri: String,
        /// Under which name it was looked for.
        collection: String,
    },
    /// What was written is not what is there.
    #[error(
        "{uri}: collection {collection} does not hold what was written: expected {expected}, found {found}; nothing was \
         published, and the same command mends it"
    )]
    Differs {
        /// Where.
        uri: String,
        /// Which.
        collection: String,
        /// Rows and checksum of what was sent.
        expected: String,
        /// Rows and checksum of what is there.
        found: String,
    },
    /// What is there does not read.
    #[error("{uri}: collection {collection}: {problem}; copy the index there again with `frontload copy --to milvus`")]
    Damaged {
        /// Where.
        uri: String,
        /// Which.
        collection: String,
        /// What is wrong.
        problem: String,
    },
    /// More than a row may hold.
    #[error("chunk {chunk}: its {what} takes {bytes} bytes, a row holds {most}; index with smaller --chunk")]
    TooLarge {
        /// The chunk's id.
        chunk: String,
        /// What of it.
        what: &'static str,
        /// How much it takes.
        bytes: usize,
        /// How much there is place for.
        most: usize,
    },
    /// A setting cannot be.
    #[error("{what}: {problem}")]
    Setting {
        /// Which.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// A file with a token or a certificate cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Somebody stopped it.
    #[error("stopped at {what} {done}/{total}; what was copied stays, and the same command goes on from there")]
    Interrupted {
        /// At what.
        what: String,
        /// Of which so much was done.
        done: usize,
        /// Of so much.
        total: usize,
    },
    /// This machine gave no thread.
    #[error("no thread to speak to Milvus from: {0}")]
    Runtime(io::Error),
    /// The index here.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl ClusterError {
    /// As who searches sees it.
    pub(crate) fn for_search(self, uri: &str) -> IndexError {
        match self {
            Self::Index(error) => error,
            other => {
                let (told, prefix) = (other.to_string(), format!("{uri}: "));
                let problem = told.strip_prefix(&prefix).map_or_else(|| told.clone(), str::to_owned);
                IndexError::Elsewhere { place: uri.to_owned(), problem }
            }
        }
    }
}
