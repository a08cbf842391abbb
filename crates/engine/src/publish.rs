//! From chunks and the ledger to a published generation: collect, gate, weigh the lanes, write.

use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
};

use frontload_core::{Against, Chunk, Embedder, Field, Fusion, Lane, Schema, Source};
use frontload_corpus::Corpus;
use frontload_enrich::{Collected, Outcome, Settings, collect, tally};
use frontload_index::{Build, DEFAULT_GRAPH_ROWS, DEFAULT_SHARE_ABOVE, IndexDir, IndexedChunk, Reader, write};

use crate::{
    EngineError,
    build::{Event, Report},
    round_trip::drop_strays,
    workshop::Workshop,
};

/// What a handle lane counts beside a body lane until it is measured, if every chunk has such a handle. On dev
/// topics a large model's handles would bear 1 (R@10 0.676 against 0.632): half is a compromise.
const HANDLE_WEIGHT: f32 = 0.5;
/// The power of the share of chunks that have such a handle. A lane that is silent about most chunks ranks the
/// few it knows above all others, whatever is asked: of the 135M model's handles, weighed alike, dev R@10 was
/// 0.201; with the square of the share, 0.228 (text alone 0.252).
const COVERAGE_POWER: i32 = 2;

/// What titles and headings count beside the text: on dev topics 0.25 did best where there are titles (nDCG@10 of the
/// bundled corpus 0.196 without, 0.204 with; of `timeqa-mini` 0.520 and 0.527), and 1 did harm.
const TITLE_WEIGHT: f32 = 0.25;

/// The default fusion.
pub const DEFAULT_FUSION: Fusion = Fusion::Convex { against: Against::Best };

/// The share of chunks that have a handle of each kind.
pub(crate) type Coverage = BTreeMap<String, f64>;

/// The default weight of a lane whose kind covers so large a share of the chunks.
fn default_weight(lane: &Lane, coverage: &BTreeMap<String, f64>) -> f32 {
    match &lane.field {
        Field::Body => 1.0,
        Field::Title => TITLE_WEIGHT,
        Field::Concatenated => 0.0,
        Field::Handle(kind) => {
            let covered = coverage.get(kind).copied().unwrap_or(0.0) as f32;
            HANDLE_WEIGHT * covered.powi(COVERAGE_POWER)
        }
    }
}

/// What was imported was chosen by somebody: a kind most of whose handles were counts in full, however few.
fn coverage(chunks: &[IndexedChunk]) -> Coverage {
    let mut having: BTreeMap<String, usize> = BTreeMap::new();
    let mut imported: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for handle in chunks.iter().flat_map(|chunk| &chunk.handles) {
        let counts = imported.entry(&handle.kind).or_default();
        counts.0 += usize::from(matches!(handle.source, Source::Import | Source::Person));
        counts.1 += 1;
    }
    let vouched = |kind: &str| imported.get(kind).is_some_and(|(imported, all)| imported * 2 > *all);
    for chunk in chunks {
        let kinds: HashSet<&str> = chunk.handles.iter().map(|handle| handle.kind.as_str()).collect();
        for kind in kinds {
            *having.entry(kind.to_owned()).or_default() += 1;
        }
    }
    let share = |kind: &str, count: usize| if vouched(kind) { 1.0 } else { count as f64 / chunks.len() as f64 };
    having.into_iter().map(|(kind, count)| (kind.clone(), share(&kind, count))).collect()
}

/// What the lanes of a generation would count if nobody had measured them.
///
/// # Errors
/// When the generation breaks under our hands.
pub fn untuned_weights(reader: &Reader) -> Result<BTreeMap<Lane, f32>, EngineError> {
    let chunks = reader.chunks().collect::<Result<Vec<_>, _>>()?;
    let coverage = coverage(&chunks);
    let lanes = reader.manifest().lanes.iter().map(|entry| &entry.lane);
    Ok(lanes.map(|lane| (lane.clone(), default_weight(lane, &coverage))).collect())
}

pub(crate) fn publish(
    dir: &IndexDir,
    shop: &mut Workshop,
    (corpus, chunks): (Corpus, Vec<Chunk>),
    (settings, outcome, afresh): (&Settings, Option<Outcome>, bool),
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Report, EngineError> {
    let schema = settings.schema_toml.as_deref().map(Schema::from_toml).transpose()?;
    // An index without a schema still takes imports: they are collected against an empty one.
    let empty = Schema {
        name: String::new(),
        about: String::new(),
        kinds: vec![],
        examples: vec![],
        gates: frontload_core::Gates::default(),
    };
    let collecting = schema.as_ref().unwrap_or(&empty);
    let model = settings.model.as_deref();
    let Collected { handles, rejected, said, failed, unasked } =
        collect(&chunks, collecting, model, (&shop.ledger, &shop.state))?;
    let quarantined = failed.into_iter().filter_map(|(at, reason)| Some((chunks.get(at)?.id(), reason))).collect();
    let mut indexed: Vec<IndexedChunk> = chunks
        .into_iter()
        .zip(handles.into_iter().zip(rejected).zip(said))
        .map(|(chunk, ((handles, rejected), said))| IndexedChunk { chunk, handles, rejected, said })
        .collect();
    drop_strays(collecting, &mut indexed, embedder)?;
    let coverage = coverage(&indexed);
    let build = Build {
        chunks: &indexed,
        schema: schema.as_ref(),
        model,
        weight: &|lane| match &settings.tuning {
            // A kind that came after the measuring is searched until it is measured too.
            Some(tuning) => tuning.weights.get(lane).copied().unwrap_or_else(|| default_weight(lane, &coverage)),
            None => default_weight(lane, &coverage),
        },
        tuning: settings.tuning.as_ref(),
        fusion: settings.tuning.as_ref().and_then(|tuning| tuning.fusion).unwrap_or(DEFAULT_FUSION),
        graph_rows: settings.graph_rows.unwrap_or(DEFAULT_GRAPH_ROWS),
        share_above: DEFAULT_SHARE_ABOVE,
        concatenated: settings.concatenated,
        copied_from: None,
        afresh,
    };
    shop.settle(settings)?;
    let built = write(dir, &shop.lock, &build, embedder, &mut |done, total| report(Event::Embed { done, total }))?;
    Ok(Report {
        built: Some(built),
        outcome,
        rejections: tally(indexed.iter().flat_map(|chunk| &chunk.rejected)),
        withheld: corpus.withheld.len(),
        skipped: corpus.skipped,
        quarantined,
        unasked,
        ledger_damage: shop.state.damage.len(),
        torn_bytes: shop.torn_bytes,
    })
}
