//! The gRPC service: convert, call the engine, convert back. Only this crate and `frontload serve` see tokio.
//!
//! The service reads published generations and nothing else: neither the ledger nor the state is opened.

mod convert;
mod live;
mod service;

/// The messages and stubs of `proto/frontload/v1`.
#[allow(missing_docs, clippy::pedantic, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("frontload.v1");
    /// For the reflection service.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/frontload.descriptors"));
}

pub use live::Live;
pub use service::{ServeOptions, Service, serve};
