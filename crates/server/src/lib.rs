//! The service: gRPC, JSON over HTTP and a page, on one port. Convert, call the engine, convert back. Only this crate
//! and `frontload serve` see tokio.
//!
//! The service reads published generations and nothing else: neither the ledger nor the state is opened. It writes one
//! file, what people thought of hits.

mod access;
mod admission;
mod answering;
mod connection;
mod convert;
mod feedback;
mod grpc;
mod guard;
mod http;
mod live;
mod metrics;
mod model;
mod observe;
mod process;
mod review;
mod service;
mod transport;

/// The messages and stubs of `proto/frontload/v1`.
#[allow(missing_docs, clippy::pedantic, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("frontload.v1");
    include!(concat!(env!("OUT_DIR"), "/frontload.v1.serde.rs"));
    /// For the reflection service.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/frontload.descriptors"));
}

/// What requests ask for, checked against every limit; a status that names the field where they pass one.
pub mod requests {
    pub use crate::convert::{answer_request, list_handles, search_batch, search_request, verdict};
}

pub use access::{KeyError, Keys, Role, new_key};
pub use feedback::Remark;
pub use live::Live;
pub use model::Model;
pub use review::{OpenEmbedder, Reviewing};
pub use service::{ServeOptions, Service};
pub use transport::{ServeError, Tls, serve};
