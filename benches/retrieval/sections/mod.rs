//! What is measured, a section a file.

mod churn;
mod dense;
mod embedding;
mod fresh;
mod graph;
mod growth;
mod hybrid;
mod nearest;
mod server;
mod words;

pub use churn::churn;
pub use dense::dense;
pub use embedding::embedding;
pub use fresh::fresh;
pub use graph::graph;
pub use growth::{growth, large};
pub use hybrid::hybrid;
pub use words::words;
