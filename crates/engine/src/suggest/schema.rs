//! The proposed kinds as a schema file, with the queries that call for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use frontload_core::{ChunkId, Schema, is_hidden};
use frontload_index::Reader;
use toml::Value;

use super::{LoggedQuery, Missed, Proposed, SHOWN};
use crate::EngineError;

/// Passages shown as examples, and how much of each.
const EXAMPLES: usize = 3;
const EXAMPLE_CHARS: usize = 600;

/// Writes the file. Passages that answer judged queries become its examples, with what the queries say of them.
pub(super) fn write(
    reader: &Reader,
    about: &str,
    (kinds, missed): (&[Proposed], &[Missed]),
    queries: &[LoggedQuery],
) -> Result<String, EngineError> {
    let mut text =
        String::from("# Proposed by `frontload suggest` from queries that the text alone does not answer.\n");
    let _ = write!(text, "\n[schema]\nname = \"suggested\"\nabout = {}\n", quoted(about));
    for Proposed { candidate, wanted_by, named_by_model, .. } in kinds {
        let _ = write!(text, "\n# Wanted by {} of {} such queries", wanted_by.len(), missed.len());
        let _ = writeln!(text, "{}:", if *named_by_model { "; named by the model, so read it twice" } else { "" });
        for query in wanted_by.iter().take(SHOWN).filter_map(|&at| queries.get(at)) {
            let _ = writeln!(text, "#   {}", one_line(&query.text));
        }
        let _ = write!(
            text,
            "[[handle]]\nkind = {}\nask = {}\nevidence = \"{}\"\nmax_items = {}\nmax_chars = {}\n",
            quoted(&candidate.kind),
            quoted(&candidate.ask),
            candidate.evidence,
            candidate.max_items,
            candidate.max_chars
        );
    }
    let examples = examples(kinds, missed);
    if !examples.is_empty() {
        text.push_str(
            "\n# Passages that answer some of the queries, with what those say of them. Complete them: a model writes as\n\
             # the examples do. Do not measure with these queries what was made from them.\n",
        );
    }
    for (chunk, handles) in examples {
        let chunk = reader.chunk(chunk)?.chunk;
        let shown: String = chunk.text.chars().take(EXAMPLE_CHARS).collect();
        let lists: Vec<String> = handles
            .iter()
            .map(|(kind, items)| {
                let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
                format!("{kind} = [{}]", items.join(", "))
            })
            .collect();
        let _ = write!(
            text,
            "\n[[example]]\ntitle = {}\ntext = {}\nhandles = {{ {} }}\n",
            quoted(&chunk.title),
            quoted(&shown),
            lists.join(", ")
        );
    }
    if !kinds.is_empty() {
        Schema::from_toml(&text)?;
    }
    Ok(text)
}

type Handles = BTreeMap<String, Vec<String>>;

/// Answering chunks with the most kinds first.
fn examples(kinds: &[Proposed], missed: &[Missed]) -> Vec<(ChunkId, Handles)> {
    let answers: BTreeMap<usize, ChunkId> =
        missed.iter().filter_map(|missed| Some((missed.query, missed.answer?))).collect();
    let mut all: BTreeMap<ChunkId, Handles> = BTreeMap::new();
    for Proposed { candidate, examples, .. } in kinds {
        for (query, value) in examples.iter().filter(|(_, value)| !value.contains(['|', '\n'])) {
            let Some(chunk) = answers.get(query) else { continue };
            let items = all.entry(*chunk).or_default().entry(candidate.kind.clone()).or_default();
            if items.len() < candidate.max_items as usize && !items.contains(value) {
                items.push(value.clone());
            }
        }
    }
    let mut ordered: Vec<(ChunkId, Handles)> = all.into_iter().collect();
    ordered.sort_by_key(|(chunk, handles)| (std::cmp::Reverse(handles.len()), *chunk));
    // Examples that show different kinds say more than such as show the same.
    let (mut shown, mut seen) = (Vec::new(), BTreeSet::new());
    while shown.len() < EXAMPLES && !ordered.is_empty() {
        let fresh = |(_, handles): &(ChunkId, Handles)| handles.keys().filter(|kind| !seen.contains(*kind)).count();
        let best = ordered.iter().map(fresh).enumerate().max_by_key(|&(at, fresh)| (fresh, std::cmp::Reverse(at)));
        let Some((at, _)) = best else { break };
        let next = ordered.remove(at);
        seen.extend(next.1.keys().cloned());
        shown.push(next);
    }
    shown
}

/// As TOML writes a string.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|&letter| !is_hidden(letter)).collect()
}
