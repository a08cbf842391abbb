//! Several endpoints of one model: dead ones, dying ones, slow ones, and what becomes of the ledger.

use std::{
    io::{BufReader, Write},
    net::{TcpListener, TcpStream},
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use frontload_core::{Message, Prompt};
use frontload_models::{EndpointOptions, GeneratorOptions, LlamaOptions, ModelRef, Tallies, open_generator};
use serde_json::{Value, json};

use crate::{
    bench::{Bench, Ended, PASSAGES},
    http::{Reply, request, serve},
};

const SAID: &str = "{\"time\": [], \"mood\": [\"calm\"]}";
/// Nothing listens there, and no test is given that port by the system.
const DEAD: &str = "127.0.0.1:9";

/// A scripted endpoint, and how often it was asked.
struct Server {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// `reply` gets the number of the request, from 1.
    fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let address = serve(move |_, _| reply(count.fetch_add(1, Ordering::SeqCst) + 1));
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A pool of these.
fn pool(addresses: &[&str]) -> String {
    addresses.iter().map(|address| format!("http://{address}/v1#small")).collect::<Vec<_>>().join(",")
}

/// A corpus of so many passages, all different.
fn passages(bench: &Bench, count: usize) {
    let row =
        |at: usize| json!({"_id": format!("p{at}"), "text": format!("Entry {at}: the ferry was late.")}).to_string();
    bench.write("corpus/corpus.jsonl", (0..count).map(row).collect::<Vec<_>>().join("\n"));
}

/// What a build says of one endpoint.
fn told(built: &Value, at: usize, figure: &str) -> u64 {
    built["endpoints"][at][figure].as_u64().unwrap_or_else(|| panic!("no {figure} of {at}: {built}"))
}

#[test]
fn a_member_that_is_dead_leaves_its_prompts_to_the_others_and_nothing_is_asked_twice() {
    let bench = Bench::new();
    let well = Server::start(|_| Reply::said(SAID));
    let built = bench.json(&["--model", &pool(&[DEAD, &well.address]), "index", "corpus"]);
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&6.into(), &0.into()), "{built}");
    assert_eq!((well.asked(), told(&built, 1, "calls"), told(&built, 1, "failures")), (6, 6, 0), "{built}");
    assert!(told(&built, 0, "failures") >= 1 && built["endpoints"][0]["set_aside"].is_string(), "{built}");
    // Other machines, the same model: what the ledger calls it has not changed.
    let other = Server::start(|_| Reply::said(SAID));
    let again = bench.json(&["--model", &pool(&[&other.address, DEAD]), "index", "corpus"]);
    assert!(again["calls"].is_null(), "{again}");
    assert_eq!((bench.answers(), other.asked()), (PASSAGES.len(), 0));
    // People are told the same.
    passages(&bench, 4);
    let model = pool(&[&well.address, DEAD]);
    let said = bench.run(&["--model", &model, "index", "corpus"]).succeeded().stderr;
    assert!(said.contains(&format!("http://{}/v1: 4 calls, 0 failures", well.address)), "{said}");
}

#[test]
fn a_member_that_dies_half_way_is_set_aside() {
    let bench = Bench::new();
    passages(&bench, 60);
    let dying = Server::start(|turn| if turn <= 3 { Reply::said(SAID) } else { Reply::Silent(Duration::ZERO) });
    let slow = Server::start(|_| {
        thread::sleep(Duration::from_millis(30));
        Reply::said(SAID)
    });
    let model = pool(&[&dying.address, &slow.address]);
    let built = bench.json(&["--model", &model, "index", "corpus"]);
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&60.into(), &0.into()), "{built}");
    let (answered, failures) = (told(&built, 0, "calls") - told(&built, 0, "failures"), told(&built, 0, "failures"));
    assert_eq!((answered, slow.asked(), bench.answers()), (3, 57, 60), "{built}");
    // It fails faster than the other answers: asked on and on, it would be met by nearly every prompt.
    assert!((1..20).contains(&failures), "{built}");
}

#[test]
fn a_member_that_wants_to_be_left_alone_is() {
    let bench = Bench::new();
    passages(&bench, 60);
    // For longer than a run may take, whose prompts go to the other meanwhile.
    let busy = Server::start(|_| Reply::Whole(429, "retry-after: 600\r\n", "{\"error\": \"slow down\"}".to_owned()));
    let well = Server::start(|_| {
        thread::sleep(Duration::from_millis(20));
        Reply::said(SAID)
    });
    let built = bench.json(&["--model", &pool(&[&busy.address, &well.address]), "index", "corpus"]);
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&60.into(), &0.into()), "{built}");
    assert_eq!(well.asked(), 60);
    // What was open when it first said so, and nothing after that, though all others wait for the slower one.
    assert!((1..=4).contains(&busy.asked()), "it was asked {} times", busy.asked());
    // It says when to come back, so it is no dead one.
    assert!(told(&built, 0, "failures") >= 1 && built["endpoints"][0]["set_aside"].is_null(), "{built}");
}

#[test]
fn weights_share_out_what_is_open() {
    let bench = Bench::new();
    passages(&bench, 120);
    let slow = |_: usize| {
        thread::sleep(Duration::from_millis(20));
        Reply::said(SAID)
    };
    let (light, heavy) = (Server::start(slow), Server::start(slow));
    let model = format!("{}*3", pool(&[&light.address, &heavy.address]));
    bench.json(&["--model", &model, "index", "--concurrency", "8", "corpus"]);
    assert_eq!(light.asked() + heavy.asked(), 120);
    assert!((72..=108).contains(&heavy.asked()), "{} and {}", light.asked(), heavy.asked());
}

#[test]
fn only_when_none_is_left_the_run_ends_and_keeps_what_was_answered() {
    let bench = Bench::new();
    let dead = bench.run(&["--model", &pool(&[DEAD, "127.0.0.1:11"]), "index", "corpus"]).exited(4);
    assert!(dead.stderr.contains("127.0.0.1:9") && dead.stderr.contains("127.0.0.1:11"), "{}", dead.stderr);

    // Two answers, then no key is good for either, until it is again.
    let (turns, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let start = || {
        let (turns, open) = (Arc::clone(&turns), Arc::clone(&open));
        Server::start(move |_| {
            let turn = turns.fetch_add(1, Ordering::SeqCst);
            if turn < 2 || open.load(Ordering::SeqCst) {
                Reply::said(SAID)
            } else {
                Reply::Whole(401, "", "{\"error\": \"no key\"}".to_owned())
            }
        })
    };
    let (first, second) = (start(), start());
    let model = pool(&[&first.address, &second.address]);
    let ended = bench.run(&["--model", &model, "index", "corpus"]).exited(4);
    assert!(ended.stderr.contains("none of 2") && ended.stderr.contains("no key"), "{}", ended.stderr);
    assert_eq!(bench.answers(), 2);
    open.store(true, Ordering::SeqCst);
    let rest = bench.json(&["--model", &model, "index", "corpus"]);
    assert_eq!((&rest["calls"]["planned"], &rest["calls"]["failed"]), (&4.into(), &0.into()), "{rest}");
}

#[test]
fn a_pool_in_a_file_goes_on_where_one_endpoint_began() {
    let bench = Bench::new();
    let first = Server::start(|_| Reply::said(SAID));
    bench.json(&["--model", &format!("http://{}/v1#small", first.address), "index", "corpus"]);
    let locked = serve(|head, _| {
        let known = head.to_lowercase().contains("bearer sesame");
        if known { Reply::said(SAID) } else { Reply::Whole(401, "", "{\"error\": \"no key\"}".to_owned()) }
    });
    let file = format!(
        "model = \"small\"\nanswers_of = \"http://{0}/v1\"\n[[endpoint]]\nurl = \"http://{DEAD}/v1\"\n\
         [[endpoint]]\nurl = \"http://{locked}/v1\"\nweight = 3\nkey_variable = \"OTHER_KEY\"\n",
        first.address
    );
    bench.write("machines.toml", file);
    bench.write("frontload.toml", "model = \"pool:machines.toml\"\n");
    let index = |key: &str| {
        let mut command = bench.command(["--json", "index", "corpus"]);
        Ended::of(command.env("OTHER_KEY", key).output().expect("runs"))
    };
    let built = index("sesame").succeeded().json();
    assert!(built["calls"].is_null(), "what the first endpoint said was asked again: {built}");
    passages(&bench, 5);
    let built = index("sesame").succeeded().json();
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&5.into(), &0.into()), "{built}");
    assert_eq!(first.asked(), PASSAGES.len());
    let without = index("").exited(4);
    assert!(without.stderr.contains("OTHER_KEY"), "{}", without.stderr);
}

#[test]
fn what_is_no_pool_is_refused() {
    let bench = Bench::new();
    let check = |model: &str, told: &[&str]| {
        let ended = bench.run(&["--model", model, "index", "corpus"]).exited(2);
        for word in told {
            assert!(ended.stderr.contains(word), "{model} does not say {word:?}: {}", ended.stderr);
        }
    };
    check("http://a/v1#qwen,http://b/v1#llama", &["qwen", "llama"]);
    check("http://a/v1#qwen,http://a/v1#qwen*2", &["http://a/v1", "twice"]);
    check("http://a/v1#qwen,http://b/v1#qwen*0", &["http://b/v1", "weight 0"]);
    check("http://a/v1,http://b/v1", &["no name"]);
    check("pool:nowhere.toml", &["nowhere.toml"]);
    for (text, told) in [
        ("model = \"m\"\n", "no endpoint"),
        ("model = \"m\"\ncolour = 1\n", "colour"),
        ("model = \"m\"\n[[endpoint]]\nurl = \"a/v1\"\n", "no address"),
        ("model = \"m\"\n[[endpoint]]\nurl = \"http://a/v1\"\nweight = 0\n", "weight 0"),
        ("model = \"m\"\n[[endpoint]]\nurl = \"http://a/v1#n\"\n", "two models"),
        ("model = \"m\"\n[[endpoint]]\nurl = \"http://a/v1\"\nmodel = \"n\"\n", "two models"),
    ] {
        bench.write("wrong.toml", text);
        check("pool:wrong.toml", &["wrong.toml", told]);
    }
}

#[test]
fn answers_that_came_while_others_were_kept_are_handed_over_together() {
    const OPEN: usize = 8;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, waiting) = mpsc::channel();
    thread::spawn(move || {
        let asked = listener.incoming().flatten().take(OPEN).map(|stream| {
            let mut reader = BufReader::new(stream);
            request(&mut reader).expect("a request");
            reader.into_inner()
        });
        let mut open: Vec<TcpStream> = asked.collect();
        let mut first = open.pop().expect("a request");
        sender.send(open).expect("somebody waits");
        answer(&mut first);
    });
    // Four requests are open at each to begin with.
    let model: ModelRef = format!("http://{address}/v1#small,http://{address}/v2#small").parse().expect("a pool");
    let endpoint = EndpointOptions { concurrency: OPEN, ..EndpointOptions::default() };
    let llama = LlamaOptions::new(PathBuf::new(), Vec::new());
    let options = GeneratorOptions { llama, endpoint, tallies: Tallies::default() };
    let mut generator = open_generator(&model, &options).expect("a pool");
    let mut prompts = (0..OPEN as u64).map(|id| Prompt {
        id,
        messages: vec![Message::user("How does it feel?")],
        shared_bytes: 0,
        constraint: None,
        max_tokens: 8,
    });
    let mut groups = Vec::new();
    let generated = generator.generate_in_groups(&mut prompts, &mut |group| {
        // While the first is being kept, all others are answered.
        if groups.is_empty() {
            waiting.recv().expect("the others").iter_mut().for_each(answer);
        }
        assert!(group.iter().all(|(_, result)| result.is_ok()), "{group:?}");
        groups.push(group.len());
        ControlFlow::Continue(())
    });
    generated.expect("answered");
    assert_eq!((groups[0], groups.iter().sum::<usize>()), (1, OPEN), "{groups:?}");
    assert!(groups.len() < OPEN, "{groups:?}");
}

/// Answers a request that was read.
fn answer(stream: &mut TcpStream) {
    let choice = json!({"message": {"content": SAID}, "finish_reason": "stop"});
    let body = json!({"choices": [choice], "usage": null}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).expect("sent");
}
