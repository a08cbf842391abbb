//! Who asks for the handles: the index's own schema or another one, and for which kinds.

use frontload_core::{Schema, Source};
use frontload_index::{IndexedChunk, Reader};

use super::{LeftOut, TrainingFormat, TrainingOptions};
use crate::{EngineError, input};

/// The schema that asks, and the kinds it is to ask for.
pub(super) fn asking(
    reader: &Reader,
    indexed: &[IndexedChunk],
    options: &TrainingOptions,
    left_out: &mut LeftOut,
) -> Result<(Schema, Vec<String>), EngineError> {
    let wrong = |problem: String| Err(input(options.place, None, problem));
    let schema = options.schema.or(reader.manifest().schema.as_ref());
    let mut known: Vec<String> =
        schema.iter().flat_map(|schema| schema.asked()).map(|spec| spec.kind.clone()).collect();
    // What a rule finds is never asked for; what was imported may be, if somebody says how.
    let by_rule = |kind: &str| schema.and_then(|schema| schema.kind(kind)).is_some_and(|spec| spec.normalise.is_some());
    for handle in indexed.iter().flat_map(|indexed| &indexed.handles) {
        if handle.source != Source::Alias && !known.contains(&handle.kind) {
            *left_out.unasked_handles.entry(handle.kind.clone()).or_default() += 1;
        }
    }
    if options.schema.is_none() && options.kinds.is_empty() {
        let silent: Vec<&str> =
            left_out.unasked_handles.keys().map(String::as_str).filter(|kind| !by_rule(kind)).collect();
        if !silent.is_empty() {
            let or = if known.is_empty() { String::new() } else { format!(", or take --kinds {}", known.join(",")) };
            return wrong(format!(
                "no schema asks for {}, which came by import: name one that does with --schema FILE{or}",
                silent.join(", ")
            ));
        }
    }
    let (Some(schema), false) = (schema, known.is_empty()) else {
        return wrong("no kind of handle is asked for: name a schema that does with --schema FILE".to_owned());
    };
    if let Some(kind) = options.kinds.iter().find(|kind| !known.contains(kind)) {
        return wrong(format!("--kinds {kind}: the schema asks for {}", known.join(", ")));
    }
    if !options.kinds.is_empty() {
        known.retain(|kind| options.kinds.contains(kind));
    }
    let mut schema = schema.clone();
    if !options.examples {
        schema.examples.clear();
    }
    if options.format == TrainingFormat::Alpaca && !schema.examples.is_empty() {
        return wrong(format!(
            "a row of alpaca has one turn, and the schema has {} examples: leave them out with --no-examples, or take \
             another --format",
            schema.examples.len()
        ));
    }
    // That nobody ever wrote such a handle does not mean that no passage deserves one.
    let (kinds, unknown) = known.into_iter().partition(|kind| {
        indexed.iter().any(|indexed| {
            indexed.handles.iter().any(|handle| handle.kind == *kind)
                || indexed.said.iter().any(|said| said.kinds.contains(kind))
        })
    });
    left_out.unknown_kinds = unknown;
    Ok((schema, kinds))
}
