//! The child that parses PDFs: takes files on stdin, each behind its length, answers with a line of JSON each, and ends
//! when its parent does. It opens none of them itself. On Linux it limits itself; elsewhere its parent's patience is the
//! limit.

use std::{
    io::{self, Read, Write},
    panic, process,
    sync::mpsc::{Receiver, channel},
    thread,
};

use crate::formats::{DOCUMENT_BYTES, PARSER_STACK_BYTES, parse_pdf};

/// How much memory it may take beyond what it starts with.
pub(crate) const MEMORY_BYTES: u64 = 1 << 30;
/// How long it may compute at one file.
pub(crate) const PROCESSOR_SECONDS: u64 = 30;

/// Runs the child's side until stdin closes. Nothing else may be written to stdout.
///
/// # Errors
/// When stdout breaks, or no thread can be started.
pub fn pdf_worker() -> io::Result<()> {
    // A panic is part of the answer; stderr is for what ends this process.
    panic::set_hook(Box::new(|_| ()));
    limits::begin(MEMORY_BYTES);
    let (sender, files) = channel();
    // A thread of its own, so that a parent that dies is noticed in the middle of a file.
    thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Ok(file) = next(&mut stdin) {
            if sender.send(file).is_err() {
                break;
            }
        }
        process::exit(0);
    })?;
    let parser = thread::Builder::new().name("parser".into()).stack_size(PARSER_STACK_BYTES);
    let parser = parser.spawn(move || answer(&files))?;
    parser.join().unwrap_or_else(|_| Err(io::Error::other("the parser's thread panicked")))
}

fn next(stdin: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; size_of::<u64>()];
    stdin.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > DOCUMENT_BYTES as u64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut file = vec![0; length as usize];
    stdin.read_exact(&mut file)?;
    Ok(file)
}

fn answer(files: &Receiver<Vec<u8>>) -> io::Result<()> {
    for file in files {
        limits::renew(PROCESSOR_SECONDS);
        let mut line = serde_json::to_vec(&parse_pdf(&file))?;
        line.push(b'\n');
        let mut stdout = io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
mod limits {
    use std::fs;

    use rustix::{
        process::{Resource, Rlimit, getrlimit, setrlimit},
        time::{ClockId, clock_gettime},
    };

    /// Limits memory, counted from what the program itself maps.
    pub(super) fn begin(memory_bytes: u64) {
        lower(Resource::As, mapped_bytes().saturating_add(memory_bytes));
        // Dying is how it says no, and leaves no picture of its memory behind.
        lower(Resource::Core, 0);
    }

    /// Allows so many seconds of a processor's time from now on. The first above that ends the process.
    pub(super) fn renew(seconds: u64) {
        let spent = clock_gettime(ClockId::ProcessCPUTime).tv_sec.max(0) as u64;
        lower(Resource::Cpu, spent.saturating_add(seconds));
    }

    /// A limit that was inherited and is lower yet stands.
    fn lower(resource: Resource, most: u64) {
        let maximum = getrlimit(resource).maximum;
        let current = Some(maximum.map_or(most, |maximum| maximum.min(most)));
        // Where the system refuses, the parent's patience is left.
        let _ = setrlimit(resource, Rlimit { current, maximum });
    }

    fn mapped_bytes() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |line: &str| line.strip_prefix("VmSize:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok();
        status.lines().find_map(kib).unwrap_or_default().saturating_mul(1 << 10)
    }
}

#[cfg(not(target_os = "linux"))]
mod limits {
    pub(super) fn begin(_: u64) {}

    pub(super) fn renew(_: u64) {}
}
