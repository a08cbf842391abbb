//! The child processes: one holds llama.cpp, one parses PDFs.

use std::{
    io,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Context;

pub fn run_llm() -> anyhow::Result<ExitCode> {
    run(frontload_models::worker::run, "the model's process")
}

pub fn run_pdf() -> anyhow::Result<ExitCode> {
    run(frontload_engine::pdf_worker, "the process that parses PDFs")
}

fn run(work: fn() -> io::Result<()>, name: &'static str) -> anyhow::Result<ExitCode> {
    // An interrupt at the terminal reaches the whole process group; the parent decides when this one ends.
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::new(AtomicBool::new(false)))?;
    work().context(name)?;
    Ok(ExitCode::SUCCESS)
}
