//! Every error as a status that says which field and why, and whether to try again.

use std::{collections::HashMap, time::Duration};

use frontload_engine::EngineError;
use frontload_index::IndexError;
use tokio::task::JoinError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Whose reasons they are.
const DOMAIN: &str = "frontload";

/// An error with its reason.
pub(crate) fn error(code: Code, reason: &str, told: impl Into<String>) -> Status {
    Status::with_error_details(code, told, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

pub(crate) fn status(problem: &EngineError) -> Status {
    let (code, reason) = match problem {
        EngineError::Input { .. } => return invalid("lanes", problem),
        EngineError::Index(IndexError::UnknownInFilter { .. }) => return invalid("filter", problem),
        EngineError::Model(_) => (Code::Unavailable, "MODEL_FAILED"),
        EngineError::Index(IndexError::Embed(_)) => (Code::Unavailable, "EMBEDDER_FAILED"),
        EngineError::Index(IndexError::Elsewhere { .. }) => (Code::Unavailable, "LANES_UNAVAILABLE"),
        EngineError::Index(_) => (Code::DataLoss, "INDEX_DAMAGED"),
        EngineError::Enrich(_)
        | EngineError::Schema(_)
        | EngineError::Corpus(_)
        | EngineError::Output(_)
        | EngineError::NeverBuilt(_)
        | EngineError::Copied { .. } => (Code::Internal, "INTERNAL"),
    };
    error(code, reason, problem.to_string())
}

pub(crate) fn invalid(field: &str, why: impl ToString) -> Status {
    let why = why.to_string();
    let mut details = ErrorDetails::with_error_info("INVALID_FIELD", DOMAIN, HashMap::new());
    details.add_bad_request_violation(field, why.clone());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {why}"), details)
}

/// The same error, its fields named from further out.
pub(super) fn within(outer: &str, status: &Status) -> Status {
    let mut details = ErrorDetails::with_error_info("INVALID_FIELD", DOMAIN, HashMap::new());
    for violation in status.get_details_bad_request().into_iter().flat_map(|bad| bad.field_violations) {
        details.add_bad_request_violation(format!("{outer}.{}", violation.field), violation.description);
    }
    Status::with_error_details(status.code(), format!("{outer}.{}", status.message()), details)
}

pub(crate) fn not_found(what: &str, id: &str) -> Status {
    error(Code::NotFound, "NOT_FOUND", format!("no {what} {id:?} in this generation"))
}

/// Too much at once: to be tried again after a while.
pub(crate) fn busy(why: &str, again_after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info("BUSY", DOMAIN, HashMap::new());
    details.set_retry_info(Some(again_after));
    Status::with_error_details(Code::ResourceExhausted, why, details)
}

/// A panic of ours. Its words may hold what was asked, so the caller is told a number, which the log has too, right after
/// those words.
pub(crate) fn broken() -> Status {
    let mut bytes = [0; 4];
    // Without random bytes the number is no help, and the error is as true.
    let _ = getrandom::fill(&mut bytes);
    let id = format!("{:08x}", u32::from_ne_bytes(bytes));
    tracing::error!(id, "a request panicked; the others go on");
    let told = format!("something is wrong in the service itself: its log has {id} where it says what");
    let details = ErrorDetails::with_error_info("BROKEN", DOMAIN, HashMap::from([("id".to_owned(), id)]));
    Status::with_error_details(Code::Internal, told, details)
}

/// Work on another thread that gave nothing back.
pub(crate) fn unfinished(work: &JoinError) -> Status {
    if work.is_panic() { broken() } else { error(Code::Unavailable, "ENDING", "the service is ending") }
}

/// A code's name, as it stands in gRPC's documents.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
