//! From chunk and schema to gated handles: the prompt, the grammar, the ledger that keeps every answer,
//! the state that finds them again, and the gates between an answer and a handle.
//!
//! What the model said is paid for once: it is appended raw to the ledger and synced before it is parsed.
//! Parser, gates and state can change or be lost without another call.

mod answer;
mod caught;
mod collect;
mod erase;
mod estimate;
mod gates;
mod grammar;
mod ledger;
mod measured;
mod passage;
mod plan;
mod prompt;
mod review;
mod run;
mod spent;
mod state;
mod when;

pub use answer::{Answer, parse};
pub use collect::{Collected, aliases, collect};
pub use erase::{Erasure, erase};
pub use estimate::{Estimate, Range, estimate};
pub use gates::{Judge, Judged, Rejections, tally};
pub use grammar::lark;
pub use ledger::{Damage, Ledger, LedgerError, Place, Record, Rewritten, Settings, SettledAnswer, now, scan};
pub use measured::{Measured, measured};
pub use plan::{Call, Job, Plan};
pub use prompt::answer_text;
pub use review::{Aliases, vouched};
pub use run::{Ending, Imported, Limits, Outcome, Progress, enrich};
pub use spent::{Spent, spent};
pub use state::{State, StateError};

/// Everything that can stop an enrichment.
#[derive(Debug, thiserror::Error)]
pub enum EnrichError {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] frontload_core::GeneratorError),
}
