//! The command line. Every flag's default is in its help.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand, ValueEnum};
use frontload_core::{Against, Filter, FilterError, Fusion, Interval, WeighedLane};
use frontload_eval::Measure;

#[derive(Parser)]
#[command(name = "frontload", version, about = "Search by what no word says", max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct Global {
    /// The index's folder [default: from frontload.toml, else .frontload]
    #[arg(long, global = true, value_name = "DIR")]
    pub index: Option<PathBuf>,
    /// Print one JSON object (or JSON lines) instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Read this instead of ./frontload.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "REF",
        help = "The language model: a GGUF path, hf:ORG/REPO[@REV]/FILE.gguf, http://HOST/v1#MODEL, or batch:NAME"
    )]
    pub model: Option<String>,
    /// Layers of the language model to compute on a GPU; an error where there is none [default: 0]
    #[arg(long, global = true, value_name = "LAYERS")]
    pub gpu_layers: Option<u32>,
    /// The embedding model: a folder with model.onnx and tokenizer files, or fastembed:NAME
    #[arg(long, global = true, value_name = "REF")]
    pub embedder: Option<String>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Build an index: read, chunk, enrich what is new, publish
    Index(IndexArgs),
    /// Build the index again from the corpus and the ledger, without the language model
    Rebuild(RebuildArgs),
    /// Find passages
    Search(SearchArgs),
    /// Answer a question from the passages found, with citations
    Ask(AskArgs),
    /// Serve gRPC on loopback
    Serve(ServeArgs),
    /// Measure against judged topics
    Eval(EvalArgs),
    /// Choose lane weights on judged topics, and publish them
    Tune(TuneArgs),
    /// Handles in and out
    #[command(subcommand)]
    Handles(HandlesCommand),
    /// Write what another program is to do
    #[command(subcommand)]
    Export(ExportCommand),
    /// Take in what another program has done
    #[command(subcommand)]
    Import(ImportCommand),
    /// Schema files
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Show everything known about one document or chunk
    Inspect(InspectArgs),
    /// Compare two generations: chunks, handles, and whose hits moved
    Diff(DiffArgs),
    /// Check every file of the live index and every line of the ledger
    Verify,
    /// Say what this program would use here: processor, models, index; and what is missing
    Doctor,
    /// Begin in this folder: write handles.toml and frontload.toml
    Init(InitArgs),
    /// Print a shell's completions
    Completions(CompletionsArgs),
    /// The process that holds llama.cpp; started by the others
    #[command(name = "__llm-worker", hide = true)]
    LlmWorker,
}

/// What is asked about, and in which pieces.
#[derive(Args)]
pub struct CorpusArgs {
    /// Files and folders: BEIR folders, text, Markdown, reStructuredText, HTML, PDF, CSV, JSON lines, source code
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Which handles to write [default: from frontload.toml, else handles.toml beside the corpus]
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
    /// Prompts the model answers side by side
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub slots: u32,
    /// Requests open at once at an endpoint; fewer while it shows trouble
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Seconds after which a request to an endpoint is given up and tried again
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub patience: u64,
    /// Seconds after which a passage is given up at an endpoint, however often it was tried
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub deadline: u64,
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

#[derive(Args)]
pub struct DiffArgs {
    /// The earlier generation's number [default: the one before the later]
    pub before: Option<u64>,
    /// The later generation's number [default: the live one]
    pub after: Option<u64>,
    /// Show whose hits moved: a BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// Hits compared for each query
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub k: u32,
}

#[derive(Args)]
pub struct SearchArgs {
    /// What to look for
    pub query: String,
    /// Hits wanted
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub k: u32,
    #[command(flatten)]
    pub lanes: LaneArgs,
    /// Only passages that tell of a time which touches these days: 1883, 1883..1890, 1883-03-12..1884-01
    #[arg(long, value_name = "DAYS")]
    pub during: Option<Interval>,
    /// Only passages that satisfy an expression: "source = letters and meta.year >= 1900" (docs/search.md)
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<FilterArg>,
    /// Only the best passage of each document
    #[arg(long)]
    pub group: bool,
    /// Show what each lane gave
    #[arg(long)]
    pub explain: bool,
    /// Plain lanes and all lanes side by side
    #[arg(long, conflicts_with_all = ["lanes", "server"])]
    pub compare: bool,
    /// Ask a running service instead of opening the index
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// A filter, and how it was written.
#[derive(Clone)]
pub struct FilterArg {
    pub text: String,
    pub filter: Filter,
}

impl FromStr for FilterArg {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.to_owned(), filter: text.parse()? })
    }
}

#[derive(Args, Clone, Default)]
pub struct LaneArgs {
    /// "all", "plain", or lanes by name, perhaps with a weight: body.bm25,time.dense=0.5
    #[arg(long, default_value = "all")]
    pub lanes: String,
    /// How rankings are joined [default: as the index says]
    #[arg(long, value_enum)]
    pub fusion: Option<FusionName>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum FusionName {
    /// Reciprocal rank, k = 60
    Rrf,
    /// Convex combination of scores, each measured against its lane's best
    Convex,
    /// The same, measured against the lane's candidates
    Minmax,
    /// The same, measured against the most a query could score
    Ceiling,
}

impl LaneArgs {
    pub fn selection(&self) -> anyhow::Result<frontload_engine::LaneSelection> {
        use frontload_engine::LaneSelection;
        Ok(match self.lanes.as_str() {
            "all" => LaneSelection::All,
            "plain" => LaneSelection::Plain,
            names => LaneSelection::Listed(names.split(',').map(str::parse::<WeighedLane>).collect::<Result<_, _>>()?),
        })
    }

    pub fn fusion(&self) -> Option<Fusion> {
        self.fusion.map(|name| match name {
            FusionName::Rrf => Fusion::Rrf { k: 60.0 },
            FusionName::Convex => Fusion::Convex { against: Against::Best },
            FusionName::Minmax => Fusion::Convex { against: Against::Candidates },
            FusionName::Ceiling => Fusion::Convex { against: Against::Ceiling },
        })
    }
}

#[derive(Args)]
pub struct AskArgs {
    /// The question
    pub question: String,
    /// Passages to answer from
    #[arg(short, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub k: u32,
    /// Few-shots: JSON lines with question, passages and answer [default: from frontload.toml]
    #[arg(long, value_name = "FILE")]
    pub exemplars: Option<PathBuf>,
    /// Let the model write, and check it, instead of letting it choose sentences of the passages
    #[arg(long)]
    pub free: bool,
}

#[derive(Args)]
pub struct ServeArgs {
    /// Where to listen; loopback only. Port 0 takes a free one, which is printed
    #[arg(long, default_value = "127.0.0.1:7080", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
    /// Few-shots for answers
    #[arg(long, value_name = "FILE")]
    pub exemplars: Option<PathBuf>,
    /// Serve searches only: no language model is opened
    #[arg(long)]
    pub no_answers: bool,
}

#[derive(Args)]
pub struct EvalArgs {
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

#[derive(Subcommand)]
pub enum HandlesCommand {
    /// Take handles made elsewhere into the index
    Import(ImportArgs),
    /// Print every handle of the index, in the form that import reads
    Export,
}

#[derive(Args)]
pub struct ImportArgs {
    /// JSON lines: {"id", "kind", "text", "evidence"?}
    pub file: PathBuf,
}

#[derive(Subcommand)]
pub enum SchemaCommand {
    /// Read a schema file and say what it asks for
    Check(SchemaCheckArgs),
    /// Print a schema to start from; without a name, say which there are
    Starter(StarterArgs),
}

#[derive(Args)]
pub struct StarterArgs {
    /// letters, docs, code, tickets or stories
    pub name: Option<String>,
}

#[derive(Args)]
pub struct InitArgs {
    /// Which schema to start from: letters, docs, code, tickets or stories
    #[arg(long, default_value = "letters", value_name = "NAME")]
    pub starter: String,
}

#[derive(Subcommand)]
pub enum ExportCommand {
    /// The missing calls, as requests for a batch engine in the usual JSON lines; needs --model batch:NAME
    Prompts(ExportPromptsArgs),
}

#[derive(Args)]
pub struct ExportPromptsArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// Write here instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum ImportCommand {
    /// The results of such requests; `frontload index` with the same model then publishes them
    Completions(ImportCompletionsArgs),
}

#[derive(Args)]
pub struct ImportCompletionsArgs {
    /// The results, JSON lines
    pub file: PathBuf,
    #[command(flatten)]
    pub corpus: CorpusArgs,
}

#[derive(Args)]
pub struct SchemaCheckArgs {
    /// The file
    pub file: PathBuf,
}

#[derive(Args)]
pub struct InspectArgs {
    /// A document's or a chunk's id
    pub id: String,
}

#[derive(Args)]
pub struct CompletionsArgs {
    /// For which shell
    pub shell: clap_complete::Shell,
}
