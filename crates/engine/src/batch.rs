//! Enrichment by somebody else: the missing calls as a file of requests, and a file of their results taken in
//! through the same ledger, parser and gates. Both are JSON lines as `OpenAI`'s batch interface has them, which vLLM's
//! `run-batch` reads and writes too.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use frontload_core::{AnswerForm, Chunk, Completion, Digest, Failure, FailureKind, Prompt, Schema, escape_json};
use frontload_corpus::chunk_all;
use frontload_enrich::{Call, Job, Record, SettledAnswer, now};
use frontload_index::IndexDir;
use serde::Deserialize;

use crate::{
    EngineError,
    build::BuildOptions,
    input,
    workshop::{Workshop, healed},
};

/// Records appended to the ledger with one sync.
const APPENDED_AT_ONCE: usize = 512;

/// A model that is run elsewhere: its name, and what only the models' crate knows of it.
#[derive(Clone, Copy)]
pub struct Elsewhere<'a> {
    /// As the other side calls it.
    pub model: &'a str,
    /// As the ledger calls it.
    pub fingerprint: &'a str,
    /// A request's body.
    pub body: fn(&Prompt, &str) -> serde_json::Value,
    /// A response's body.
    pub completion: fn(&[u8]) -> Result<Completion, String>,
}

/// What an import of completions did.
#[derive(Debug, Default)]
pub struct BatchReport {
    /// Results taken into the ledger.
    pub taken: usize,
    /// Of these, failures and answers that cannot be read.
    pub failed: usize,
    /// Results of calls that are not missing (any more), or that belong to another corpus, schema or model.
    pub unknown: usize,
    /// Calls still missing.
    pub missing: usize,
}

#[derive(Deserialize)]
struct ResultLine {
    custom_id: String,
    response: Option<Response>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Response {
    status_code: Option<u16>,
    body: serde_json::Value,
}

/// Gives out the missing calls as requests, each a line with the digest that names the call; gives back how many there
/// are.
///
/// # Errors
/// When the corpus cannot be read, or the output not written.
pub fn export_prompts(
    dir: &IndexDir,
    options: &BuildOptions,
    schema: &Schema,
    elsewhere: Elsewhere,
    write: &mut dyn FnMut(Digest, &str) -> io::Result<()>,
) -> Result<usize, EngineError> {
    let shop = Workshop::open(dir)?;
    let corpus = shop.read(&options.sources)?;
    let chunks = chunk_all(&corpus.documents, options.chunk_chars);
    let job = Job::new(&chunks, schema);
    let plan = job.plan(elsewhere.fingerprint, &shop.state, options.retry_failed)?;
    let mut written = 0;
    for call in plan.calls.iter().chain(&plan.suspects) {
        let Some(prompt) = job.prompt(0, call, AnswerForm::Json) else { continue };
        let line = serde_json::json!({
            "custom_id": call.id(),
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": (elsewhere.body)(&prompt, elsewhere.model),
        });
        // Without a file to go to it goes to a terminal.
        write(call.id(), &escape_json(&line.to_string())).map_err(EngineError::Output)?;
        written += 1;
    }
    Ok(written)
}

/// Takes results into the ledger, failures too: they are asked again only when that is asked for. Nothing is
/// published; `frontload index` with the same model name does that, and asks nothing that is here.
///
/// # Errors
/// When a line of a file is unreadable: it is named, and those before it are kept, as are the other files.
pub fn import_completions(
    dir: &IndexDir,
    options: &BuildOptions,
    schema: &Schema,
    elsewhere: Elsewhere,
    files: &[PathBuf],
) -> Result<BatchReport, EngineError> {
    healed(dir, &mut || {
        let mut shop = Workshop::open(dir)?;
        let corpus = shop.read(&options.sources)?;
        let chunks = chunk_all(&corpus.documents, options.chunk_chars);
        let job = Job::new(&chunks, schema);
        let plan = job.plan(elsewhere.fingerprint, &shop.state, options.retry_failed)?;
        let open = plan.calls.iter().chain(&plan.suspects).map(|call| (call.id(), call)).collect();
        let mut taking = Taking { elsewhere, chunks: &chunks, open, report: BatchReport::default() };
        let mut problem = None;
        for file in files {
            match taking.file(file, &mut shop) {
                Ok(()) => {}
                // The others may be good.
                Err(wrong @ EngineError::Input { .. }) => problem = problem.or(Some(wrong)),
                Err(other) => return Err(other),
            }
        }
        taking.report.missing = taking.open.len();
        problem.map_or(Ok(taking.report), Err)
    })
}

/// Results on their way into the ledger.
struct Taking<'a> {
    elsewhere: Elsewhere<'a>,
    chunks: &'a [Chunk],
    /// Calls that are missing still.
    open: HashMap<Digest, &'a Call>,
    report: BatchReport,
}

impl Taking<'_> {
    fn file(&mut self, file: &Path, shop: &mut Workshop) -> Result<(), EngineError> {
        let before = self.report.taken;
        let mut records = Vec::new();
        let opened = File::open(file).map_err(|error| input(file, None, error))?;
        for (at, line) in BufReader::new(opened).lines().enumerate() {
            let line = line.map_err(|error| error.to_string());
            let read = line.and_then(|line| {
                let blank = line.trim().is_empty();
                if blank {
                    Ok(None)
                } else {
                    serde_json::from_str::<ResultLine>(&line).map(Some).map_err(|e| e.to_string())
                }
            });
            match read {
                Ok(Some(row)) => records.extend(self.record(row)),
                Ok(None) => {}
                Err(problem) => {
                    shop.append(&records)?;
                    let kept = self.report.taken - before;
                    let problem = format!("no result of a batch: {problem}; {kept} results before it are kept");
                    return Err(input(file, Some(at + 1), problem));
                }
            }
            if records.len() >= APPENDED_AT_ONCE {
                shop.append(&std::mem::take(&mut records))?;
            }
        }
        shop.append(&records)
    }

    /// What the ledger says of one result; `None` when it answers no missing call.
    fn record(&mut self, row: ResultLine) -> Option<Record> {
        let call = Digest::from_hex(&row.custom_id).and_then(|id| self.open.remove(&id));
        let Some((call, chunk)) = call.and_then(|call| Some((call, self.chunks.get(call.chunk)?))) else {
            self.report.unknown += 1;
            return None;
        };
        let (chunk, kinds, model) = (chunk.key(), call.kinds.clone(), self.elsewhere.fingerprint.to_owned());
        let settled = SettledAnswer { chunk, kinds, model, result: result(row, self.elsewhere), at: Some(now()) };
        self.report.taken += 1;
        self.report.failed += usize::from(settled.items().is_err());
        Some(Record::Answer(settled))
    }
}

fn result(row: ResultLine, elsewhere: Elsewhere) -> Result<Completion, Failure> {
    let refused = |reason: String| Failure { kind: FailureKind::Refused, reason };
    match (row.response, row.error.filter(|error| !error.is_null())) {
        (_, Some(error)) => Err(refused(format!("the batch says {error}"))),
        (None, None) => Err(refused("the batch holds neither response nor error".to_owned())),
        (Some(response), None) => match response.status_code {
            Some(code) if code != 200 => Err(refused(format!("the batch answered {code}: {}", response.body))),
            _ => (elsewhere.completion)(response.body.to_string().as_bytes()).map_err(refused),
        },
    }
}
