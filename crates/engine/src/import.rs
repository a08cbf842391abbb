//! Handles in and out as JSON lines: `{"id": "om-001", "kind": "mood", "text": "dread", "evidence": "inferred"}`.

use std::{
    collections::{HashMap, HashSet},
    fs,
    ops::ControlFlow,
    path::Path,
};

use frontload_core::{Chunk, Embedder, Evidence, Field, Schema};
use frontload_corpus::chunk_all;
use frontload_enrich::{Imported, Record};
use frontload_index::{IndexDir, Reader};
use serde::{Deserialize, Serialize};

use crate::{
    EngineError, Event, Report,
    build::{Rebuilding, rebuild},
    input,
    workshop::{Workshop, healed},
};

/// Rows that are named one by one when they stop an import.
const SHOWN: usize = 5;

/// One handle in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRow {
    /// A document's id (the handle goes to each of its chunks) or a chunk's (`document#n`).
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its text.
    pub text: String,
    /// What stands behind it; the schema's word for the kind when left out, else inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What an import did.
#[derive(Debug)]
pub struct ImportReport {
    /// Rows taken.
    pub rows: usize,
    /// What is wrong with the rows that were left out.
    pub left_out: Vec<String>,
    /// The build that followed.
    pub report: Report,
}

/// Takes a file of handles into the ledger and publishes a generation with them. All rows are read before any is taken;
/// when one cannot be taken, none is, unless a part is enough.
///
/// # Errors
/// When a row is unreadable, or names an id or a kind that the index does not have (their lines are named and nothing is
/// taken), or the build fails.
pub fn import_handles(
    dir: &IndexDir,
    file: &Path,
    partial: bool,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<ImportReport, EngineError> {
    let (rows, mut left_out) = read_rows(file)?;
    if !dir.exists() {
        return Err(EngineError::NeverBuilt(dir.path().to_owned()));
    }
    refuse(file, partial, &left_out)?;
    let unknown = healed(dir, &mut || take(dir, (file, partial), &rows))?;
    let taken = rows.len() - unknown.len();
    left_out.extend(unknown);
    let report = rebuild(dir, &Rebuilding::default(), embedder, report)?;
    Ok(ImportReport { rows: taken, left_out, report })
}

/// One row that cannot be taken stops all, unless a part is enough.
fn refuse(file: &Path, partial: bool, wrong: &[String]) -> Result<(), EngineError> {
    if partial || wrong.is_empty() {
        return Ok(());
    }
    let shown = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    let more = if wrong.len() > SHOWN { format!("; and {} more", wrong.len() - SHOWN) } else { String::new() };
    let problem = format!(
        "{} rows cannot be taken: {shown}{more}. Nothing was imported; --partial takes the others",
        wrong.len()
    );
    Err(input(file, None, problem))
}

/// Appends the rows to the ledger. What is wrong with those that are left out is given back.
fn take(
    dir: &IndexDir,
    (file, partial): (&Path, bool),
    rows: &[(usize, ExportRow)],
) -> Result<Vec<String>, EngineError> {
    let mut shop = Workshop::open(dir)?;
    let settings = shop.settings(dir)?;
    let schema = settings.schema_toml.as_deref().map(Schema::from_toml).transpose()?;
    let corpus = shop.read(&settings.sources)?;
    let chunks = chunk_all(&corpus.documents, settings.chunk_chars);
    let mut by_id: HashMap<String, Vec<&Chunk>> = HashMap::new();
    for chunk in &chunks {
        by_id.entry(chunk.document.clone()).or_default().push(chunk);
        by_id.entry(chunk_row_id(&chunk.document, chunk.ordinal)).or_default().push(chunk);
    }
    let (mut records, mut unknown) = (Vec::new(), Vec::new());
    for (line, row) in rows {
        let Some(chunks) = by_id.get(&row.id) else {
            unknown.push(format!("line {line}: no document or chunk {:?} in the index", row.id));
            continue;
        };
        if let Some(schema) = schema.as_ref().filter(|schema| schema.kind(&row.kind).is_none()) {
            let known = schema.kinds.iter().map(|spec| spec.kind.as_str()).collect::<Vec<_>>().join(", ");
            unknown.push(format!("line {line}: the schema has no kind {:?}; it has {known}", row.kind));
            continue;
        }
        let declared = schema.as_ref().and_then(|schema| schema.kind(&row.kind)).map(|spec| spec.evidence);
        let evidence = row.evidence.or(declared).unwrap_or(Evidence::Inferred);
        records.extend(chunks.iter().map(|chunk| {
            Record::from(Imported { chunk: chunk.key(), kind: row.kind.clone(), text: row.text.clone(), evidence })
        }));
    }
    refuse(file, partial, &unknown)?;
    shop.append(&records)?;
    Ok(unknown)
}

/// The id that means one chunk alone, the first one too: a document's own id means all of its chunks.
fn chunk_row_id(document: &str, ordinal: u32) -> String {
    format!("{document}#{ordinal}")
}

/// Every handle of the live generation, in chunk order.
///
/// # Errors
/// When the generation cannot be read.
pub fn export_handles(reader: &Reader) -> Result<Vec<ExportRow>, EngineError> {
    let chunks = reader.chunks().collect::<Result<Vec<_>, _>>()?;
    let cut: HashSet<String> =
        chunks.iter().filter(|one| one.chunk.ordinal > 0).map(|one| one.chunk.document.clone()).collect();
    let mut rows = Vec::new();
    for indexed in chunks {
        let Chunk { document, ordinal, .. } = indexed.chunk;
        let id = if cut.contains(&document) { chunk_row_id(&document, ordinal) } else { document };
        rows.extend(indexed.handles.into_iter().map(|handle| ExportRow {
            id: id.clone(),
            kind: handle.kind,
            text: handle.text,
            evidence: Some(handle.evidence),
        }));
    }
    Ok(rows)
}

/// Rows with their lines, and what is wrong with the others.
type Rows = (Vec<(usize, ExportRow)>, Vec<String>);

fn read_rows(file: &Path) -> Result<Rows, EngineError> {
    let text = fs::read_to_string(file).map_err(|error| input(file, None, error))?;
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match read_row(line) {
            Ok(row) => rows.push((at + 1, row)),
            Err(problem) => wrong.push(format!("line {}: {problem}", at + 1)),
        }
    }
    Ok((rows, wrong))
}

fn read_row(line: &str) -> Result<ExportRow, String> {
    let row: ExportRow = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let named = row.kind.starts_with(|letter: char| letter.is_ascii_lowercase())
        && row.kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !named || Field::is_reserved(&row.kind) || row.kind.len() > 32 {
        return Err(format!("{:?} is not a kind's name ([a-z][a-z0-9_]*, not body, title or concatenated)", row.kind));
    }
    Ok(row)
}
