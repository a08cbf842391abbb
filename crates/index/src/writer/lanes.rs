//! Rows and lanes of a generation, and what the manifest says of each.

use std::{collections::HashSet, path::Path};

use frontload_core::{ChunkId, Field, Lane, Method};

use super::{Plan, base::Base, embedding::Embedded};
use crate::{
    IndexError,
    analysis::Analysis,
    dense::{GraphEntry, Row, Rows, Vectors, reached, read_rows, write_graph, write_rows},
    manifest::LaneEntry,
};

/// A graph is built again when more of its points than this share are dead, or so large a share beside it is
/// scanned.
const MOST_BESIDE: f64 = 0.2;

/// Every field's rows: those of the base whose chunks stayed, and the new ones.
pub(super) fn rows(plan: &Plan, kept: Option<&Base>, embedded: &Embedded) -> Result<Vec<Vec<Row>>, IndexError> {
    let removed: HashSet<&ChunkId> = plan.removed.iter().collect();
    let mut all: Vec<Vec<Row>> = Vec::with_capacity(plan.fields.len());
    for field in &plan.fields {
        let mut rows = match kept {
            Some(base) if plan.methods(field).contains(&Method::Dense) => read_rows(&base.folder, field)?,
            _ => Vec::new(),
        };
        rows.retain(|row| !removed.contains(&ChunkId(row.chunk)));
        all.push(rows);
    }
    for (&(chunk, field), vectors) in &embedded.rows {
        let (Some(id), Some(rows)) = (plan.ids.get(chunk), all.get_mut(field)) else { continue };
        rows.extend(vectors.iter().map(|&(vector, item)| Row { vector, chunk: id.0, item }));
    }
    Ok(all)
}

/// Writes every field's lanes and describes them.
pub(super) fn write(
    folder: &Path,
    plan: &Plan,
    (base, on_top): (Option<&Base>, bool),
    (rows, embedded): (&[Vec<Row>], &Embedded),
) -> Result<Vec<LaneEntry>, IndexError> {
    let mut lanes = Vec::new();
    for (field, rows) in plan.fields.iter().zip(rows) {
        for method in plan.methods(field) {
            let lane = Lane { field: field.clone(), method };
            let weight = if *field == Field::Concatenated { 0.0 } else { (plan.build.weight)(&lane) };
            let before = base.and_then(|base| base.manifest.lanes.iter().find(|entry| entry.lane == lane));
            let entry = match method {
                Method::Bm25 => {
                    let stayed = before.filter(|_| on_top).map(|before| before.analyses.clone()).unwrap_or_default();
                    LaneEntry { lane, weight, analyses: analyses(plan, field, stayed), rows: 0, graph: None }
                }
                Method::Dense => {
                    write_rows(folder, field, rows, &embedded.vectors)?;
                    let carried = before.and_then(|before| before.graph.clone()).zip(base).filter(|_| embedded.carried);
                    let graph = graph(folder, field, plan.build.graph_rows, (rows, &embedded.vectors), carried)?;
                    LaneEntry { lane, weight, analyses: vec![], rows: rows.len() as u64, graph }
                }
            };
            lanes.push(entry);
        }
    }
    Ok(lanes)
}

/// A lane's graph: the base's while it still serves, a new one, or none.
fn graph(
    folder: &Path,
    field: &Field,
    graph_rows: usize,
    (rows, vectors): (&[Row], &Vectors),
    carried: Option<(GraphEntry, &Base)>,
) -> Result<Option<GraphEntry>, IndexError> {
    let rows = Rows::new(rows.to_vec());
    if rows.vectors().len() < graph_rows.max(1) {
        return Ok(None);
    }
    if let Some((entry, base)) = carried {
        let (points, reached) = reached(&base.folder, field)?;
        let live = rows.vectors().iter().filter(|&&vector| reached.contains(vector as usize)).count();
        let (dead, beside) = (points.saturating_sub(live), rows.vectors().len() - live);
        let most = points as f64 * MOST_BESIDE;
        if (dead as f64) <= most && (beside as f64) <= most {
            base.carry_graph(folder, field)?;
            return Ok(Some(entry));
        }
    }
    write_graph(folder, field, vectors, rows.vectors()).map(Some)
}

/// Every way in which a field's words were made.
fn analyses(plan: &Plan, field: &Field, mut ways: Vec<Analysis>) -> Vec<Analysis> {
    for chunk in plan.added.iter().filter_map(|&at| plan.build.chunks.get(at)) {
        let way = plan.analysis(chunk, field);
        if !ways.contains(&way) && !super::texts(chunk, field).is_empty() {
            ways.push(way);
        }
    }
    ways
}
