//! Writing a generation: built in a folder of its own, synced, described by a manifest written last, and
//! published by one rename. Until then nothing a reader sees has changed.
//!
//! What the live generation already holds is not made again: its segments, vectors and graphs are copied, or shared as
//! files, and only what changed is written beside them, until so much has changed that all is written afresh.

mod base;
mod embedding;
mod lanes;
mod publish;
mod unfinished;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    ops::ControlFlow,
};

use frontload_core::{ChunkId, Embedder, Field, Fusion, Lane, Method, Schema, TextRole, Tuning};

use crate::{
    IndexDir, IndexError, IndexedChunk, WriterLock,
    analysis::{self, Analysis},
    bm25::{self, Change, MetaColumns},
    layout,
    manifest::{FORMAT_VERSION, Manifest},
    places::Places,
    reader::generations,
};

use base::Base;
use embedding::embed;
pub(crate) use unfinished::Unfinished;

pub use publish::remove_older;

/// A lane with at least this many distinct vectors gets a graph. Side by side the graph is faster from some 30,000 on;
/// here the scan takes 1.4 times as long, 3 ms, and still finds everything, where the graph finds 0.93 of the nearest
/// hundred and takes a minute to build (docs/search.md).
pub const DEFAULT_GRAPH_ROWS: usize = 50_000;

/// A live generation of more bytes than this shares its files with the next one. What is copied costs its bytes once
/// more, on the disk and in time (docs/reliability.md), and is what is left when a file of the live one is damaged.
pub const DEFAULT_SHARE_ABOVE: u64 = 256 << 20;

/// What goes into a generation.
pub struct Build<'a> {
    /// Every chunk with its handles.
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
    /// A live generation of more bytes than this shares its files with the new one.
    pub share_above: u64,
    /// Whether the baseline lanes over text and handles together are built.
    pub concatenated: bool,
    /// Where the chunks were copied from, when they do not come from the ledger of this folder.
    pub copied_from: Option<&'a str>,
    /// Whether nothing of the live generation is shared but vectors of texts that are still there.
    pub afresh: bool,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Built {
    /// The published manifest.
    pub manifest: Manifest,
    /// Chunks that were written; the others stayed as they were.
    pub written: usize,
    /// Chunks of the generation before that are gone, or changed.
    pub removed: usize,
    /// Distinct texts that had to be embedded.
    pub embedded: usize,
    /// Vectors that came from the generation before, or from a build that was not finished.
    pub reused: usize,
    /// Texts longer than the embedding model reads, which were embedded in pieces.
    pub in_pieces: usize,
    /// Texts without a usable vector: they are found by their words alone.
    pub without_vector: usize,
}

/// What is settled before anything is written.
struct Plan<'a> {
    build: &'a Build<'a>,
    fields: Vec<Field>,
    metadata: MetaColumns,
    language: Option<String>,
    /// Every chunk's number, in the order of the build's chunks.
    ids: Vec<ChunkId>,
    /// Places, among the build's chunks, of those to write.
    added: Vec<usize>,
    digests: Vec<u64>,
    removed: Vec<ChunkId>,
}

/// Builds and publishes the next generation. `report` is told how many of how many texts are embedded, and may stop it.
///
/// # Errors
/// When the disk refuses, the embedding model fails or `report` says stop: the live generation stays as it was, and what
/// was embedded is kept for the next build.
pub fn write(
    dir: &IndexDir,
    _lock: &WriterLock,
    build: &Build,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Built, IndexError> {
    let number = generations(dir).into_iter().max().unwrap_or(0) + 1;
    let name = layout::generation_name(number);
    let parent = dir.generations();
    fs::create_dir_all(&parent).map_err(|source| IndexError::io(&parent, source))?;
    publish::clear_unfinished(&parent)?;
    let folder = parent.join(format!("building-{number:06}"));
    for part in layout::PARTS {
        let path = folder.join(part);
        fs::create_dir_all(&path).map_err(|source| IndexError::io(&path, source))?;
    }
    let mut plan = Plan::new(build);
    let mut base = Base::open(dir, build.share_above);
    let on_top = base.as_ref().is_some_and(|base| plan.number_on_top_of(base));
    if let Some(base) = base.as_ref().filter(|_| on_top) {
        base.carry_words(&folder)?;
    }
    bm25::write(&folder.join(layout::BM25), &plan.change())?;
    Places::of(build.chunks, &plan.ids).write(&folder)?;
    let mut embedded = embed(dir, &plan, (base.as_mut(), on_top), embedder, report)?;
    let base = base.as_ref();
    let damaged = if base.is_none() { Base::named(dir) } else { None };
    let kept = base.filter(|_| on_top && embedded.carried);
    let mut rows = lanes::rows(&plan, kept, &embedded)?;
    embedded.tidy(&mut rows, build.afresh);
    let lanes = lanes::write(&folder, &plan, (base, on_top), (&rows, &embedded))?;
    let (carried, parts) = (embedded.vectors.stored_parts(), embedded.vectors.write_new(&folder)?);
    if let Some(base) = base {
        base.carry_vectors(&folder, carried)?;
    }
    let documents: HashSet<(&str, &str)> =
        build.chunks.iter().map(|chunk| (chunk.chunk.source.as_str(), chunk.chunk.document.as_str())).collect();
    let mut sources: BTreeMap<String, u64> = BTreeMap::new();
    for (source, _) in &documents {
        *sources.entry((*source).to_owned()).or_default() += 1;
    }
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        generation: number,
        built_by: format!("frontload {}", env!("CARGO_PKG_VERSION")),
        chunks: build.chunks.len() as u64,
        documents: documents.len() as u64,
        sources,
        handles: build.chunks.iter().map(|chunk| chunk.handles.len() as u64).sum(),
        schema: build.schema.cloned(),
        model: build.model.map(str::to_owned),
        embedder: embedder.fingerprint().to_owned(),
        dimension: embedded.vectors.dimension,
        prefixes: prefixes(embedder, &plan.fields),
        vector_parts: parts,
        words: analysis::VERSION.to_owned(),
        language: plan.language.clone(),
        metadata: plan.metadata.clone(),
        lanes,
        fusion: build.fusion,
        tuning: build.tuning.cloned(),
        copied_from: build.copied_from.map(str::to_owned),
        files: publish::files(&folder, base.map(|base| &base.manifest))?,
    };
    publish::publish(dir, &folder, &name, &manifest)?;
    unfinished::discard(dir);
    publish::collect_garbage(dir, number, damaged);
    Ok(Built {
        manifest,
        written: plan.added.len(),
        removed: plan.removed.len(),
        embedded: embedded.new,
        reused: embedded.reused,
        in_pieces: embedded.in_pieces,
        without_vector: embedded.without_vector,
    })
}

impl<'a> Plan<'a> {
    /// Everything is written, numbered in the build's order.
    fn new(build: &'a Build<'a>) -> Self {
        let language = commonest_language(build.chunks);
        let mut plan = Self {
            build,
            fields: fields(build),
            metadata: MetaColumns::of(build.chunks),
            language,
            ids: (0..build.chunks.len()).map(|at| ChunkId(at as u32)).collect(),
            added: (0..build.chunks.len()).collect(),
            digests: Vec::new(),
            removed: Vec::new(),
        };
        plan.digests = build.chunks.iter().map(|chunk| plan.digest(chunk)).collect();
        plan
    }

    /// Keeps the numbers of what the base holds already, if little enough is left to write.
    fn number_on_top_of(&mut self, base: &Base) -> bool {
        if self.build.afresh || !base.takes(&self.lanes(), &self.metadata) {
            return false;
        }
        let mut known: HashMap<u64, ChunkId> = base.words.chunks().map(|(chunk, digest)| (digest, chunk)).collect();
        let mut next = base.words.capacity() as u32;
        let (mut ids, mut added) = (Vec::with_capacity(self.ids.len()), Vec::new());
        for (at, digest) in self.digests.iter().enumerate() {
            ids.push(known.remove(digest).unwrap_or_else(|| {
                added.push(at);
                next += 1;
                ChunkId(next - 1)
            }));
        }
        if !base.bears(added.len(), known.len()) {
            return false;
        }
        let mut removed: Vec<ChunkId> = known.into_values().collect();
        removed.sort_unstable();
        (self.ids, self.added, self.removed) = (ids, added, removed);
        self.metadata = base.manifest.metadata.clone();
        true
    }

    fn change(&self) -> Change<'_> {
        let added = self
            .added
            .iter()
            .filter_map(|&at| Some((*self.ids.get(at)?, self.build.chunks.get(at)?, *self.digests.get(at)?)));
        Change {
            added: added.collect(),
            removed: self.removed.clone(),
            fields: &self.fields,
            texts: Box::new(|chunk, field| (texts(chunk, field), self.analysis(chunk, field))),
            metadata: &self.metadata,
        }
    }

    /// How a field is searched.
    fn methods(&self, field: &Field) -> Vec<Method> {
        let both = vec![Method::Bm25, Method::Dense];
        match field {
            Field::Body | Field::Concatenated => both,
            Field::Title => vec![Method::Bm25],
            Field::Handle(kind) => {
                let declared = self.build.schema.and_then(|schema| schema.kind(kind));
                declared.map_or(both, |spec| spec.lanes.clone())
            }
        }
    }

    fn lanes(&self) -> Vec<Lane> {
        let of_field = |field: &Field| {
            let lane = |method| Lane { field: field.clone(), method };
            self.methods(field).into_iter().map(lane).collect::<Vec<_>>()
        };
        self.fields.iter().flat_map(of_field).collect()
    }

    fn analysis(&self, chunk: &IndexedChunk, field: &Field) -> Analysis {
        let kind = match field {
            Field::Handle(kind) => self.build.schema.and_then(|schema| schema.kind(kind)),
            Field::Body | Field::Title | Field::Concatenated => None,
        };
        Analysis::of(field, chunk, kind, self.language.as_deref())
    }

    /// A hash over everything that is indexed for a chunk.
    fn digest(&self, chunk: &IndexedChunk) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(bm25::entry(chunk).as_bytes());
        for field in &self.fields {
            hasher.update(format!("{field}:{};", self.analysis(chunk, field)).as_bytes());
        }
        let mut half = [0; 8];
        hasher.finalize_xof().fill(&mut half);
        u64::from_le_bytes(half)
    }
}

/// The body, the title if there are titles, and every kind that has at least one handle.
fn fields(build: &Build) -> Vec<Field> {
    let mut fields = vec![Field::Body];
    if build.chunks.iter().any(|chunk| !texts(chunk, &Field::Title).is_empty()) {
        fields.push(Field::Title);
    }
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
    if build.concatenated {
        fields.push(Field::Concatenated);
    }
    fields
}

fn commonest_language(chunks: &[IndexedChunk]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for language in chunks.iter().filter_map(|chunk| chunk.chunk.language.as_deref()) {
        *counts.entry(language).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(language, _)| language.to_owned())
}

/// The texts of one field of one chunk, as words are counted in them.
pub(crate) fn texts(indexed: &IndexedChunk, field: &Field) -> Vec<String> {
    let IndexedChunk { chunk, handles, .. } = indexed;
    let title = || [&chunk.title].into_iter().chain(&chunk.headings).filter(|text| !text.is_empty()).cloned();
    match field {
        Field::Body => vec![chunk.text.clone()],
        Field::Title => title().collect(),
        Field::Handle(kind) => {
            handles.iter().filter(|handle| handle.kind == *kind).map(|handle| handle.text.clone()).collect()
        }
        Field::Concatenated => {
            title().chain([chunk.text.clone()]).chain(handles.iter().map(|handle| handle.text.clone())).collect()
        }
    }
}

/// The text embedded for a chunk's body: its title says what it is about where its own first words do not.
pub fn body_text(indexed: &IndexedChunk) -> String {
    match indexed.chunk.title.as_str() {
        "" => indexed.chunk.text.clone(),
        title => format!("{title}\n{}", indexed.chunk.text),
    }
}

/// What the embedding model puts before the texts of each field, where it does.
fn prefixes(embedder: &dyn Embedder, fields: &[Field]) -> BTreeMap<String, String> {
    let query = [("query".to_owned(), embedder.prefix(TextRole::Query).to_owned())];
    let of_field = |field: &Field| (field.to_string(), embedder.prefix(embedding::role(field)).to_owned());
    query.into_iter().chain(fields.iter().map(of_field)).filter(|(_, prefix)| !prefix.is_empty()).collect()
}
