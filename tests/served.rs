//! A served index.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command},
};

use frontload_server::v1::{StatsRequest, StatsResponse, frontload_service_client::FrontloadServiceClient};
use tonic::transport::Channel;

use crate::bench::Bench;

/// A served index; the process ends with it.
pub struct Served {
    pub child: Child,
    /// With its scheme.
    pub address: String,
}

impl Served {
    /// Starts the service on a free port of loopback.
    pub fn start(bench: &Bench, more: &[&str]) -> Self {
        Self::started(bench, &[&["--json", "serve", "--listen", "127.0.0.1:0"], more].concat(), "http")
    }

    /// Starts it with other arguments.
    pub fn started(bench: &Bench, arguments: &[&str], scheme: &str) -> Self {
        // Nobody reads its stderr while it runs: a line a request would fill the pipe.
        let level = if arguments.contains(&"--log-format") { "info" } else { "warn" };
        let mut command = bench.command(arguments);
        command.env("FRONTLOAD_LOG", level);
        Self::spawned(command, scheme)
    }

    /// Starts what serves.
    pub fn spawned(mut command: Command, scheme: &str) -> Self {
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, address: format!("{scheme}://{}", told["listening"].as_str().expect("an address")) }
    }

    /// A connection of its own.
    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone()).expect("an address").connect().await.expect("connects")
    }

    /// A client of its own.
    pub async fn client(&self) -> FrontloadServiceClient<Channel> {
        FrontloadServiceClient::new(self.channel().await)
    }

    /// What the service says of itself.
    pub async fn stats(&self) -> StatsResponse {
        self.client().await.stats(StatsRequest {}).await.expect("stats").into_inner()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Six passages, one with a handle.
pub fn handled() -> Bench {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&[("letter", "mood", "missing a lost companion")]);
    bench
}
