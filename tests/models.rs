//! The other ways to name a language model: out of the hub's cache, and behind an OpenAI-compatible endpoint.

use std::{
    fs,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use frontload_core::{Constraint, Generator, Message, Prompt};
use frontload_models::{LlamaOptions, LlamaProcess};
use frontload_server::v1::{AnswerRequest, frontload_service_client::FrontloadServiceClient};
use serde_json::{Value, json};

use crate::{
    bench::{Bench, Ended, json_lines, models},
    http::{Reply, serve},
};

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
    // Each prompt is to be asked once, and on a busy machine the model behind the endpoint may be slow.
    let arguments = ["--json", "--model", &model, "index", "--patience", "3000", "--deadline", "3000", "corpus"];
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

#[test]
fn trouble_with_an_endpoint_costs_nothing_that_was_paid_for() {
    let bench = Bench::new();
    // A wrong key is nobody's failure: nothing is noted, and with the right one all is well.
    let locked = serve(|head, _| {
        let known = head.to_lowercase().contains("bearer sesame");
        if known { Reply::said("mood: calm") } else { Reply::Whole(401, "", "{\"error\": \"no key\"}".to_owned()) }
    });
    let model = format!("http://{locked}/v1#small");
    let refused = bench.run(&["--model", &model, "index", "corpus"]).exited(4);
    assert!(refused.stderr.contains("401") && refused.stderr.contains("no key"), "{}", refused.stderr);
    let output =
        bench.command(["--json", "--model", &model, "index", "corpus"]).env("FRONTLOAD_API_KEY", "sesame").output();
    let built = Ended::of(output.expect("runs")).succeeded().json();
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&6.into(), &0.into()), "{built}");

    // One prompt is never answered; the others are kept, and a cut answer is asked again when told to.
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let patchy = serve(move |_, body| {
        *counted.lock().expect("whole") += 1;
        let text = body["messages"].to_string();
        match text {
            text if text.contains("new bell was hung") => {
                Reply::Whole(400, "", "{\"error\": \"not this one\"}".to_owned())
            }
            text if text.contains("The strong man") => match Reply::said("mood: half a th") {
                Reply::Whole(status, header, body) => Reply::Whole(status, header, body.replace("stop", "length")),
                other => other,
            },
            _ => Reply::said("mood: calm"),
        }
    });
    let model = format!("http://{patchy}/v1#small");
    let ended = bench.run(&["--json", "--model", &model, "index", "corpus"]).exited(3).json();
    assert_eq!((ended["quarantined"].as_array().map(Vec::len), *asked.lock().expect("whole")), (Some(2), 6), "{ended}");
    bench.run(&["--model", &model, "index", "corpus"]).exited(3);
    assert_eq!(*asked.lock().expect("whole"), 6, "what failed was asked again unasked");
    let again = bench.run(&["--json", "--model", &model, "index", "--retry-failed", "corpus"]).exited(3).json();
    assert_eq!((&again["calls"]["planned"], *asked.lock().expect("whole")), (&2.into(), 8), "{again}");
}

#[test]
fn a_service_ends_while_an_answer_is_written() {
    let bench = Bench::new();
    bench.plain_index();
    let (arrived, arrivals) = std::sync::mpsc::channel();
    let arrived = Mutex::new(arrived);
    let silent = serve(move |_, _| {
        arrived.lock().expect("whole").send(()).expect("the test waits");
        Reply::Silent(Duration::from_secs(600))
    });
    let model = format!("http://{silent}/v1#small");
    let mut service =
        bench.command(["--json", "--model", &model, "serve", "--listen", "127.0.0.1:0"]).spawn().expect("starts");
    let mut line = String::new();
    BufReader::new(service.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let told: Value = serde_json::from_str(&line).expect("JSON");
    let address = format!("http://{}", told["listening"].as_str().expect("an address"));
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut client = FrontloadServiceClient::connect(address).await.expect("connects");
            let asked = AnswerRequest { question: "When was the bell hung?".into(), k: 2, ..AnswerRequest::default() };
            if let Ok(events) = client.answer(asked).await {
                let mut events = events.into_inner();
                while let Ok(Some(_)) = events.message().await {}
            }
        });
    });
    arrivals.recv().expect("the question arrives at the endpoint");
    let pid = service.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    for _ in 0..600 {
        if service.try_wait().expect("a child").is_some() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    service.kill().expect("killed");
    panic!("the service waits for an answer that nobody waits for");
}

/// A chat endpoint over the real small model; gives back its address and notes what it was asked.
pub fn serve_model(asked: Arc<Mutex<Vec<(String, Value)>>>) -> String {
    let worker = (PathBuf::from(env!("CARGO_BIN_EXE_frontload")), vec!["__llm-worker".to_owned()]);
    let options = LlamaOptions { slots: 1, ..LlamaOptions::new(worker.0, worker.1) };
    let model = Mutex::new(LlamaProcess::new(&models().join(MODEL), options).expect("the model"));
    serve(move |head, body| {
        let messages: Vec<Message> = serde_json::from_value(body["messages"].clone()).expect("turns");
        asked.lock().expect("whole").push((head.to_owned(), body.clone()));
        let schema = body["response_format"]["json_schema"]["schema"].clone();
        let constraint = schema.is_object().then_some(Constraint::JsonSchema(schema));
        let prompt = Prompt { id: 0, messages, shared_bytes: 0, constraint, max_tokens: 120 };
        let mut told = None;
        let generated = model.lock().expect("whole").generate(&mut std::iter::once(prompt), &mut |_, result| {
            told = result.ok();
            ControlFlow::Continue(())
        });
        generated.expect("the model runs");
        let told = told.expect("an answer");
        let reply = json!({
            "choices": [{"message": {"role": "assistant", "content": told.text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": told.prompt_tokens, "completion_tokens": told.answer_tokens},
        });
        Reply::ok(reply.to_string())
    })
}

/// An adapter for the small model as llama.cpp reads it: one layer's values, moved by `by`.
fn adapter(by: f32) -> Vec<u8> {
    const WIDTH: u64 = 576;
    const OUT: u64 = 192;
    let mut file = Vec::new();
    let number = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    let text = |file: &mut Vec<u8>, value: &str| {
        file.extend((value.len() as u64).to_le_bytes());
        file.extend(value.as_bytes());
    };
    file.extend(b"GGUF");
    file.extend(3_u32.to_le_bytes());
    number(&mut file, 2);
    number(&mut file, 4);
    for (key, value) in [("general.architecture", "llama"), ("general.type", "adapter"), ("adapter.type", "lora")] {
        text(&mut file, key);
        file.extend(8_u32.to_le_bytes());
        text(&mut file, value);
    }
    text(&mut file, "adapter.lora.alpha");
    file.extend(6_u32.to_le_bytes());
    file.extend(1_f32.to_le_bytes());
    let mut offset = 0;
    for (name, shape) in [("blk.0.attn_v.weight.lora_a", [WIDTH, 1]), ("blk.0.attn_v.weight.lora_b", [1, OUT])] {
        text(&mut file, name);
        file.extend(2_u32.to_le_bytes());
        for side in shape {
            number(&mut file, side);
        }
        file.extend(0_u32.to_le_bytes());
        number(&mut file, offset);
        offset += shape[0] * shape[1] * 4;
    }
    file.resize(file.len().next_multiple_of(32), 0);
    (0..WIDTH + OUT).for_each(|_| file.extend(by.to_le_bytes()));
    file
}

#[test]
fn an_adapter_changes_what_the_model_says_and_what_names_it() {
    let bench = Bench::new();
    bench.plain_index();
    bench.write("nothing.gguf", adapter(0.0));
    bench.write("much.gguf", adapter(1.0));
    bench.write("broken.gguf", "GGUF and no more");
    let ask = |lora: &[&str]| {
        let question = ["ask", "-k", "2", "--mode", "write", "When was the new bell hung?"];
        bench.run(&[&["--json"], lora, &question].concat())
    };
    let said = |ended: crate::bench::Ended| ended.json()["answer"].clone();
    let plain = said(ask(&[]));
    assert_eq!(plain, said(ask(&["--lora", "nothing.gguf"])));
    assert_ne!(plain, said(ask(&["--lora", "much.gguf"])));
    let broken = ask(&["--lora", "broken.gguf"]).exited(4);
    assert!(broken.stderr.contains("broken.gguf cannot adapt this model"), "{}", broken.stderr);
    // What one adapter wrote is not taken for what another would.
    let first = bench.json(&["index", "corpus"]);
    let second = bench.json(&["--lora", "nothing.gguf", "index", "corpus"]);
    assert_eq!((&first["calls"]["planned"], &second["calls"]["planned"]), (&6.into(), &6.into()), "{second}");
}
