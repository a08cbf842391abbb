//! The other ways to name a language model: out of the hub's cache, and behind an OpenAI-compatible endpoint.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use frontload_core::{Generator, Message, Prompt};
use frontload_models::{LlamaOptions, LlamaProcess};
use serde_json::{Value, json};

use crate::bench::{Bench, Ended, json_lines, models};

const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

#[test]
fn a_cached_hub_model_works_offline() {
    let bench = Bench::new();
    // The hub client's cache: a branch names a commit, a commit's folder holds the files.
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let repository = "hub/models--someone--small";
    bench.write(&format!("{repository}/refs/main"), commit);
    let file = bench.path(&format!("{repository}/snapshots/{commit}/{MODEL}"));
    fs::create_dir_all(file.parent().expect("a parent")).expect("made");
    std::os::unix::fs::symlink(models().join(MODEL), &file).expect("linked");
    let output = bench
        .command(["--json", "--model", &format!("hf:someone/small/{MODEL}"), "index", "corpus"])
        .env("HF_HOME", bench.path(""))
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .expect("runs");
    let built = Ended::of(output).succeeded().json();
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&6.into(), &0.into()), "{built}");
}

#[test]
fn an_endpoint_is_asked_like_any_model() {
    let bench = Bench::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let address = serve_model(Arc::clone(&asked));
    let model = format!("http://{address}/v1#small");
    let arguments = ["--json", "--model", &model, "index", "corpus"];
    let built = Ended::of(bench.command(arguments).env("FRONTLOAD_API_KEY", "sesame").output().expect("runs"));
    let built = built.succeeded().json();
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&6.into(), &0.into()), "{built}");
    let asked = asked.lock().expect("whole");
    assert_eq!(asked.len(), 6);
    for (head, body) in asked.iter() {
        assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
        assert!(head.to_lowercase().contains("authorization: bearer sesame"), "{head}");
        assert_eq!((&body["model"], &body["temperature"]), (&"small".into(), &0.into()));
        let roles: Vec<&str> =
            body["messages"].as_array().expect("turns").iter().filter_map(|m| m["role"].as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
    }
    // Every answer is in the ledger as it came, and the key is nowhere in it.
    let ledger = bench.path(".frontload/ledger/000001.jsonl");
    let answers =
        json_lines(&ledger).iter().filter(|line| line["record"]["answer"]["result"]["Ok"]["text"].is_string()).count();
    assert_eq!(answers, 6);
    assert!(!fs::read_to_string(ledger).expect("a ledger").contains("sesame"));
    // A second run asks nothing.
    assert!(bench.json(&["--model", &model, "index", "corpus"])["calls"].is_null());
}

/// A chat endpoint over the real small model; gives back its address and notes what it was asked.
fn serve_model(asked: Arc<Mutex<Vec<(String, Value)>>>) -> String {
    let worker = (PathBuf::from(env!("CARGO_BIN_EXE_frontload")), vec!["__llm-worker".to_owned()]);
    let options = LlamaOptions { slots: 1, ..LlamaOptions::new(worker.0, worker.1) };
    let model = LlamaProcess::new(&models().join(MODEL), options).expect("the model");
    let model = Arc::new(Mutex::new(model));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (asked, model) = (Arc::clone(&asked), Arc::clone(&model));
            thread::spawn(move || answer(stream, &asked, &model));
        }
    });
    address
}

/// Answers the one request of a connection.
fn answer(stream: TcpStream, asked: &Mutex<Vec<(String, Value)>>, model: &Mutex<LlamaProcess>) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).expect("a line") < 3 {
            break;
        }
        if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().expect("a length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let messages: Vec<Message> = serde_json::from_value(body["messages"].clone()).expect("turns");
    asked.lock().expect("whole").push((head, body));
    let prompt = Prompt { id: 0, messages, grammar: None, max_tokens: 60 };
    let mut told = None;
    let mut model = model.lock().expect("whole");
    model
        .generate(&mut std::iter::once(prompt), &mut |_, result| {
            told = result.ok();
            ControlFlow::Continue(())
        })
        .expect("the model runs");
    let told = told.expect("an answer");
    let reply = json!({
        "choices": [{"message": {"role": "assistant", "content": told.text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": told.prompt_tokens, "completion_tokens": told.answer_tokens},
    })
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reply.len()
    );
    reader.get_mut().write_all((head + &reply).as_bytes()).expect("written");
}
