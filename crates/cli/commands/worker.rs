//! The child process that holds llama.cpp.

use std::{
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Context;

pub fn run() -> anyhow::Result<ExitCode> {
    // An interrupt at the terminal reaches the whole process group; the parent decides when this one ends.
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::new(AtomicBool::new(false)))?;
    frontload_models::worker::run().context("the model's process")?;
    Ok(ExitCode::SUCCESS)
}
