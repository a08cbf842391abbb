//! How query time grows.

use std::collections::BTreeMap;

use frontload_engine::{SearchRequest, lane_times, search};
use frontload_index::{DEFAULT_GRAPH_ROWS, Reader};

use crate::{
    Result,
    data::Data,
    excerpt::{Excerpt, Known, everything},
    figures::{ROUNDS, at, power, timed},
};

const SIZES: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];
const WHOLE: &str = "whole search";

/// One index, and what was measured in it: milliseconds by lane, and of the whole.
struct Grown<'a> {
    size: usize,
    reader: Reader,
    times: BTreeMap<String, Vec<f64>>,
    _excerpt: Excerpt<'a>,
}

/// Every lane, and a search in process, over more and more of the chunks with their handles. A query's vector is there
/// already.
pub fn growth(data: &Data) -> Result<()> {
    println!("query time by chunks, p50 / p99 in ms, no embedding, every lane as deep as a search looks:");
    let (chunks, mut known) = everything(data)?;
    let mut all: Vec<Grown> = Vec::new();
    for size in SIZES {
        let Some(chunks) = chunks.get(..size) else { break };
        let excerpt = Excerpt::new(data)?;
        let reader = excerpt.publish(&mut known, chunks, DEFAULT_GRAPH_ROWS)?.reader;
        all.push(Grown { size, reader, times: BTreeMap::new(), _excerpt: excerpt });
    }
    // The first round makes everything warm.
    for round in 0..=ROUNDS {
        for grown in &mut all {
            let times = ask(&grown.reader, &mut known, &data.queries)?;
            if round > 0 {
                for (what, ms) in times {
                    grown.times.entry(what).or_default().extend(ms);
                }
            }
        }
    }
    show(&all);
    Ok(())
}

/// Every query once along each lane, then as a search.
fn ask(reader: &Reader, known: &mut Known, queries: &[String]) -> Result<BTreeMap<String, Vec<f64>>> {
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for query in queries {
        for (lane, time) in lane_times(reader, known, query)? {
            times.entry(lane.to_string()).or_default().push(time.as_secs_f64() * 1e3);
        }
    }
    for query in queries {
        let request = SearchRequest::new(query, 10);
        let (ms, found) = timed(|| search(reader, known, &request));
        found?;
        times.entry(WHOLE.to_owned()).or_default().push(ms);
    }
    Ok(times)
}

fn show(all: &[Grown]) {
    let sizes: String = all.iter().map(|grown| format!("{:>18}", grown.size)).collect();
    println!("  {:<14}{sizes}{:>18}", "", "power of p50");
    for what in all.last().into_iter().flat_map(|grown| grown.times.keys()) {
        let of = |grown: &Grown, share: f64| grown.times.get(what).map_or(f64::NAN, |times| at(times, share));
        let cell = |grown: &Grown| format!("{:.3} / {:.3}", of(grown, 0.5), of(grown, 0.99));
        let cells: String = all.iter().map(|grown| format!("{:>18}", cell(grown))).collect();
        let medians: Vec<(f64, f64)> = all.iter().map(|grown| (grown.size as f64, of(grown, 0.5))).collect();
        println!("  {what:<14}{cells}{:>18.2}", power(&medians));
    }
}
