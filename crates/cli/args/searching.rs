//! Of the commands that search and answer.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use frontload_core::{Against, Filter, FilterError, Fusion, Interval, WeighedLane};
use frontload_engine::Manner;
use frontload_server::Role;

#[derive(Args)]
pub struct SearchArgs {
    /// What to look for
    pub query: String,
    /// Hits wanted; a service gives at most 100
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
    #[arg(long, conflicts_with = "server")]
    pub explain: bool,
    /// With and without handles, side by side
    #[arg(long, conflicts_with_all = ["lanes", "server"])]
    pub compare: bool,
    #[arg(
        long,
        value_name = "URL",
        help = "Ask a running service instead of opening the index; a key for it stands in FRONTLOAD_KEY"
    )]
    pub server: Option<String>,
    /// Who vouches for the service's certificate, PEM [default: whom the system trusts]
    #[arg(long, value_name = "FILE", requires = "server")]
    pub ca: Option<PathBuf>,
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
    /// Convex combination of scores: the text's against their lane's best, handles' against their lane's candidates
    Convex,
    /// The same, all against their lane's candidates
    Minmax,
    /// The same, all against the most a query could score
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
        self.fusion.map(FusionName::fusion)
    }
}

impl FusionName {
    const ALL: [Self; 4] = [Self::Rrf, Self::Convex, Self::Minmax, Self::Ceiling];

    pub fn fusion(self) -> Fusion {
        match self {
            Self::Rrf => Fusion::Rrf { k: 60.0 },
            Self::Convex => Fusion::Convex { against: Against::Best },
            Self::Minmax => Fusion::Convex { against: Against::Candidates },
            Self::Ceiling => Fusion::Convex { against: Against::Ceiling },
        }
    }

    /// The name of one that `--fusion` can choose.
    pub fn of(fusion: Fusion) -> Option<String> {
        let name = Self::ALL.into_iter().find(|name| name.fusion() == fusion)?;
        name.to_possible_value().map(|value| value.get_name().to_owned())
    }
}

#[derive(Args)]
pub struct AskArgs {
    /// The question
    pub question: String,
    /// Passages to answer from
    #[arg(short, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub k: u32,
    /// Only passages that satisfy an expression (docs/search.md)
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<FilterArg>,
    #[command(flatten)]
    pub answering: AnsweringArgs,
}

/// How questions are answered. What is not given comes from the `answers` table of frontload.toml.
#[derive(Args)]
pub struct AnsweringArgs {
    /// Few-shots: JSON lines with question, passages and answer
    #[arg(long, value_name = "FILE")]
    pub exemplars: Option<PathBuf>,
    /// How [default: quote with a model that runs here, write with one behind an endpoint]
    #[arg(long, value_enum)]
    pub mode: Option<ModeName>,
    /// Refuse when no sentence found is this near to the question, from -1 to 1
    #[arg(long, value_name = "NEARNESS", allow_negative_numbers = true)]
    pub refuse_below: Option<f32>,
    /// Kinds of handle that the model is told beside each passage, such as period
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub tell: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    /// The model chooses whole sentences of the passages: no word can be made up
    Quote,
    /// The model writes, and every sentence is checked against what it cites
    Write,
    /// The nearest sentences, without a model
    Extract,
}

impl ModeName {
    pub fn manner(self) -> Manner {
        match self {
            Self::Quote => Manner::Quote,
            Self::Write => Manner::Write,
            Self::Extract => Manner::Extract,
        }
    }
}

#[derive(Args)]
pub struct ServeArgs {
    /// Where to listen. Port 0 takes a free one, which is printed. Beyond loopback, --tls-cert and --keys are needed
    #[arg(long, default_value = "127.0.0.1:7080", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
    #[command(flatten)]
    pub answering: AnsweringArgs,
    /// Open no language model: answers are extracted
    #[arg(long)]
    pub no_model: bool,
    /// Unload the language model when it was not asked for so many seconds; 0 keeps it
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub keep_alive: u64,
    /// Keys that callers need, made by `frontload key`
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// The service's certificate with its chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Only clients whose certificate one of these vouches for, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
    /// A page of measurements to show, from `ablate --html` [default: report.html in the index's folder]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[arg(
        long,
        value_name = "URL",
        help = "Send traces to this collector: OTLP over gRPC, such as http://127.0.0.1:4317"
    )]
    pub otlp: Option<String>,
    #[arg(
        long,
        value_enum,
        default_value_t = LogFormat::Text,
        help = "How logs are written to stderr; what is logged follows FRONTLOAD_LOG (error, warn, info, debug)"
    )]
    pub log_format: LogFormat,
}

impl ServeArgs {
    /// What a review is served with: no model, no keys, nobody from elsewhere.
    pub fn for_review(listen: std::net::SocketAddr) -> Self {
        Self {
            listen,
            answering: AnsweringArgs { exemplars: None, mode: None, refuse_below: None, tell: Vec::new() },
            no_model: true,
            keep_alive: 0,
            keys: None,
            tls_cert: None,
            tls_key: None,
            client_ca: None,
            report: None,
            otlp: None,
            log_format: LogFormat::Text,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line a message
    Text,
    /// A JSON object a message
    Json,
}

#[derive(Args)]
pub struct McpArgs {
    #[command(flatten)]
    pub answering: AnsweringArgs,
    /// Open no language model: answers are extracted
    #[arg(long)]
    pub no_model: bool,
}

#[derive(Args)]
pub struct KeyArgs {
    /// Whose key it is
    pub name: String,
    /// What it allows: read or full
    #[arg(long, default_value = "read")]
    pub role: Role,
    /// The file its hash is added to
    #[arg(long, value_name = "FILE")]
    pub keys: PathBuf,
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
