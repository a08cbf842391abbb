//! The run: which calls are missing, making them, and collecting what the ledger holds into handles.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use frontload_core::{
    Chunk, ChunkKey, Completion, Digest, Evidence, Failure, Finish, Generator, Handle, KindSpec, Prompt, Schema, Source,
};

use crate::{
    EnrichError,
    answer::parse,
    gates::{Rejections, count, drop_filler, gate, gate_import},
    grammar::{GRAMMAR_VERSION, lark},
    ledger::{Ledger, Place, Record, SettledAnswer},
    prompt::{PROMPT_VERSION, max_answer_tokens, messages},
    state::State,
};

/// One call to make: a chunk, and the kinds it has no answer for yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The chunk's place in the corpus.
    pub chunk: usize,
    /// The kinds to ask for.
    pub kinds: Vec<String>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Calls ended.
    pub done: usize,
    /// Calls in all.
    pub total: usize,
    /// Calls that gave no answer.
    pub failed: usize,
    /// Tokens the model wrote.
    pub answer_tokens: u64,
    /// Tokens of prompts that were decoded for one chunk alone.
    pub prefill_tokens: u64,
    /// Since the first call.
    pub elapsed: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The last progress.
    pub progress: Progress,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// A handle made elsewhere, for a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The chunk.
    pub chunk: ChunkKey,
    /// Its kind.
    pub kind: String,
    /// Its text.
    pub text: String,
    /// What stands behind it.
    pub evidence: Evidence,
}

impl From<Imported> for Record {
    fn from(row: Imported) -> Self {
        Self::Import { chunk: row.chunk, kind: row.kind, text: row.text, evidence: row.evidence }
    }
}

/// Everything the ledger holds for a corpus, gated.
#[derive(Debug, Default)]
pub struct Collected {
    /// Each chunk's handles, in schema order, model's before imported ones.
    pub handles: Vec<Vec<Handle>>,
    /// What the gates turned away.
    pub rejections: Rejections,
}

/// The hash of everything that shapes the answer for one kind of one chunk.
fn answer_key(schema: &Schema, spec: &KindSpec, chunk: &Chunk, model: &str) -> Digest {
    let kind = schema.fingerprint(spec).to_hex();
    let chunk = chunk.key().0.to_hex();
    Digest::of_parts(["answer", GRAMMAR_VERSION, PROMPT_VERSION, &chunk, &kind, model])
}

/// The calls that are missing. Equal chunks are asked about once. A call that failed before is not made
/// again unless `retry_failed`.
///
/// # Errors
/// When the state cannot be read.
pub fn plan(
    chunks: &[Chunk],
    schema: &Schema,
    model: &str,
    state: &State,
    retry_failed: bool,
) -> Result<Vec<Call>, EnrichError> {
    let mut planned: HashSet<ChunkKey> = HashSet::new();
    let mut calls = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        if !planned.insert(chunk.key()) {
            continue;
        }
        let mut kinds = Vec::new();
        for spec in schema.asked() {
            let known = state.answer(answer_key(schema, spec, chunk, model))?;
            if known.is_none_or(|known| retry_failed && !known.answered) {
                kinds.push(spec.kind.clone());
            }
        }
        if !kinds.is_empty() {
            calls.push(Call { chunk: at, kinds });
        }
    }
    Ok(calls)
}

/// Makes the calls. Each answer is in the ledger, synced, before it counts as done.
///
/// # Errors
/// When the model is unusable or the disk refuses; what was answered before is kept.
pub fn enrich(
    chunks: &[Chunk],
    schema: &Schema,
    calls: &[Call],
    generator: &mut dyn Generator,
    (ledger, state): (&mut Ledger, &State),
    (stop, report): (&AtomicBool, &mut dyn FnMut(Progress)),
) -> Result<Outcome, EnrichError> {
    let model = generator.fingerprint().to_owned();
    let started = Instant::now();
    let mut progress = Progress {
        done: 0,
        total: calls.len(),
        failed: 0,
        answer_tokens: 0,
        prefill_tokens: 0,
        elapsed: Duration::ZERO,
    };
    let specs = |call: &Call| -> Vec<&KindSpec> { call.kinds.iter().filter_map(|kind| schema.kind(kind)).collect() };
    let mut prompts = calls.iter().enumerate().map_while(|(id, call)| {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let chunk = chunks.get(call.chunk)?;
        let kinds = specs(call);
        Some(Prompt {
            id: id as u64,
            messages: messages(schema, &kinds, chunk),
            grammar: Some(lark(&kinds, &chunk.text)),
            max_tokens: max_answer_tokens(&kinds),
        })
    });
    let mut failed: Option<EnrichError> = None;
    let mut done = |id: u64, result: Result<Completion, Failure>| {
        let Some((call, chunk)) = calls.get(id as usize).and_then(|call| Some((call, chunks.get(call.chunk)?))) else {
            return ControlFlow::Continue(());
        };
        progress.done += 1;
        match &result {
            Ok(completion) => {
                progress.answer_tokens += u64::from(completion.answer_tokens);
                progress.prefill_tokens += u64::from(completion.prefill_tokens);
                progress.failed += usize::from(completion.finish == Finish::Length);
            }
            Err(_) => progress.failed += 1,
        }
        progress.elapsed = started.elapsed();
        let kinds =
            specs(call).iter().map(|spec| (spec.kind.clone(), answer_key(schema, spec, chunk, &model))).collect();
        let record = Record::Answer(SettledAnswer { chunk: chunk.key(), kinds, model: model.clone(), result });
        if let Err(error) = keep(ledger, state, &record) {
            failed = Some(error);
            return ControlFlow::Break(());
        }
        report(progress);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    generator.generate(&mut prompts, &mut done)?;
    match failed {
        Some(error) => Err(error),
        None => Ok(Outcome { progress, interrupted: progress.done < progress.total }),
    }
}

fn keep(ledger: &mut Ledger, state: &State, record: &Record) -> Result<(), EnrichError> {
    for place in ledger.append(std::slice::from_ref(record))? {
        state.apply(place, record)?;
    }
    Ok(())
}

/// The chunks whose call failed, with the reason: those a finished run leaves without handles.
///
/// # Errors
/// When the state or the ledger cannot be read.
pub fn quarantined(
    chunks: &[Chunk],
    schema: &Schema,
    model: &str,
    (ledger, state): (&Ledger, &State),
) -> Result<Vec<(usize, String)>, EnrichError> {
    let mut failures = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        for spec in schema.asked() {
            let Some(known) = state.answer(answer_key(schema, spec, chunk, model))? else { continue };
            if let Record::Answer(settled) = ledger.read(known.place)?
                && let Some(reason) = settled.why_unusable()
            {
                failures.push((at, reason));
                break;
            }
        }
    }
    Ok(failures)
}

/// Reads, parses and gates everything the ledger holds for these chunks: the model's answers if a model is
/// named, and all imports.
///
/// # Errors
/// When the state or the ledger cannot be read.
pub fn collect(
    chunks: &[Chunk],
    schema: &Schema,
    model: Option<&str>,
    (ledger, state): (&Ledger, &State),
) -> Result<Collected, EnrichError> {
    let mut collected = Collected::default();
    let mut read: HashMap<Place, BTreeMap<String, Vec<String>>> = HashMap::new();
    for chunk in chunks {
        let mut handles = Vec::new();
        for spec in schema.asked() {
            let Some(model) = model else { break };
            let Some(known) = state.answer(answer_key(schema, spec, chunk, model))? else { continue };
            let answer = match read.get(&known.place) {
                Some(answer) => answer,
                None => read.entry(known.place).or_insert(answered(&ledger.read(known.place)?)),
            };
            let items = answer.get(&spec.kind).map_or(&[][..], Vec::as_slice);
            let (accepted, rejected) = gate(schema, spec, chunk, items);
            handles.extend(accepted);
            for item in rejected {
                count(&mut collected.rejections, &item.kind, item.reason);
            }
        }
        for place in state.imports(chunk.key())? {
            let Record::Import { kind, text, evidence, .. } = ledger.read(place)? else { continue };
            match gate_import(Handle { kind, text, evidence, span: None, source: Source::Import }, chunk) {
                Ok(handle) => handles.push(handle),
                Err(item) => count(&mut collected.rejections, &item.kind, item.reason),
            }
        }
        collected.handles.push(handles);
        // Only the chunks of one answer share it, and they are equal; nothing older is asked for again soon.
        if read.len() > 10_000 {
            read.clear();
        }
    }
    drop_filler(schema, chunks, &mut collected.handles, &mut collected.rejections);
    Ok(collected)
}

fn answered(record: &Record) -> BTreeMap<String, Vec<String>> {
    let Record::Answer(settled) = record else { return BTreeMap::new() };
    let kinds: Vec<&str> = settled.kinds.keys().map(String::as_str).collect();
    match &settled.result {
        Ok(completion) if settled.why_unusable().is_none() => parse(&completion.text, &kinds),
        _ => BTreeMap::new(),
    }
}
