//! The same lanes on Milvus: a generation that was built here is copied to a cluster, row by row under the hash of what
//! a row holds, and searched there with our analysis, our BM25 weights and our fusion.
//!
//! What is asked of a cluster, and what comes back, is in `lanes.rs`; what is written, in `publish.rs`. Only this crate
//! knows Milvus; it keeps tokio to itself, on a thread of its own.

mod connection;
mod error;
mod expression;
mod facts;
mod lanes;
mod layout;
mod near;
mod publication;
mod publish;
mod recover;
mod rows;
mod serve;
mod shelf;

pub use connection::Connection;
pub use error::{ClusterError, Reason};
pub use publish::{Published, publish};
pub use recover::{Recovered, recover};
pub use serve::open;

use std::ops::ControlFlow;

/// How far copying has come.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What is being done: a lane's name, or a word for it.
    pub what: &'a str,
    /// So much of it.
    pub done: usize,
    /// Of so much.
    pub total: usize,
}

/// Is told every step, and says whether to go on.
pub type Report<'a> = dyn FnMut(Step) -> ControlFlow<()> + 'a;

/// Runs what waits for the cluster, on this thread.
fn block_on<T>(work: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ClusterError::Runtime)?.block_on(work)
}
