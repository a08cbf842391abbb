//! A connection to Milvus: where, who asks, and how long it is tried again.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use milvus::v2::{
    ClientV2, ConnectConfig, RetryConfig, TelemetryConfig,
    error::{Error as Refusal, Result as Answered},
    request::utility::GetServerVersionRequest,
};
use tokio::time::sleep;

use crate::{ClusterError, Reason};

/// The first version with sparse vectors.
const OLDEST: (u32, u32) = (2, 4);
/// Milvus's codes for a collection and a partition that is not loaded.
const NOT_LOADED: [i32; 2] = [101, 201];
/// One answer may take so long.
const ANSWER: Duration = Duration::from_secs(60);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Where an index lies or is to lie.
#[derive(Clone)]
pub struct Connection {
    /// Such as `http://127.0.0.1:19530`, or `https://…`.
    pub uri: String,
    /// A token, or `user:password`.
    pub token: Option<String>,
    /// The name the index is published under.
    pub collection: String,
    /// Who vouches for the server's certificate, PEM; whom the system trusts when `None`.
    pub authority: Option<PathBuf>,
    /// How long a server that does not answer is tried again.
    pub patience: Duration,
    /// The same for a search, once the index is open: whoever serves others keeps them waiting less long.
    pub patience_of_searches: Duration,
    /// On how many nodes everything is held, so that many answer and one may fail.
    pub replicas: u32,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.collection, self.uri)
    }
}

impl Connection {
    /// The token in a file, without the line's end.
    ///
    /// # Errors
    /// When the file cannot be read, or is empty.
    pub fn read_token(path: &Path) -> Result<String, ClusterError> {
        let text = fs::read_to_string(path).map_err(|source| ClusterError::File { path: path.to_owned(), source })?;
        match text.trim() {
            "" => Err(ClusterError::Setting { what: path.display().to_string(), problem: "no token in it".into() }),
            token => Ok(token.to_owned()),
        }
    }

    /// Whether the name can be one of collections.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> Result<(), ClusterError> {
        let mut letters = self.collection.chars();
        let first = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
        if first
            && self.collection.len() <= 200
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        {
            return Ok(());
        }
        let problem = "a name has letters, digits and _ alone, at most 200, and begins with no digit".to_owned();
        Err(ClusterError::Setting { what: format!("--collection {:?}", self.collection), problem })
    }

    /// Connects, and asks the server's version.
    pub(crate) async fn connect(&self) -> Result<Milvus, ClusterError> {
        self.check()?;
        // The client's TLS asks for the process's implementation and panics where two are compiled in and none is
        // chosen. An error here says that one was chosen before.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let mut config = ConnectConfig::new()
            .uri(self.uri.clone())
            .connect_timeout(self.patience.max(Duration::from_secs(1)))
            .rpc_timeout(ANSWER)
            // Ours is the one that knows which requests may be repeated: all, since rows go by what they hold.
            .retry(RetryConfig::new().max_attempts(1))
            // Nothing is sent anywhere that was not asked for.
            .telemetry(TelemetryConfig::new().enabled(false));
        if let Some(token) = &self.token {
            config = config.token(token.clone());
        }
        if let Some(path) = &self.authority {
            config = config.ca_certificate(path.display().to_string());
        }
        let started = Instant::now();
        let client = ClientV2::new(&config).await.map_err(|error| match &error {
            Refusal::Validation(_) => ClusterError::Setting { what: self.uri.clone(), problem: error.to_string() },
            Refusal::Server(_) => self.refused("connect", &error),
            _ => self.unreachable(started, &error),
        })?;
        let milvus = Milvus { client, connection: self.clone(), patience: self.patience };
        let version = GetServerVersionRequest::builder().build().map_err(|error| self.refused("be asked", &error))?;
        let found = milvus.repeat("say its version", async |client| client.server_version(version).await).await?;
        match version_of(found.version()) {
            Some(version) if version < OLDEST => {
                Err(ClusterError::OldServer { uri: self.uri.clone(), found: found.version().to_owned() })
            }
            _ => Ok(milvus),
        }
    }

    pub(crate) fn refused(&self, what: &str, error: &Refusal) -> ClusterError {
        let (uri, what, reason) = (self.uri.clone(), what.to_owned(), reason(error));
        ClusterError::Refused { uri, what, problem: error.to_string(), reason }
    }

    fn unreachable(&self, since: Instant, error: &Refusal) -> ClusterError {
        let seconds = since.elapsed().as_secs_f64();
        ClusterError::Unreachable { uri: self.uri.clone(), seconds, problem: error.to_string() }
    }
}

/// An open connection.
#[derive(Clone)]
pub(crate) struct Milvus {
    client: ClientV2,
    pub connection: Connection,
    pub patience: Duration,
}

impl Milvus {
    /// Asks; where nobody answers, again, each time after a longer wait, until patience is over. Everything this crate
    /// asks may be asked twice.
    pub async fn repeat<T>(&self, what: &str, ask: impl AsyncFn(&ClientV2) -> Answered<T>) -> Result<T, ClusterError> {
        let (started, mut wait) = (Instant::now(), FIRST_WAIT);
        loop {
            let error = match ask(&self.client).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !is_silence(&error) {
                return Err(self.connection.refused(what, &error));
            }
            if started.elapsed() + wait > self.patience {
                return Err(self.connection.unreachable(started, &error));
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    pub fn damaged(&self, collection: &str, problem: impl fmt::Display) -> ClusterError {
        let uri = self.connection.uri.clone();
        ClusterError::Damaged { uri, collection: collection.to_owned(), problem: problem.to_string() }
    }
}

/// Whether a server did not answer, rather than answer no: gRPC's codes for a connection that broke among them.
fn is_silence(error: &Refusal) -> bool {
    use tonic_code::{ABORTED, CANCELLED, DEADLINE_EXCEEDED, INTERNAL, RESOURCE_EXHAUSTED, UNAVAILABLE, UNKNOWN};
    match error {
        Refusal::Grpc(status) => {
            let code = status.code() as i32;
            [ABORTED, CANCELLED, DEADLINE_EXCEEDED, INTERNAL, RESOURCE_EXHAUSTED, UNAVAILABLE, UNKNOWN].contains(&code)
        }
        // Its own word for what may be repeated: a server that is busy, or not all there yet, is not one that says no.
        Refusal::Timeout(_) | Refusal::RetryExhausted { .. } => true,
        _ => false,
    }
}

/// gRPC's codes by number: the client has a tonic of its own, which is not ours.
mod tonic_code {
    pub const CANCELLED: i32 = 1;
    pub const UNKNOWN: i32 = 2;
    pub const DEADLINE_EXCEEDED: i32 = 4;
    pub const RESOURCE_EXHAUSTED: i32 = 8;
    pub const ABORTED: i32 = 10;
    pub const OUT_OF_RANGE: i32 = 11;
    pub const INTERNAL: i32 = 13;
    pub const UNAVAILABLE: i32 = 14;
}

fn reason(error: &Refusal) -> Reason {
    match error {
        Refusal::Server(refused) if NOT_LOADED.contains(&refused.code()) => Reason::NotLoaded,
        Refusal::Grpc(status) if status.code() as i32 == tonic_code::OUT_OF_RANGE => Reason::TooLarge,
        _ => Reason::Other,
    }
}

/// Major and minor of a version as servers write it, such as `v2.5.4` or `milvus-lite-3.2.2`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|letter: char| letter.is_ascii_digit())?;
    let mut parts = text.get(start..)?.split('.');
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some((digits(parts.next()?)?, digits(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_write_them() {
        assert_eq!(version_of("v2.5.4"), Some((2, 5)));
        assert_eq!(version_of("milvus-lite-3.2.2"), Some((3, 2)));
        assert_eq!(version_of("2.3.1-dev"), Some((2, 3)));
        assert_eq!(version_of("unknown"), None);
    }

    #[test]
    fn names_that_milvus_would_refuse_are_refused_first() {
        let check = |name: &str| {
            let (uri, collection) = ("http://127.0.0.1:1".to_owned(), name.to_owned());
            let (token, authority) = (None, None);
            let (patience, patience_of_searches) = (Duration::ZERO, Duration::ZERO);
            Connection { uri, token, collection, authority, patience, patience_of_searches, replicas: 1 }
                .check()
                .is_ok()
        };
        assert!(check("frontload") && check("_a1"));
        assert!(!check("") && !check("1a") && !check("a-b") && !check("a\" or true") && !check(&"a".repeat(201)));
    }
}
