//! A peer engine in a Python process: `fetch.sh` installs them.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;

use crate::Result;

/// A built peer that waits to be asked.
pub struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Built {
    built: f64,
    bytes: u64,
}

/// One round: every query once.
#[derive(Deserialize)]
pub struct Round {
    /// Milliseconds of each query.
    pub ms: Vec<f64>,
    /// What was found for each.
    pub ids: Vec<Vec<u64>>,
}

impl Peer {
    pub fn start(engine: &str, folder: &Path) -> Result<Self> {
        let tools = std::env::var_os("FRONTLOAD_TOOLS").unwrap_or_else(|| ".tools".into());
        let mut child = Command::new(Path::new(&tools).join("peers/bin/python"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/retrieval/peers.py"))
            .args([engine])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{error}; benches/retrieval/fetch.sh installs the peers"))?;
        let (questions, answers) = (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
        let mut peer = Self { child, questions, answers: BufReader::new(answers) };
        let built: Built = peer.line()?;
        println!("{engine}: built in {:.1} s, {} MB on disk", built.built, built.bytes >> 20);
        Ok(peer)
    }

    pub fn round(&mut self) -> Result<Round> {
        self.questions.write_all(b"go\n")?;
        self.line()
    }

    fn line<T: for<'a> Deserialize<'a>>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| format!("the peer said {line:?}: {error}").into())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.questions.write_all(b"end\n");
        let _ = self.child.wait();
    }
}
