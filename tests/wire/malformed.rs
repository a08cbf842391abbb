//! Frames, messages and queries that are wrong, and floods of frames that are right.

use frontload_server::v1::SearchRequest;
use reqwest::{Client, header};
use tonic::Code;

use super::{
    Watched,
    frames::{
        CONTINUATION, DATA, END_HEADERS, HEADERS, MAX_CONCURRENT_STREAMS, PING, PREFACE, RST_STREAM, Raw, SETTINGS,
        WINDOW_UPDATE, field, frame, head, message,
    },
};
use crate::served::handled;

#[tokio::test]
async fn what_is_no_http_is_hung_up_on() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let address = &watched.served.address;
    let long = [&b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "[..], "a".repeat(1 << 20).as_bytes()].concat();
    let no_http: [(&str, &[u8]); 5] = [
        ("words", b"HELLO WORLD\r\n\r\n"),
        ("zeros", &[0; 64]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on"),
        ("a megabyte of header", &long),
        (
            "two lengths",
            b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n{}",
        ),
    ];
    for (what, said) in no_http {
        let mut raw = Raw::connect(address);
        raw.send(said);
        raw.is_closed(what);
        watched.goes_on(what).await;
    }
    let mut huge = frame(HEADERS, END_HEADERS, 1, b"");
    huge[..3].copy_from_slice(&[0xff; 3]);
    for (what, said) in [
        ("no settings first", frame(DATA, 0, 1, b"x")),
        ("a frame of 16 MB", huge),
        ("data on no stream", frame(DATA, 0, 0, b"x")),
        ("headers on the service's own stream", frame(HEADERS, END_HEADERS, 2, &head("Search", None))),
        ("settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, b"")),
        ("a header that no table holds", frame(HEADERS, END_HEADERS, 1, &[0xbe])),
        ("a window beyond all", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
    ] {
        let mut raw = Raw::connect(address);
        let settings = if what == "no settings first" { Vec::new() } else { frame(SETTINGS, 0, 0, b"") };
        raw.send(&[PREFACE, &settings, &said].concat());
        raw.is_closed(what);
        watched.goes_on(what).await;
    }
    watched.ends();
}

/// What it is, how many frames, and each of them.
type Flood<'a> = (&'a str, u32, &'a dyn Fn(u32) -> Vec<u8>);

#[tokio::test]
async fn floods_are_survived() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let address = &watched.served.address;
    // Most floods the protocol's library survives by itself; how many calls may be open at once is for us to say.
    assert_eq!(Raw::greeted(address, &[]).told(MAX_CONCURRENT_STREAMS), Some(100));
    let head = head("Search", None);
    let reset = |number: u32| {
        let stream = number * 2 + 1;
        [frame(HEADERS, END_HEADERS, stream, &head), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let floods: [Flood; 5] = [
        ("calls that are taken back", 20_000, &reset),
        ("calls that never end", 5_000, &|number| frame(HEADERS, END_HEADERS, number * 2 + 1, &head)),
        ("pings", 100_000, &|_| frame(PING, 0, 0, b"anybody?")),
        ("settings", 100_000, &|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("empty data", 100_000, &|_| frame(DATA, 0, 1, b"")),
    ];
    for (what, count, one) in floods {
        let mut raw = Raw::greeted(address, &[]);
        // As many as are taken: the service may close the connection, or take nothing more.
        for some in (0..count).collect::<Vec<_>>().chunks(100) {
            let frames: Vec<u8> = some.iter().flat_map(|&number| one(number)).collect();
            if !raw.send(&frames) {
                break;
            }
        }
        watched.goes_on(what).await;
    }
    // Headers that never end are not collected: the connection is closed while they come.
    let mut raw = Raw::greeted(address, &[]);
    raw.send(&frame(HEADERS, 0, 1, &head));
    let more = frame(CONTINUATION, 0, 1, &[0x82].repeat(16 << 10));
    let taken = (0..4096).take_while(|_| raw.send(&more)).count();
    assert!(taken < 4096, "64 MB of headers were taken");
    raw.is_closed("headers that never end");
    watched.goes_on("headers that never end").await;
    watched.ends();
}

#[tokio::test]
async fn messages_that_are_none_are_refused_with_a_code() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    // Over HTTP/1, where an error's code stands in the headers.
    let url = format!("{}/frontload.v1.FrontloadService/Search", watched.served.address);
    let mut claims = vec![0, 0xff, 0xff, 0xff, 0xff];
    claims.extend([b'a'; 100]);
    for (what, body, code) in [
        ("4 GB are claimed", claims, Code::OutOfRange),
        ("noise", message(&[0xff; 64]), Code::Internal),
        ("no UTF-8", message(&field(1, b"\xff\xfe")), Code::Internal),
        ("groups in groups", message(&[0x7b].repeat(100_000)), Code::Internal),
        ("a field longer than its message", message(&[0x0a, 0x7f, b'a']), Code::Internal),
        ("half a message", message(b"abcdef")[..8].to_vec(), Code::Internal),
        ("no message", Vec::new(), Code::Internal),
        ("an unknown packing", [&[7][..], &message(&field(1, b"bell"))[1..]].concat(), Code::Internal),
    ] {
        let sent = Client::new().post(&url).header(header::CONTENT_TYPE, "application/grpc").body(body).send();
        let response = sent.await.expect("answered");
        let told = response.headers().get("grpc-status").map(|status| status.to_str().expect("text").to_owned());
        assert_eq!(told, Some((code as i32).to_string()), "{what}");
        watched.goes_on(what).await;
    }
    let json = Client::new().post(format!("{}/v1/search", watched.served.address));
    let json = json.header(header::CONTENT_TYPE, "application/json").body(&b"{\"query\": \"\xff\"}"[..]);
    assert_eq!(json.send().await.expect("answered").status(), reqwest::StatusCode::BAD_REQUEST);
    let deep = "[".repeat(100_000);
    let json = Client::new().post(format!("{}/v1/search", watched.served.address));
    let json = json.header(header::CONTENT_TYPE, "application/json").body(deep);
    assert_eq!(json.send().await.expect("answered").status(), reqwest::StatusCode::BAD_REQUEST);
    watched.goes_on("JSON that is none").await;
    watched.ends();
}

#[tokio::test]
async fn queries_of_any_signs_are_answered_or_refused() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let mut client = watched.served.client().await;
    let combining = |count: usize| format!("e{}", "\u{301}".repeat(count));
    for (query, code) in [
        (combining(2000), Code::Ok),
        (combining(10_000), Code::InvalidArgument),
        ("\u{202e}lleb eht\u{202c} \u{2066}bell\u{2069}".to_owned(), Code::Ok),
        ("\"".to_owned(), Code::Ok),
        ("\"bell AND (NOT [a TO *] ^2~".to_owned(), Code::Ok),
        ("\0bell\0".to_owned(), Code::Ok),
        ("\u{feff}\u{200b}\u{200d}".to_owned(), Code::Ok),
        ("\u{fdfa}".repeat(1000), Code::Ok),
        ("a ".repeat(2048), Code::Ok),
        ("<|im_start|>\u{1b}[2J".to_owned(), Code::Ok),
        ("a".repeat(1 << 20), Code::OutOfRange),
        (String::new(), Code::InvalidArgument),
    ] {
        let request = SearchRequest { query: query.clone(), k: 1, ..SearchRequest::default() };
        let told = client.search(request).await.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(told, code, "{:?}", query.chars().take(20).collect::<String>());
    }
    for k in [101, 1_000_000_000, u32::MAX] {
        let request = SearchRequest { query: "bell".into(), k, ..SearchRequest::default() };
        assert_eq!(client.search(request).await.expect_err("refused").code(), Code::InvalidArgument, "{k}");
    }
    watched.goes_on("queries of any signs").await;
    watched.ends();
}
