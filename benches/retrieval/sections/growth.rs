//! How everything grows: query time, building, opening, memory, disk.

use std::{collections::BTreeMap, fs, path::Path};

use frontload_engine::{SearchRequest, lane_times, search};
use frontload_index::{DEFAULT_GRAPH_ROWS, IndexedChunk, Reader};

use crate::{
    Result,
    data::Data,
    excerpt::{Excerpt, Known, Published, everything, multiplied, without_handles},
    figures::{ROUNDS, at, power, timed},
};

const SIZES: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];
const LARGE: [usize; 3] = [100_000, 300_000, 1_000_000];
/// A scan of a million vectors takes its time, and is the same each time.
const FEWER_ROUNDS: usize = 1;
const WHOLE: &str = "whole search";

/// One index, and what was measured in it: milliseconds by lane, and of the whole.
struct Grown<'a> {
    size: usize,
    built: f64,
    opened: f64,
    bytes: u64,
    resident: u64,
    reader: Reader,
    times: BTreeMap<String, Vec<f64>>,
    _excerpt: Excerpt<'a>,
}

/// Every lane, and a search in process, over more and more of the chunks with their handles. A query's vector is there
/// already.
pub fn growth(data: &Data) -> Result<()> {
    println!("by chunks with their handles, a graph from {DEFAULT_GRAPH_ROWS} vectors on, no embedding:");
    let (chunks, mut known) = everything(data)?;
    let mut all: Vec<Grown> = Vec::new();
    for size in SIZES {
        let Some(chunks) = chunks.get(..size) else { break };
        all.push(grown(data, &mut known, chunks, DEFAULT_GRAPH_ROWS)?);
    }
    measure(&mut all, &mut known, (&data.queries, ROUNDS))?;
    show(&all);
    Ok(())
}

/// The text alone, scanned, up to a million chunks: those at hand, and copies of them with their words turned round and
/// their vectors moved a little.
pub fn large(data: &Data) -> Result<()> {
    println!("by chunks of text alone, every vector scanned, no embedding:");
    let (chunks, mut known) = everything(data)?;
    let mut chunks = without_handles(chunks);
    let real = chunks.len();
    for size in LARGE {
        multiplied(&mut chunks, &mut known, (real, size));
        // One at a time: a million chunks do not leave room for the others.
        let mut one = [grown(data, &mut known, chunks.get(..size).unwrap_or(&chunks), usize::MAX)?];
        measure(&mut one, &mut known, (&data.queries, FEWER_ROUNDS))?;
        show(&one);
    }
    Ok(())
}

fn grown<'a>(data: &'a Data, known: &mut Known, chunks: &[IndexedChunk], graph_rows: usize) -> Result<Grown<'a>> {
    let excerpt = Excerpt::new(data)?;
    let Published { seconds: built, .. } = excerpt.publish(known, chunks, graph_rows)?;
    let before = resident();
    let (opened, reader) = timed(|| excerpt.open());
    let resident = resident().saturating_sub(before);
    let (reader, bytes) = (reader?, on_disk(excerpt.path()));
    Ok(Grown { size: chunks.len(), built, opened, bytes, resident, reader, times: BTreeMap::new(), _excerpt: excerpt })
}

/// The first round makes everything warm.
fn measure(all: &mut [Grown], known: &mut Known, (queries, rounds): (&[String], usize)) -> Result<()> {
    for round in 0..=rounds {
        for grown in &mut *all {
            let times = ask(&grown.reader, known, queries)?;
            if round > 0 {
                for (what, ms) in times {
                    grown.times.entry(what).or_default().extend(ms);
                }
            }
        }
    }
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
    let row = |what: &str, cell: &dyn Fn(&Grown) -> String, value: &dyn Fn(&Grown) -> f64| {
        let cells: String = all.iter().map(|grown| format!("{:>18}", cell(grown))).collect();
        let points: Vec<(f64, f64)> = all.iter().map(|grown| (grown.size as f64, value(grown))).collect();
        let power = if points.len() > 1 { format!("{:.2}", power(&points)) } else { String::new() };
        println!("  {what:<18}{cells}{power:>12}");
    };
    row("chunks", &|grown| grown.size.to_string(), &|grown| grown.size as f64);
    row("built, s", &|grown| format!("{:.1}", grown.built), &|grown| grown.built);
    row("opened, ms", &|grown| format!("{:.0}", grown.opened), &|grown| grown.opened);
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    row("on disk, MB", &|grown| megabytes(grown.bytes), &|grown| grown.bytes as f64);
    row("resident, MB", &|grown| megabytes(grown.resident), &|grown| grown.resident as f64);
    for what in all.last().into_iter().flat_map(|grown| grown.times.keys()) {
        let of = |grown: &Grown, share: f64| grown.times.get(what).map_or(f64::NAN, |times| at(times, share));
        let cell = |grown: &Grown| format!("{:.3} / {:.3}", of(grown, 0.5), of(grown, 0.99));
        row(&format!("{what}, ms"), &cell, &|grown| of(grown, 0.5));
    }
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn on_disk(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(
            |entry| {
                if entry.path().is_dir() { on_disk(&entry.path()) } else { entry.metadata().map_or(0, |of| of.len()) }
            },
        )
        .sum()
}
