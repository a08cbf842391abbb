//! From how many vectors on a graph pays.

use super::nearest::{nearest, recall, turns};
use crate::{
    Result,
    data::{DEPTH, Data},
    excerpt::{Excerpt, everything, without_handles},
    figures::{at, ratio},
};

const SIZES: [usize; 8] = [5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];

/// The text's vectors of the first chunks, scanned and along a graph.
pub fn graph(data: &Data) -> Result<()> {
    println!("a scan beside a graph, nearest {DEPTH}, one thread:");
    let (chunks, mut known) = everything(data)?;
    let chunks = without_handles(chunks);
    for size in SIZES {
        let Some(chunks) = chunks.get(..size) else { break };
        let excerpt = Excerpt::new(data)?;
        let scan = excerpt.publish(&mut known, chunks, usize::MAX)?;
        // On top of the first, where everything is but the graph: that is nearly all of what this takes.
        let graph = excerpt.publish(&mut known, chunks, 1)?;
        let (_, exact) = nearest(&scan.reader, &data.prepared)?;
        let (_, found) = nearest(&graph.reader, &data.prepared)?;
        let recall = recall(&found, &exact, DEPTH);
        println!(
            " {size} chunks: all but the graph built in {:.1} s, the graph in {:.1} s, its recall@{DEPTH} {recall:.3}",
            scan.seconds, graph.seconds
        );
        let turns = turns(&scan.reader, &graph.reader, &data.prepared)?;
        println!("  p50: scan {:.3} ms, graph {:.3} ms", at(&turns.first, 0.5), at(&turns.second, 0.5));
        ratio("p50, scan ÷ graph", &turns.ratios);
    }
    Ok(())
}
