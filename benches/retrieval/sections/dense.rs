//! Vectors alone, beside hnswlib.

use frontload_core::ChunkId;

use super::nearest::{body, exact, nearest, recall};
use crate::{
    Result,
    data::{DEPTH, Data},
    figures::{ROUNDS, ratio, told},
    peer::Peer,
};

/// Our vector lane beside hnswlib, both at depth 100, both measured against a scan.
pub fn dense(data: &Data) -> Result<()> {
    println!("vectors alone, nearest {DEPTH}, one thread:");
    let lane = body();
    let all: Vec<(ChunkId, &[f32])> = data.reader.lane_vectors(&lane).collect();
    let exact = exact(&all, &data.vectors);
    // The peer names vectors by their places.
    let chunk = |id: &u64| all.get(*id as usize).map(|(chunk, _)| *chunk);
    let mut peer = Peer::start("hnswlib", &data.place)?;
    let (mut ratios, mut our_times, mut peer_times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (first, found) = nearest(&data.reader, &data.prepared)?;
        let (second, third) = (peer.round()?, peer.round()?);
        let (fourth, _) = nearest(&data.reader, &data.prepared)?;
        let (mine, theirs) = ([first, fourth].concat(), [second.ms, third.ms].concat());
        ratios.push(theirs.iter().sum::<f64>() / mine.iter().sum::<f64>());
        if our_times.is_empty() {
            let peers: Vec<Vec<ChunkId>> = third.ids.iter().map(|ids| ids.iter().filter_map(chunk).collect()).collect();
            let (ours, peers) = (recall(&found, &exact, DEPTH), recall(&peers, &exact, DEPTH));
            println!("  recall@{DEPTH}: ours {ours:.3}, hnswlib {peers:.3}");
        }
        our_times.extend(mine);
        peer_times.extend(theirs);
    }
    told("ours", &our_times);
    told("hnswlib, M 24, ef 128", &peer_times);
    ratio("queries a second, ours ÷ hnswlib", &ratios);
    Ok(())
}
