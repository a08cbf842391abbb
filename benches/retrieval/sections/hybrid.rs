//! A whole query, beside engines that have words and vectors too.

use frontload_server::v1::{LaneSet, SearchRequest, frontload_service_client::FrontloadServiceClient};

use super::server::Server;
use crate::{
    Result,
    data::Data,
    figures::{ROUNDS, at, ratio, timed, told},
    peer::Peer,
};

/// A query through gRPC beside hybrid engines in process, on the same texts and vectors.
pub fn hybrid(data: &Data) -> Result<()> {
    println!("a query through gRPC, ten hits:");
    let server = Server::start(data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut client = runtime.block_on(FrontloadServiceClient::connect(server.address.clone()))?;
    let mut ask = |set: LaneSet| -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
        let (mut whole, mut embedding, mut looking) = (Vec::new(), Vec::new(), Vec::new());
        for query in &data.queries {
            let request = SearchRequest { query: query.clone(), k: 10, lane_set: set.into(), ..Default::default() };
            let (ms, found) = timed(|| runtime.block_on(client.search(request)));
            whole.push(ms);
            let found = found?.into_inner();
            embedding.push(found.embed_ms);
            looking.push(found.total_ms - found.embed_ms);
        }
        Ok((whole, embedding, looking))
    };
    ask(LaneSet::All)?;
    println!("  memory: {} MB resident, of which {} MB file-backed", server.memory("VmRSS"), server.memory("RssFile"));
    for (name, set) in [("text alone", LaneSet::Plain), ("with handles", LaneSet::All)] {
        let (mut whole, mut embedding, mut looking, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (one, part, other) = ask(set)?;
            shares.push(at(&one, 0.5) / at(&part, 0.5));
            whole.extend(one);
            embedding.extend(part);
            looking.extend(other);
        }
        told(name, &whole);
        told("of which embedding", &embedding);
        told("of which looking, fusing, explaining", &looking);
        ratio("p50, whole ÷ embedding", &shares);
    }
    // LanceDB and Qdrant Edge join words and vectors by rank; Chroma has vectors alone.
    for engine in ["lancedb", "chroma", "qdrant-edge"] {
        let mut peer = Peer::start(engine, &data.place)?;
        peer.round()?;
        let (mut theirs, mut bare, mut with_embedding) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let first = ask(LaneSet::Plain)?;
            let rounds = [peer.round()?.ms, peer.round()?.ms].concat();
            let second = ask(LaneSet::Plain)?;
            let (whole, embedding) = ([first.0, second.0].concat(), [first.1, second.1].concat());
            let without: Vec<f64> = whole.iter().zip(&embedding).map(|(whole, part)| whole - part).collect();
            let with: Vec<f64> = rounds.iter().zip(&embedding).map(|(peer, part)| peer + part).collect();
            bare.push(at(&without, 0.99) / at(&rounds, 0.99));
            with_embedding.push(at(&whole, 0.99) / at(&with, 0.99));
            theirs.extend(rounds);
        }
        told(engine, &theirs);
        ratio(&format!("p99, ours ÷ {engine}, no embedding"), &bare);
        ratio(&format!("p99, ours ÷ {engine}, both embed"), &with_embedding);
    }
    Ok(())
}
