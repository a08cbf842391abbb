//! Of the commands that look for what does harm, and take it out.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct PurgeArgs {
    /// Every document of a source, a folder or a file: its name as `inspect` shows it, a path on this machine, or a
    /// pattern (`*` within a part, `**` across parts, `?` one letter)
    #[arg(
        long,
        value_name = "GLOB-OR-PATH",
        required_unless_present_any = ["document", "list"],
        conflicts_with = "document"
    )]
    pub source: Option<String>,
    /// One document
    #[arg(long, value_name = "ID")]
    pub document: Option<String>,
    /// Instead: what is taken out, by whom and why
    #[arg(long, conflicts_with_all = ["source", "document", "undo", "erase", "dry_run"])]
    pub list: bool,
    /// Take a purge back; what was not erased comes back as it was
    #[arg(long, conflicts_with_all = ["erase", "dry_run"])]
    pub undo: bool,
    /// Also take the text of everything that was said about it out of the ledger; this cannot be undone
    #[arg(long)]
    pub erase: bool,
    /// Say what would go, and take nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for those who read the decision later
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub reason: String,
    /// Who decides [default: whoever is logged in]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

#[derive(Args)]
pub struct HubsArgs {
    /// Queries to probe with, best from a log: a BEIR queries.jsonl [default: titles and handles of the index itself]
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// Without queries: so many probes, each from another passage, which does not count as its hit
    #[arg(long, default_value_t = 500, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub probes: u32,
    /// Seed by which these passages are drawn
    #[arg(long, default_value_t = crate::commands::SEED)]
    pub seed: u64,
}
