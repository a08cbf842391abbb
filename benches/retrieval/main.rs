//! Retrieval beside its peers and its limits: `cargo bench --bench retrieval -- FOLDER [CHUNKS] [SECTION…]`.
//!
//! FOLDER holds real text in any form that is read; `benches/retrieval/fetch.sh` gets some (the kernel's
//! documentation, GPL-2). Its first CHUNKS pieces of 300 characters become documents; each gets two handles by rule,
//! its first sentence and its headings, since what a handle costs does not depend on who wrote it. Queries are eight
//! words in a row out of 300 of the pieces. Engines take turns (ours, peer, peer, ours); a figure is the median over
//! the rounds with the least and the most beside it. Sections: build, hybrid, dense, words, embedding, graph (from how
//! many vectors on a graph pays), growth (of query time with the chunks), churn (what many small publishes leave of a
//! graph), fresh.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod data;
mod excerpt;
mod figures;
mod peer;
mod sections;

use std::{error::Error, fs, path::PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

type Section = fn(&data::Data) -> Result<()>;

/// What is measured once everything is built, in this order: the last one changes the index on disk.
const SECTIONS: [(&str, Section); 9] = [
    ("dense", sections::dense),
    ("words", sections::words),
    ("hybrid", sections::hybrid),
    ("embedding", sections::embedding),
    ("graph", sections::graph),
    ("growth", sections::growth),
    ("large", sections::large),
    ("churn", sections::churn),
    ("fresh", sections::fresh),
];

/// What takes too long, or too much memory, to be measured unless it is named.
const ON_REQUEST: [&str; 1] = ["large"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [folder, rest @ ..] = arguments.as_slice() else {
        return Err("name a folder of text; benches/retrieval/fetch.sh gets one".into());
    };
    let count = rest.iter().find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let wanted: Vec<&str> = rest.iter().map(String::as_str).filter(|word| word.parse::<usize>().is_err()).collect();
    let wants = |section: &str| (wanted.is_empty() && !ON_REQUEST.contains(&section)) || wanted.contains(&section);
    let place = std::env::var_os("FRONTLOAD_TOOLS").map_or_else(|| PathBuf::from(".tools"), PathBuf::from);
    let place = place.join(format!("bench-retrieval-{count}"));
    fs::create_dir_all(&place)?;
    println!("load {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let data = data::prepare(&PathBuf::from(folder), count, &place, wants("build"))?;
    println!("{} chunks, {} queries, {} dimensions", data.chunks(), data.queries.len(), data.dimension);
    for (section, measure) in SECTIONS {
        if wants(section) {
            measure(&data)?;
        }
    }
    Ok(())
}
