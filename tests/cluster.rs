//! The same lanes on a server that speaks Milvus's protocol: the same ranks, the same hits, the same figures; and what
//! becomes of a copy whose server dies.

use std::{
    collections::BTreeSet,
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use frontload_cluster::open;
use frontload_core::{Embedder, Lane, Method, Scored, TextRole};
use frontload_engine::{EmbeddedQuery, LaneSelection, SearchRequest, embed_query, search_embedded};
use frontload_eval::read_topics;
use frontload_index::{IndexDir, IndexError, Reader};
use frontload_models::{EmbedderRef, SentenceEmbedder};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    bench::{Bench, Ended, models, root},
    filters::{Dice, random_filter, random_index},
    milvus::Milvus,
    served::Served,
};

/// Sums of the same numbers in another order differ by less.
const ROUNDING: f32 = 2e-5;
/// Topics whose lanes are laid side by side, one by one.
const TOPICS: usize = 24;

pub fn embedder() -> SentenceEmbedder {
    let library = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };
    let named = EmbedderRef::Folder(models().join("all-MiniLM-L6-v2"));
    SentenceEmbedder::open(&named, &models().join(library), 1).expect("opens")
}

fn ostrel(what: &str) -> String {
    root().join(what).display().to_string()
}

/// The bundled archive with its handles.
pub fn archive() -> Bench {
    let bench = Bench::new();
    bench.json(&["index", "--no-handles", &ostrel("corpora/ostrel")]);
    bench.json(&["handles", "import", &ostrel("corpora/ostrel/handles.jsonl")]);
    bench
}

pub fn here(bench: &Bench) -> Reader {
    Reader::open(&IndexDir::new(bench.path(".frontload"))).expect("opens").reader
}

pub fn topics() -> Vec<String> {
    let topics = read_topics(&root().join("queries/ostrel/queries.jsonl")).expect("topics");
    let step = topics.len() / TOPICS;
    topics.into_iter().step_by(step).map(|topic| topic.text).collect()
}

/// A query as the engine takes it, and its bare vector.
pub fn embedded(embedder: &mut SentenceEmbedder, query: &str) -> (EmbeddedQuery, Vec<f32>) {
    let vectors = embedder.embed(&[query], TextRole::Query).expect("embeds");
    (embed_query(embedder, query), vectors.concat())
}

/// Whether two rankings are the same: the same scores, and the same chunks in the same order but where neighbours' scores
/// are one score up to rounding.
pub fn assert_same(lane: &Lane, query: &str, (here, there): (&[Scored], &[Scored])) {
    let told = || format!("{lane} for {query:?}:\n{here:?}\n{there:?}");
    assert_eq!(here.len(), there.len(), "{}", told());
    let near = |one: f32, other: f32| (one - other).abs() <= ROUNDING * one.abs().max(1.0);
    for (mine, theirs) in here.iter().zip(there) {
        assert!(near(mine.score, theirs.score), "{}", told());
        if mine.chunk == theirs.chunk {
            assert_eq!(mine.item, theirs.item, "{}", told());
            continue;
        }
        let elsewhere = there.iter().find(|hit| hit.chunk == mine.chunk);
        let last = here.last().expect("a hit").score;
        let tied = elsewhere.map_or_else(|| near(mine.score, last), |hit| near(mine.score, hit.score));
        assert!(tied, "chunk {}: {}", mine.chunk.0, told());
    }
}

#[test]
fn lanes_hits_and_figures_are_those_of_the_folder() {
    let (bench, milvus, mut embedder) = (archive(), Milvus::any(), embedder());
    let copied = milvus.json(&bench, &["copy", "--to", "milvus"]);
    assert_eq!((&copied["chunks"], &copied["already"]), (&json!(261), &json!(false)), "{copied}");
    assert_eq!(copied["rows"], copied["written"]);
    let (here, there) = (here(&bench), open(&milvus.connection()).expect("opens"));
    assert_eq!(here.ids().collect::<Vec<_>>(), there.ids().collect::<Vec<_>>());
    let (mut ranked, mut swapped) = (0, 0);
    for query in topics() {
        let (embedded, vector) = embedded(&mut embedder, &query);
        let (mine, theirs) = (here.prepare(&query, vector.clone()), there.prepare(&query, vector));
        for entry in &here.manifest().lanes {
            let (hits, scale) = here.search(&entry.lane, &mine, (200, None)).expect("searched");
            let (others, other_scale) = there.search(&entry.lane, &theirs, (200, None)).expect("searched");
            assert_same(&entry.lane, &query, (&hits, &others));
            assert!((scale.floor - other_scale.floor).abs() < ROUNDING, "{}", entry.lane);
            assert!((scale.ceiling - other_scale.ceiling).abs() < ROUNDING * scale.ceiling, "{}", entry.lane);
            ranked += hits.len();
            swapped += hits.iter().zip(&others).filter(|(mine, theirs)| mine.chunk != theirs.chunk).count();
            let some: Vec<_> = hits.iter().step_by(17).map(|hit| hit.chunk).collect();
            let exact = |reader: &Reader, query| {
                let mut scored = reader.score(&entry.lane, query, &some).expect("scored");
                scored.sort_by(frontload_core::best_first);
                scored
            };
            assert_same(&entry.lane, &query, (&exact(&here, &mine), &exact(&there, &theirs)));
        }
        for lanes in [LaneSelection::All, LaneSelection::Plain] {
            let request = SearchRequest { lanes, ..SearchRequest::new(query.clone(), 10) };
            let mine = search_embedded(&here, &embedded, &request).expect("found").hits;
            let theirs = search_embedded(&there, &embedded, &request).expect("found").hits;
            assert_eq!(mine.len(), theirs.len());
            for (mine, theirs) in mine.iter().zip(&theirs) {
                assert_eq!((&mine.chunk, mine.plain_rank), (&theirs.chunk, theirs.plain_rank), "{query}");
                assert!((mine.score - theirs.score).abs() < ROUNDING, "{query}");
                let handles = |hit: &frontload_engine::Hit| -> BTreeSet<String> {
                    let named = |one: &frontload_engine::LaneEvidence| {
                        Some(format!("{} {}", one.given.lane, one.handle.as_ref()?.text))
                    };
                    hit.evidence.iter().filter_map(named).collect()
                };
                assert_eq!(handles(mine), handles(theirs), "{query}");
            }
        }
    }
    assert!(ranked > 20_000, "only {ranked} ranks were compared");
    assert!(swapped * 1000 < ranked, "{swapped} of {ranked} ranks are another chunk's of the same score");

    // The same figures, to every digit that is printed.
    let (queries, qrels) = (ostrel("queries/ostrel/queries.jsonl"), ostrel("queries/ostrel/qrels/test.tsv"));
    let eval = ["eval", "--queries", &queries, "--qrels", &qrels, "--per-query"];
    let mine = bench.json(&eval);
    let theirs = milvus.json(&bench, &[&eval[..], &["--backend", "milvus"]].concat());
    assert_eq!(mine, theirs);

    // Nothing to do is seen without doing it.
    let again = milvus.json(&bench, &["copy", "--to", "milvus"]);
    assert_eq!((&again["already"], &again["written"]), (&json!(true), &json!(0)), "{again}");

    // And back: no model is asked, nothing is embedded.
    let back = milvus.json(&bench, &["copy", "--from", "milvus", "--index", "back"]);
    assert_eq!((&back["chunks"], &back["embedded"]), (&json!(261), &json!(0)), "{back}");
    bench.json(&["verify", "--index", "back"]);
    // What is built without the ledger would have no handles.
    let refused = bench.run(&["index", "--no-handles", &ostrel("corpora/ostrel"), "--index", "back"]).exited(2).stderr;
    assert!(refused.contains("without the ledger") && refused.contains("copied from http"), "{refused}");
    assert_eq!(bench.json(&[&eval[..], &["--index", "back"]].concat()), mine);
}

#[test]
fn filters_let_the_same_chunks_through() {
    let mut dice = Dice(19);
    let (bench, milvus) = (random_index(&mut dice), Milvus::any());
    milvus.json(&bench, &["copy", "--to", "milvus"]);
    let (here, there) = (here(&bench), open(&milvus.connection()).expect("opens"));
    let (mut some, mut none) = (0, 0);
    for _ in 0..300 {
        let filter = random_filter(&mut dice, 3);
        let chunks = |reader: &Reader| reader.among(&filter).expect("answers").iter().collect::<BTreeSet<_>>();
        let (mine, theirs) = (chunks(&here), chunks(&there));
        assert_eq!(mine, theirs, "{filter:?}");
        if mine.is_empty() { none += 1 } else { some += 1 }
    }
    assert!(some > 60 && none > 20, "{some} and {none}");
    for lanes in ["body.bm25", "body.dense", "mood.bm25", "mood.dense", "all"] {
        let search =
            ["search", "-k", "50", "--lanes", lanes, "--filter", "source = letters and has meta.year", "a calm row"];
        // Equal handles have equal scores but for their last digit: which chunk comes first is not the filter's affair.
        let ids = |found: Value| {
            let hits = found["hits"].as_array().expect("hits").iter();
            hits.map(|hit| hit["id"].as_str().expect("an id").to_owned()).collect::<BTreeSet<_>>()
        };
        let mine = ids(bench.json(&search));
        assert!(!mine.is_empty(), "{lanes}");
        assert_eq!(mine, ids(milvus.json(&bench, &[&search[..], &["--backend", "milvus"]].concat())), "{lanes}");
    }
    let there: Vec<String> = milvus.there();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let refused = |filter: &str, part: &str| {
        let search = ["search", "--backend", "milvus", "--filter", filter, "row"];
        let ended = bench.run(&[&search[..], &there].concat()).exited(2);
        assert!(ended.stderr.contains(part), "{filter}: {}", ended.stderr);
    };
    refused("meta.colour = red", "meta.year");
    refused("handle.colour = red", "handle.colour");
}

/// The archive in small pieces, so that copying it takes a while.
fn pieces() -> Bench {
    let bench = Bench::new();
    bench.json(&["index", "--no-handles", "--chunk", "200", &ostrel("corpora/ostrel")]);
    bench
}

fn copying(bench: &Bench, milvus: &Milvus, retry_for: &str) -> Child {
    let more = ["--json", "copy", "--to", "milvus", "--retry-for", retry_for].map(str::to_owned);
    bench.command(more.into_iter().chain(milvus.there())).spawn().expect("starts")
}

/// Waits until a part of the rows is written, and kills the server while more are.
fn kill_midway(milvus: &mut Milvus, copy: &mut Child, before: u64) {
    let started = Instant::now();
    while milvus.bytes() < before + (1 << 20) {
        assert!(copy.try_wait().expect("a child").is_none(), "the copy ended before the server could be killed");
        assert!(started.elapsed() < Duration::from_secs(120), "nothing was written");
        sleep(Duration::from_millis(5));
    }
    milvus.kill();
}

#[test]
fn a_copy_outlives_its_server_and_nothing_is_lost_or_doubled() {
    let (bench, mut milvus) = (pieces(), Milvus::own());
    let before = milvus.bytes();

    // Killed, and not there again in time: nothing is published, what was written stays.
    let mut copy = copying(&bench, &milvus, "2");
    kill_midway(&mut milvus, &mut copy, before);
    let ended = Ended::of(copy.wait_with_output().expect("ends")).exited(4);
    assert!(ended.stderr.contains("no answer from Milvus") && ended.stderr.contains("goes on"), "{}", ended.stderr);
    milvus.start();
    assert!(matches!(open(&milvus.connection()), Err(frontload_cluster::ClusterError::NothingPublished { .. })));

    // Killed again, and there again in time: the same command gets through.
    let before = milvus.bytes();
    let mut copy = copying(&bench, &milvus, "120");
    kill_midway(&mut milvus, &mut copy, before);
    milvus.start();
    let copied = Ended::of(copy.wait_with_output().expect("ends")).succeeded().json();
    let (rows, written) = (copied["rows"].as_u64().expect("a count"), copied["written"].as_u64().expect("a count"));
    assert!(0 < written && written < rows, "{copied}");

    let (here, there) = (here(&bench), open(&milvus.connection()).expect("opens"));
    let ids: Vec<_> = here.ids().collect();
    assert!(ids.len() > 800, "{}", ids.len());
    assert_eq!(here.fetch(&ids).expect("stored"), there.fetch(&ids).expect("stored"));
    let counted = milvus.python(
        "print(*[len(client.query(name + '_blue_' + kind, filter='number >= 0', output_fields=['number'])) \
         for kind in ['chunks', 'words', 'vectors', 'terms']])",
    );
    let counts: Vec<u64> = counted.split_whitespace().map(|count| count.parse().expect("a count")).collect();
    assert_eq!(counts.iter().sum::<u64>(), rows, "{counted}");
    let query = here.prepare("the harbour bell in the fog", vec![]);
    let body = "body.bm25".parse().expect("a lane");
    let (mine, theirs) = (here.search(&body, &query, (200, None)), there.search(&body, &query, (200, None)));
    assert_same(&body, "the harbour bell", (&mine.expect("found").0, &theirs.expect("found").0));
}

#[test]
fn a_new_generation_is_seen_whole_and_deletes_what_is_gone() {
    let (bench, milvus) = (Bench::new(), Milvus::any());
    let publish = |bench: &Bench| milvus.json(bench, &["index", "--no-handles", "corpus", "--backend", "milvus"]);
    publish(&bench);
    bench.import(&[("letter", "mood", "missing a lost companion")]);
    milvus.json(&bench, &["copy", "--to", "milvus"]);
    let old = open(&milvus.connection()).expect("opens");
    let there = milvus.there();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let service = Served::start(&bench, &[&["--no-model", "--backend", "milvus"][..], &there].concat());
    let generation = || async { service.stats().await.generation };
    let runtime = Runtime::new().expect("a runtime");
    assert_eq!(runtime.block_on(generation()), 2);
    assert!(old.newer().expect("answers").is_none());

    let kept: Vec<String> = crate::bench::PASSAGES[1..]
        .iter()
        .map(|(id, text)| json!({"_id": id, "title": "", "text": text}).to_string())
        .collect();
    bench.write("corpus/corpus.jsonl", kept.join("\n"));
    let rebuilt = milvus.json(&bench, &["rebuild", "--backend", "milvus"]);
    assert_eq!(rebuilt["generation"], 3, "{rebuilt}");
    let new = old.newer().expect("answers").expect("a newer one");
    assert_eq!((old.ids().count(), new.ids().count(), new.manifest().generation), (6, 5, 3));
    // What was opened before still answers, and as before.
    let (body, query) = ("body.bm25".parse().expect("a lane"), "the new bell in the tower");
    let found =
        |reader: &Reader| reader.search(&body, &reader.prepare(query, vec![]), (9, None)).expect("found").0.len();
    assert!(found(&old) > found(&new), "{} and {}", found(&old), found(&new));
    let followed = Instant::now();
    while runtime.block_on(generation()) != 3 {
        assert!(followed.elapsed() < Duration::from_secs(60), "the service did not follow");
        sleep(Duration::from_millis(100));
    }

    // The set that the first generation lay in holds the third, and nothing of the first.
    bench.write("corpus/corpus.jsonl", kept[1..].join("\n"));
    milvus.json(&bench, &["rebuild", "--backend", "milvus"]);
    let newest = new.newer().expect("answers").expect("a newer one");
    assert_eq!(newest.ids().count(), 4);
    // Who still has the second, which lay where the fourth now lies, is told of it too.
    assert_eq!(old.newer().expect("answers").expect("a newer one").manifest().generation, 4);
    let sets = milvus.python(
        "for set in ['blue', 'green']:\n    rows = client.query(f'{name}_{set}_chunks', filter='number >= 0', \
         output_fields=['facts'])\n    print(sorted(row['facts']['document'] for row in rows))",
    );
    assert!(sets.contains("['bread', 'fair', 'letter', 'pump']"), "{sets}");
    assert!(sets.contains("['bread', 'fair', 'flood', 'letter', 'pump']"), "{sets}");
}

#[test]
fn what_is_not_ours_is_left_alone_and_named() {
    let (bench, milvus) = (Bench::new(), Milvus::any());
    bench.plain_index();
    let there = milvus.there();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let copy = |code| bench.run(&[&["copy", "--to", "milvus"][..], &there].concat()).exited(code).stderr;

    let nothing = bench.run(&[&["search", "--backend", "milvus", "bell"][..], &there].concat()).exited(2).stderr;
    assert!(nothing.contains("no index is published as") && nothing.contains("frontload copy"), "{nothing}");

    milvus.python("client.create_collection(name + '_blue_words', dimension=4)");
    let refused = copy(2);
    assert!(refused.contains("_blue_words is not one that this program made"), "{refused}");
    assert!(refused.contains("--collection"), "{refused}");
    assert_eq!(milvus.python("print(client.has_collection(name + '_blue_words'))").trim(), "True");
    milvus.python("client.drop_collection(name + '_blue_words')");

    milvus.python("client.create_collection(name, dimension=4)");
    assert!(copy(2).contains("it is a collection, and no alias"));
    milvus.python("client.drop_collection(name)");
    copy(0);

    let missing = bench.run(&["copy", "--to", "milvus", "--uri", ""]).exited(2).stderr;
    assert!(missing.contains("no cluster named"), "{missing}");
    let name = bench.run(&["copy", "--to", "milvus", "--uri", &milvus.uri(), "--collection", "a-b"]).exited(2).stderr;
    assert!(name.contains("--collection"), "{name}");
}

#[test]
fn a_server_that_is_too_old_is_refused() {
    let (bench, milvus) = (Bench::new(), Milvus::of_version("2.3.9"));
    bench.plain_index();
    let there = milvus.there();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    for command in [&["copy", "--to", "milvus"][..], &["search", "--backend", "milvus", "bell"]] {
        let refused = bench.run(&[command, &there].concat()).exited(4).stderr;
        assert!(refused.contains("2.3.9 is too old") && refused.contains("upgrade"), "{refused}");
    }
    assert_eq!(milvus.python("print(client.list_collections())").trim(), "[]");
}

#[test]
fn a_server_that_is_not_there_or_goes_is_named() {
    let (bench, mut milvus) = (Bench::new(), Milvus::own());
    bench.plain_index();
    milvus.json(&bench, &["copy", "--to", "milvus"]);
    let patience_of_searches = Duration::from_secs(1);
    let reader = open(&frontload_cluster::Connection { patience_of_searches, ..milvus.connection() });
    let reader = reader.expect("opens");
    milvus.kill();
    let lane = Lane { field: frontload_core::Field::Body, method: Method::Bm25 };
    let gone = reader.search(&lane, &reader.prepare("bell", vec![]), (9, None)).expect_err("nobody answers");
    assert!(matches!(&gone, IndexError::Elsewhere { problem, .. } if problem.contains("no answer")), "{gone}");
    let there = milvus.there();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    for command in [&["copy", "--to", "milvus"][..], &["search", "--backend", "milvus", "bell"]] {
        let started = Instant::now();
        let ended = bench.run(&[command, &["--retry-for", "1"], &there].concat()).exited(4);
        assert!(
            ended.stderr.contains("no answer from Milvus") && ended.stderr.contains(&milvus.uri()),
            "{}",
            ended.stderr
        );
        assert!(started.elapsed() < Duration::from_secs(30), "it was tried for too long");
    }
}
