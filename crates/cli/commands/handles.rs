//! `frontload handles import` and `export`.

use std::process::ExitCode;

use frontload_engine::{export_handles, import_handles};

use crate::{
    args::ImportArgs,
    commands::{build_threads, interrupts, open, report},
    config::Config,
    exit, print,
    progress::Progress,
};

pub fn import(config: &Config, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let mut embedder = config.embedder(build_threads())?;
    let mut progress = Progress::new(config.quiet);
    let stop = interrupts()?;
    let mut show = |event| progress.show(event, &stop);
    let imported = import_handles(&config.index, &args.file, &mut embedder, &mut show)?;
    eprintln!("{} handles imported from {}", imported.rows, args.file.display());
    if let Some(first) = imported.unknown.first() {
        eprintln!("warning: {} rows name no document of the index, the first {first:?}", imported.unknown.len());
    }
    let code = report::finish(config, &imported.report);
    Ok(if imported.unknown.is_empty() { code } else { ExitCode::from(exit::QUARANTINED) })
}

pub fn export(config: &Config) -> anyhow::Result<ExitCode> {
    for row in export_handles(&open(&config.index)?)? {
        print::line(&serde_json::to_string(&row)?);
    }
    Ok(ExitCode::SUCCESS)
}
