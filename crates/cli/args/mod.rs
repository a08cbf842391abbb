//! The command line. Every flag's default is in its help.

mod building;
mod cluster;
mod examples;
mod files;
mod measuring;
mod purging;
mod searching;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use building::{CorpusArgs, IndexArgs, PlanArgs, RebuildArgs};
pub use cluster::{BackendName, ClusterArgs, CopyArgs, Place};
pub use files::{
    AliasArgs, AliasesCommand, AnswersName, CompletionsArgs, ConfigCommand, ExamplesArgs, ExportCommand,
    ExportPromptsArgs, ExportTrainingArgs, HandleArgs, HandlesCommand, ImportArgs, ImportCommand,
    ImportCompletionsArgs, InitArgs, InspectArgs, ListHandlesArgs, ManArgs, ModelArgs, ModelsCommand, ProposeArgs,
    ReviewArgs, SchemaCheckArgs, SchemaCommand, StarterArgs,
};
pub use measuring::{
    AblateArgs, EvalAnswersArgs, EvalArgs, EvalCommand, EvalModelsArgs, EvalSearchArgs, QueriesCommand, SuggestArgs,
    SynthArgs, TuneArgs,
};
pub use purging::{HubsArgs, PurgeArgs};
pub use searching::{
    AnsweringArgs, AskArgs, DiffArgs, FusionName, KeyArgs, LaneArgs, LogFormat, McpArgs, ModeName, SearchArgs,
    ServeArgs,
};

#[derive(Parser)]
#[command(name = "frontload", version, about = "Search by what no word says", max_term_width = 110, after_help = examples::PROGRAM)]
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
        help = "The language model: a GGUF path, hf:ORG/REPO[@REV]/FILE.gguf, http://HOST/v1#MODEL, \
                several of these with commas and weights (…#MODEL*3), pool:FILE.toml, batch:NAME, or program:PATH"
    )]
    pub model: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "A LoRA adapter for the language model, a GGUF file; it is part of what names the model"
    )]
    pub lora: Option<PathBuf>,
    /// Layers of the language model to compute on a GPU; an error where there is none [default: 0]
    #[arg(long, global = true, value_name = "LAYERS")]
    pub gpu_layers: Option<u32>,
    /// The embedding model: a folder with model.onnx and tokenizer files, or fastembed:NAME
    #[arg(long, global = true, value_name = "REF")]
    pub embedder: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Subcommand)]
pub enum Command {
    /// Build an index: read, chunk, enrich what is new, publish
    #[command(after_help = examples::INDEX)]
    Index(IndexArgs),
    /// Build the index again from the corpus and the ledger, without the language model
    Rebuild(RebuildArgs),
    /// Copy the index to a cluster, or from there into the index's folder; no model is asked and nothing embedded
    Copy(CopyArgs),
    /// Find passages
    #[command(after_help = examples::SEARCH)]
    Search(SearchArgs),
    /// Answer a question from the passages found, with citations
    #[command(after_help = examples::ASK)]
    Ask(AskArgs),
    /// Serve gRPC, JSON over HTTP and a page
    #[command(after_help = examples::SERVE)]
    Serve(ServeArgs),
    /// Serve an assistant over stdin and stdout (Model Context Protocol)
    Mcp(McpArgs),
    /// Make a key for callers of the service
    Key(KeyArgs),
    /// Measure against judged topics
    #[command(after_help = examples::MEASURE)]
    Eval(EvalArgs),
    /// Which kinds of handle and which lanes earn their place, and what each costs
    #[command(after_help = examples::MEASURE)]
    Ablate(AblateArgs),
    /// Choose lane weights and fusion on judged topics, and publish them
    #[command(after_help = examples::MEASURE)]
    Tune(TuneArgs),
    /// Propose kinds of handle for queries that the text alone does not answer: a schema to begin with
    Suggest(SuggestArgs),
    /// Test queries
    #[command(subcommand)]
    Queries(QueriesCommand),
    /// Handles: in and out, shown, and what people decide about them
    #[command(subcommand)]
    Handles(HandlesCommand),
    /// Review handles on a page of this machine: accept, edit, take out, publish
    Review(ReviewArgs),
    /// Take a source or a document out of the index, now and in every later build
    Purge(PurgeArgs),
    /// Look for passages that come up whatever is asked
    Hubs(HubsArgs),
    /// Handles that say the same in other words
    #[command(subcommand)]
    Aliases(AliasesCommand),
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
    /// Language models: those that are here; fetch one from the hub, or delete it
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a shell's completions
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
    /// The process that holds llama.cpp; started by the others
    #[command(name = "__llm-worker", hide = true)]
    LlmWorker,
    /// The process that parses PDFs; started by the others
    #[command(name = "__pdf-worker", hide = true)]
    PdfWorker,
}
