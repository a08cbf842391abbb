//! The child process: started, spoken to, ended.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use super::LlamaOptions;
use crate::protocol::{Backend, Load, Reply, Request};

/// The longest line a child may write. The longest honest one is an answer of some thousand tokens.
const MOST_REPLY_BYTES: u64 = 1 << 20;

/// What tells the threads of the arithmetic how to wait for each other; whoever sets one knows better.
const WAITING: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];
/// They look this often before they sleep, not the 300,000 times that are usual: a thread that looks holds a core which,
/// on a shared machine, the one it waits for may need.
const SPINS: &str = "1000";

pub(super) struct Worker {
    pub child: Child,
    /// What is on its way to the child. A thread writes it, for a child that hangs leaves its pipe full.
    requests: Sender<Vec<u8>>,
    /// What it said, or in which way it no longer speaks our language; nothing more once it is gone.
    pub replies: Receiver<Result<Reply, String>>,
    pub runs_on: Backend,
    pub took: Duration,
}

/// Why a child did not start.
pub(super) enum StartError {
    /// It ended before it was ready: its kernels may not run here.
    Died(String),
    /// It said why.
    Refused(String),
}

/// A child that is gone needs no handling: the reader meets the closed pipe and reports the death.
pub(super) fn send(worker: &mut Worker, request: &Request) {
    if let Ok(mut line) = serde_json::to_vec(request) {
        line.push(b'\n');
        let _ = worker.requests.send(line);
    }
}

pub(super) fn start(options: &LlamaOptions, load: &Load) -> Result<Worker, StartError> {
    let started = Instant::now();
    let (program, arguments) = &options.worker;
    let failed = |what: &str| StartError::Refused(format!("the model's process {}: {what}", program.display()));
    let mut command = Command::new(program);
    if WAITING.iter().all(|name| std::env::var_os(name).is_none()) {
        command.env(WAITING[1], SPINS);
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("no pipes"));
    };
    let (sender, replies) = channel();
    let (requests, lines) = channel::<Vec<u8>>();
    let reading = thread::Builder::new().name("llama-replies".into()).spawn(move || read(stdout, &sender));
    let writing = thread::Builder::new().name("llama-requests".into()).spawn(move || {
        for line in lines {
            if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                return;
            }
        }
    });
    let runs_on = Backend { device: String::new(), kernels: String::new(), note: None };
    let mut worker = Worker { child, requests, replies, runs_on, took: Duration::ZERO };
    reading.and(writing).map_err(|error| failed(&error.to_string()))?;
    send(&mut worker, &Request::Load(load.clone()));
    match worker.replies.recv_timeout(options.silence) {
        Ok(Ok(Reply::Ready(runs_on))) => {
            worker.runs_on = runs_on;
            worker.took = started.elapsed();
            Ok(worker)
        }
        Ok(Ok(Reply::LoadFailed(reason))) => Err(StartError::Refused(reason)),
        Ok(Ok(Reply::Answer { .. } | Reply::Piece { .. } | Reply::Size { .. })) => {
            Err(failed("answered before it was asked"))
        }
        Ok(Err(garbled)) => Err(failed(&garbled)),
        Err(RecvTimeoutError::Timeout) => {
            let (path, seconds) = (load.path.display(), options.silence.as_secs());
            Err(failed(&format!("silent for {seconds} s while loading {path}")))
        }
        Err(RecvTimeoutError::Disconnected) => {
            let _ = worker.child.kill();
            let status = worker.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            let path = load.path.display();
            let reason = format!("the model's process {}: died while loading {path} ({status})", program.display());
            Err(StartError::Died(reason))
        }
    }
}

/// Hands over what the child says, up to the first line that is no reply.
fn read(stdout: ChildStdout, replies: &Sender<Result<Reply, String>>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match stdout.by_ref().take(MOST_REPLY_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let reply = serde_json::from_slice::<Reply>(&line).map_err(|error| {
            let start: String = String::from_utf8_lossy(&line).chars().take(60).collect();
            match line.len() as u64 {
                MOST_REPLY_BYTES => format!("wrote a line of more than {MOST_REPLY_BYTES} bytes, beginning {start:?}"),
                _ => format!("wrote what is no reply ({error}), beginning {start:?}"),
            }
        });
        let over = reply.is_err();
        if replies.send(reply).is_err() || over {
            return;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
