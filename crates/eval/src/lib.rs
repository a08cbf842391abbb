//! Measuring: TREC and BEIR files, the usual measures under the names and rules of `ir_measures`, and
//! breakdowns by topic label.

mod files;
mod measure;

pub use files::{FileError, Qrels, Run, Topic, read_qrels, read_run, read_topics, write_run};
pub use measure::{Measure, MeasureError, Measured, measure};
