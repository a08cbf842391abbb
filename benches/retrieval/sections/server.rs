//! The program as a service.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::{
    Result,
    data::{Data, models},
    figures::timed,
};

/// Ours, in a process of its own.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    pub fn start(data: &Data) -> Result<Self> {
        let (ms, server) = timed(|| -> Result<Self> {
            let mut child = Command::new(env!("CARGO_BIN_EXE_frontload"))
                .args(["--json", "--index"])
                .arg(data.index())
                .args(["serve", "--no-model", "--listen", "127.0.0.1:0"])
                .env("FRONTLOAD_MODELS", models())
                // A line a request is for people.
                .env("FRONTLOAD_LOG", "warn")
                .stdout(Stdio::piped())
                .spawn()?;
            let mut line = String::new();
            BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
            let told: serde_json::Value = serde_json::from_str(&line)?;
            Ok(Self { child, address: format!("http://{}", told["listening"].as_str().ok_or("no address")?) })
        });
        println!("  open to listening: {ms:.0} ms");
        server
    }

    /// Megabytes, by their name in `/proc`.
    pub fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
