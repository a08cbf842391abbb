//! The child process: started, spoken to, ended.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use super::LlamaOptions;
use crate::protocol::{Backend, Load, Reply, Request};

pub(super) struct Worker {
    pub child: Child,
    pub stdin: ChildStdin,
    pub replies: Receiver<Reply>,
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

/// A failed write needs no handling: the reader meets the closed pipe and reports the death.
pub(super) fn send(worker: &mut Worker, request: &Request) {
    if let Ok(mut line) = serde_json::to_vec(request) {
        line.push(b'\n');
        let _ = worker.stdin.write_all(&line).and_then(|()| worker.stdin.flush());
    }
}

pub(super) fn start(options: &LlamaOptions, load: &Load) -> Result<Worker, StartError> {
    let started = Instant::now();
    let (program, arguments) = &options.worker;
    let failed = |what: &str| StartError::Refused(format!("the model's process {}: {what}", program.display()));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("no pipes"));
    };
    let (sender, replies) = channel();
    thread::Builder::new()
        .name("llama-replies".into())
        .spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(reply) = serde_json::from_str::<Reply>(&line) else { return };
                if sender.send(reply).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| failed(&error.to_string()))?;
    let runs_on = Backend { device: String::new(), kernels: String::new(), note: None };
    let mut worker = Worker { child, stdin, replies, runs_on, took: Duration::ZERO };
    send(&mut worker, &Request::Load(load.clone()));
    match worker.replies.recv_timeout(options.silence) {
        Ok(Reply::Ready(runs_on)) => {
            worker.runs_on = runs_on;
            worker.took = started.elapsed();
            Ok(worker)
        }
        Ok(Reply::LoadFailed(reason)) => Err(StartError::Refused(reason)),
        Ok(Reply::Answer { .. } | Reply::Piece { .. } | Reply::Size { .. }) => {
            Err(failed("answered before it was asked"))
        }
        Err(_) => {
            let _ = worker.child.kill();
            let status = worker.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            let path = load.path.display();
            let reason = format!("the model's process {}: died while loading {path} ({status})", program.display());
            Err(StartError::Died(reason))
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
