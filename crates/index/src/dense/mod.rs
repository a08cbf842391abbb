//! The vector lanes: unit vectors, each distinct text once, and a row for every place it stands in.
//!
//! A lane with few vectors is scanned, which is exact. Above a threshold an HNSW graph stands beside them; the
//! vectors stay the truth, what the graph does not lead to is scanned beside it, and it can be built again.

mod coarse;
mod dot;
mod graph;
mod lane;
mod links;
mod rows;
mod vectors;

pub use graph::GraphEntry;
pub(crate) use graph::{reached, write_graph};
pub(crate) use lane::{DenseLane, read_rows, write_rows};
pub(crate) use rows::{Row, Rows};
pub(crate) use vectors::Vectors;
