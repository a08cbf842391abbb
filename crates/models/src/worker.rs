//! The child process: reads prompts from stdin, answers on stdout, and ends when its parent does.

use std::{
    io::{self, BufRead, BufReader, Write},
    sync::mpsc::{Receiver, TryRecvError, channel},
    thread,
};

use crate::{
    llama::{Answered, Engine, LoadedModel, Piece},
    protocol::{Reply, Request},
};

/// Runs the child's side until stdin closes. Nothing else may be written to stdout.
///
/// # Errors
/// When stdin or stdout break, or llama.cpp refuses to go on.
pub fn run() -> io::Result<()> {
    let (sender, requests) = channel();
    // A thread of its own reads stdin, so that a parent that dies is noticed in the middle of a batch.
    thread::Builder::new().name("stdin".into()).spawn(move || {
        for line in BufReader::new(io::stdin()).lines() {
            let Ok(line) = line else { return };
            let Ok(request) = serde_json::from_str::<Request>(&line) else { return };
            if sender.send(request).is_err() {
                return;
            }
        }
    })?;
    let Ok(Request::Load(load)) = requests.recv() else {
        return Err(io::Error::other("the first request must be a load"));
    };
    let loaded = match LoadedModel::new(load) {
        Ok(loaded) => loaded,
        Err(reason) => return reply(&Reply::LoadFailed(reason)),
    };
    let mut engine = match loaded.engine() {
        Ok(engine) => engine,
        Err(reason) => return reply(&Reply::LoadFailed(reason)),
    };
    reply(&Reply::Ready(loaded.runs_on.clone()))?;
    while let Some(arrived) = waiting(&requests, engine.unanswered() == 0) {
        for request in arrived {
            match request {
                Request::Generate(prompt) => engine.submit(prompt, false).map_or(Ok(()), answer)?,
                Request::Stream(prompt) => engine.submit(prompt, true).map_or(Ok(()), answer)?,
                Request::Cancel(id) => engine.cancel(id).map_err(io::Error::other)?,
                Request::Measure(prompt) => reply(&Reply::Size { id: prompt.id, size: loaded.size(&prompt) })?,
                Request::Load(_) => return Err(io::Error::other("a model is loaded once")),
            }
        }
        let refused = engine.admit().map_err(io::Error::other)?;
        tell(&mut engine, refused)?;
        let done = engine.step().map_err(io::Error::other)?;
        tell(&mut engine, done)?;
    }
    Ok(())
}

/// What has arrived; waits for something when idle; `None` when the parent is gone.
fn waiting(requests: &Receiver<Request>, idle: bool) -> Option<Vec<Request>> {
    let mut arrived = Vec::new();
    if idle {
        arrived.push(requests.recv().ok()?);
    }
    loop {
        match requests.try_recv() {
            Ok(request) => arrived.push(request),
            Err(TryRecvError::Empty) => return Some(arrived),
            Err(TryRecvError::Disconnected) => return None,
        }
    }
}

/// What streamed answers went on with, then what ended.
fn tell(engine: &mut Engine, ended: Vec<Answered>) -> io::Result<()> {
    for Piece { id, from, text } in engine.pieces() {
        reply(&Reply::Piece { id, from, text })?;
    }
    ended.into_iter().try_for_each(answer)
}

fn answer((id, result): Answered) -> io::Result<()> {
    reply(&Reply::Answer { id, result })
}

fn reply(reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}
