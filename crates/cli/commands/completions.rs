//! Shell completions and manual pages, from the same description as the flags.

use std::{fs, process::ExitCode};

use anyhow::Context;
use clap::CommandFactory;

use crate::{
    args::{Cli, CompletionsArgs, ManArgs},
    print,
};

pub fn run(args: &CompletionsArgs) -> ExitCode {
    clap_complete::generate(args.shell, &mut Cli::command(), "frontload", &mut std::io::stdout());
    ExitCode::SUCCESS
}

pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let place = args.folder.display().to_string();
    fs::create_dir_all(&args.folder).with_context(|| place.clone())?;
    clap_mangen::generate_to(Cli::command(), &args.folder).with_context(|| place.clone())?;
    print::line(&format!("manual pages written to {place}; read one with `man {place}/frontload.1`"));
    Ok(ExitCode::SUCCESS)
}
