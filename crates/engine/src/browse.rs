//! Looking at what stands in a generation: one chunk with everything that is known of it, handles page by page.

use frontload_core::{AnswerForm, Chunk, ChunkId, Comparison, Filter, Handle, Message, Operand, Subject};
use frontload_enrich::Job;
use frontload_index::{IndexedChunk, Reader};

use crate::EngineError;

/// Chunks looked at for one page of handles, so that a word that stands nowhere does not read a whole index.
const LOOKED_AT: usize = 5_000;

/// A chunk, and what stands around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The chunk with its handles.
    pub indexed: IndexedChunk,
    /// The ids of the chunks before and after it in its document.
    pub beside: (Option<String>, Option<String>),
    /// What the model was asked before each thing it said; empty when that was not wanted.
    pub prompts: Vec<Vec<Message>>,
}

/// Every chunk of a document, in order; none when there is no such document.
///
/// # Errors
/// When the generation breaks under our hands.
pub fn document(reader: &Reader, id: &str) -> Result<Vec<IndexedChunk>, EngineError> {
    let filter = Filter::Is(Subject::Document, Comparison::Equal, Operand::Text(id.to_owned()));
    let among = reader.among(&filter)?;
    let mut chunks = among.iter().map(|chunk| reader.chunk(chunk)).collect::<Result<Vec<_>, _>>()?;
    chunks.sort_by_key(|indexed| indexed.chunk.ordinal);
    Ok(chunks)
}

/// One chunk by its id; `None` when there is none.
///
/// # Errors
/// When the generation breaks under our hands.
pub fn show(reader: &Reader, id: &str, with_prompts: bool) -> Result<Option<Shown>, EngineError> {
    // A document's own id may hold a `#` too.
    let shorter = id.rsplit_once('#').map(|(document, _)| document);
    for name in [Some(id), shorter].into_iter().flatten() {
        let chunks = document(reader, name)?;
        let Some(at) = chunks.iter().position(|indexed| indexed.chunk.id() == id) else { continue };
        let beside = |at: Option<usize>| at.and_then(|at| chunks.get(at)).map(|indexed| indexed.chunk.id());
        let around = (beside(at.checked_sub(1)), beside(at.checked_add(1)));
        let prompts = if with_prompts { prompts(reader, &chunks, at) } else { Vec::new() };
        let indexed = chunks.into_iter().nth(at);
        return Ok(indexed.map(|indexed| Shown { indexed, beside: around, prompts }));
    }
    Ok(None)
}

/// The prompts are not kept: they are made again from the schema, as they were made for the model.
fn prompts(reader: &Reader, document: &[IndexedChunk], at: usize) -> Vec<Vec<Message>> {
    let manifest = reader.manifest();
    let (Some(schema), Some(indexed)) = (&manifest.schema, document.get(at)) else { return Vec::new() };
    let elsewhere = |model: &str| model.starts_with("endpoint:") || model.starts_with("batch:");
    let endpoint = manifest.model.as_deref().is_some_and(elsewhere);
    let form = if endpoint { AnswerForm::Json } else { AnswerForm::Lines };
    let chunks: Vec<Chunk> = document.iter().map(|indexed| indexed.chunk.clone()).collect();
    let job = Job::new(&chunks, schema);
    indexed.said.iter().map(|said| job.turns(at, &said.kinds, form).unwrap_or_default()).collect()
}

/// Which handles are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandleQuery {
    /// Of this kind alone.
    pub kind: Option<String>,
    /// That contain this, up to case.
    pub contains: String,
    /// From this chunk on.
    pub from: Option<ChunkId>,
    /// About so many: a chunk's handles are not parted.
    pub most: usize,
}

/// A page of handles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HandlePage {
    /// Each with its chunk's id and title.
    pub handles: Vec<(String, String, Handle)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<ChunkId>,
}

/// Lists handles by chunk.
///
/// # Errors
/// When the generation breaks under our hands.
pub fn handles(reader: &Reader, wanted: &HandleQuery) -> Result<HandlePage, EngineError> {
    let mut page = HandlePage::default();
    let contains = wanted.contains.to_lowercase();
    let from = wanted.from.unwrap_or(ChunkId(0));
    for (looked, id) in reader.ids().filter(|id| *id >= from).enumerate() {
        if looked == LOOKED_AT || page.handles.len() >= wanted.most {
            page.next = Some(id);
            break;
        }
        let IndexedChunk { chunk, handles, .. } = reader.chunk(id)?;
        let fits = |handle: &Handle| {
            wanted.kind.as_ref().is_none_or(|kind| *kind == handle.kind)
                && (contains.is_empty() || handle.text.to_lowercase().contains(&contains))
        };
        let listed = handles.into_iter().filter(fits).map(|handle| (chunk.id(), chunk.title.clone(), handle));
        page.handles.extend(listed);
    }
    Ok(page)
}
