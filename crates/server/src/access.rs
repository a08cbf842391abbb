//! Who may do what: keys with a role, kept as hashes, and the check before every request.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tonic::{Code, Status};

use crate::{convert, http::failed};

/// How a key begins, so that one that leaks is known for what it is.
const PREFIX: &str = "frontload_";
/// Anybody may see these: they say nothing about what is indexed.
const OPEN: [&str; 7] =
    ["/", "/livez", "/readyz", "/openapi.json", "/assets/", "/favicon.ico", "/grpc.health.v1.Health/"];
/// These change something.
const FULL: [&str; 6] = [
    "/v1/feedback",
    "/v1/reload",
    "/v1/review/decisions",
    "/v1/review/publish",
    "/frontload.v1.FrontloadService/Feedback",
    "/frontload.v1.FrontloadService/Reload",
];

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// To ask.
    Read,
    /// Everything.
    Full,
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "full" => Ok(Self::Full),
            other => Err(format!("{other:?} is no role; there are read and full")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if *self == Self::Read { "read" } else { "full" })
    }
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, io::Error),
    /// It says something else than keys.
    #[error("{0}: {1}")]
    Malformed(PathBuf, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    role: Role,
    blake3: String,
}

/// One key, as it is kept.
struct Key {
    name: String,
    role: Role,
    hash: blake3::Hash,
}

/// The keys there are; without any, everybody on this machine may do everything.
#[derive(Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// When it cannot be read, holds something else, or no key at all.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(|error| KeyError::Unreadable(path.to_owned(), error))?;
        let wrong = |told: String| KeyError::Malformed(path.to_owned(), told);
        let file: File = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let key = |Line { name, role, blake3 }: Line| {
            let hash = blake3::Hash::from_hex(&blake3);
            let hash = hash.map_err(|error| wrong(format!("key {name:?}: {error}")))?;
            Ok(Key { name, role, hash })
        };
        let keys = file.key.into_iter().map(key).collect::<Result<Vec<_>, KeyError>>()?;
        if keys.is_empty() {
            return Err(wrong("it holds no key; `frontload key NAME` makes one".to_owned()));
        }
        Ok(Self(keys))
    }

    /// Whose keys they are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.name.as_str())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key it is. Every key is compared, each in constant time: blake3's hashes compare so.
    fn owner(&self, given: &str) -> Option<(&str, Role)> {
        let hash = blake3::hash(given.as_bytes());
        let mut owner = None;
        for key in &self.0 {
            if key.hash == hash {
                owner = Some((key.name.as_str(), key.role));
            }
        }
        owner
    }
}

/// Makes a key: the key itself, which is kept nowhere, and the lines for the file.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_key(name: &str, role: Role) -> io::Result<(String, String)> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("{PREFIX}{random}");
    let hash = blake3::hash(key.as_bytes()).to_hex();
    let name = toml::Value::String(name.to_owned());
    Ok((key, format!("[[key]]\nname = {name}\nrole = \"{role}\"\nblake3 = \"{hash}\"\n")))
}

/// Checks every request before anything else sees it.
pub(crate) async fn check(State(keys): State<Arc<Keys>>, request: Request, next: Next) -> Response {
    match allowed(&keys, &request) {
        Ok(()) => next.run(request).await,
        Err(status) if is_grpc(request.headers()) => status.into_http::<axum::body::Body>().into_response(),
        Err(status) => failed(&status),
    }
}

fn allowed(keys: &Keys, request: &Request) -> Result<(), Status> {
    if keys.is_empty() {
        return if is_local(request) {
            Ok(())
        } else {
            let told = "this service answers under loopback names alone: it has no keys";
            Err(convert::error(Code::PermissionDenied, "NOT_LOCAL", told))
        };
    }
    let path = request.uri().path();
    let open = |known: &&str| path == *known || (known.len() > 1 && known.ends_with('/') && path.starts_with(*known));
    if OPEN.iter().any(open) {
        return Ok(());
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given =
        given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let given = given.map_or("", |(_, key)| key.trim());
    let Some((name, role)) = keys.owner(given) else {
        let told = "a key is needed: authorization: Bearer KEY";
        return Err(convert::error(Code::Unauthenticated, "NO_KEY", told));
    };
    if role < Role::Full && FULL.contains(&path) {
        let told = format!("the key {name:?} may only read");
        return Err(convert::error(Code::PermissionDenied, "READ_ONLY", told));
    }
    Ok(())
}

/// A page elsewhere can have its own name point here, and would then read what it likes: the name it was reached by
/// gives it away.
fn is_local(request: &Request) -> bool {
    let named = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let Some(authority) = named.or(request.uri().authority().map(axum::http::uri::Authority::as_str)) else {
        return true;
    };
    // It may also send what it may not read.
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        if own.is_none_or(|(_, at)| at != authority) {
            return false;
        }
    }
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let host = host.map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn keys() -> (Keys, [String; 2]) {
        let (read, first) = new_key("page", Role::Read).expect("random");
        let (full, second) = new_key("admin \"x\"", Role::Full).expect("random");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        fs::write(&path, first + &second).expect("written");
        (Keys::read(&path).expect("valid"), [read, full])
    }

    fn asked(path: &str, key: Option<&str>) -> Request {
        let mut request = Request::builder().uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        request.body(Body::empty()).expect("a request")
    }

    #[test]
    fn keys_open_what_their_role_allows() {
        let (keys, [read, full]) = keys();
        let check = |path: &str, key: Option<&str>, expected: Option<Code>| {
            assert_eq!(allowed(&keys, &asked(path, key)).err().map(|status| status.code()), expected, "{path} {key:?}");
        };
        check("/v1/search", None, Some(Code::Unauthenticated));
        check("/v1/search", Some("frontload_00"), Some(Code::Unauthenticated));
        check("/v1/search", Some(&read), None);
        check("/v1/feedback", Some(&read), Some(Code::PermissionDenied));
        check("/frontload.v1.FrontloadService/Reload", Some(&read), Some(Code::PermissionDenied));
        check("/v1/feedback", Some(&full), None);
        check("/metrics", None, Some(Code::Unauthenticated));
        for path in ["/", "/livez", "/assets/app.js", "/grpc.health.v1.Health/Check"] {
            check(path, None, None);
        }
    }

    #[test]
    fn without_keys_only_loopback_names_are_answered() {
        let check = |host: &str, expected: bool| {
            let request = Request::builder().uri("/v1/search").header("host", host).body(Body::empty());
            assert_eq!(allowed(&Keys::default(), &request.expect("a request")).is_ok(), expected, "{host}");
        };
        check("127.0.0.1:7080", true);
        check("localhost", true);
        check("[::1]:7080", true);
        check("frontload.example:7080", false);
        check("127.0.0.1.example", false);
    }

    #[test]
    fn without_keys_other_pages_are_not_answered() {
        let check = |origin: &str, expected: bool| {
            let request =
                Request::builder().uri("/v1/search").header("host", "127.0.0.1:7080").header("origin", origin);
            let request = request.body(Body::empty()).expect("a request");
            assert_eq!(allowed(&Keys::default(), &request).is_ok(), expected, "{origin}");
        };
        check("http://127.0.0.1:7080", true);
        check("http://127.0.0.1:8000", false);
        check("https://evil.example", false);
        check("null", false);
    }

    #[test]
    fn what_is_no_file_of_keys_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |text: &str, expected: &str| {
            let path = folder.path().join("keys.toml");
            fs::write(&path, text).expect("written");
            let told = Keys::read(&path).err().expect("refused").to_string();
            assert!(told.contains(expected), "{told}");
        };
        check("", "holds no key");
        check("[[key]]\nname = \"a\"\nrole = \"read\"\nblake3 = \"00\"\n", "key \"a\"");
        check("[[key]]\nname = \"a\"\nrole = \"some\"\nblake3 = \"00\"\n", "some");
    }
}
