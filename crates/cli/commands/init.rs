//! `frontload init` and `frontload schema starter`: where a new user begins.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    process::ExitCode,
};

use anyhow::{Context, bail};
use frontload_engine::{SCHEMA_FILE, STARTERS, starter};

use crate::{
    args::{InitArgs, StarterArgs},
    config::{Config, FILE},
    print,
};

pub fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let schema = named(&args.starter)?;
    write_new(SCHEMA_FILE, schema)?;
    write_new(FILE, &format!("# Flags come first; without one, this holds.\nschema = \"{SCHEMA_FILE}\"\n"))?;
    print::line(&format!("wrote {SCHEMA_FILE} (from the starter {:?}) and {FILE}", args.starter));
    print::line(&format!(
        "next: say in {SCHEMA_FILE} what your corpus is about, then `frontload index PATH --dry-run`"
    ));
    Ok(ExitCode::SUCCESS)
}

pub fn print_starter(config: &Config, args: &StarterArgs) -> anyhow::Result<ExitCode> {
    if let Some(name) = &args.name {
        print::line(named(name)?.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if config.json {
        print::json(&STARTERS.map(|(name, about, _)| serde_json::json!({"name": name, "about": about})));
    } else {
        for (name, about, _) in STARTERS {
            print::line(&format!("{name:<8} {about}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named(name: &str) -> anyhow::Result<&'static str> {
    let names: Vec<&str> = STARTERS.iter().map(|(name, ..)| *name).collect();
    starter(name).with_context(|| format!("no starter {name:?}; there are {}", names.join(", ")))
}

/// Writes a file that is not there yet: what somebody has written is never replaced.
fn write_new(name: &str, text: &str) -> anyhow::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(name) {
        Ok(mut file) => file.write_all(text.as_bytes()).with_context(|| name.to_owned()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{name} is there already, and was left as it is")
        }
        Err(error) => Err(error).with_context(|| name.to_owned()),
    }
}
