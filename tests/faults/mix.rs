//! A client that calls a service for this and that, as several at once would, and knows what must be refused.

use std::{collections::BTreeMap, io::Write, net::TcpStream};

use frontload_server::v1::{
    AnswerMode, AnswerRequest, FeedbackRequest, FusionMethod, GetChunkRequest, Hit, ListHandlesRequest, ReloadRequest,
    SearchBatchRequest, SearchRequest, StatsRequest, Verdict, answer_response::Event,
    frontload_service_client::FrontloadServiceClient,
};
use reqwest::StatusCode;
use serde_json::json;
use tonic::{
    Code, Response, Status,
    transport::{Channel, Endpoint},
};

/// What is called, each as often as the others.
const CALLS: [&str; 14] = [
    "search",
    "filtered",
    "listed",
    "batch",
    "chunk",
    "handles",
    "stats",
    "answer",
    "answer left",
    "feedback",
    "http",
    "bad",
    "connection dropped",
    "reload",
];
/// What is looked for.
const QUERIES: [&str; 6] = [
    "the wind in the north",
    "uneasy about hens",
    "barrels that were counted",
    "geese and bells",
    "letters",
    "what nobody wrote down",
];

type Ended = Result<(), String>;

/// One client, with connections of its own.
pub struct Mix {
    grpc: FrontloadServiceClient<Channel>,
    http: reqwest::Client,
    address: String,
    choices: fastrand::Rng,
    /// Calls by what they were.
    pub made: BTreeMap<&'static str, usize>,
    /// Those that ended as they should not have.
    pub failed: Vec<String>,
}

impl Mix {
    pub async fn new(address: String, seed: u64) -> Self {
        let channel = Endpoint::from_shared(address.clone()).expect("an address").connect().await.expect("connects");
        Self {
            grpc: FrontloadServiceClient::new(channel),
            http: reqwest::Client::new(),
            address,
            choices: fastrand::Rng::with_seed(seed),
            made: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    /// Makes a call, whichever comes next.
    pub async fn call(&mut self) {
        let name = CALLS[self.choices.usize(..CALLS.len())];
        let request = self.any();
        let ended = match name {
            "search" => self.search(request).await.map(drop),
            "filtered" => {
                let request = SearchRequest { filter: "has handle.mood".to_owned(), group: true, ..request };
                self.search(request).await.map(drop)
            }
            "listed" => {
                let lanes = vec!["body.bm25".to_owned(), "mood.dense=0.5".to_owned()];
                self.search(SearchRequest { lanes, fusion: FusionMethod::Rrf.into(), ..request }).await.map(drop)
            }
            "batch" => self.batch().await,
            "chunk" => self.chunk().await,
            "handles" => self.handles().await,
            "stats" => self.grpc.stats(StatsRequest {}).await.map(drop).map_err(told),
            "answer" => self.answer().await,
            "answer left" => self.grpc.answer(question()).await.map(drop).map_err(told),
            "feedback" => self.feedback().await,
            "http" => self.over_http().await,
            "bad" => self.bad().await,
            "connection dropped" => self.connection(),
            _ => self.reload().await,
        };
        *self.made.entry(name).or_default() += 1;
        if let Err(problem) = ended {
            self.failed.push(format!("{name}: {problem}"));
        }
    }

    fn any(&mut self) -> SearchRequest {
        let query = QUERIES[self.choices.usize(..QUERIES.len())].to_owned();
        SearchRequest { query, k: self.choices.u32(1..20), ..SearchRequest::default() }
    }

    async fn search(&mut self, request: SearchRequest) -> Result<Vec<Hit>, String> {
        let found = self.grpc.search(request).await.map_err(told)?.into_inner();
        if found.hits.is_empty() || !found.degraded.is_empty() {
            return Err(format!("{} hits, without {:?}", found.hits.len(), found.degraded));
        }
        Ok(found.hits)
    }

    async fn batch(&mut self) -> Ended {
        let searches = vec![self.any(), self.any(), self.any()];
        let found = self.grpc.search_batch(SearchBatchRequest { searches }).await.map_err(told)?.into_inner();
        let generations: Vec<u64> = found.responses.iter().map(|found| found.generation).collect();
        let same = generations.len() == 3 && generations.windows(2).all(|pair| pair[0] == pair[1]);
        if same { Ok(()) } else { Err(format!("a batch from the generations {generations:?}")) }
    }

    async fn chunk(&mut self) -> Ended {
        let chunk_id = self.hit().await?;
        gone_or(self.grpc.get_chunk(GetChunkRequest { chunk_id, with_prompts: true }).await)
    }

    async fn feedback(&mut self) -> Ended {
        let chunk_id = self.hit().await?;
        let (query, verdict, note) = (QUERIES[0].to_owned(), Verdict::Relevant.into(), String::new());
        gone_or(self.grpc.feedback(FeedbackRequest { query, chunk_id, verdict, note }).await)
    }

    /// A chunk that was there a moment before.
    async fn hit(&mut self) -> Result<String, String> {
        let request = self.any();
        let hits = self.search(request).await?;
        Ok(self.choices.choice(hits).map(|hit| hit.chunk_id).unwrap_or_default())
    }

    async fn handles(&mut self) -> Ended {
        let (kind, contains) = ("mood".to_owned(), "unease".to_owned());
        let asked = ListHandlesRequest { kind, contains, page_size: 50, page_token: String::new() };
        let page = self.grpc.list_handles(asked).await.map_err(told)?.into_inner();
        if page.handles.is_empty() { Err("no handle is listed".to_owned()) } else { Ok(()) }
    }

    async fn answer(&mut self) -> Ended {
        let mut events = self.grpc.answer(question()).await.map_err(told)?.into_inner();
        let mut last = None;
        while let Some(answer) = events.message().await.map_err(told)? {
            last = answer.event;
        }
        if matches!(last, Some(Event::Ended(_))) { Ok(()) } else { Err(format!("an answer that ends with {last:?}")) }
    }

    async fn over_http(&mut self) -> Ended {
        let address = &self.address;
        let request = match self.choices.u8(..4) {
            0 => self.http.get(format!("{address}/v1/search?q=wind&k=3")),
            1 => self.http.get(format!("{address}/metrics")),
            2 => self.http.get(format!("{address}/v1/handles?kind=mood&page_size=5")),
            _ => self.http.post(format!("{address}/v1/search")).json(&json!({"query": QUERIES[0], "k": 5})),
        };
        expect(request, StatusCode::OK).await
    }

    /// What must be refused.
    async fn bad(&mut self) -> Ended {
        let nobody = GetChunkRequest { chunk_id: "nobody".to_owned(), with_prompts: false };
        let (empty, greedy) = (
            SearchRequest { query: " ".to_owned(), ..SearchRequest::default() },
            SearchRequest { query: "wind".to_owned(), k: 101, ..SearchRequest::default() },
        );
        let address = &self.address;
        match self.choices.u8(..5) {
            0 => refused(self.grpc.search(empty).await, Code::InvalidArgument),
            1 => refused(self.grpc.search(greedy).await, Code::InvalidArgument),
            2 => refused(self.grpc.get_chunk(nobody).await, Code::NotFound),
            3 => {
                let request = self.http.post(format!("{address}/v1/search")).json(&json!([1]));
                expect(request, StatusCode::BAD_REQUEST).await
            }
            _ => expect(self.http.get(format!("{address}/nowhere")), StatusCode::NOT_FOUND).await,
        }
    }

    /// A connection that says nothing, or begins to, and is gone.
    fn connection(&mut self) -> Ended {
        let begun: &[u8] = match self.choices.u8(..3) {
            0 => b"",
            1 => b"PRI * HTTP/2.0\r\n",
            _ => b"POST /v1/search HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{",
        };
        let opened = TcpStream::connect(self.address.trim_start_matches("http://"));
        opened.and_then(|mut stream| stream.write_all(begun)).map_err(|error| error.to_string())
    }

    async fn reload(&mut self) -> Ended {
        let looked = self.grpc.reload(ReloadRequest {}).await.map_err(told)?.into_inner();
        if looked.problem.is_empty() { Ok(()) } else { Err(looked.problem) }
    }
}

fn told(status: Status) -> String {
    status.to_string()
}

fn question() -> AnswerRequest {
    let question = "Where did the wind stand?".to_owned();
    AnswerRequest { question, k: 2, mode: AnswerMode::Extract.into(), ..AnswerRequest::default() }
}

/// What was there may have gone with a generation.
fn gone_or<T>(ended: Result<Response<T>, Status>) -> Ended {
    match ended {
        Err(status) if status.code() != Code::NotFound => Err(told(status)),
        _ => Ok(()),
    }
}

fn refused<T>(ended: Result<Response<T>, Status>, expected: Code) -> Ended {
    match ended {
        Err(status) if status.code() == expected => Ok(()),
        Err(status) => Err(told(status)),
        Ok(_) => Err(format!("answered, where {expected:?} was expected")),
    }
}

async fn expect(request: reqwest::RequestBuilder, expected: StatusCode) -> Ended {
    let answered = request.send().await.map_err(|error| error.to_string())?;
    let status = answered.status();
    let body = answered.text().await.map_err(|error| error.to_string())?;
    if status == expected { Ok(()) } else { Err(format!("{status}, where {expected} was expected: {body}")) }
}
