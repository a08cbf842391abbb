//! Where handles came from: the records of the ledger they rest on. It is read through for that, without being opened:
//! whoever writes meanwhile is not disturbed.

use std::collections::HashMap;

use frontload_core::{Chunk, ChunkKey, Digest, Handle, Schema, Source, Verdict, fold};
use frontload_enrich::{Job, Record, scan};
use frontload_index::{IndexDir, IndexedChunk, Manifest};

use crate::EngineError;

/// What the ledger knows of a handle's origin, beside its [`Source`]. Records of earlier programs do not say when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The fingerprint of the model that said it.
    pub model: Option<String>,
    /// The hash of everything that shaped the model's answer: the prompt with its examples, the passage, the grammar, the
    /// model.
    pub prompt: Option<Digest>,
    /// The person who wrote, accepted or joined it.
    pub by: Option<String>,
    /// When, in seconds since 1970.
    pub at: Option<u64>,
}

/// A handle, whatever model says it: its chunk, its kind, its folded text.
type Named = (ChunkKey, String, String);

/// The last words of the ledger that handles can rest on.
#[derive(Default)]
struct Words {
    /// By the answer's key: when.
    answers: HashMap<Digest, Option<u64>>,
    imports: HashMap<Named, Option<u64>>,
    /// By the handle that was decided on: what it then is, folded; who; when.
    reviews: HashMap<Named, (Option<String>, String, u64)>,
    /// By kind and folded text: who, when.
    aliases: HashMap<(String, String), (String, u64)>,
}

/// The origin of every handle of a document's chunks, in their order.
///
/// # Errors
/// When the ledger cannot be read. Damaged lines of it are passed over.
pub fn provenance(
    dir: &IndexDir,
    manifest: &Manifest,
    document: &[IndexedChunk],
) -> Result<Vec<Vec<Provenance>>, EngineError> {
    let chunks: Vec<Chunk> = document.iter().map(|indexed| indexed.chunk.clone()).collect();
    let asked = manifest.model.as_deref().zip(manifest.schema.as_ref());
    let keys = asked.map(|(model, schema)| keys(&chunks, schema, model)).unwrap_or_default();
    let words = Words::read(dir)?;
    let of_chunk = |(at, indexed): (usize, &IndexedChunk)| {
        let key = indexed.chunk.key();
        let of_handle = |handle: &Handle| match handle.source {
            Source::Model => {
                let prompt = keys.get(&(at, handle.kind.clone())).copied();
                let at = prompt.and_then(|prompt| words.answers.get(&prompt).copied().flatten());
                Provenance { model: manifest.model.clone(), prompt, by: None, at }
            }
            Source::Rule => Provenance::default(),
            Source::Import => {
                let named = (key, handle.kind.clone(), fold::fold(&handle.text));
                Provenance { at: words.imports.get(&named).copied().flatten(), ..Provenance::default() }
            }
            Source::Person => words.decided(key, handle),
            Source::Alias => {
                let said = words.aliases.get(&(handle.kind.clone(), fold::fold(&handle.text)));
                Provenance::person(said.map(|(by, at)| (by, *at)))
            }
        };
        indexed.handles.iter().map(of_handle).collect::<Vec<_>>()
    };
    Ok(document.iter().enumerate().map(of_chunk).collect())
}

/// The key of each kind's answer about each chunk.
fn keys(chunks: &[Chunk], schema: &Schema, model: &str) -> HashMap<(usize, String), Digest> {
    let calls = Job::new(chunks, schema).every_call(model);
    calls
        .into_iter()
        .flat_map(|call| call.kinds.into_iter().map(move |(kind, key)| ((call.chunk, kind), key)))
        .collect()
}

impl Provenance {
    fn person(said: Option<(&String, u64)>) -> Self {
        Self { by: said.map(|(by, _)| by.clone()), at: said.map(|(_, at)| at), ..Self::default() }
    }
}

impl Words {
    fn read(dir: &IndexDir) -> Result<Self, EngineError> {
        let mut words = Self::default();
        scan(&dir.ledger(), None, &mut |_, record| words.note(record))?;
        Ok(words)
    }

    fn note(&mut self, record: Record) {
        match record {
            Record::Answer(settled) => {
                self.answers.extend(settled.kinds.into_values().map(|key| (key, settled.at)));
            }
            Record::Import { chunk, kind, text, at, .. } => {
                self.imports.insert((chunk, kind, fold::fold(&text)), at);
            }
            Record::Review(decision) => {
                let folded = fold::fold(&decision.text);
                let becomes = match &decision.verdict {
                    Verdict::Accept => Some(folded.clone()),
                    Verdict::Edit(to) => Some(fold::fold(to)),
                    Verdict::Reject | Verdict::Flag | Verdict::Withdraw => None,
                };
                self.reviews.insert((decision.chunk, decision.kind, folded), (becomes, decision.by, decision.at));
            }
            Record::Alias { alias, by, at, .. } => {
                for text in [&alias.text, &alias.means] {
                    self.aliases.insert((alias.kind.clone(), fold::fold(text)), (by.clone(), at));
                }
            }
            Record::Settings(_)
            | Record::Attempt { .. }
            | Record::Released { .. }
            | Record::Ran { .. }
            | Record::Purge(_)
            | Record::Erased {} => {}
        }
    }

    /// Who last said that a chunk has this handle.
    fn decided(&self, chunk: ChunkKey, handle: &Handle) -> Provenance {
        let folded = fold::fold(&handle.text);
        let stands = |(named, (becomes, _, _)): &(&Named, &(Option<String>, String, u64))| {
            named.0 == chunk && named.1 == handle.kind && becomes.as_deref() == Some(folded.as_str())
        };
        let last = self.reviews.iter().filter(stands).max_by_key(|(_, (_, _, at))| *at);
        Provenance::person(last.map(|(_, (_, by, at))| (by, *at)))
    }
}
