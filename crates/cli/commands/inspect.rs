//! `frontload inspect`: a document's chunks with their handles, what stands behind each, and where it came from.

use std::{collections::BTreeMap, process::ExitCode};

use frontload_core::{Chunk, Handle, Unit, utc};
use frontload_engine::{Provenance, document, provenance, source_name};
use frontload_index::{IndexedChunk, Reader};
use serde_json::{Value, json};

use crate::{args::InspectArgs, commands::open, config::Config, exit, print};

pub fn run(config: &Config, args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let reader = open(config)?;
    let mut found: Vec<IndexedChunk> = Vec::new();
    for indexed in reader.chunks() {
        let indexed = indexed?;
        if indexed.chunk.document == args.id || indexed.chunk.id() == args.id {
            found.push(indexed);
        }
    }
    if found.is_empty() {
        eprintln!("no document or chunk {:?} in {}", args.id, config.index.path().display());
        return Ok(ExitCode::from(exit::NO_HIT));
    }
    let origins = origins(config, &reader, &found)?;
    for indexed in &found {
        let origins = origins.get(&indexed.chunk.id()).map(Vec::as_slice).unwrap_or_default();
        if config.json {
            print::json(&as_json(indexed, origins));
        } else {
            describe(indexed, origins);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the handles of these chunks' documents came from, by chunk.
fn origins(
    config: &Config,
    reader: &Reader,
    found: &[IndexedChunk],
) -> anyhow::Result<BTreeMap<String, Vec<Provenance>>> {
    let mut origins = BTreeMap::new();
    for indexed in found {
        if origins.contains_key(&indexed.chunk.id()) {
            continue;
        }
        let whole = document(reader, &indexed.chunk.document)?;
        let of_chunks = provenance(&config.index, reader.manifest(), &whole)?;
        origins.extend(whole.iter().map(|indexed| indexed.chunk.id()).zip(of_chunks));
    }
    Ok(origins)
}

fn as_json(indexed: &IndexedChunk, origins: &[Provenance]) -> Value {
    let (chunk, rejected) = (&indexed.chunk, &indexed.rejected);
    let handles = indexed.handles.iter().enumerate().map(|(at, handle)| {
        let mut value = json!(handle);
        let Provenance { model, prompt, by, at } = origins.get(at).cloned().unwrap_or_default();
        value["provenance"] = json!({"model": model, "prompt": prompt, "by": by, "at": at});
        value
    });
    json!({
        "schema_version": 1, "id": chunk.id(), "key": chunk.key(), "chunk": chunk,
        "handles": handles.collect::<Vec<_>>(), "rejected": rejected,
    })
}

fn describe(indexed: &IndexedChunk, origins: &[Provenance]) {
    let (chunk, dim) = (&indexed.chunk, anstyle::Style::new().dimmed());
    print::line(&format!(
        "{}  {}  (bytes {}–{})",
        print::clean(&chunk.id()),
        print::clean(&chunk.title),
        chunk.span.0,
        chunk.span.1
    ));
    print::line(&format!("from {}", print::clean(&place(chunk))));
    print::line(&format!("\n{}\n", print::clean(&chunk.text)));
    for (at, handle) in indexed.handles.iter().enumerate() {
        let days = handle.interval.map_or_else(String::new, |days| format!(", {days}"));
        let span = handle.span.map_or_else(String::new, |(start, end)| format!(", bytes {start}–{end}"));
        print::line(&format!(
            "  {:<10} {}  ({}{span}{days})  {dim}{}{dim:#}",
            handle.kind,
            print::clean(&handle.text),
            handle.evidence,
            print::clean(&came_from(handle, origins.get(at)))
        ));
    }
    for item in &indexed.rejected {
        let why = if item.detail.is_empty() { String::new() } else { format!(": {}", print::clean(&item.detail)) };
        print::line(&format!(
            "  {dim}{:<10} {}  not indexed, {}{why}{dim:#}",
            item.kind,
            print::cut(&item.text, 90),
            item.reason
        ));
    }
}

/// Its source, and where in which file of it.
fn place(chunk: &Chunk) -> String {
    let Some(place) = &chunk.place else { return chunk.source.clone() };
    let unit = match place.unit {
        Unit::Byte => "bytes",
        Unit::Line => "lines",
        Unit::Page => "pages",
    };
    format!("{}/{}, {unit} {}–{}", chunk.source, place.path, place.start, place.end)
}

/// Who said it, asked how, and when.
fn came_from(handle: &Handle, origin: Option<&Provenance>) -> String {
    let Provenance { model, prompt, by, at } = origin.cloned().unwrap_or_default();
    let told = [
        Some(source_name(handle.source).to_owned()),
        model,
        prompt.map(|prompt| format!("prompt {}", prompt.short())),
        by.map(|by| format!("by {by}")),
        at.map(utc),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
