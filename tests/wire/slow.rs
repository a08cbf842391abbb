//! Clients that say too little, take too little or come in too great a number.

use std::{
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use super::{
    MORE, PATIENCE, Watched,
    frames::{NO_WINDOW, PREFACE, Raw, SETTINGS, call, field, frame},
    open_files, processor, reached, resident, search, signal, until,
};
use crate::{
    bench::models,
    served::{Served, handled},
    web::certificates,
};

#[tokio::test]
async fn who_says_too_little_is_let_go() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let address = &watched.served.address;
    let post =
        "POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 90\r\n";
    let beginnings: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("half of HTTP/2's preface", PREFACE[..14].to_vec()),
        ("half a head", b"GET /livez HTTP/1.1\r\nhost: local".to_vec()),
        ("half a body", format!("{post}\r\n{{\"query\": ").into_bytes()),
        // It is gone, as far as anybody can tell: no ping is answered.
        ("a greeting", [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()),
        ("half a message", [PREFACE, &frame(SETTINGS, 0, 0, b""), &call(1, "Search", None, b"")[..60]].concat()),
    ];
    let mut waiting = Vec::new();
    for (what, said) in beginnings {
        for _ in 0..8 {
            let mut raw = Raw::connect(address);
            assert!(raw.send(&said), "{what}");
            waiting.push((what, raw));
        }
    }
    watched.goes_on("connections that say too little").await;
    for (what, raw) in &mut waiting {
        raw.is_closed(what);
    }
    watched.is_alone("every connection is given back").await;
    watched.goes_on("connections that said too little").await;
    watched.ends();
}

#[tokio::test]
async fn who_takes_nothing_holds_nobody_up() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    // It answers no ping either, but for that there is time: what counts is that the work is done and given back.
    let mut raw = Raw::greeted(&watched.served.address, &NO_WINDOW);
    for number in 0..50 {
        let search = call(number * 4 + 1, "Search", None, &field(1, b"bell"));
        let answer = call(number * 4 + 3, "Answer", None, &field(1, b"When was the new bell hung?"));
        assert!(raw.send(&[search, answer].concat()));
    }
    // On a slow machine some of so many are refused.
    reached(&watched.served, "Search", &["OK", "RESOURCE_EXHAUSTED"], 51).await;
    reached(&watched.served, "Answer", &["OK"], 50).await;
    watched.goes_on("answers that nobody takes").await;
    drop(raw);
    // Many small requests with large answers, none of which is read: at some point the service can send no more.
    let mut raw = Raw::connect(&watched.served.address);
    let asked = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    for _ in 0..40 {
        if !raw.send(asked.as_bytes()) {
            break;
        }
    }
    watched.goes_on("pages that nobody takes").await;
    watched.is_alone("the connection is closed while it is not read").await;
    watched.goes_on("pages that nobody took").await;
    drop(raw);
    watched.ends();
}

#[tokio::test]
async fn a_slow_handshake_holds_nobody_up() {
    let bench = handled();
    let (authority, _) = certificates(&bench);
    let listen = ["--json", "serve", "--listen", "127.0.0.1:0", "--no-model"];
    let tls = ["--tls-cert", "service.pem", "--tls-key", "service.key"];
    let mut served = Served::started(&bench, &[&listen[..], &tls].concat(), "https");
    let mut slow: Vec<Raw> = (0..100).map(|_| Raw::connect(&served.address)).collect();
    for raw in &mut slow {
        assert!(raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
    }
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().expect("a client");
    // One after the other, so many handshakes would take longer.
    let found = client.get(format!("{}/v1/search?q=bell", served.address)).send();
    let found = tokio::time::timeout(PATIENCE, found).await.expect("it waits for the others").expect("answered");
    assert!(found.status().is_success(), "{found:?}");
    for raw in &mut slow {
        raw.is_closed("half a handshake");
    }
    signal(&served, "TERM");
    assert!(served.child.wait().expect("a child").success());
}

#[tokio::test]
async fn out_of_files_it_waits_and_then_goes_on() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let mut before = watched.served.client().await;
    search(&mut before, "bell").await.expect("found");
    // No more than a few files beyond those that are open.
    let few = open_files(&watched.served) + 10;
    let limit = [format!("--pid={}", watched.served.child.id()), format!("--nofile={few}:{few}")];
    assert!(Command::new("prlimit").args(limit).status().expect("prlimit runs").success());
    let at = watched.served.address.trim_start_matches("http://");
    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(at).expect("connects")).collect();
    until("it is out of files", || open_files(&watched.served) >= few).await;
    // Who was there before is served, and nothing runs in circles.
    search(&mut before, "bell").await.expect("found");
    let used = processor(&watched.served);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = processor(&watched.served) - used;
    assert!(used < 60, "{used} hundredths of a second of work in two seconds of waiting");
    search(&mut before, "bell").await.expect("found");
    drop(crowd);
    watched.goes_on("more connections than files").await;
    watched.ends();
}

#[tokio::test]
async fn half_of_its_files_are_for_connections() {
    let bench = handled();
    let mut command = Command::new("prlimit");
    command.args(["--nofile=256:256", env!("CARGO_BIN_EXE_frontload"), "--json", "serve", "--listen", "127.0.0.1:0"]);
    command.arg("--no-model").current_dir(bench.path("")).env("FRONTLOAD_MODELS", models());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut served = Served::spawned(command, "http");
    search(&mut served.client().await, "bell").await.expect("found");
    let (before, open) = (resident(&served), open_files(&served));
    let at = served.address.trim_start_matches("http://");
    let crowd: Vec<TcpStream> = (0..250).map(|_| TcpStream::connect(at).expect("connects")).collect();
    // All places are taken by who says nothing; those are let go, and whoever waits is served.
    until("the places are taken", || open_files(&served) >= open + 100).await;
    assert!(open_files(&served) <= open + 130, "{} files", open_files(&served));
    search(&mut served.client().await, "bell").await.expect("found");
    assert!(resident(&served) < before + MORE);
    drop(crowd);
    signal(&served, "TERM");
    assert!(served.child.wait().expect("a child").success());
}
