//! What the README claims about the house, and the rules between crates.

use std::{collections::BTreeSet, fs, process::Command};

use crate::bench::{Bench, root};

/// The crates that one crate's normal dependencies bring in, all the way down.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "-p",
            package,
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn crates_use_only_what_they_may() {
    let check = |package: &str, forbidden: &[&str]| {
        let brought = dependencies(package);
        assert!(brought.contains("serde"), "{package}: the tree was not read");
        for name in forbidden {
            assert!(!brought.contains(*name), "{package} brings in {name}");
        }
    };
    let native = ["llama-cpp-2", "llama-cpp-sys-2", "fastembed", "ort"];
    check("frontload-core", &[&native[..], &["tokio", "sled", "tantivy", "hnsw_rs", "rayon"]].concat());
    check("frontload-enrich", &[&native[..], &["tokio", "tantivy", "hnsw_rs"]].concat());
    check("frontload-index", &[&native[..], &["tokio", "sled", "frontload-enrich"]].concat());
    check("frontload-engine", &[&native[..], &["tokio", "frontload-models", "milvus-sdk-rust"]].concat());
    check("frontload-corpus", &[&native[..], &["tokio", "sled", "tantivy", "frontload-index"]].concat());
    check("frontload-eval", &[&native[..], &["tokio", "frontload-engine", "tantivy"]].concat());
    check("frontload-cluster", &[&native[..], &["sled", "frontload-engine", "frontload-models"]].concat());
    check("frontload-server", &[&native[..], &["frontload-models", "milvus-sdk-rust"]].concat());
    // What the rule is about is there where it may be.
    assert!(dependencies("frontload-models").contains("llama-cpp-2"));
}

#[test]
fn every_path_and_command_in_the_readme_exists() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let commands = Bench::new().run(&["--help"]).succeeded().stdout;
    let known: BTreeSet<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty())
        .collect();
    let (mut paths, mut named) = (0, 0);
    for span in readme.split('`').skip(1).step_by(2) {
        let top = ["crates/", "proto/", "queries/", "corpora/", "tests/", "benches/", "docs/", ".ci/"];
        if top.iter().any(|folder| span.starts_with(folder)) && !span.contains([' ', '<', '*']) {
            assert!(root().join(span).exists(), "README names {span}");
            paths += 1;
        }
    }
    for line in readme.lines() {
        let command = line.trim().trim_start_matches(['$', '`', ' ']);
        let Some(words) = command.strip_prefix("frontload ") else { continue };
        // Options that stand before the command take a value, but for these two.
        let mut words = words.split([' ', '`']);
        while let Some(word) = words.next() {
            match word {
                "--json" | "--quiet" | "-q" => {}
                option if option.starts_with('-') => drop(words.next()),
                command => {
                    assert!(known.contains(command), "README runs {line:?}");
                    named += 1;
                    break;
                }
            }
        }
    }
    assert!(paths >= 8 && named >= 5, "{paths} paths and {named} commands were looked at");
}

#[test]
fn there_is_no_network_address_but_loopback_in_the_defaults() {
    let help = Bench::new().run(&["serve", "--help"]).succeeded().stdout;
    assert!(help.contains("127.0.0.1:7080"), "{help}");
}
