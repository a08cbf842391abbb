//! Chunks and handles as messages.

use frontload_core::{ChunkId, Handle, MetaValue, Role};
use frontload_engine::{HandlePage, HandleQuery, Shown};
use frontload_index::Manifest;
use tonic::Status;

use super::{QUERY_BYTES, count, invalid, place, too_long};
use crate::v1;

const MOST_HANDLES: u32 = 1000;

pub(super) fn handle(handle: Handle, text: &str) -> v1::Handle {
    let quoted = handle.span.and_then(|(start, end)| text.get(start as usize..end as usize));
    let quote = quoted.unwrap_or_default().to_owned();
    let (span_start, span_end) = handle.span.unwrap_or_default();
    let evidence = handle.evidence.to_string();
    v1::Handle { kind: handle.kind, text: handle.text, evidence, span_start, span_end, quote }
}

pub(crate) fn chunk(shown: Shown) -> v1::Chunk {
    let Shown { indexed, beside: (previous, next), prompts } = shown;
    let (id, chunk) = (indexed.chunk.id(), indexed.chunk);
    let handles = indexed.handles.into_iter().map(|given| handle(given, &chunk.text)).collect();
    let rejected = indexed
        .rejected
        .into_iter()
        .map(|item| v1::RejectedHandle {
            kind: item.kind,
            text: item.text,
            reason: item.reason.to_string(),
            detail: item.detail,
        })
        .collect();
    let mut prompts = prompts.into_iter();
    let model_answers = indexed
        .said
        .into_iter()
        .map(|said| {
            let turns = prompts.next().unwrap_or_default();
            let turn = |turn: frontload_core::Message| v1::PromptTurn { role: role(turn.role), content: turn.content };
            v1::ModelAnswer { kinds: said.kinds, text: said.text, prompt: turns.into_iter().map(turn).collect() }
        })
        .collect();
    v1::Chunk {
        chunk_id: id,
        document_id: chunk.document,
        title: chunk.title,
        headings: chunk.headings,
        text: chunk.text,
        source: chunk.source,
        language: chunk.language.unwrap_or_default(),
        metadata: chunk.metadata.iter().map(|(name, value)| (name.clone(), words(value))).collect(),
        place: chunk.place.map(place),
        handles,
        rejected,
        model_answers,
        previous_chunk_id: previous.unwrap_or_default(),
        next_chunk_id: next.unwrap_or_default(),
    }
}

fn role(role: Role) -> String {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
    .to_owned()
}

fn words(value: &MetaValue) -> String {
    match value {
        MetaValue::Flag(flag) => flag.to_string(),
        MetaValue::Number(number) => number.to_string(),
        MetaValue::Text(text) => text.clone(),
        MetaValue::Many(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
    }
}

/// Which handles are to be listed.
pub fn list_handles(request: v1::ListHandlesRequest) -> Result<HandleQuery, Status> {
    let v1::ListHandlesRequest { kind, contains, page_size, page_token } = request;
    if contains.len() > QUERY_BYTES {
        return Err(too_long("contains", contains.len()));
    }
    let from = match page_token.as_str() {
        "" => None,
        token => {
            let place = token.parse().map_err(|_| invalid("page_token", "is not one that this service gave"))?;
            Some(ChunkId(place))
        }
    };
    let most = count("page_size", page_size, 100, MOST_HANDLES)?;
    Ok(HandleQuery { kind: (!kind.is_empty()).then_some(kind), contains, from, most })
}

/// A kind that no lane has is a mistake, not an empty list.
pub(crate) fn check_kind(manifest: &Manifest, kind: &str) -> Result<(), Status> {
    let kinds: std::collections::BTreeSet<String> = manifest
        .lanes
        .iter()
        .filter(|entry| matches!(entry.lane.field, frontload_core::Field::Handle(_)))
        .map(|entry| entry.lane.field.to_string())
        .collect();
    if kinds.contains(kind) {
        return Ok(());
    }
    let known = if kinds.is_empty() { "none".to_owned() } else { kinds.into_iter().collect::<Vec<_>>().join(", ") };
    Err(invalid("kind", format!("no handles of kind {kind:?} here; there are {known}")))
}

pub(crate) fn handle_page(page: HandlePage) -> v1::ListHandlesResponse {
    let listed = |(chunk_id, title, given): (String, String, Handle)| v1::ListedHandle {
        chunk_id,
        title,
        // Its words stand in the chunk, which is not sent along.
        handle: Some(handle(given, "")),
    };
    v1::ListHandlesResponse {
        handles: page.handles.into_iter().map(listed).collect(),
        next_page_token: page.next.map_or_else(String::new, |chunk| chunk.0.to_string()),
    }
}
