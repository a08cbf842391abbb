//! From the ledger to handles: everything that was ever said about these chunks, read, gated and counted.

use std::collections::HashMap;

use frontload_core::{Chunk, Handle, Rejected, Said, Schema, Source};

use crate::{
    EnrichError,
    answer::Answer,
    gates::{Judge, drop_filler, gate_import},
    ledger::{Ledger, Place, Record},
    plan::Job,
    review::{Aliases, apply},
    state::State,
};

/// Answers kept in memory: only the chunks of one answer share it, and nothing older is asked for again soon.
const KEPT_ANSWERS: usize = 10_000;

/// Everything the ledger holds for a corpus, gated.
#[derive(Debug, Default)]
pub struct Collected {
    /// Each chunk's handles, in schema order, model's before imported ones.
    pub handles: Vec<Vec<Handle>>,
    /// What the gates turned away, by chunk.
    pub rejected: Vec<Vec<Rejected>>,
    /// What the model said about each, raw.
    pub said: Vec<Vec<Said>>,
    /// Chunks that lack an answer, with the reason.
    pub failed: Vec<(usize, String)>,
    /// Chunks whose call was never made.
    pub unasked: usize,
}

/// Reads, parses and gates everything the ledger holds for these chunks: the model's answers if a model is
/// named, what rules find, and all imports.
///
/// # Errors
/// When the state or the ledger cannot be read.
pub fn collect(
    chunks: &[Chunk],
    schema: &Schema,
    model: Option<&str>,
    (ledger, state): (&Ledger, &State),
) -> Result<Collected, EnrichError> {
    let job = Job::new(chunks, schema);
    let mut collected = Collected::default();
    let mut read: HashMap<Place, Settled> = HashMap::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let judge = Judge::new(schema, chunk);
        let keys = model.map(|model| job.keys(at, model)).unwrap_or_default();
        let (mut handles, mut rejected) = (Vec::new(), Vec::new());
        let (mut failure, mut unasked) = (None, false);
        let mut said: Vec<Said> = Vec::new();
        for spec in &schema.kinds {
            if spec.normalise.is_some() && spec.ask.is_empty() {
                let (found, fallen) = judge.found_by_rule(spec);
                handles.extend(found);
                rejected.extend(fallen);
            }
            let Some(key) = keys.get(&spec.kind) else { continue };
            let Some(known) = state.answer(*key)? else {
                unasked = true;
                continue;
            };
            let settled = match read.get(&known.place) {
                Some(settled) => settled,
                None => read.entry(known.place).or_insert(settled(&ledger.read(known.place)?)),
            };
            // One answer to several kinds is shown once.
            if let Some(raw) = settled.raw.as_ref().filter(|raw| !said.contains(raw)) {
                said.push(raw.clone());
            }
            match &settled.answer {
                Ok(answer) => {
                    let (accepted, fallen) = judge.items(spec, answer.get(&spec.kind).map_or(&[], Vec::as_slice));
                    handles.extend(accepted);
                    rejected.extend(fallen);
                }
                Err(reason) => failure = Some(reason.clone()),
            }
        }
        for place in state.imports(chunk.key())? {
            let Record::Import { kind, text, evidence, .. } = ledger.read(place)? else { continue };
            let imported = Handle { kind, text, evidence, span: None, interval: None, source: Source::Import };
            match gate_import(imported, chunk) {
                Ok(handle) => handles.push(handle),
                Err(item) => rejected.push(item),
            }
        }
        let mut decisions = Vec::new();
        for place in state.reviews(chunk.key())? {
            let Record::Review(decision) = ledger.read(place)? else { continue };
            decisions.push(decision);
        }
        apply(&decisions, (schema, chunk), &mut handles, &mut rejected);
        collected.failed.extend(failure.map(|reason| (at, reason)));
        collected.unasked += usize::from(unasked);
        collected.handles.push(handles);
        collected.rejected.push(rejected);
        collected.said.push(said);
        if read.len() > KEPT_ANSWERS {
            read.clear();
        }
    }
    drop_filler(schema, chunks, &mut collected.handles, &mut collected.rejected);
    let aliases = aliases(ledger, state)?;
    collected.handles.iter_mut().for_each(|handles| aliases.add_to(handles));
    Ok(collected)
}

/// What people said means the same.
///
/// # Errors
/// When the state or the ledger cannot be read.
pub fn aliases(ledger: &Ledger, state: &State) -> Result<Aliases, EnrichError> {
    let mut holding = Vec::new();
    for place in state.aliases()? {
        if let Record::Alias { alias, holds: true, .. } = ledger.read(place)? {
            holding.push(alias);
        }
    }
    Ok(Aliases::new(holding))
}

/// One answer of the ledger: as it was said, and as it reads.
struct Settled {
    raw: Option<Said>,
    answer: Result<Answer, String>,
}

fn settled(record: &Record) -> Settled {
    match record {
        Record::Answer(settled) => {
            let kinds = || settled.kinds.keys().cloned().collect();
            let raw = settled.result.as_ref().ok().map(|said| Said { kinds: kinds(), text: said.text.clone() });
            Settled { raw, answer: settled.items() }
        }
        _ => Settled { raw: None, answer: Err("the ledger holds something else in the answer's place".to_owned()) },
    }
}
