//! A real llama-server, also behind a proxy that does what networks and overloaded servers do; and a batch that is
//! run elsewhere.

use std::{
    net::TcpListener,
    ops::ControlFlow,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use frontload_core::{Constraint, Generator, Message, Prompt};
use frontload_models::{LlamaOptions, LlamaProcess};
use serde_json::{Value, json};

use crate::{
    bench::{Bench, json_lines, models, root},
    http::{Reply, forward, serve},
};

const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// llama.cpp's own server on a free port; stopped when dropped.
struct LlamaServer {
    child: Child,
    address: String,
}

impl LlamaServer {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let tools = std::env::var_os("FRONTLOAD_TOOLS").map_or_else(|| root().join(".tools"), PathBuf::from);
        let program = tools.join("llama-peer/llama-server");
        let child = Command::new(&program)
            .arg("-m")
            .arg(models().join(MODEL))
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "-np", "2", "-c", "4096", "--threads", "2"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; tests/peer.sh builds it", program.display()));
        let server = Self { child, address: format!("127.0.0.1:{port}") };
        let started = Instant::now();
        while !server.ready() {
            assert!(started.elapsed() < Duration::from_secs(600), "llama-server does not come up");
            thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn ready(&self) -> bool {
        std::net::TcpStream::connect(&self.address).is_ok() && {
            let ping = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1});
            forward(&self.address, &ping).0 == 200
        }
    }
}

impl Drop for LlamaServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers(bench: &Bench) -> Vec<String> {
    let lines = json_lines(&bench.path(".frontload/ledger/000001.jsonl"));
    let text = |line: &Value| line["record"]["answer"]["result"]["Ok"]["text"].as_str().map(str::to_owned);
    lines.iter().filter_map(text).collect()
}

#[test]
fn a_real_server_obeys_the_schema_through_a_bad_network() {
    let server = LlamaServer::start();
    let address = server.address.clone();
    let met = Arc::new(Mutex::new(0));
    let count = Arc::clone(&met);
    let proxy = serve(move |_, body| {
        let turn = {
            let mut met = count.lock().expect("whole");
            *met += 1;
            *met
        };
        match turn {
            1 => Reply::Whole(429, "retry-after: 1\r\n", "{\"error\": \"slow down\"}".to_owned()),
            2 => Reply::Whole(500, "", "{\"error\": \"out of memory\"}".to_owned()),
            3 => Reply::Silent(Duration::from_secs(3)),
            4 => Reply::Cut(forward(&address, body).1),
            5 => Reply::said("{\"time\": [\"at noon\", \"mood\": }"),
            6 => Reply::ok("<html>gateway</html>".to_owned()),
            _ => {
                let (status, body) = forward(&address, body);
                Reply::Whole(status, "", body)
            }
        }
    });
    let bench = Bench::new();
    let model = format!("http://{proxy}/v1#small");
    // The model may need minutes for an answer where the machine is slow or busy; the silence is a hang-up here, and
    // one that outlasts the patience is the test below.
    let built = bench.json(&["--model", &model, "index", "--patience", "600", "--concurrency", "2", "corpus"]);
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&6.into(), &0.into()), "{built}");
    assert!(*met.lock().expect("whole") >= 12, "the trouble was not met");
    let answers = answers(&bench);
    assert_eq!(answers.len(), 6);
    for answer in answers {
        let answer: Value = serde_json::from_str(&answer).expect("JSON, as the schema says");
        for (kind, most) in [("time", 2), ("mood", 1)] {
            assert!(answer[kind].as_array().is_some_and(|items| items.len() <= most), "{answer}");
        }
    }
    // Nothing listens there any more: a second run needs nobody.
    drop(server);
    assert!(bench.json(&["--model", &model, "index", "corpus"])["calls"].is_null());
}

#[test]
fn a_passage_that_is_never_answered_is_given_up_and_the_rest_kept() {
    let proxy = serve(move |_, body| {
        if body.to_string().contains("gauge shows forty pounds") {
            return Reply::Silent(Duration::from_secs(3600));
        }
        Reply::said("{\"time\": [], \"mood\": [\"weary\"]}")
    });
    let bench = Bench::new();
    let model = format!("http://{proxy}/v1#scripted");
    let arguments = ["--json", "--model", &model, "index", "--patience", "5", "--deadline", "8", "corpus"];
    let built = bench.run(&arguments).exited(3).json();
    let left = built["quarantined"].as_array().expect("a list");
    assert_eq!((left.len(), &left[0]["id"]), (1, &json!("pump")), "{built}");
}

#[test]
fn a_server_without_schemas_is_asked_without() {
    let asked = Arc::new(Mutex::new((0, 0)));
    let counts = Arc::clone(&asked);
    let address = serve(move |_, body| {
        let mut counts = counts.lock().expect("whole");
        if body.get("response_format").is_some() {
            counts.0 += 1;
            return Reply::Whole(400, "", "{\"error\": \"unknown field response_format\"}".to_owned());
        }
        counts.1 += 1;
        let said = format!("{{\"time\": [], \"mood\": [\"unrest of sort {}\"]}}", counts.1);
        Reply::said(&format!("<think>\nLet me see.\n</think>\n```json\n{said}\n```"))
    });
    let bench = Bench::new();
    let built = bench.json(&["--model", &format!("http://{address}/v1"), "index", "--concurrency", "1", "corpus"]);
    assert_eq!((&built["calls"]["failed"], *asked.lock().expect("whole")), (&0.into(), (1, 6)), "{built}");
    assert!(bench.run(&["handles", "export"]).succeeded().stdout.contains("unrest of sort 3"));
}

#[test]
fn a_batch_goes_out_and_comes_back() {
    let bench = Bench::new();
    let model = ["--model", "batch:small"];
    let missing = bench.run(&[&model[..], &["index", "corpus"]].concat()).exited(4);
    assert!(missing.stderr.contains("frontload export prompts"), "{}", missing.stderr);
    bench.run(&[&model[..], &["export", "prompts", "corpus", "-o", "prompts.jsonl"]].concat()).succeeded();
    let prompts = json_lines(&bench.path("prompts.jsonl"));
    assert_eq!(prompts.len(), 6);
    let results = run_batch(&prompts);
    // Only part of the batch has come back, one of it refused, and a line that belongs to nobody.
    let mut first: Vec<String> = results[..4].to_vec();
    let refused =
        json!({"custom_id": prompts[4]["custom_id"], "response": {"status_code": 400, "body": {}}, "error": null});
    first.push(refused.to_string());
    first.push(json!({"custom_id": "nobody", "response": {"status_code": 200, "body": {}}, "error": null}).to_string());
    bench.write("results.jsonl", first.join("\n"));
    let import = ["--json", "--model", "batch:small", "import", "completions", "results.jsonl", "corpus"];
    let taken = bench.run(&import).exited(3).json();
    let count = |name: &str| taken[name].as_u64().expect("a count");
    assert_eq!((count("taken"), count("failed"), count("unknown"), count("missing")), (5, 1, 1, 1), "{taken}");
    bench.write("results.jsonl", "{\"custom_id\": 7}");
    let wrong = bench.run(&import).exited(2);
    assert!(wrong.stderr.contains("line 1"), "{}", wrong.stderr);

    bench.write("results.jsonl", &results[5]);
    bench.run(&import).succeeded();
    let built = bench.run(&["--json", "--model", "batch:small", "index", "corpus"]).exited(3).json();
    assert!(built["calls"].is_null() && built["handles"].as_u64() > Some(0), "{built}");
    assert_eq!(built["quarantined"].as_array().map(Vec::len), Some(1), "{built}");
    // What failed is asked again when told to, and nothing else is.
    let retry = ["--model", "batch:small", "export", "prompts", "--retry-failed", "corpus"];
    assert_eq!(bench.run(&retry).succeeded().stdout.lines().count(), 1);
}

/// What a batch engine does with such a file, on the real small model.
fn run_batch(prompts: &[Value]) -> Vec<String> {
    let worker = (PathBuf::from(env!("CARGO_BIN_EXE_frontload")), vec!["__llm-worker".to_owned()]);
    let options = LlamaOptions::new(worker.0, worker.1);
    let mut model = LlamaProcess::new(&models().join(MODEL), options).expect("the model");
    let mut asked = prompts.iter().enumerate().map(|(id, line)| {
        assert_eq!((&line["method"], &line["url"]), (&"POST".into(), &"/v1/chat/completions".into()));
        let body = &line["body"];
        let messages: Vec<Message> = serde_json::from_value(body["messages"].clone()).expect("turns");
        let schema = body["response_format"]["json_schema"]["schema"].clone();
        let constraint = Some(Constraint::JsonSchema(schema));
        let max_tokens = body["max_tokens"].as_u64().expect("a limit") as u32;
        Prompt { id: id as u64, messages, shared_bytes: 0, constraint, max_tokens }
    });
    let mut results = vec![String::new(); prompts.len()];
    let generated = model.generate(&mut asked, &mut |id, result| {
        let told = result.expect("an answer");
        let choice = json!({"message": {"role": "assistant", "content": told.text}, "finish_reason": "stop"});
        let body = json!({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": told.answer_tokens}});
        let response = json!({"status_code": 200, "request_id": "r", "body": body});
        results[id as usize] =
            json!({"id": "b", "custom_id": prompts[id as usize]["custom_id"], "response": response, "error": null})
                .to_string();
        ControlFlow::Continue(())
    });
    generated.expect("the model runs");
    results
}
