//! HTTP/2 by hand, for what no client library sends: RFC 9113's frames, and RFC 7541's headers without any table.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The setting of how many calls may be open on a connection.
pub const MAX_CONCURRENT_STREAMS: u16 = 3;

/// `SETTINGS_INITIAL_WINDOW_SIZE`, of nothing: no body may be sent to us.
pub const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// No service takes so long for what these tests wait for.
const PATIENCE: Duration = Duration::from_secs(180);

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags][..], &stream.to_be_bytes()[..], payload].concat()
}

/// The headers of a call.
pub fn head(call: &str, timeout: Option<&str>) -> Vec<u8> {
    let path = format!("/frontload.v1.FrontloadService/{call}");
    let mut block = Vec::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path.as_str()),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in fields.into_iter().chain(timeout.map(|timeout| ("grpc-timeout", timeout))) {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("a short text"));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A message as gRPC frames it.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// A field of text, or of a message, in protobuf.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![(number << 3) | 2];
    let mut length = bytes.len();
    while length > 127 {
        encoded.push(((length & 127) as u8) | 128);
        length >>= 7;
    }
    encoded.push(length as u8);
    encoded.extend(bytes);
    encoded
}

/// A whole call on a stream of its own.
pub fn call(stream: u32, name: &str, timeout: Option<&str>, request: &[u8]) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &head(name, timeout));
    [head, frame(DATA, END_STREAM, stream, &message(request))].concat()
}

/// A connection that a test holds in its hands.
pub struct Raw(TcpStream);

impl Raw {
    /// Connects, and says nothing.
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address.split_once("://").map_or(address, |(_, at)| at)).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        // A service that takes nothing more may do so.
        stream.set_write_timeout(Some(Duration::from_secs(3))).expect("set");
        Self(stream)
    }

    /// Connects and begins HTTP/2 with these settings.
    pub fn greeted(address: &str, settings: &[u8]) -> Self {
        let mut raw = Self::connect(address);
        assert!(raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()), "it does not even listen");
        raw
    }

    /// Whether all of it could be sent.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Reads the service's settings, which are the first that it says, and gives back one of them.
    pub fn told(&mut self, setting: u16) -> Option<u32> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).expect("a frame");
        assert_eq!(head[3], SETTINGS, "{head:?}");
        let mut settings = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        self.0.read_exact(&mut settings).expect("settings");
        let named = |pair: &&[u8]| pair[..2] == setting.to_be_bytes();
        settings.chunks_exact(6).find(named).map(|pair| u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]))
    }

    /// Waits until the service closes the connection, which it has to.
    pub fn is_closed(&mut self, what: &str) {
        let ended = self.0.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        // Also when it was reset.
        assert!(!matches!(ended, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{what}: the connection stays");
    }
}
