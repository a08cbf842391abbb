//! strace: which system calls a command makes, and what happens when one of them fails or is its last.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use super::Village;
use crate::bench::Ended;

/// One system call of a trace.
#[derive(Debug, Clone)]
pub struct Call {
    pub thread: u32,
    pub name: String,
    /// Its arguments and result, as strace shows them, descriptors with their paths.
    pub told: String,
    /// What was written, once it is decoded.
    data: Vec<u8>,
}

impl Call {
    /// The path a descriptor leads to, or the last one that is named.
    pub fn path(&self) -> Option<&str> {
        let descriptor = self.told.split_once('<').map(|(_, rest)| rest.split_once('>').map_or(rest, |(path, _)| path));
        let named = self.told.split('"').skip(1).step_by(2).last();
        match self.name.as_str() {
            "openat" | "rename" | "renameat" | "renameat2" | "unlink" | "mkdir" => named,
            "unlinkat" => named,
            _ => descriptor,
        }
    }

    /// The paths and other texts among the arguments.
    pub fn named(&self) -> Vec<String> {
        self.told.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// The path of the descriptor among the arguments; the folder that other paths start from is none.
    pub fn descriptor(&self) -> Option<String> {
        let (number, rest) = self.told.split_once('<')?;
        let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        numbered.then(|| rest.split_once('>').map_or(rest, |(path, _)| path).to_owned())
    }

    /// What was written.
    pub fn bytes(&self) -> Vec<u8> {
        self.data.clone()
    }

    /// The last argument.
    pub fn last_number(&self) -> usize {
        let arguments = self.told.rsplit_once(')').map_or(self.told.as_str(), |(arguments, _)| arguments);
        let arguments = arguments.split(" <unfinished").next().unwrap_or(arguments);
        let last = arguments.rsplit(',').next().unwrap_or_default().trim();
        last.parse().unwrap_or_else(|_| panic!("{last:?} in {}", self.name))
    }

    /// A call of a trace in which every text is in hexadecimals, read back: what was written apart from what was said.
    pub fn decoded(&self) -> Self {
        let mut call = Self { data: Vec::new(), told: String::new(), ..self.clone() };
        for (at, part) in self.told.split('"').enumerate() {
            if at % 2 == 1 && matches!(call.name.as_str(), "write" | "pwrite64") {
                call.data = unhex(part);
                continue;
            }
            let quote = if at > 0 && !matches!(call.name.as_str(), "write" | "pwrite64") { "\"" } else { "" };
            call.told.push_str(quote);
            call.told.push_str(&String::from_utf8_lossy(&unhex(part)));
        }
        call
    }
}

/// Bytes, some of which are written as `\x2f`.
fn unhex(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
        bytes.extend(rest.as_bytes());
    }
    bytes
}

/// What is traced: everything that changes a disk.
pub const CHANGES: &str = "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,openat,mkdir,link,linkat,\
     ftruncate";

/// Runs a command of the village under strace.
pub fn traced(village: &Village, options: &[&str], arguments: &[&str]) -> (Ended, Vec<Call>) {
    let log = village.bench.path("strace.log");
    let mut strace = Command::new("strace");
    strace.args(["-y", "-o"]).arg(&log).args(options);
    let output = village.command_under(strace, arguments).output();
    (Ended::of(output.expect("strace runs; it is among what the tests need")), read(&log))
}

/// A call that can be made to fail, or to be the last.
#[derive(Debug, Clone)]
pub struct Point {
    pub call: String,
    /// Which of its kind: of the first thread's, or of those that concern the path.
    pub number: usize,
    pub place: Place,
}

/// strace numbers the calls of each thread for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    FirstThread,
    /// Another thread, the first one making no such call.
    AnyThread,
    /// Another thread's, told by its file.
    File(String),
}

/// Every call that changes something in the index.
pub fn points(village: &Village, arguments: &[&str]) -> Vec<Point> {
    let (ended, calls) = traced(village, &["-f", "-e", &format!("trace={CHANGES}")], arguments);
    ended.succeeded();
    let first = calls.first().expect("a call").thread;
    let usual: BTreeSet<&str> =
        calls.iter().filter(|call| call.thread == first).map(|call| call.name.as_str()).collect();
    let mut numbers: BTreeMap<(&str, Place), usize> = BTreeMap::new();
    let mut points = Vec::new();
    for call in &calls {
        let ours = call.told.contains(".frontload");
        let place = if call.thread == first {
            Place::FirstThread
        } else if !ours {
            continue;
        } else if usual.contains(call.name.as_str()) {
            Place::File(call.path().unwrap_or_default().to_owned())
        } else {
            Place::AnyThread
        };
        let number = numbers.entry((&call.name, place.clone())).or_default();
        *number += 1;
        if ours && (call.name != "openat" || call.told.contains("O_CREAT") || call.told.contains("O_TRUNC")) {
            points.push(Point { call: call.name.clone(), number: *number, place });
        }
    }
    points
}

/// Runs a command in which what is to happen happens at one call.
pub fn broken(village: &Village, point: &Point, what: &str, arguments: &[&str]) -> (Ended, Vec<Call>) {
    let inject = format!("inject={}:{what}:when={}", point.call, point.number);
    let trace = format!("trace={}", point.call);
    let mut options = vec!["-e", &trace, "-e", &inject];
    match &point.place {
        Place::FirstThread => {}
        Place::AnyThread => options.push("-f"),
        Place::File(path) => options.extend(["-f", "-P", path]),
    }
    traced(village, &options, arguments)
}

/// Reads a log. Calls that another thread interrupted stand in two halves: they count where they began.
fn read(log: &Path) -> Vec<Call> {
    let text = fs::read(log).expect("a log");
    let text = String::from_utf8_lossy(&text);
    let calls = text.lines().filter_map(|line| {
        // Without -f no thread is named.
        let (thread, rest) = match line.split_once(|letter: char| !letter.is_ascii_digit()) {
            Some((digits, rest)) if !digits.is_empty() => (digits.parse().ok()?, rest.trim_start()),
            _ => (0, line),
        };
        let (name, told) = rest.split_once('(')?;
        let called = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (called && !name.is_empty()).then(|| Call {
            thread,
            name: name.to_owned(),
            told: told.to_owned(),
            data: Vec::new(),
        })
    });
    calls.collect()
}
