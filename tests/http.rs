//! A scripted HTTP server on loopback, for what a real endpoint or the network before it may do.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use serde_json::Value;

/// What a server does with one request.
pub enum Reply {
    /// Status, further header lines, body.
    Whole(u16, &'static str, String),
    /// Says that a body of this comes, and closes in its middle.
    Cut(String),
    /// Says nothing for so long, and closes.
    Silent(Duration),
}

impl Reply {
    /// An answer as endpoints write it, one without counts of tokens.
    pub fn said(text: &str) -> Self {
        let choice = serde_json::json!({"message": {"content": text}, "finish_reason": "stop"});
        Self::ok(serde_json::json!({"choices": [choice], "usage": null}).to_string())
    }

    pub fn ok(body: String) -> Self {
        Self::Whole(200, "", body)
    }
}

/// Serves HTTP on loopback, one request a connection: head and body in, a reply out. Gives back the address.
pub fn serve(answer: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let Some((head, body)) = request(&mut reader) else { return };
                let (status, header, body, sent) = match answer(&head, &body) {
                    Reply::Whole(status, header, body) => (status, header, body.clone(), body.len()),
                    Reply::Cut(body) => (200, "", body.clone(), body.len() / 2),
                    Reply::Silent(time) => return thread::sleep(time),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} told\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{header}\
                     connection: close\r\n\r\n"
                );
                // A client that has gone needs no answer.
                let _ = reader.get_mut().write_all(head.as_bytes());
                let _ = reader.get_mut().write_all(&body.as_bytes()[..sent]);
            });
        }
    });
    address
}

/// Reads a request: its head and its body.
pub fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? < 3 {
            break;
        }
        if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Sends a request body on to a real server and gives back its status and body.
pub fn forward(address: &str, body: &Value) -> (u16, String) {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).expect("sent");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("an answer");
    let reply = String::from_utf8(reply).expect("UTF-8");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    (status, if chunked { unchunked(body) } else { body.to_owned() })
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}
