//! Why a corpus could not be read at all. What is wrong with one file is no error: it is listed as skipped.

use std::path::PathBuf;

/// Why a corpus could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A path that was given cannot be used.
    #[error("{}: {problem}", path.display())]
    Input {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Not a single document.
    #[error("{paths}: no documents (read {formats}){skipped}")]
    Empty {
        /// What was given.
        paths: String,
        /// What is read.
        formats: &'static str,
        /// What was there but unusable, and why, behind a semicolon.
        skipped: String,
    },
}
