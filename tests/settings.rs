//! Where settings come from, and which models are here.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, Ended, models};

/// A setting's value and origin.
fn setting(shown: &Value, key: &str) -> (Value, Value) {
    let all = shown["settings"].as_array().expect("settings");
    let found = all.iter().find(|setting| setting["key"] == key).expect("a known key");
    (found["value"].clone(), found["origin"].clone())
}

#[test]
fn each_layer_gives_way_to_the_one_above() {
    let bench = Bench::new();
    bench.write("user/frontload/config.toml", "index = \"of-user\"\nschema = \"user.toml\"\n[answers]\nshown = 2\n");
    bench.write("frontload.toml", "index = \"of-project\"\ngpu_layers = 3\n");
    let show = |more: &[&str], variables: &[(&str, &str)]| {
        let user = bench.path("user");
        let mut command = bench.command([&["--json"], more, &["config", "show"]].concat());
        command.env("XDG_CONFIG_HOME", user).envs(variables.iter().copied());
        Ended::of(command.output().expect("runs")).succeeded().json()
    };
    let shown = show(&[], &[]);
    assert_eq!(setting(&shown, "index"), (json!("\"of-project\""), json!("frontload.toml")));
    assert_eq!(setting(&shown, "gpu_layers"), (json!("3"), json!("frontload.toml")));
    let (value, origin) = setting(&shown, "schema");
    assert_eq!(value, json!("\"user.toml\""));
    assert!(origin.as_str().is_some_and(|origin| origin.ends_with("user/frontload/config.toml")), "{origin}");
    assert_eq!(setting(&shown, "answers.shown").0, json!("2"));
    assert_eq!(setting(&shown, "lora"), (Value::Null, Value::Null));
    assert_eq!(setting(&shown, "model").1, json!("default"));
    let shown = show(&[], &[("FRONTLOAD_INDEX", "of-environment"), ("FRONTLOAD_GPU_LAYERS", "5")]);
    assert_eq!(setting(&shown, "index"), (json!("\"of-environment\""), json!("FRONTLOAD_INDEX")));
    assert_eq!(setting(&shown, "gpu_layers"), (json!("5"), json!("FRONTLOAD_GPU_LAYERS")));
    // A table's settings one by one, too.
    bench.write("frontload.toml", "backend = \"milvus\"\n[milvus]\ncollection = \"letters\"\nretry_for = 5\n");
    let shown = show(&["--retry-for", "7"], &[("FRONTLOAD_MILVUS_URI", "http://127.0.0.1:1")]);
    assert_eq!(setting(&shown, "backend"), (json!("\"milvus\""), json!("frontload.toml")));
    assert_eq!(setting(&shown, "milvus.collection"), (json!("\"letters\""), json!("frontload.toml")));
    assert_eq!(setting(&shown, "milvus.uri"), (json!("\"http://127.0.0.1:1\""), json!("FRONTLOAD_MILVUS_URI")));
    assert_eq!(setting(&shown, "milvus.retry_for"), (json!("7"), json!("flag")));
    let output = bench.command(["--backend", "folder", "search", "x"]).output().expect("runs");
    assert!(Ended::of(output).exited(2).stderr.contains("no index here"));
    fs::remove_file(bench.path("frontload.toml")).expect("removed");
    let shown = show(&["--index", "of-flag"], &[("FRONTLOAD_INDEX", "of-environment")]);
    assert_eq!(setting(&shown, "index"), (json!("\"of-flag\""), json!("flag")));
    // What was found this way is what is used.
    let output = bench.command(["search", "x"]).env("FRONTLOAD_INDEX", "of-environment").output().expect("runs");
    let ended = Ended::of(output).exited(2);
    assert!(ended.stderr.contains("of-environment"), "{}", ended.stderr);
}

#[test]
fn a_wrong_setting_is_named_with_its_place() {
    let bench = Bench::new();
    for (text, told) in [
        ("colour = 1", "colour"),
        ("gpu_layers = \"many\"", "gpu_layers"),
        ("index = ", "line 1"),
        ("[milvus]\nretry_for = \"soon\"", "retry_for"),
    ] {
        bench.write("frontload.toml", text);
        let ended = bench.run(&["config", "show"]).exited(2);
        assert!(ended.stderr.contains(told) && ended.stderr.contains("frontload.toml"), "{}", ended.stderr);
    }
    fs::remove_file(bench.path("frontload.toml")).expect("removed");
    let output = bench.command(["config", "show"]).env("FRONTLOAD_GPU_LAYERS", "many").output().expect("runs");
    assert!(Ended::of(output).exited(2).stderr.contains("FRONTLOAD_GPU_LAYERS=many"));
    bench.run(&["--config", "nowhere.toml", "config", "show"]).exited(2);
}

#[test]
fn models_are_listed_found_and_deleted() {
    let bench = Bench::new();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let repository = "hub/models--someone--small";
    bench.write(&format!("{repository}/refs/main"), commit);
    bench.write(&format!("{repository}/blobs/b1"), b"GGUF and so on");
    let pointer = bench.path(&format!("{repository}/snapshots/{commit}/tiny.gguf"));
    fs::create_dir_all(pointer.parent().expect("a parent")).expect("made");
    std::os::unix::fs::symlink("../../blobs/b1", &pointer).expect("linked");
    let run = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        command.env("HF_HOME", bench.path("")).env("HF_HUB_OFFLINE", "1");
        Ended::of(command.output().expect("runs"))
    };
    let name = "hf:someone/small@main/tiny.gguf";
    let listed = run(&["--json", "models", "list"]).succeeded().json();
    let listed = listed["models"].as_array().expect("models").clone();
    let ours = models().join("SmolLM2-135M-Instruct.Q4_1.gguf").display().to_string();
    assert!(listed.iter().any(|model| model["name"] == ours.as_str()), "{listed:?}");
    assert!(listed.iter().any(|model| model["name"] == name && model["bytes"] == 14), "{listed:?}");
    assert!(run(&["models", "path", name]).succeeded().stdout.trim().ends_with("tiny.gguf"));
    let ended = run(&["models", "rm", name]).succeeded();
    assert!(ended.stdout.contains("14 B freed"), "{}", ended.stdout);
    assert!(!bench.path(&format!("{repository}/blobs/b1")).exists());
    let ended = run(&["models", "path", name]).exited(4);
    assert!(ended.stderr.contains("frontload models pull hf:someone/small@main/tiny.gguf"), "{}", ended.stderr);
    run(&["models", "pull", &ours]).exited(2);
}

#[test]
fn every_command_has_its_page() {
    let bench = Bench::new();
    bench.run(&["man", "pages"]).succeeded();
    for name in ["frontload.1", "frontload-search.1", "frontload-handles-import.1", "frontload-review.1"] {
        let page = fs::read_to_string(bench.path("pages").join(name)).expect("a page");
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
}
