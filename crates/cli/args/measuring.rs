//! Of the commands that measure and choose.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use frontload_eval::Measure;

use super::{AnsweringArgs, FusionName, LaneArgs};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct EvalArgs {
    #[command(subcommand)]
    pub what: Option<EvalCommand>,
    #[command(flatten)]
    pub search: Option<EvalSearchArgs>,
}

#[derive(Subcommand)]
pub enum EvalCommand {
    /// Measure answers against reference answers
    Answers(EvalAnswersArgs),
    /// Put models, or quantisations of one, side by side: indexes of one corpus that each wrote the handles of
    Models(EvalModelsArgs),
}

#[derive(Args)]
pub struct EvalModelsArgs {
    /// Topics: BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub queries: PathBuf,
    /// Judgments: BEIR .tsv or TREC qrels
    #[arg(long, value_name = "FILE")]
    pub qrels: PathBuf,
    /// Measures, separated by blanks
    #[arg(long, default_value = "R@10 nDCG@10", value_name = "LIST", value_parser = measures)]
    pub measures: Measures,
    /// NAME=DIR or NAME=DIR@LANES, an index for each model; given twice or more
    #[arg(long, value_name = "NAME=DIR[@LANES]", required = true)]
    pub system: Vec<String>,
}

#[derive(Args)]
pub struct EvalAnswersArgs {
    /// Questions, JSON lines: {"_id", "text", "answers", "documents", "metadata"?}; no answers where there is none
    #[arg(long, value_name = "FILE")]
    pub questions: PathBuf,
    /// Only questions with this label: split=dev
    #[arg(long, value_name = "LABEL=VALUE")]
    pub only: Option<String>,
    /// Passages to answer from
    #[arg(short, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub k: u32,
    #[command(flatten)]
    pub answering: AnsweringArgs,
    /// Answer nothing: choose on these questions how near a sentence must be, and say what that is worth
    #[arg(long, conflicts_with_all = ["compare", "per_query"])]
    pub calibrate: bool,
    /// Also without few-shots, and also without handles, side by side
    #[arg(long)]
    pub compare: bool,
    /// Print every question's scores
    #[arg(long)]
    pub per_query: bool,
}

// clap leaves the group of a struct that holds another one empty, and goes by it whether there is one at all.
#[derive(Args)]
#[group(args = ["queries", "qrels"])]
pub struct EvalSearchArgs {
    /// Topics: BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub queries: PathBuf,
    /// Judgments: BEIR .tsv or TREC qrels. Only judged topics count
    #[arg(long, value_name = "FILE")]
    pub qrels: PathBuf,
    /// Measures, separated by blanks
    #[arg(long, default_value = "R@5 R@10 R@20 nDCG@10 RR@10", value_name = "LIST", value_parser = measures)]
    pub measures: Measures,
    #[command(flatten)]
    pub lanes: LaneArgs,
    /// Write the rankings as a TREC run
    #[arg(long, value_name = "FILE")]
    pub run_out: Option<PathBuf>,
    /// Print every topic's values
    #[arg(long)]
    pub per_query: bool,
    /// Break the measures down by this topic label
    #[arg(long, value_name = "LABEL")]
    pub by: Option<String>,
    /// Put indexes side by side: NAME=DIR, or NAME=DIR@LANES. May be given several times
    #[arg(long, value_name = "NAME=DIR[@LANES]", conflicts_with_all = ["run_out", "per_query"])]
    pub system: Vec<String>,
}

#[derive(Args)]
pub struct AblateArgs {
    /// Topics: BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub queries: PathBuf,
    /// Judgments to judge kinds by: never those that will be reported
    #[arg(long, value_name = "FILE")]
    pub qrels: PathBuf,
    /// Measures, separated by blanks: the first is judged by, the others are shown
    #[arg(long, default_value = "nDCG@10 R@10", value_name = "LIST", value_parser = measures)]
    pub measures: Measures,
    #[arg(long, value_enum, help = "How rankings are joined [default: as the index says]")]
    pub fusion: Option<FusionName>,
    /// Also write a page with plots, tables and the worst queries; without a FILE where `frontload serve` shows it
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[allow(clippy::option_option)] // clap's way of telling an absent flag from one without a value
    pub html: Option<Option<PathBuf>>,
    /// Break the measure down by this topic label, on the page and in JSON
    #[arg(long, value_name = "LABEL")]
    pub by: Option<String>,
    /// Seed of the tests of significance
    #[arg(long, default_value_t = crate::commands::SEED)]
    pub seed: u64,
}

#[derive(Args)]
pub struct TuneArgs {
    /// Topics: BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub queries: PathBuf,
    /// Judgments to choose by: never those that will be reported
    #[arg(long, value_name = "FILE")]
    pub qrels: PathBuf,
    /// Show what would be chosen; publish nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args)]
pub struct SuggestArgs {
    /// Queries, best from a log: a BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub queries: PathBuf,
    /// Judgments, if there are any: BEIR .tsv or TREC qrels; only judged queries count then
    #[arg(long, value_name = "FILE")]
    pub qrels: Option<PathBuf>,
    /// A query is answered when an answer is among the first so many hits of the text alone
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub k: u32,
    /// At most so many kinds
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub kinds: u32,
    /// What the corpus is, in a few words: goes into the schema
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub about: String,
    /// Write the schema here instead of to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Propose known kinds alone: no language model is asked
    #[arg(long)]
    pub no_model: bool,
}

#[derive(Subcommand)]
pub enum QueriesCommand {
    /// Have the model write test queries of stated types from the passages
    Synth(SynthArgs),
}

#[derive(Args)]
pub struct SynthArgs {
    /// A type of query: a kind of the index's schema, or NAME=QUESTION. May be given several times [default: all kinds]
    #[arg(long = "type", value_name = "NAME[=QUESTION]")]
    pub types: Vec<String>,
    /// Queries wanted
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Write the queries here: a BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write the judgments here: BEIR .tsv
    #[arg(long, value_name = "FILE")]
    pub qrels_out: PathBuf,
    /// Seed by which passages are drawn
    #[arg(long, default_value_t = crate::commands::SEED)]
    pub seed: u64,
}

#[derive(Clone)]
pub struct Measures(pub Vec<Measure>);

fn measures(text: &str) -> Result<Measures, String> {
    let parsed = text.split_whitespace().map(str::parse).collect::<Result<Vec<Measure>, _>>();
    match parsed {
        Ok(list) if list.is_empty() => Err("no measure".to_owned()),
        Ok(list) => Ok(Measures(list)),
        Err(error) => Err(error.to_string()),
    }
}
