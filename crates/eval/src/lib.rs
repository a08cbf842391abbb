//! Measuring: TREC and BEIR files, the usual measures under the names and rules of `ir_measures`, and
//! lane weights chosen by them.

mod ablate;
mod answers;
mod files;
mod measure;
mod report;
mod reweigh;
mod significance;
mod tune;

pub use ablate::{Ablated, Ablation, Effect, Verdict, WORTH, ablate};
pub use answers::{Calibration, Given, Question, Score, calibrate, read_questions, score};
pub use files::{FileError, Qrels, Run, Topic, read_qrels, read_run, read_topics, write_run};
pub use measure::{Measure, MeasureError, Measured, measure, pairs};
pub use report::{Curve, Described, Details, Group, Report, RowCost, Worst, details, p_value, page, verdict};
pub use reweigh::{RankedTopic, Weights, reweigh};
pub use significance::{ALPHA, Paired, holm, interval, paired};
pub use tune::{Step, TUNED_MEASURE, Tuned, tune};
