//! The index as tools of an assistant: the protocol spoken line by line.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    thread,
    time::{Duration, Instant},
};

use frontload_index::{IndexDir, Reader};
use serde_json::{Value, json};

use crate::{bench::Bench, served::handled};

/// An assistant's end of the pipes.
struct Spoken {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    id: u64,
}

impl Spoken {
    fn start(bench: &Bench) -> Self {
        let mut child = bench.command(["mcp", "--no-model"]).stdin(Stdio::piped()).spawn().expect("starts");
        let (stdin, stdout) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let mut spoken = Self { child, stdin, stdout: BufReader::new(stdout), id: 0 };
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"},
        });
        let told = spoken.ask("initialize", &hello);
        assert_eq!(told["result"]["serverInfo"]["name"], "frontload", "{told}");
        assert!(told["result"]["instructions"].as_str().expect("text").contains("mood"), "{told}");
        spoken.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        spoken
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").expect("written");
        self.stdin.flush().expect("flushed");
    }

    /// Every line of stdout is a message of the protocol.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.id += 1;
        self.say(&json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}));
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).expect("a line") > 0, "it ended");
            let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            if message["id"] == self.id {
                return message;
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({"name": tool, "arguments": arguments}))["result"].clone()
    }

    fn end(self) {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        assert!(child.wait().expect("ended").success());
    }
}

#[test]
fn an_assistant_searches_reads_and_asks() {
    let bench = handled();
    let mut spoken = Spoken::start(&bench);
    let tools = spoken.ask("tools/list", &json!({}));
    let tools = tools["result"]["tools"].as_array().expect("tools");
    assert_eq!(tools.iter().map(|tool| &tool["name"]).collect::<Vec<_>>(), ["search", "answer", "read_chunk"]);
    assert!(tools.iter().all(|tool| tool["annotations"]["readOnlyHint"] == true));

    let found = spoken.call("search", &json!({"query": "missing a lost companion", "k": 2}));
    let best = &found["structuredContent"]["hits"][0];
    assert_eq!((&best["id"], &best["matched"]["kind"]), (&json!("letter"), &json!("mood")), "{found}");

    let read = spoken.call("read_chunk", &json!({"id": "letter"}));
    assert_eq!(read["structuredContent"]["handles"]["mood"][0]["text"], "missing a lost companion", "{read}");

    let answered = spoken.call("answer", &json!({"question": "When was the new bell hung in the tower?"}));
    assert_eq!(answered["structuredContent"]["refusal"], Value::Null, "{answered}");
    assert!(answered["content"][0]["text"].as_str().expect("text").contains("bell"), "{answered}");
    spoken.end();
}

#[test]
fn what_is_wrong_with_a_call_reaches_the_assistant() {
    let bench = handled();
    let mut spoken = Spoken::start(&bench);
    for (tool, arguments, says) in [
        ("search", json!({"query": " "}), "empty"),
        ("search", json!({}), "missing field `query`"),
        ("search", json!({"query": "bell", "k": 51}), "from 1 to 50"),
        ("search", json!({"query": "bell", "filter": "source ="}), "an example"),
        ("search", json!({"query": "bell", "filter": "meta.nothing = 1"}), "no chunk has meta.nothing"),
        ("answer", json!({"question": "Who?", "k": 0}), "from 1 to 10"),
        ("read_chunk", json!({"id": "nobody"}), "no passage"),
    ] {
        let result = spoken.call(tool, &arguments);
        let text = result["content"][0]["text"].as_str().expect("text");
        assert!(result["isError"] == true && text.contains(says), "{result}");
    }
    let unknown = spoken.ask("tools/call", &json!({"name": "sing", "arguments": {}}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    spoken.end();
}

#[test]
fn a_newer_generation_is_taken_up_between_calls() {
    let bench = handled();
    let mut spoken = Spoken::start(&bench);
    bench.import(&[("pump", "mood", "patient caution")]);
    let found = spoken.call("search", &json!({"query": "patient caution", "k": 1}));
    assert_eq!(found["structuredContent"]["hits"][0]["matched"]["text"], "patient caution", "{found}");
    spoken.end();
}

#[test]
fn what_cannot_be_read_for_a_while_is_taken_up_afterwards() {
    const LONGEST: Duration = Duration::from_secs(30);
    let bench = handled();
    let mut spoken = Spoken::start(&bench);
    let mut first = || {
        let found = spoken.call("search", &json!({"query": "patient caution", "k": 1}));
        found["structuredContent"]["hits"][0]["matched"]["text"].as_str().unwrap_or_default().to_owned()
    };
    bench.import(&[("pump", "mood", "patient caution")]);
    let generations = Reader::generations(&IndexDir::new(bench.path(".frontload")));
    let newest = generations.last().expect("a generation");
    let there = bench.path(&format!(".frontload/generations/gen-{newest:06}/manifest.json"));
    let away = bench.path("manifest.json");
    fs::rename(&there, &away).expect("put away");
    assert_ne!(first(), "patient caution");
    fs::rename(&away, &there).expect("put back");
    let started = Instant::now();
    while first() != "patient caution" {
        assert!(started.elapsed() < LONGEST, "it is not looked for again");
        thread::sleep(Duration::from_millis(200));
    }
    spoken.end();
}
