//! A generation's manifest, as one that `CURRENT` vouches for, and `CURRENT` itself.

use std::{fs, path::Path};

use frontload_core::{Digest, Fusion};
use frontload_index::{IndexDir, IndexError, Manifest, Reader, verify};

use super::{about, outcome};

#[rustfmt::skip] // a word a line says no more
pub const WORDS: &[&str] = &[
    "\"format_version\":", "\"generation\":", "\"vector_parts\":", "\"dimension\":", "\"lanes\":", "\"files\":",
    "\"path\":", "\"weight\":", "\"rows\":", "\"graph\":", "\"analyses\":", "\"body.bm25\"", "\"mood.dense\"",
    "\"../\"", "\"/dev/zero\"", "\"gen-000001\"", "\"schema\":", "\"tuning\":", "\"fusion\":", "\"rrf\"",
    "\"convex\"", "null", "{}", "[]", ",", "2", "3", "\"k\":", "\"en\"", "\"code\"",
];

pub fn run(folder: &Path, input: &[u8]) -> String {
    let generation = folder.join("generations/gen-000001");
    fs::create_dir_all(&generation).expect("a folder");
    fs::write(generation.join("manifest.json"), input).expect("written");
    let vouched = serde_json::json!({"generation": "gen-000001", "manifest": Digest::of_bytes(input)}).to_string();
    fs::write(folder.join("CURRENT"), vouched).expect("written");

    let dir = IndexDir::new(folder);
    let opened = Reader::open(&dir).err().expect("none of its files is there");
    let mut told = vec![problem(&opened)];
    match verify(&dir) {
        Ok((_, findings)) => {
            assert!(!findings.is_empty(), "nothing is wrong with a generation that has no files");
            told.push(format!("{} {}", about(findings.len()), problem(&findings[0].error)));
        }
        Err(error) => told.push(problem(&error)),
    }
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(input) {
        read_again(&manifest);
        told.push(format!("{} {}", about(manifest.lanes.len()), about(manifest.files.len())));
    }

    fs::write(folder.join("CURRENT"), input).expect("written");
    told.extend(Reader::live_manifest(&dir).err().map(|error| problem(&error)));
    told.join(" ")
}

/// What is read is written, and read again, as the same.
fn read_again(manifest: &Manifest) {
    let constant = match manifest.fusion {
        Fusion::Rrf { k } => k,
        Fusion::Convex { .. } => 0.0,
    };
    let tuned = manifest.tuning.iter().flat_map(|tuning| tuning.weights.values());
    let mut weights = manifest.lanes.iter().map(|entry| &entry.weight).chain(tuned).chain([&constant]);
    let tuned_fusion = manifest.tuning.as_ref().and_then(|tuning| tuning.fusion);
    let finite_fusion = !matches!(tuned_fusion, Some(Fusion::Rrf { k }) if !k.is_finite());
    // JSON has no way to write what 1e39 is read as.
    if finite_fusion && weights.all(|weight| weight.is_finite()) {
        let written = serde_json::to_string(manifest).expect("what was read can be written");
        assert_eq!(serde_json::from_str::<Manifest>(&written).expect("and read"), *manifest);
    }
}

/// What is wrong, without the place.
fn problem(error: &IndexError) -> String {
    match error {
        IndexError::Corrupt { problem, .. } => outcome(problem),
        IndexError::Newer { .. } => "newer".to_owned(),
        IndexError::Older { .. } => "older".to_owned(),
        IndexError::Io { source, .. } => source.kind().to_string(),
        _ => "other".to_owned(),
    }
}
