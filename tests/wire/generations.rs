//! Generations that come, go, break and vanish under a service that goes on answering.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use frontload_server::v1::{
    AnswerMode, GetChunkRequest, ListHandlesRequest, ReloadRequest, SearchBatchRequest, SearchRequest, StatsResponse,
    frontload_service_client::FrontloadServiceClient,
};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{PATIENCE, Watched, metric, search};
use crate::{
    answering::{ask, question},
    bench::{Bench, PASSAGES},
    served::handled,
};

/// Publishes under load; each takes about as long as loading the embedding model does.
const PUBLISHES: u64 = 20;

/// Every passage says which edition it is of; the generation that holds it has the same number.
fn publish(bench: &Bench, edition: u64) {
    let row = |(id, text): (&str, &str)| {
        serde_json::json!({"_id": id, "title": "", "text": format!("{text} Edition {edition}.")}).to_string()
    };
    bench.write("corpus/corpus.jsonl", PASSAGES.map(row).join("\n"));
    bench.plain_index();
}

/// Searches until it is told to stop: how often, and which generations answered.
async fn searching(mut client: FrontloadServiceClient<Channel>, stop: Arc<AtomicBool>) -> (u64, BTreeSet<u64>) {
    let one = |query: &str| SearchRequest { query: query.to_owned(), k: 6, ..SearchRequest::default() };
    let (mut calls, mut seen) = (0, BTreeSet::new());
    while !stop.load(Ordering::Relaxed) {
        let searches = vec![one("the bell in the tower"), one("rye flour")];
        let found = client.search_batch(SearchBatchRequest { searches }).await.expect("no call fails").into_inner();
        let generation = found.responses[0].generation;
        for response in &found.responses {
            assert_eq!((response.generation, response.hits.len()), (generation, 6));
            let edition = format!("Edition {generation}.");
            assert!(response.hits.iter().all(|hit| hit.text.ends_with(&edition)), "{generation}: {:?}", response.hits);
        }
        seen.insert(generation);
        calls += 1;
    }
    (calls, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_cost_no_call_and_no_answer_is_of_two_generations() {
    let bench = Bench::new();
    publish(&bench, 1);
    let watched = Watched::start(&bench, &[]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(tokio::spawn(searching(watched.served.client().await, Arc::clone(&stop))));
    }
    let mut operator = watched.served.client().await;
    for edition in 2..=PUBLISHES {
        publish(&bench, edition);
        let taken = operator.reload(ReloadRequest {}).await.expect("looked").into_inner();
        assert_eq!((taken.generation, taken.problem.as_str()), (edition, ""));
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen = BTreeSet::new();
    for client in clients {
        let (calls, generations) = client.await.expect("every call was answered");
        assert!(calls > PUBLISHES, "{calls} calls");
        seen.extend(generations);
    }
    assert!(seen.len() as u64 > PUBLISHES / 2, "only {seen:?} were seen");
    watched.goes_on("publishes under load").await;
    watched.ends();
}

/// What is asked of a generation once it was opened: all that is kept in its files.
async fn serves(watched: &Watched) {
    let mut client = watched.served.client().await;
    let found = search(&mut client, "grief for somebody gone").await.expect("found");
    assert_eq!(found.hits[0].document_id, "letter");
    let asked = GetChunkRequest { chunk_id: "letter".into(), with_prompts: true };
    let chunk = client.get_chunk(asked).await.expect("found").into_inner().chunk.expect("a chunk");
    assert_eq!(chunk.text, PASSAGES[3].1);
    let handles = client.list_handles(ListHandlesRequest::default()).await.expect("a page").into_inner().handles;
    assert!(handles.iter().any(|listed| listed.chunk_id == "letter"), "{handles:?}");
    let asked = question("When was the new bell hung?", AnswerMode::Extract);
    assert!(!ask(&mut client, asked).await.expect("answered").2.sentences.is_empty());
    let mut health = HealthClient::new(watched.served.channel().await);
    let told = health.check(HealthCheckRequest { service: String::new() }).await.expect("answers").into_inner();
    assert_eq!(told.status(), ServingStatus::Serving);
}

#[tokio::test]
async fn what_is_removed_under_it_is_served_on() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let mut client = watched.served.client().await;
    assert_eq!(watched.served.stats().await.stale, "");
    fs::remove_dir_all(bench.path(".frontload/generations")).expect("removed");
    serves(&watched).await;
    let looked = client.reload(ReloadRequest {}).await.expect("looked").into_inner();
    assert_eq!((looked.generation, looked.changed), (2, false));
    assert!(!looked.problem.is_empty());
    assert_eq!(watched.served.stats().await.stale, looked.problem);
    serves(&watched).await;
    // The ledger has everything.
    bench.run(&["rebuild"]).succeeded();
    let looked = client.reload(ReloadRequest {}).await.expect("looked").into_inner();
    assert_eq!((looked.problem.as_str(), watched.served.stats().await.stale.as_str()), ("", ""));
    serves(&watched).await;
    watched.ends();
}

#[tokio::test]
async fn a_generation_is_served_on_after_it_was_cleared_away() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let served = bench.path(".frontload/generations/gen-000002");
    assert!(served.is_dir());
    // So that it does not take up what comes.
    watched.signal("STOP");
    for mood in ["astonished merriment", "loud delight", "plain joy"] {
        bench.import(&[("fair", "mood", mood)]);
    }
    assert!(!served.exists(), "it is kept");
    watched.signal("CONT");
    serves(&watched).await;
    let taken = watched.served.client().await.reload(ReloadRequest {}).await.expect("looked").into_inner();
    assert_eq!((taken.generation, taken.problem.as_str()), (5, ""));
    serves(&watched).await;
    watched.ends();
}

#[tokio::test]
async fn a_damaged_generation_is_refused_and_that_is_said() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    watched.signal("STOP");
    bench.import(&[("fair", "mood", "astonished merriment")]);
    let path = own_file(&bench, 3);
    let whole = fs::read(&path).expect("a file");
    fs::write(&path, vec![0xa5; whole.len()]).expect("written");
    watched.signal("CONT");
    let mut client = watched.served.client().await;
    let looked = client.reload(ReloadRequest {}).await.expect("looked").into_inner();
    assert_eq!((looked.generation, looked.changed), (2, false));
    assert!(looked.problem.contains("damaged"), "{}", looked.problem);
    assert_eq!(search(&mut client, "bell").await.expect("found").generation, 2);
    assert_eq!(watched.served.stats().await.stale, looked.problem);
    assert_eq!(metric(&watched.served, "frontload_stale").await, 1);
    serves(&watched).await;
    // What CURRENT says is worth no more than what it names.
    let current = bench.path(".frontload/CURRENT");
    let named = fs::read(&current).expect("a file");
    for wrong in [&b""[..], b"\xff\xfe", b"../../etc", b"{}"] {
        fs::write(&current, wrong).expect("written");
        let looked = client.reload(ReloadRequest {}).await.expect("looked").into_inner();
        assert!(looked.generation == 2 && !looked.problem.is_empty(), "{looked:?}");
    }
    serves(&watched).await;
    // Mended, it is taken.
    fs::write(&current, named).expect("written");
    fs::write(&path, whole).expect("written");
    let looked = client.reload(ReloadRequest {}).await.expect("looked").into_inner();
    assert_eq!((looked.generation, looked.problem.as_str()), (3, ""));
    assert_eq!(metric(&watched.served, "frontload_stale").await, 0);
    serves(&watched).await;
    watched.ends();
}

/// Waits until what the service says of itself is as wanted; nobody tells it to look.
async fn comes_to(watched: &Watched, what: &str, wanted: impl Fn(&StatsResponse) -> bool) -> StatsResponse {
    let since = Instant::now();
    loop {
        let stats = watched.served.stats().await;
        if wanted(&stats) {
            return stats;
        }
        assert!(since.elapsed() < PATIENCE, "{what}: it never came to that: {:?}", stats.stale);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_for_a_while_is_taken_up_without_another_publish() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let aside = bench.path("aside");
    // First the file is not there; then something is in its place that nobody can read, whoever the tests run as.
    for (generation, in_its_place) in [(3, false), (4, true)] {
        watched.signal("STOP");
        let mood = format!("astonished merriment, {generation}");
        bench.import(&[("fair", "mood", mood.as_str())]);
        let path = own_file(&bench, generation);
        fs::rename(&path, &aside).expect("set aside");
        if in_its_place {
            fs::create_dir(&path).expect("made");
        }
        watched.signal("CONT");
        let stats = comes_to(&watched, "stale", |stats| !stats.stale.is_empty()).await;
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(stats.stale.contains(&name) && stats.stale.contains("tried again by itself"), "{}", stats.stale);
        assert!(stats.generation == generation - 1 && stats.stale_seconds > 0.0, "{stats:?}");
        serves(&watched).await;
        if in_its_place {
            fs::remove_dir(&path).expect("removed");
        }
        fs::rename(&aside, &path).expect("put back");
        let stats = comes_to(&watched, "taken up", |stats| stats.stale.is_empty()).await;
        assert!(stats.generation == generation && stats.stale_seconds == 0.0, "{stats:?}");
        serves(&watched).await;
    }
    watched.ends();
}

/// A file of vectors that no other generation shares.
fn own_file(bench: &Bench, generation: u64) -> PathBuf {
    let own = own_files(&bench.path(&format!(".frontload/generations/gen-{generation:06}")));
    let dense = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "dense");
    own.into_iter().find(dense).expect("a file of its own")
}

/// Files that no other generation shares.
fn own_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let found = fs::metadata(&path).expect("a file");
        if found.is_dir() {
            files.extend(own_files(&path));
        } else if found.nlink() == 1 && found.len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    files
}
