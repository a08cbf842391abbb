//! What a manifest says, as a message.

use frontload_core::{Against, Fusion, Tuning};
use frontload_index::Manifest;

use crate::v1;

pub(crate) fn stats(manifest: &Manifest) -> v1::StatsResponse {
    let lanes = manifest
        .lanes
        .iter()
        .map(|entry| v1::LaneStats {
            lane: entry.lane.to_string(),
            weight: entry.weight,
            rows: entry.rows,
            graph_recall_at_10: entry.graph.as_ref().map_or(0.0, |graph| graph.recall_at_10),
        })
        .collect();
    let schema = manifest.schema.as_ref();
    v1::StatsResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        generation: manifest.generation,
        chunks: manifest.chunks,
        documents: manifest.documents,
        handles: manifest.handles,
        lanes,
        sources: manifest.sources.clone().into_iter().collect(),
        fusion: fusion(manifest),
        tuning: tuning(manifest),
        schema: schema.map(|schema| schema.name.clone()).unwrap_or_default(),
        about: schema.map(|schema| schema.about.clone()).unwrap_or_default(),
        enriched_by: manifest.model.clone().unwrap_or_default(),
        embedder: manifest.embedder.clone(),
        ..v1::StatsResponse::default()
    }
}

fn fusion(manifest: &Manifest) -> String {
    match manifest.fusion {
        Fusion::Rrf { k } => format!("reciprocal rank, k = {k}"),
        Fusion::Convex { against: Against::Best } => "convex, against each lane's best".to_owned(),
        Fusion::Convex { against: Against::Candidates } => "convex, against each lane's candidates".to_owned(),
        Fusion::Convex { against: Against::Ceiling } => "convex, against the most a query could score".to_owned(),
    }
}

fn tuning(manifest: &Manifest) -> String {
    let Some(tuning) = &manifest.tuning else { return "default weights: nobody measured".to_owned() };
    let Tuning { measure, topics, plain, tuned, held_out, .. } = tuning;
    let held_out = held_out.map_or_else(String::new, |mean| format!(", {mean:.3} on topics held out"));
    format!("chosen on {topics} topics: {measure} {tuned:.3}{held_out}; text alone {plain:.3}")
}
