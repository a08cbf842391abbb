//! Parsing in a process of its own. On a file made for that a parser aborts, uses up its stack or all memory, or never
//! ends; a process can be ended for it, and only that file is left out. One process reads many files: it is started
//! with the first, and again only after a death.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use crate::{
    formats::{Pages, parse_pdf_here},
    worker::{MEMORY_BYTES, PROCESSOR_SECONDS},
};

/// How long a file may take in all: only a machine that is busy with other things comes near it.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest reply. The longest honest one is a few times the text that a document may have.
const MOST_REPLY_BYTES: u64 = 128 << 20;
/// What is read of a dead child's last words.
const LAST_WORDS_BYTES: u64 = 4096;

/// The program to start, once it is known: like the hook for panics, it belongs to the whole process.
static PROGRAM: OnceLock<(PathBuf, Vec<String>)> = OnceLock::new();

/// Has PDFs parsed by a program that calls [`crate::pdf_worker`], from now on; before, they are parsed in this process.
/// Only the first call counts.
pub fn parse_pdfs_with(program: PathBuf, arguments: Vec<String>) {
    let _ = PROGRAM.set((program, arguments));
}

/// The processes that parse for one reading of a corpus: as many as threads want one at once.
pub(crate) struct Apart {
    program: Option<(PathBuf, Vec<String>)>,
    patience: Duration,
    idle: Mutex<Vec<Parser>>,
}

impl Apart {
    pub(crate) fn new() -> Self {
        Self { program: PROGRAM.get().cloned(), patience: PATIENCE, idle: Mutex::default() }
    }

    /// The pages of a PDF, or why there are none.
    pub(crate) fn pages(&self, file: Vec<u8>) -> Pages {
        let Some(program) = &self.program else { return parse_pdf_here(&file) };
        let file: Arc<[u8]> = file.into();
        let waiting = self.idle().pop();
        let is_used = waiting.is_some();
        let mut parser = waiting.map_or_else(|| Parser::start(program), Ok)?;
        let mut outcome = parser.ask(file.clone(), self.patience);
        if is_used && outcome.is_err() {
            // It may have gone under what it read before, or long ago.
            parser = Parser::start(program)?;
            outcome = parser.ask(file, self.patience);
        }
        let pages = outcome?;
        self.idle().push(parser);
        pages
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Parser>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child, and the thread that speaks with it.
struct Parser {
    child: Child,
    files: Sender<Arc<[u8]>>,
    replies: Receiver<io::Result<Pages>>,
}

impl Parser {
    fn start((program, arguments): &(PathBuf, Vec<String>)) -> Result<Self, String> {
        let failed = |error: io::Error| format!("the process that parses PDFs, {}: {error}", program.display());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (files, read) = channel();
        let (replied, replies) = channel();
        let parser = Self { child, files, replies };
        let (stdin, stdout) = pipes.ok_or_else(|| failed(io::Error::other("no pipes")))?;
        let speaking = thread::Builder::new().name("pdf".into()).spawn(move || speak(stdin, stdout, &read, &replied));
        speaking.map_err(failed)?;
        Ok(parser)
    }

    fn ask(&mut self, file: Arc<[u8]>, patience: Duration) -> Result<Pages, String> {
        // Where nobody takes it, nothing is replied either.
        let _ = self.files.send(file);
        match self.replies.recv_timeout(patience) {
            Ok(Ok(pages)) => Ok(pages),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.cause_of_death()),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("the PDF took more than {} s to read", patience.as_secs_f64()))
            }
        }
    }

    fn cause_of_death(&mut self) -> String {
        // One that is alive said what is no reply.
        let _ = self.child.kill();
        let status = self.child.wait();
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(LAST_WORDS_BYTES).read_to_end(&mut words);
        }
        let words = String::from_utf8_lossy(&words);
        if words.contains("memory allocation of") {
            return format!("the PDF took more than {} GiB of memory to read", MEMORY_BYTES >> 30);
        }
        if words.contains("overflowed its stack") {
            return "the PDF is nested too deeply to be read".to_owned();
        }
        match status {
            Ok(status) if is_out_of_time(status) => {
                format!("the PDF took more than {PROCESSOR_SECONDS} s of a processor's time to read")
            }
            Ok(status) => format!("the PDF ended the process that parsed it ({status})"),
            Err(error) => format!("the PDF ended the process that parsed it ({error})"),
        }
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn is_out_of_time(status: ExitStatus) -> bool {
    const SIGXCPU: i32 = 24;
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGXCPU)
}

#[cfg(not(unix))]
fn is_out_of_time(_: ExitStatus) -> bool {
    false
}

/// Hands over files and takes replies, until one is none. A thread does it, since a child that hangs neither reads nor
/// writes.
fn speak(mut stdin: ChildStdin, stdout: ChildStdout, files: &Receiver<Arc<[u8]>>, replies: &Sender<io::Result<Pages>>) {
    let mut stdout = BufReader::new(stdout);
    for file in files {
        let reply = exchange(&file, &mut stdin, &mut stdout);
        let is_last = reply.is_err();
        if replies.send(reply).is_err() || is_last {
            return;
        }
    }
}

fn exchange(file: &[u8], stdin: &mut ChildStdin, stdout: &mut BufReader<ChildStdout>) -> io::Result<Pages> {
    stdin.write_all(&(file.len() as u64).to_le_bytes())?;
    stdin.write_all(file)?;
    stdin.flush()?;
    let mut line = Vec::new();
    stdout.take(MOST_REPLY_BYTES).read_until(b'\n', &mut line)?;
    let pages: Pages = serde_json::from_slice(&line)?;
    Ok(pages)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LONG_MS: u64 = 300_000;

    fn apart(script: &str, patience_ms: u64) -> Apart {
        let program = Some((PathBuf::from("/bin/sh"), vec!["-c".to_owned(), format!("ulimit -c 0; {script}")]));
        Apart { program, patience: Duration::from_millis(patience_ms), idle: Mutex::default() }
    }

    #[test]
    fn what_a_child_says_is_taken() {
        let said = r#"head -c 9 > /dev/null; echo '{"Ok":[{"Ok":"Fog."},{"Err":"torn"}]}'; exec sleep 600"#;
        let expected = vec![Ok("Fog.".to_owned()), Err("torn".to_owned())];
        assert_eq!(apart(said, LONG_MS).pages(vec![7]), Ok(expected));
        let refused = r#"head -c 1048584 > /dev/null; echo '{"Err":"no PDF"}'; exec sleep 600"#;
        assert_eq!(apart(refused, LONG_MS).pages(vec![7; 1 << 20]), Err("no PDF".to_owned()));
    }

    #[test]
    fn what_becomes_of_a_child_is_told() {
        let check = |script: &str, told: &str| {
            let reason = apart(script, LONG_MS).pages(vec![7]).expect_err("no pages");
            assert!(reason.contains(told), "{script}: {reason}");
        };
        check("exit 9", "exit status: 9");
        check("kill -XCPU $$", "30 s of a processor's time");
        check("echo memory allocation of 9 bytes failed >&2; kill -ABRT $$", "more than 1 GiB");
        check("echo thread main has overflowed its stack >&2; kill -ABRT $$", "nested too deeply");
        check("echo what; exec sleep 600", "ended the process");
        check("exec yes", "ended the process");
        check("exec cat /dev/zero", "ended the process");
        // More than a pipe holds, which nobody reads.
        let reason = apart("exec sleep 600", 50).pages(vec![7; 1 << 20]).expect_err("no pages");
        assert!(reason.contains("more than 0.05 s"), "{reason}");
    }

    #[test]
    fn a_child_reads_many_and_is_replaced_when_it_is_gone() {
        let who = |apart: &Apart| apart.pages(vec![7]).expect("it says which it is");
        let says = r#"echo "{\"Ok\":[{\"Ok\":\"$$\"}]}""#;
        let once = apart(&format!("head -c 9 > /dev/null; {says}"), LONG_MS);
        assert_ne!(who(&once), who(&once));
        let many = apart(&format!("while head -c 9 > /dev/null; do {says}; done"), LONG_MS);
        assert_eq!(who(&many), who(&many));
    }
}
