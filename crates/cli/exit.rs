//! Exit codes, and which error has which. They are part of the command line's contract.

use std::process::ExitCode;

use frontload_cluster::ClusterError;
use frontload_core::GeneratorError;
use frontload_engine::EngineError;
use frontload_enrich::EnrichError;
use frontload_index::IndexError;
use frontload_models::ModelError;

pub const NO_HIT: u8 = 1;
pub const USAGE: u8 = 2;
pub const QUARANTINED: u8 = 3;
pub const MODEL: u8 = 4;
pub const LOCKED: u8 = 5;
pub const CORRUPT: u8 = 6;
pub const IO: u8 = 7;
pub const INTERRUPTED: u8 = 130;

/// The code of the first error in the chain that has one; wrong usage otherwise.
pub fn code_of(error: &anyhow::Error) -> ExitCode {
    for cause in error.chain() {
        let code = if let Some(error) = cause.downcast_ref::<EngineError>() {
            of_engine(error)
        } else if let Some(error) = cause.downcast_ref::<IndexError>() {
            of_index(error)
        } else if let Some(error) = cause.downcast_ref::<ClusterError>() {
            of_cluster(error)
        } else if let Some(error) = cause.downcast_ref::<ModelError>() {
            if matches!(error, ModelError::Name(_) | ModelError::Pool { .. }) { USAGE } else { MODEL }
        } else if cause.is::<GeneratorError>() {
            MODEL
        } else if let Some(status) = cause.downcast_ref::<tonic::Status>() {
            if status.code() == tonic::Code::InvalidArgument { USAGE } else { MODEL }
        } else if cause.is::<tonic::transport::Error>() {
            MODEL
        } else {
            continue;
        };
        return ExitCode::from(code);
    }
    ExitCode::from(USAGE)
}

fn of_engine(error: &EngineError) -> u8 {
    match error {
        EngineError::Index(error) => of_index(error),
        EngineError::Enrich(EnrichError::Model(_)) | EngineError::Model(_) => MODEL,
        EngineError::Enrich(EnrichError::State(_)) | EngineError::Output(_) => IO,
        EngineError::Enrich(EnrichError::Ledger(frontload_enrich::LedgerError::Io { .. })) => IO,
        EngineError::Enrich(EnrichError::Ledger(frontload_enrich::LedgerError::Damaged { .. })) => CORRUPT,
        EngineError::Schema(_) => CORRUPT,
        EngineError::Corpus(_)
        | EngineError::Input { .. }
        | EngineError::NeverBuilt(_)
        | EngineError::Copied { .. } => USAGE,
    }
}

fn of_cluster(error: &ClusterError) -> u8 {
    match error {
        ClusterError::Unreachable { .. } | ClusterError::Refused { .. } | ClusterError::OldServer { .. } => MODEL,
        ClusterError::NotOurs { .. }
        | ClusterError::NothingPublished { .. }
        | ClusterError::TooLarge { .. }
        | ClusterError::Setting { .. }
        | ClusterError::File { .. } => USAGE,
        ClusterError::Differs { .. } | ClusterError::Damaged { .. } => CORRUPT,
        ClusterError::Interrupted { .. } => INTERRUPTED,
        ClusterError::Runtime(_) => IO,
        ClusterError::Index(error) => of_index(error),
    }
}

fn of_index(error: &IndexError) -> u8 {
    match error {
        IndexError::NotAnIndex(_)
        | IndexError::NoGeneration { .. }
        | IndexError::OtherEmbedder { .. }
        | IndexError::UnknownInFilter { .. } => USAGE,
        IndexError::Newer { .. } | IndexError::Older { .. } | IndexError::Corrupt { .. } => CORRUPT,
        IndexError::Locked { .. } => LOCKED,
        IndexError::Interrupted { .. } => INTERRUPTED,
        IndexError::Io { .. } => IO,
        IndexError::Embed(_) | IndexError::Elsewhere { .. } => MODEL,
    }
}
