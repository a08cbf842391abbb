//! Of the commands about files: handles, schemas, batches, and what stands in an index.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CorpusArgs;

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

#[derive(Args)]
pub struct ManArgs {
    /// The folder to write them into, one page a command
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print every setting, its value, and where that comes from
    Show,
}

#[derive(Subcommand)]
pub enum ModelsCommand {
    /// Those in the folder of models and in the hub's cache
    List,
    /// Fetch one from the hub into its cache
    Pull(ModelArgs),
    /// Print where one's file is, without fetching it
    Path(ModelArgs),
    /// Delete one from the hub's cache
    Rm(ModelArgs),
}

#[derive(Args)]
pub struct ModelArgs {
    /// hf:ORG/REPO[@REVISION]/FILE.gguf
    #[arg(value_name = "REF")]
    pub model: String,
}
