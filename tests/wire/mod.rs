//! What a service must survive of its clients, and of the disk under it: the real program, asked over real sockets, some
//! of them by hand. After each thing another client is served, memory has not grown by more than is stated here, and the
//! service ends when it is told to.

mod frames;
mod generations;
mod keys;
mod limits;
mod malformed;
mod slow;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use frontload_server::v1::{SearchRequest, SearchResponse, frontload_service_client::FrontloadServiceClient};
use tonic::{Status, transport::Channel};

use crate::{bench::Bench, served::Served};

/// What the service may hold beyond what it had after its first search, in bytes.
const MORE: u64 = 256 << 20;
/// No test waits longer for something that has to come.
const PATIENCE: Duration = Duration::from_secs(180);

/// A service that is looked at from outside.
struct Watched {
    served: Served,
    resident: u64,
    /// Sockets it has without any client.
    sockets: usize,
}

impl Watched {
    async fn start(bench: &Bench, more: &[&str]) -> Self {
        let served = Served::start(bench, &[&["--no-model"], more].concat());
        let sockets = sockets(&served);
        search(&mut served.client().await, "bell").await.expect("found");
        let resident = resident(&served);
        Self { served, resident, sockets }
    }

    /// Somebody else is served, and memory has kept.
    async fn goes_on(&self, what: &str) {
        let searched = async { search(&mut self.served.client().await, "bell").await };
        let found = tokio::time::timeout(PATIENCE, searched).await;
        let found = found.unwrap_or_else(|_| panic!("{what}: nobody is served any more"));
        let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(found.hits[0].document_id, "bell", "{what}");
        let resident = resident(&self.served);
        assert!(resident < self.resident + MORE, "{what}: {resident} bytes, {} before", self.resident);
    }

    /// Waits until no client is connected any more, whether or not the clients know.
    async fn is_alone(&self, what: &str) {
        until(what, || sockets(&self.served) <= self.sockets).await;
    }

    fn signal(&self, name: &str) {
        signal(&self.served, name);
    }

    /// It is told to end, and does.
    fn ends(mut self) {
        self.signal("TERM");
        assert!(self.served.child.wait().expect("a child").success());
    }
}

fn signal(served: &Served, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &served.child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

async fn search(client: &mut FrontloadServiceClient<Channel>, query: &str) -> Result<SearchResponse, Status> {
    let request = SearchRequest { query: query.to_owned(), k: 3, ..SearchRequest::default() };
    client.search(request).await.map(tonic::Response::into_inner)
}

/// Memory in RAM, in bytes.
fn resident(served: &Served) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", served.child.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).expect("a number") * 1024
}

/// Files that are open, sockets among them.
fn open_files(served: &Served) -> usize {
    fs::read_dir(format!("/proc/{}/fd", served.child.id())).expect("a process").count()
}

fn sockets(served: &Served) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", served.child.id())).expect("a process");
    // One may be closed while it is looked at.
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    open.filter(|path| path.to_string_lossy().starts_with("socket:")).count()
}

/// Processor time so far, in hundredths of a second.
fn processor(served: &Served) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", served.child.id())).expect("a process");
    // Behind the name, which may hold anything, come state, parent and so on; user and system time are the 12th and 13th.
    let (_, fields) = stat.rsplit_once(") ").expect("fields");
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

/// Looks again and again until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what}: it never came to that");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A count out of the service's own metrics; 0 when it is not there.
async fn metric(served: &Served, name: &str) -> u64 {
    let told = reqwest::get(format!("{}/metrics", served.address)).await.expect("answered").text().await.expect("text");
    let count = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    count.map_or(0, |count| count.parse().expect("a number"))
}

/// Waits until so many calls have ended with one of these codes.
async fn reached(served: &Served, method: &str, codes: &[&str], wanted: u64) {
    let since = Instant::now();
    loop {
        let mut ended = 0;
        for code in codes {
            let name = format!("frontload_request_seconds_count{{code=\"{code}\",method=\"{method}\"}}");
            ended += metric(served, &name).await;
        }
        if ended >= wanted {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{ended} of {wanted} calls of {method} ended with {codes:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
