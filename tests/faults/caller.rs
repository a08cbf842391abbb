//! A real client of a running service, called from plain code.

use std::collections::BTreeSet;

use frontload_server::v1::{
    GetChunkRequest, ReloadRequest, ReloadResponse, SearchRequest, frontload_service_client::FrontloadServiceClient,
};
use tokio::runtime::{Builder, Runtime};
use tonic::{Code, transport::Channel};

use super::account::Said;
use crate::{bench::Bench, served::Served};

/// The most hits that a service gives.
const HITS: u32 = 100;

/// The service, and a connection to it that is kept up between calls.
pub struct Caller {
    client: FrontloadServiceClient<Channel>,
    runtime: Runtime,
    served: Served,
}

impl Caller {
    pub fn start(bench: &Bench) -> Self {
        Self::of(Served::start(bench, &["--no-model"]))
    }

    /// A client of what is served.
    pub fn of(served: Served) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(served.client());
        Self { client, runtime, served }
    }

    /// The documents that some lanes find, and the generation that answers.
    pub fn search(&mut self, lanes: &[String], word: &str) -> (u64, BTreeSet<String>) {
        let (query, lanes) = (word.to_owned(), lanes.to_vec());
        let request = SearchRequest { query, k: HITS, lanes, ..SearchRequest::default() };
        let found = self.runtime.block_on(self.client.search(request)).expect("found").into_inner();
        (found.generation, found.hits.into_iter().map(|hit| hit.document_id).collect())
    }

    /// A chunk's text and handles, if it is there.
    pub fn chunk(&mut self, id: &str) -> Option<(String, BTreeSet<Said>)> {
        let asked = GetChunkRequest { chunk_id: id.to_owned(), with_prompts: false };
        match self.runtime.block_on(self.client.get_chunk(asked)) {
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound, "{status}");
                None
            }
            Ok(told) => {
                let chunk = told.into_inner().chunk.expect("a chunk");
                Some((chunk.text, chunk.handles.into_iter().map(|handle| (handle.kind, handle.text)).collect()))
            }
        }
    }

    pub fn reload(&mut self) -> ReloadResponse {
        self.runtime.block_on(self.client.reload(ReloadRequest {})).expect("looked").into_inner()
    }

    /// The generation that is served.
    pub fn generation(&self) -> u64 {
        self.runtime.block_on(self.served.stats()).generation
    }
}
