//! Writing a generation: built in a folder of its own, synced, described by a manifest written last, and
//! published by one rename. Until then nothing a reader sees has changed.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use frontload_core::{Digest, Embedder, Field, Fusion, Lane, Method, Schema, TextRole, Tuning};

use crate::{
    IndexDir, IndexError, IndexedChunk, WriterLock,
    bm25::{self, texts},
    dense::{Row, Vectors, write_lane},
    layout,
    manifest::{Current, FORMAT_VERSION, FileEntry, LaneEntry, Manifest},
    reader::{Reader, generations},
};

/// A lane with at least this many distinct vectors gets a graph. Below it a scan is as fast, and exact.
pub const DEFAULT_GRAPH_ROWS: usize = 20_000;
/// Older generations kept beside the live one, to fall back on.
const KEPT: usize = 1;
/// Texts handed to the embedding model at once.
const EMBED_TEXTS: usize = 64;

/// What goes into a generation.
pub struct Build<'a> {
    /// Every chunk with its handles; its place is its id.
    pub chunks: &'a [IndexedChunk],
    /// The schema of the handles.
    pub schema: Option<&'a Schema>,
    /// The language model's fingerprint.
    pub model: Option<&'a str>,
    /// Every lane's weight.
    pub weight: &'a dyn Fn(&Lane) -> f32,
    /// What the weights rest on, if they were measured.
    pub tuning: Option<&'a Tuning>,
    /// The default fusion.
    pub fusion: Fusion,
    /// Lanes with at least this many vectors get a graph.
    pub graph_rows: usize,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Built {
    /// The published manifest.
    pub manifest: Manifest,
    /// Distinct texts that had to be embedded.
    pub embedded: usize,
    /// Distinct texts whose vectors came from the generation before.
    pub reused: usize,
}

/// Builds and publishes the next generation. `report` is told how many of how many texts are embedded.
///
/// # Errors
/// When the disk refuses or the embedding model fails: the live generation stays as it was.
pub fn write(
    dir: &IndexDir,
    _lock: &WriterLock,
    build: &Build,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(usize, usize),
) -> Result<Built, IndexError> {
    let number = generations(dir).into_iter().max().unwrap_or(0) + 1;
    let name = layout::generation_name(number);
    let parent = dir.generations();
    fs::create_dir_all(&parent).map_err(|source| IndexError::io(&parent, source))?;
    clear_unfinished(&parent)?;
    let folder = parent.join(format!("building-{number:06}"));
    for part in [layout::BM25, "dense"] {
        let path = folder.join(part);
        fs::create_dir_all(&path).map_err(|source| IndexError::io(&path, source))?;
    }
    let fields = fields(build);
    bm25::write(&folder.join(layout::BM25), build.chunks, &fields)?;
    let (vectors, new_texts, reused) = embed(dir, build, &fields, embedder, report)?;
    let mut lanes = Vec::new();
    for field in &fields {
        lanes.extend(write_field(&folder, field, build, &vectors)?);
    }
    vectors.write(&folder)?;
    let handles = build.chunks.iter().map(|chunk| chunk.handles.len() as u64).sum();
    let documents: HashSet<&str> = build.chunks.iter().map(|chunk| chunk.chunk.document.as_str()).collect();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        generation: number,
        built_by: format!("frontload {}", env!("CARGO_PKG_VERSION")),
        chunks: build.chunks.len() as u64,
        documents: documents.len() as u64,
        handles,
        schema: build.schema.cloned(),
        model: build.model.map(str::to_owned),
        embedder: embedder.fingerprint().to_owned(),
        dimension: vectors.dimension,
        lanes,
        fusion: build.fusion,
        tuning: build.tuning.cloned(),
        files: files(&folder)?,
    };
    publish(dir, &folder, &name, &manifest)?;
    collect_garbage(dir, number);
    Ok(Built { manifest, embedded: new_texts, reused })
}

/// The body, and every kind that has at least one handle.
fn fields(build: &Build) -> Vec<Field> {
    let mut fields = vec![Field::Body];
    let mut add = |kind: &str| {
        let field = Field::Handle(kind.to_owned());
        if !fields.contains(&field) {
            fields.push(field);
        }
    };
    let declared = build.schema.map_or(&[][..], |schema| schema.kinds.as_slice());
    let present: HashSet<&str> =
        build.chunks.iter().flat_map(|chunk| &chunk.handles).map(|handle| handle.kind.as_str()).collect();
    declared.iter().map(|spec| spec.kind.as_str()).filter(|kind| present.contains(kind)).for_each(&mut add);
    let mut undeclared: Vec<&str> = present.iter().copied().collect();
    undeclared.sort_unstable();
    undeclared.into_iter().for_each(&mut add);
    fields
}

/// The text embedded for a chunk's body; handles are embedded as they are.
pub fn body_text(chunk: &IndexedChunk) -> String {
    texts(chunk, &Field::Body).join("\n")
}

fn dense_texts(chunk: &IndexedChunk, field: &Field) -> Vec<String> {
    match field {
        Field::Body => vec![body_text(chunk)],
        Field::Handle(_) => texts(chunk, field).into_iter().map(str::to_owned).collect(),
    }
}

/// One vector for each distinct text, taken from the live generation where it has it.
fn embed(
    dir: &IndexDir,
    build: &Build,
    fields: &[Field],
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(usize, usize),
) -> Result<(Vectors, usize, usize), IndexError> {
    let before = Reader::open(dir)
        .ok()
        .map(|opened| opened.reader)
        .filter(|reader| reader.manifest().embedder == embedder.fingerprint())
        .map(Reader::into_vectors);
    let known = before.as_ref().map(Vectors::by_key).unwrap_or_default();
    let mut vectors = Vectors::new(embedder.dimension());
    let mut seen = HashSet::new();
    let mut missing: Vec<(Digest, String)> = Vec::new();
    for chunk in build.chunks {
        for text in fields.iter().flat_map(|field| dense_texts(chunk, field)) {
            let key = Digest::of_bytes(text.as_bytes());
            if !seen.insert(key) {
                continue;
            }
            match known.get(&key).and_then(|&at| before.as_ref()?.get(at)) {
                Some(vector) => vectors.push(key, vector),
                None => missing.push((key, text)),
            }
        }
    }
    let reused = vectors.keys.len();
    // By length, so that texts embedded together are of about one length.
    missing.sort_by_key(|(key, text)| (text.len(), *key));
    for (part, texts) in missing.chunks(EMBED_TEXTS).enumerate() {
        let plain: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        for ((key, _), vector) in texts.iter().zip(embedder.embed(&plain, TextRole::Passage)?) {
            vectors.push(*key, &vector);
        }
        report((part * EMBED_TEXTS + texts.len()).min(missing.len()), missing.len());
    }
    Ok((vectors, missing.len(), reused))
}

/// Writes one field's dense lane and describes both of its lanes.
fn write_field(folder: &Path, field: &Field, build: &Build, vectors: &Vectors) -> Result<Vec<LaneEntry>, IndexError> {
    let at: HashMap<Digest, u32> = vectors.by_key();
    let mut rows = Vec::new();
    for (chunk, indexed) in build.chunks.iter().enumerate() {
        for (item, text) in dense_texts(indexed, field).iter().enumerate() {
            let vector = at.get(&Digest::of_bytes(text.as_bytes())).copied();
            // A text without content has an all-zero vector, which is near to everything and nothing.
            let usable = vector.filter(|&at| vectors.get(at).is_some_and(|v| v.iter().any(|&value| value != 0.0)));
            rows.extend(usable.map(|vector| Row { vector, chunk: chunk as u32, item: item as u32 }));
        }
    }
    let methods = match field {
        Field::Body => vec![Method::Bm25, Method::Dense],
        Field::Handle(kind) => build
            .schema
            .and_then(|schema| schema.kind(kind))
            .map_or_else(|| vec![Method::Bm25, Method::Dense], |spec| spec.lanes.clone()),
    };
    let mut lanes = Vec::new();
    for method in methods {
        let lane = Lane { field: field.clone(), method };
        let weight = (build.weight)(&lane);
        let (rows_in_lane, graph) = match method {
            Method::Bm25 => (0, false),
            Method::Dense => (rows.len() as u64, write_lane(folder, field, &rows, vectors, build.graph_rows)?),
        };
        lanes.push(LaneEntry { lane, weight, rows: rows_in_lane, graph });
    }
    Ok(lanes)
}

/// Every file of the generation but the manifest, synced and hashed.
fn files(folder: &Path) -> Result<Vec<FileEntry>, IndexError> {
    let mut entries = Vec::new();
    for part in [layout::BM25, "dense"] {
        let path = folder.join(part);
        let listed = fs::read_dir(&path).map_err(|source| IndexError::io(&path, source))?;
        for entry in listed {
            let entry = entry.map_err(|source| IndexError::io(&path, source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().extension().is_some_and(|extension| extension == "lock") {
                continue;
            }
            sync(&entry.path())?;
            entries.push(FileEntry::of(folder, &format!("{part}/{name}"))?);
        }
        sync(&path)?;
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(entries)
}

fn publish(dir: &IndexDir, folder: &Path, name: &str, manifest: &Manifest) -> Result<(), IndexError> {
    let path = folder.join(layout::MANIFEST);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| IndexError::io(&path, error.into()))?;
    write_synced(&path, &text)?;
    sync(folder)?;
    let live = dir.generation(name);
    fs::rename(folder, &live).map_err(|source| IndexError::io(&live, source))?;
    sync(&dir.generations())?;
    let current = Current { generation: name.to_owned(), manifest: Digest::of_bytes(&text) };
    let path = dir.current();
    let next = dir.path().join("CURRENT.next");
    let text = serde_json::to_vec(&current).map_err(|error| IndexError::io(&path, error.into()))?;
    write_synced(&next, &text)?;
    fs::rename(&next, &path).map_err(|source| IndexError::io(&path, source))?;
    sync(dir.path())
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    let wrong = |source| IndexError::io(path, source);
    let mut file = File::create(path).map_err(wrong)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(wrong)
}

fn sync(path: &Path) -> Result<(), IndexError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| IndexError::io(path, source))
}

/// What a killed build left behind; the writer lock says nobody is at it.
fn clear_unfinished(parent: &Path) -> Result<(), IndexError> {
    for path in entries_named(parent, "building-") {
        fs::remove_dir_all(&path).map_err(|source| IndexError::io(&path, source))?;
    }
    Ok(())
}

/// Removes generations that are neither live nor kept. A reader that still has one open keeps its files.
fn collect_garbage(dir: &IndexDir, live: u64) {
    let mut older: Vec<u64> = generations(dir).into_iter().filter(|&number| number != live).collect();
    older.sort_unstable();
    for number in older.iter().rev().skip(KEPT) {
        // A failure leaves a folder behind, which the next publish tries again to remove.
        let _ = fs::remove_dir_all(dir.generation(&layout::generation_name(*number)));
    }
}

fn entries_named(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path()).collect()
}
