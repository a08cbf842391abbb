//! Of the commands about files: handles, schemas, batches, and what stands in an index.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use frontload_core::AnswerForm;
use frontload_engine::TrainingFormat;

use super::CorpusArgs;

#[derive(Subcommand)]
pub enum HandlesCommand {
    /// Take handles made elsewhere into the index
    Import(ImportArgs),
    /// Print every handle of the index, in the form that import reads
    Export,
    /// Show handles: which passage, what, and who said it
    List(ListHandlesArgs),
    /// Say that a handle stands, or add one that nobody said
    Accept(HandleArgs),
    /// Put another text in a handle's place
    Edit(EditHandleArgs),
    /// Take a handle out
    Disable(HandleArgs),
    /// Mark a handle to be looked at again
    Flag(HandleArgs),
    /// Take a decision back
    Undo(HandleArgs),
}

#[derive(Args)]
pub struct HandleArgs {
    /// The passage: a chunk's id, as `search` and `inspect` show it
    pub chunk: String,
    /// The handle's kind
    pub kind: String,
    /// The handle
    pub text: String,
    /// Who decides [default: whoever is logged in]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

#[derive(Args)]
pub struct EditHandleArgs {
    #[command(flatten)]
    pub handle: HandleArgs,
    /// What is to stand in its place
    #[arg(long, value_name = "TEXT")]
    pub to: String,
}

#[derive(Args)]
pub struct ListHandlesArgs {
    /// Only handles of this kind
    #[arg(long)]
    pub kind: Option<String>,
    /// Only handles that contain this
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub contains: String,
    /// Show at most so many
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    pub most: usize,
    /// Instead: decisions about passages that have changed since
    #[arg(long)]
    pub conflicts: bool,
}

#[derive(Subcommand)]
pub enum AliasesCommand {
    /// Look for handles of one kind that say the same in another form, spelling or length
    Propose(ProposeArgs),
    /// Say that two mean the same: each is then found by the other's words
    Accept(AliasArgs),
    /// Say that they do not after all
    Withdraw(AliasArgs),
    /// Show those that hold
    List,
}

#[derive(Args)]
pub struct ProposeArgs {
    /// Only handles of this kind
    #[arg(long)]
    pub kind: Option<String>,
    /// How near two vectors must be, from -1 to 1
    #[arg(long, default_value_t = 0.92, value_name = "COSINE")]
    pub near: f32,
    /// Show at most so many
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub most: usize,
}

#[derive(Args)]
pub struct AliasArgs {
    /// The handles' kind
    pub kind: String,
    /// One of them
    pub text: String,
    /// The other: what is preferred
    pub means: String,
    /// Who decides [default: whoever is logged in]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

#[derive(Args)]
pub struct ReviewArgs {
    /// Where to listen, on this machine. Port 0 takes a free one, which is printed
    #[arg(long, default_value = "127.0.0.1:7081", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
    /// What people ask, best from a log: a handle that decides many of these comes first. A BEIR queries.jsonl
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
}

#[derive(Args)]
pub struct ExamplesArgs {
    /// From what people reviewed
    #[arg(long, required = true)]
    pub from_review: bool,
    /// So many at most
    #[arg(short, default_value_t = 4, value_name = "COUNT")]
    pub n: usize,
}

#[derive(Args)]
pub struct ImportArgs {
    /// JSON lines: {"id", "kind", "text", "evidence"?}
    pub file: PathBuf,
    /// Take the rows that can be taken when others name unknown ids, kinds or evidence
    #[arg(long)]
    pub partial: bool,
}

#[derive(Subcommand)]
pub enum SchemaCommand {
    /// Read a schema file and say what it asks for
    Check(SchemaCheckArgs),
    /// Print a schema to start from; without a name, say which there are
    Starter(StarterArgs),
    /// Print reviewed passages as examples for a schema
    Examples(ExamplesArgs),
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
    /// Rows to tune a small model with: what it is asked, and the handles that stand now (docs/training.md)
    Training(ExportTrainingArgs),
}

#[derive(Args)]
pub struct ExportPromptsArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// Write here instead of to stdout: the whole file, or nothing
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Spread them over so many files, NAME.00000.jsonl and on; a prompt is always in the same one
    #[arg(long, value_name = "COUNT", requires = "out", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub shards: Option<u16>,
}

#[derive(Args)]
pub struct ExportTrainingArgs {
    /// The folder to write train.jsonl, test.jsonl and split.json into
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// What asks for the handles, where the index's own schema does not
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = FormatName::Messages)]
    pub format: FormatName,
    /// Only these kinds of handle [default: all that are asked for]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// The share of documents held out in test.jsonl
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", value_parser = held_out)]
    pub held_out: f64,
    /// Seed by which these documents are chosen
    #[arg(long, default_value_t = crate::commands::SEED)]
    pub seed: u64,
    /// The form of the answers [default: the one this model is asked for]
    #[arg(long, value_enum)]
    pub answers: Option<AnswersName>,
    /// Leave out rows longer than this
    #[arg(long, default_value_t = 2048, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub max_tokens: u32,
    /// Without the schema's examples before each passage
    #[arg(long)]
    pub no_examples: bool,
    /// Write over what an earlier export left in the folder
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    /// Chat turns, as TRL reads them
    Messages,
    /// instruction, input and output
    Alpaca,
    /// Chat turns with "from" and "value"
    Sharegpt,
    /// What stands against what the model said, where they differ, as TRL's preference trainers read it
    Preferences,
}

impl FormatName {
    pub fn format(self) -> TrainingFormat {
        match self {
            Self::Messages => TrainingFormat::Messages,
            Self::Alpaca => TrainingFormat::Alpaca,
            Self::Sharegpt => TrainingFormat::ShareGpt,
            Self::Preferences => TrainingFormat::Preferences,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnswersName {
    /// A line a kind, as a model in a file is asked for
    Lines,
    /// One JSON object, as an endpoint is asked for
    Json,
}

impl AnswersName {
    pub fn form(self) -> AnswerForm {
        match self {
            Self::Lines => AnswerForm::Lines,
            Self::Json => AnswerForm::Json,
        }
    }
}

fn held_out(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("expected a share, from 0 to less than 1".to_owned()),
    }
}

#[derive(Subcommand)]
pub enum ImportCommand {
    /// What a batch engine answered to `export prompts`; `frontload index` with the same model then publishes it
    Completions(ImportCompletionsArgs),
}

#[derive(Args)]
pub struct ImportCompletionsArgs {
    /// The results, JSON lines: a file, a folder of them, or a pattern in quotes ('results.*.jsonl')
    pub file: PathBuf,
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// More of them. May be given several times; what is not there yet is said, and the others taken
    #[arg(long, value_name = "FILE")]
    pub also: Vec<PathBuf>,
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
    #[arg(value_name = "REF", help = "hf:ORG/REPO[@REVISION]/FILE.gguf")]
    pub model: String,
}
