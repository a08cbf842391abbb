//! The `frontload` program: flags to use cases, results to the terminal or to JSON.

mod args;
mod commands;
mod config;
mod exit;
mod logs;
mod print;
mod progress;

use std::{env, process::ExitCode};

use clap::Parser;

use crate::args::{Cli, Command, ConfigCommand, ExportCommand, ImportCommand, QueriesCommand, SchemaCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", print::clean(&told(&error)));
            exit::code_of(&error)
        }
    }
}

/// The whole chain on one line, without causes that a message already quotes.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::LlmWorker => return commands::worker::run_llm(),
        Command::PdfWorker => return commands::worker::run_pdf(),
        _ => {}
    }
    if let Ok(program) = env::current_exe() {
        frontload_engine::parse_pdfs_with(program, vec![config::PDF_WORKER_ARGUMENT.to_owned()]);
    }
    let config = config::Config::load(&cli.global)?;
    match cli.command {
        Command::Index(args) => commands::index::run(&config, &args),
        Command::Rebuild(args) => commands::index::rebuild(&config, &args),
        Command::Copy(args) => commands::copy::run(&config, &args),
        Command::Search(args) => commands::search::run(&config, &args),
        Command::Ask(args) => commands::ask::run(&config, &args),
        Command::Serve(args) => commands::serve::run(&config, &args),
        Command::Mcp(args) => commands::mcp::run(&config, &args),
        Command::Key(args) => commands::key::run(&config, &args),
        Command::Eval(args) => commands::eval::run(&config, &args),
        Command::Ablate(args) => commands::ablate::run(&config, &args),
        Command::Tune(args) => commands::tune::run(&config, &args),
        Command::Suggest(args) => commands::suggest::run(&config, &args),
        Command::Queries(QueriesCommand::Synth(args)) => commands::queries::synth(&config, &args),
        Command::Handles(command) => commands::handles::run(&config, command),
        Command::Review(args) => commands::review::run(&config, &args),
        Command::Purge(args) => commands::purge::run(&config, &args),
        Command::Hubs(args) => commands::hubs::run(&config, &args),
        Command::Aliases(command) => commands::aliases::run(&config, &command),
        Command::Schema(SchemaCommand::Examples(args)) => commands::schema::examples(&config, &args),
        Command::Schema(SchemaCommand::Check(args)) => commands::schema::check(&config, &args),
        Command::Schema(SchemaCommand::Starter(args)) => commands::init::print_starter(&config, &args),
        Command::Export(ExportCommand::Prompts(args)) => commands::batch::export(&config, &args),
        Command::Export(ExportCommand::Training(args)) => commands::training::export(&config, &args),
        Command::Import(ImportCommand::Completions(args)) => commands::batch::import(&config, &args),
        Command::Doctor => Ok(commands::doctor::run(&config)),
        Command::Init(args) => commands::init::run(&args),
        Command::Inspect(args) => commands::inspect::run(&config, &args),
        Command::Diff(args) => commands::diff::run(&config, &args),
        Command::Verify => commands::verify::run(&config),
        Command::Models(command) => commands::models::run(&config, &command),
        Command::Config(ConfigCommand::Show) => commands::config::show(&config),
        Command::Man(args) => commands::completions::man(&args),
        Command::Completions(args) => Ok(commands::completions::run(&args)),
        Command::LlmWorker | Command::PdfWorker => unreachable!("handled above"),
    }
}
