//! Measuring: TREC and BEIR files, the usual measures under the names and rules of `ir_measures`, and
//! lane weights chosen by them.

mod files;
mod measure;
mod significance;
mod tune;

pub use files::{FileError, Qrels, Run, Topic, read_qrels, read_run, read_topics, write_run};
pub use measure::{Measure, MeasureError, Measured, measure, pairs};
pub use significance::{ALPHA, Paired, holm, paired};
pub use tune::{Step, TUNED_MEASURE, TunedTopic, tune};
