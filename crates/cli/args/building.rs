//! Of the commands that build an index.

use std::path::PathBuf;

use clap::Args;

/// What is asked about, and in which pieces.
#[derive(Args)]
pub struct CorpusArgs {
    /// Files and folders: BEIR folders, text, Markdown, reStructuredText, HTML, PDF, CSV, JSON lines, source code
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Which handles to write [default: the setting `schema`, else handles.toml in a folder that is named]
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// The largest chunk in characters, or "none" to leave documents whole
    #[arg(long, default_value = "1800", value_name = "CHARS", value_parser = chunk_chars)]
    pub chunk: ChunkChars,
    /// Ask again about chunks that failed before
    #[arg(long)]
    pub retry_failed: bool,
}

#[derive(Args)]
pub struct IndexArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// Index the text alone; handles can be imported later
    #[arg(long, conflicts_with = "schema")]
    pub no_handles: bool,
    /// Say what it would cost, and stop: the prompts are weighed and a few really asked, whose answers are kept
    #[arg(long, conflicts_with = "no_handles")]
    pub dry_run: bool,
    /// Ask for so long, then publish with what there is; the same command goes on later
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    pub budget_minutes: Option<f64>,
    /// Also build baseline lanes over text and handles together: concatenated.bm25 and concatenated.dense
    #[arg(long)]
    pub concatenated: bool,
    /// Lanes with at least this many distinct vectors get an HNSW graph; others are scanned
    #[arg(long, default_value_t = frontload_index::DEFAULT_GRAPH_ROWS, value_name = "ROWS")]
    pub graph_rows: usize,
    /// Prompts that a model in a file answers side by side
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub slots: u32,
    /// Requests open at once, over all endpoints; fewer while one shows trouble
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Seconds of silence after which a request to an endpoint is tried again, or a model's process started anew [default:
    /// 120 and 300]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub patience: Option<u64>,
    /// Seconds after which a passage is given up at an endpoint, however often it was tried
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub deadline: u64,
    #[command(flatten)]
    pub plan: PlanArgs,
}

// How long it would take how many machines.
#[derive(Args)]
pub struct PlanArgs {
    /// Say how many machines and hours it takes, by what the ledger tells of this model, and stop: nothing is asked
    #[arg(long, conflicts_with_all = ["no_handles", "dry_run", "budget_minutes"])]
    pub plan: bool,
    /// Machines to plan for; also those that the ledger's runs had [default: as many as --model names]
    #[arg(long, requires = "plan", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub endpoints: Option<u32>,
    /// Tokens that one machine reads and writes in a second [default: as in the ledger's runs]
    #[arg(long, requires = "plan", value_name = "TOKENS_PER_SECOND", value_parser = positive)]
    pub rate: Option<f64>,
    /// Also say how many machines get done in so many hours
    #[arg(long, requires = "plan", value_name = "HOURS", value_parser = positive)]
    pub within: Option<f64>,
    /// Also plan for a corpus of so many chunks that is otherwise like this one
    #[arg(long, requires = "plan", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub chunks: Option<u64>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.0..=1e6).contains(&minutes) => Ok(minutes),
        _ => Err("expected minutes, such as 30 or 0.5".to_owned()),
    }
}

/// `None` leaves documents whole.
#[derive(Clone, Copy)]
pub struct ChunkChars(pub Option<u32>);

fn chunk_chars(text: &str) -> Result<ChunkChars, String> {
    match text {
        "none" => Ok(ChunkChars(None)),
        text => match text.parse() {
            Ok(chars) if (100..=100_000).contains(&chars) => Ok(ChunkChars(Some(chars))),
            _ => Err("expected 100 to 100000, or none".to_owned()),
        },
    }
}

#[derive(Args)]
pub struct RebuildArgs {
    /// The corpus, if it has moved
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write every file anew, rather than what changed beside the live generation's; deleted text is then gone from disk
    #[arg(long)]
    pub afresh: bool,
    /// Build, or no longer build, baseline lanes over text and handles together
    #[arg(long, value_name = "BOOL")]
    pub concatenated: Option<bool>,
}
