//! A vector for every distinct text: from the live generation where it has it, else from the embedding model.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
};

use frontload_core::{Digest, Embedder, Field, Method, TextRole};

use super::{Plan, base::Base, body_text, texts, unfinished::Unfinished};
use crate::{
    IndexDir, IndexError, IndexedChunk,
    dense::{Row, Vectors},
};

/// Texts handed to the embedding model at once.
const EMBED_TEXTS: usize = 64;
/// When more of the stored vectors than this share stand nowhere, the others are written afresh.
const MOST_DEAD: f64 = 0.25;
/// When the vectors lie in more files than this, they are written into one.
const MOST_PARTS: usize = 8;

/// All vectors, and which of them each text of a chunk has.
pub(super) struct Embedded {
    pub vectors: Vectors,
    /// Whether positions are those of the base: its rows and graphs hold.
    pub carried: bool,
    /// By chunk (its place in the build) and field: the vectors, each with the text's item number.
    pub rows: BTreeMap<(usize, usize), Vec<(u32, u32)>>,
    pub new: usize,
    pub reused: usize,
    pub in_pieces: usize,
    pub without_vector: usize,
}

/// A text to embed, or a piece of one.
struct Wanted {
    key: Digest,
    item: u32,
}

/// What a field's texts are to the embedding model.
pub(super) fn role(field: &Field) -> TextRole<'_> {
    match field {
        Field::Body | Field::Title | Field::Concatenated => TextRole::Passage,
        Field::Handle(kind) => TextRole::Handle(kind),
    }
}

pub(super) fn embed(
    dir: &IndexDir,
    plan: &Plan,
    (base, on_top): (Option<&mut Base>, bool),
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Embedded, IndexError> {
    let fingerprint = embedder.fingerprint().to_owned();
    let known = base.filter(|base| base.manifest.embedder == fingerprint).and_then(|base| base.vectors.take());
    let (mut unfinished, kept) = Unfinished::open(dir, &fingerprint, embedder.dimension());
    let mut kept: HashMap<Digest, Vec<f32>> = kept.into_iter().collect();
    // What stayed keeps its rows, if it keeps its vectors.
    let chunks: Vec<usize> =
        if on_top && known.is_some() { plan.added.clone() } else { (0..plan.build.chunks.len()).collect() };
    let mut in_pieces = 0;
    let mut wanted: Vec<((usize, usize), Vec<Wanted>)> = Vec::new();
    let mut missing: BTreeMap<usize, Vec<(Digest, String)>> = BTreeMap::new();
    let mut place: HashMap<Digest, u32> = known.as_ref().map(Vectors::by_key).unwrap_or_default();
    let mut seen: HashSet<Digest> = HashSet::new();
    for chunk in chunks {
        let Some(indexed) = plan.build.chunks.get(chunk) else { continue };
        for (number, field) in plan.fields.iter().enumerate() {
            if !plan.methods(field).contains(&Method::Dense) {
                continue;
            }
            let mut of_field = Vec::new();
            for (item, text) in dense_texts(indexed, field).into_iter().enumerate() {
                let pieces = embedder.pieces(&text, role(field));
                in_pieces += usize::from(pieces.len() > 1);
                let several = pieces.len() > 1;
                for (nth, piece) in pieces.into_iter().enumerate() {
                    let key = Digest::of_parts([embedder.prefix(role(field)), piece]);
                    if !place.contains_key(&key) && seen.insert(key) {
                        missing.entry(number).or_default().push((key, piece.to_owned()));
                    }
                    // A body's items are its pieces; a handle's are the handles.
                    let item = if several && matches!(field, Field::Body | Field::Concatenated) { nth } else { item };
                    of_field.push(Wanted { key, item: item as u32 });
                }
            }
            wanted.push(((chunk, number), of_field));
        }
    }
    let carried = known.is_some();
    let mut vectors = known.unwrap_or_else(|| Vectors::new(embedder.dimension()));
    let stored = vectors.len();
    // What an earlier build has embedded and not published.
    for (key, _) in missing.values().flatten() {
        if let Some(vector) = kept.remove(key) {
            place.insert(*key, vectors.len() as u32);
            vectors.push(*key, &vector);
        }
    }
    for texts in missing.values_mut() {
        texts.retain(|(key, _)| !place.contains_key(key));
    }
    let total = vectors.len() - stored + missing.values().map(Vec::len).sum::<usize>();
    let resumed = vectors.len() - stored;
    let (mut done, mut without_vector) = (resumed, 0);
    for (number, mut texts) in missing {
        let Some(field) = plan.fields.get(number) else { continue };
        // By length, so that texts embedded together are of about one length.
        texts.sort_by_key(|(key, text)| (text.len(), *key));
        for part in texts.chunks(EMBED_TEXTS) {
            let plain: Vec<&str> = part.iter().map(|(_, text)| text.as_str()).collect();
            let embedded = part.iter().map(|(key, _)| *key).zip(embedder.embed(&plain, role(field))?);
            // A text without content has an all-zero vector, which is near to everything and nothing.
            let is_usable =
                |vector: &[f32]| vector.len() == vectors.dimension && vector.iter().any(|&value| value != 0.0);
            let usable: Vec<(Digest, Vec<f32>)> = embedded.filter(|(_, vector)| is_usable(vector)).collect();
            without_vector += part.len() - usable.len();
            unfinished.keep(&usable)?;
            for (key, vector) in usable {
                place.insert(key, vectors.len() as u32);
                vectors.push(key, &vector);
            }
            done += part.len();
            if report(done, total).is_break() && done < total {
                return Err(IndexError::Interrupted { done, total });
            }
        }
    }
    let row = |wanted: &Wanted| Some((*place.get(&wanted.key)?, wanted.item));
    let rows = wanted.iter().map(|(at, wanted)| (*at, wanted.iter().filter_map(row).collect())).collect();
    let reused = stored + resumed;
    Ok(Embedded { new: vectors.len() - reused, vectors, carried, rows, reused, in_pieces, without_vector })
}

impl Embedded {
    /// Leaves out vectors that stand nowhere, when they are many or none may stay (a vector tells of its text), and joins
    /// parts, when those are many. `rows` are all rows of the generation; they are changed with the positions.
    pub fn tidy(&mut self, rows: &mut [Vec<Row>], none_may_stay: bool) {
        let used: HashSet<u32> = rows.iter().flatten().map(|row| row.vector).collect();
        let all = self.vectors.len();
        let most = if none_may_stay { 0.0 } else { all as f64 * MOST_DEAD };
        let crowded = (all - used.len()) as f64 > most;
        if !crowded && self.vectors.stored_parts() <= MOST_PARTS {
            return;
        }
        let mut tidy = Vectors::new(self.vectors.dimension);
        let mut place: HashMap<u32, u32> = HashMap::new();
        for (at, key) in self.vectors.keys.iter().enumerate() {
            let at = at as u32;
            let Some(vector) = self.vectors.get(at).filter(|_| !crowded || used.contains(&at)) else { continue };
            place.insert(at, tidy.len() as u32);
            tidy.push(*key, vector);
        }
        for row in rows.iter_mut().flatten() {
            row.vector = place.get(&row.vector).copied().unwrap_or(row.vector);
        }
        self.carried &= !crowded;
        self.vectors = tidy;
    }
}

/// The texts of a field that get vectors.
fn dense_texts(chunk: &IndexedChunk, field: &Field) -> Vec<String> {
    match field {
        Field::Body => vec![body_text(chunk)],
        Field::Title => vec![],
        Field::Concatenated => vec![texts(chunk, field).join("\n")],
        Field::Handle(_) => texts(chunk, field),
    }
}
