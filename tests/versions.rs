//! Indexes that another version of the program wrote: an older one is read as it is, and the next publish leaves its
//! format behind; a newer one is refused.

use std::{fs, path::Path};

use frontload_core::{Digest, Method};
use frontload_index::{FORMAT_VERSION, FileEntry, IndexDir, Reader};
use serde_json::{Value, json};

use crate::{faults::Village, served::handled};

/// Every lane of vectors gets a graph.
const INDEX: [&str; 4] = ["index", "--graph-rows", "5", "corpus"];
const QUERIES: [&str; 3] = ["unease about e7v0", "the wind stood in the north", "how many geese there were"];

/// Rewrites the live generation, and what `CURRENT` says of its manifest.
fn rewrite(index: &Path, change: impl FnOnce(&Path, &mut Value)) {
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON") };
    let current = index.join("CURRENT");
    let mut named = read(&current);
    let folder = index.join("generations").join(named["generation"].as_str().expect("a name"));
    let path = folder.join("manifest.json");
    let mut manifest = read(&path);
    change(&folder, &mut manifest);
    let text = serde_json::to_vec_pretty(&manifest).expect("JSON");
    named["manifest"] = json!(Digest::of_bytes(&text));
    fs::write(path, text).expect("written");
    fs::write(current, named.to_string()).expect("written");
}

/// What format 2 was: a graph lay in two files of `hnsw_rs`'s own instead of one with its links.
fn as_format_2(folder: &Path, manifest: &mut Value) {
    let files: Vec<FileEntry> = serde_json::from_value(manifest["files"].take()).expect("files");
    let mut older = Vec::new();
    for entry in files {
        let Some(lane) = entry.path.strip_suffix(".links") else {
            older.push(entry);
            continue;
        };
        fs::remove_file(folder.join(&entry.path)).expect("removed");
        for part in ["graph", "data"] {
            let path = format!("{lane}.hnsw.{part}");
            let bytes = format!("the {part} of {lane}").into_bytes();
            let (length, blake3) = (bytes.len() as u64, Digest::of_bytes(&bytes));
            fs::write(folder.join(&path), bytes).expect("written");
            older.push(FileEntry { path, bytes: length, blake3 });
        }
    }
    manifest["files"] = json!(older);
    manifest["format_version"] = json!(2);
}

/// The format of the live generation, how many lanes of vectors it has, and how many of them have a graph that is
/// searched.
fn format(village: &Village) -> (u32, usize, usize) {
    let reader = Reader::open(&IndexDir::new(village.index())).expect("an index").reader;
    let manifest = reader.manifest();
    let dense: Vec<_> = manifest.lanes.iter().filter(|entry| entry.lane.method == Method::Dense).collect();
    let along = dense.iter().filter(|entry| reader.graph_state(&entry.lane).is_some()).count();
    (manifest.format_version, dense.len(), along)
}

fn hits(village: &Village) -> [Value; 3] {
    QUERIES.map(|query| village.bench.json(&["search", "-k", "20", query])["hits"].clone())
}

#[test]
fn format_2_is_read_as_it_is_and_the_next_publish_writes_the_present_one() {
    let village = Village::new(30);
    village.run(&INDEX).succeeded();
    let (found, handles, asked) = (hits(&village), village.handles(), village.asked());
    assert_eq!((handles.len(), asked.is_empty()), (30, false));
    assert!(found.iter().all(|hits| hits.as_array().is_some_and(|hits| hits.len() == 20)), "{found:?}");
    // Body and moods.
    assert_eq!(format(&village), (FORMAT_VERSION, 2, 2));

    rewrite(&village.index(), as_format_2);
    // Its graphs are of no use any more: its lanes are scanned, and find the same.
    assert_eq!(format(&village), (2, 2, 0));
    assert_eq!(hits(&village), found);
    let verified = village.bench.run(&["verify"]).succeeded().stdout;
    assert!(verified.contains("generation 1"), "{verified}");
    assert_eq!(village.whole(), Ok(1));

    let built = village.run(&[&["--json"], &INDEX[..]].concat()).succeeded().json();
    assert_eq!((&built["calls"], &built["embedded"]), (&Value::Null, &json!(0)), "{built}");
    assert_eq!((village.whole(), format(&village)), (Ok(2), (FORMAT_VERSION, 2, 2)));
    assert_eq!((village.handles(), village.asked()), (handles, asked));
    assert_eq!(hits(&village), found);
    village.bench.run(&["verify"]).succeeded();
}

#[test]
fn a_format_to_come_is_refused_though_an_older_generation_is_whole() {
    let bench = handled();
    let index = bench.path(".frontload");
    rewrite(&index, |_, manifest| manifest["format_version"] = json!(99));
    let reads = format!("reads 2 to {FORMAT_VERSION}");
    for arguments in [&["search", "bell"][..], &["inspect", "bell"], &["handles", "export"], &["verify"]] {
        let told = bench.run(arguments).exited(6).stderr;
        for part in ["gen-000002/manifest.json", "index format 99", &reads, "upgrade", "frontload rebuild"] {
            assert!(told.contains(part), "{arguments:?}: no {part:?} in {told:?}");
        }
    }
    // Nothing was lost meanwhile.
    rewrite(&index, |_, manifest| manifest["format_version"] = json!(FORMAT_VERSION));
    assert!(bench.run(&["handles", "export"]).succeeded().stdout.contains("missing a lost companion"));
}
