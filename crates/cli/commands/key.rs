//! `frontload key`: a key is shown once and kept as a hash.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    process::ExitCode,
};

use anyhow::{Context, bail};
use frontload_server::{Keys, new_key};
use serde_json::json;

use crate::{args::KeyArgs, config::Config, print};

pub fn run(config: &Config, args: &KeyArgs) -> anyhow::Result<ExitCode> {
    let path = &args.keys;
    let kept = if path.exists() {
        fs::read_to_string(path).with_context(|| path.display().to_string())?
    } else {
        String::new()
    };
    if !kept.trim().is_empty() && Keys::read(path)?.names().any(|name| name == args.name) {
        bail!(
            "{}: there is a key {:?} already; take its lines out first, or give another name",
            path.display(),
            args.name
        );
    }
    let (key, lines) = new_key(&args.name, args.role)?;
    // Appended to a last line without an end, it would be a part of that.
    let lines = if kept.is_empty() || kept.ends_with('\n') { lines } else { format!("\n{lines}") };
    // Hashes are no keys, but nobody else needs to see who has one.
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(lines.as_bytes())).with_context(|| path.display().to_string())?;
    if config.json {
        print::json(&json!({"name": args.name, "role": args.role.to_string(), "key": key}));
    } else {
        print::line(&key);
        eprintln!("this is the only time the key is shown; {} keeps its hash", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
