//! A real server that speaks Milvus's protocol: milvus-lite on a free port of loopback, for each test its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use frontload_cluster::Connection;
use tempfile::TempDir;

use crate::bench::{Bench, root};

/// Names a server of one's own, which the tests then use where they do not end it.
const VARIABLE: &str = "FRONTLOAD_MILVUS_URI";

/// Runs milvus-lite, but it says that it is of the version that the first argument names.
const PRETENDING: &str = "import sys
from milvus_lite.adapter.grpc import servicer
version = sys.argv.pop(1)
servicer.get_version = lambda: version
from milvus_lite.cmdline import main
sys.exit(main())";

/// A server; the process ends with it.
pub struct Milvus {
    folder: TempDir,
    pub port: u16,
    child: Option<Child>,
    /// Of a server that was named: it is not started, and not ended.
    named: Option<String>,
    /// What it says its version is, if not its own.
    version: Option<&'static str>,
    /// A name that no other test uses.
    pub collection: String,
}

impl Milvus {
    /// The server that was named, else a new one. One that was named and does not answer fails.
    pub fn any() -> Self {
        match std::env::var(VARIABLE) {
            Ok(uri) if !uri.is_empty() => {
                let mut named = Self::idle();
                named.named = Some(uri);
                named
            }
            _ => Self::own(),
        }
    }

    /// A new server, which may be killed.
    pub fn own() -> Self {
        let mut milvus = Self::idle();
        milvus.start();
        milvus
    }

    /// A new server that says it is of another version.
    pub fn of_version(version: &'static str) -> Self {
        let mut milvus = Self::idle();
        milvus.version = Some(version);
        milvus.start();
        milvus
    }

    fn idle() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let collection = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            port,
            child: None,
            named: None,
            version: None,
            collection,
        }
    }

    /// Starts the server, on the data it had if it was killed.
    pub fn start(&mut self) {
        let own = self.version.is_none();
        let program = python_environment().join(if own { "bin/milvus-lite" } else { "bin/python" });
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let child = Command::new(&program)
            .args(self.version.into_iter().flat_map(|version| ["-c", PRETENDING, version]))
            .args(["server", "--host", "127.0.0.1", "--port", &self.port.to_string(), "--data-dir"])
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        self.child =
            Some(child.unwrap_or_else(|error| panic!("{}: {error}; run `make test-setup`", program.display())));
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(120), "milvus-lite does not listen: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it at once, as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Bytes it has on disk.
    pub fn bytes(&self) -> u64 {
        fn sum(folder: PathBuf) -> u64 {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .map(|entry| {
                    if entry.path().is_dir() {
                        sum(entry.path())
                    } else {
                        entry.metadata().map_or(0, |found| found.len())
                    }
                })
                .sum()
        }
        sum(self.data())
    }

    pub fn uri(&self) -> String {
        self.named.clone().unwrap_or_else(|| format!("http://127.0.0.1:{}", self.port))
    }

    pub fn connection(&self) -> Connection {
        let (uri, collection) = (self.uri(), self.collection.clone());
        let token = std::env::var("FRONTLOAD_MILVUS_TOKEN").ok();
        let patience = Duration::from_secs(30);
        let patience_of_searches = patience;
        Connection { uri, token, collection, authority: None, patience, patience_of_searches, replicas: 1 }
    }

    /// Arguments that lead a command there.
    pub fn there(&self) -> Vec<String> {
        ["--uri", &self.uri(), "--collection", &self.collection].map(str::to_owned).to_vec()
    }

    /// Runs the binary against it and reads its one JSON object.
    pub fn json(&self, bench: &Bench, arguments: &[&str]) -> serde_json::Value {
        let there = self.there();
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        bench.json(&[arguments, &there].concat())
    }

    /// Speaks to it in Python: `client` is a `MilvusClient`, `name` the collection's.
    pub fn python(&self, program: &str) -> String {
        let whole = format!(
            "from pymilvus import MilvusClient, DataType\nclient = MilvusClient({:?})\nname = {:?}\n{program}\n",
            self.uri(),
            self.collection
        );
        let output = Command::new(python_environment().join("bin/python")).args(["-c", &whole]).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

impl Drop for Milvus {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.named.is_some() {
            self.python(
                "for one in client.list_collections():\n    if one.startswith(name + '_'):\n        \
                 [client.drop_alias(alias) for alias in client.list_aliases(one)['aliases']]\n        \
                 client.drop_collection(one)",
            );
        }
    }
}

fn python_environment() -> PathBuf {
    let tools = std::env::var_os("FRONTLOAD_TOOLS").map_or_else(|| root().join(".tools"), PathBuf::from);
    tools.join("milvus-lite")
}
