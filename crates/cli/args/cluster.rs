//! Of lanes that lie in a cluster.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Where lanes lie.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// In the index's folder
    Folder,
    /// On a Milvus server or cluster (docs/cluster.md)
    Milvus,
}

impl BackendName {
    /// As it is written in a file of settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Milvus => "milvus",
        }
    }
}

/// Which cluster, and how it is spoken to.
#[derive(Args)]
pub struct ClusterArgs {
    /// Where lanes are searched, and where builds are published [default: from frontload.toml, else folder]
    #[arg(long, global = true, value_enum)]
    pub backend: Option<BackendName>,
    /// Where Milvus listens, such as `http://127.0.0.1:19530` [default: from frontload.toml]
    #[arg(long, global = true, value_name = "URI")]
    pub uri: Option<String>,
    /// The name the index has there [default: from frontload.toml, else frontload]
    #[arg(long, global = true, value_name = "NAME")]
    pub collection: Option<String>,
    /// A file that holds a token, or user:password; without one the variable `FRONTLOAD_MILVUS_TOKEN` is taken
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Who vouches for Milvus's certificate, PEM [default: whom the system trusts]
    #[arg(long, global = true, value_name = "FILE")]
    pub milvus_ca: Option<PathBuf>,
    /// Seconds for which Milvus is tried again when it does not answer [default: 30]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub retry_for: Option<u32>,
}

/// The other end of a copy.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// A Milvus server or cluster
    Milvus,
}

#[derive(Args)]
#[command(group(clap::ArgGroup::new("way").required(true)))]
pub struct CopyArgs {
    /// From the index's folder to there
    #[arg(long, value_enum, group = "way")]
    pub to: Option<Place>,
    /// From there into the index's folder
    #[arg(long, value_enum, group = "way")]
    pub from: Option<Place>,
}
