//! Requests, as bytes of the proto and as JSON: what is taken keeps to every limit, and the rest is told what is wrong.

use std::{fmt::Debug, path::Path};

use frontload_engine::LaneSelection;
use frontload_server::{requests, v1};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Code, Status};

use super::outcome;

#[rustfmt::skip] // a word a line says no more
pub const WORDS: &[&str] = &[
    "{\"query\": \"", "\"k\": ", "\"lanes\": [\"", "\"lane_set\": ", "\"LANE_SET_PLAIN\"", "\"fusion\": ",
    "\"FUSION_METHOD_RRF\"", "\"during\": \"", "\"filter\": \"", "\"group\": true", "body.bm25", "mood.dense=0.5",
    "=NaN", "\"question\": \"", "\"mode\": ", "\"searches\": [", "{\"query\": \"a\"},", "\"page_size\": ",
    "\"page_token\": \"", "\"verdict\": \"VERDICT_RELEVANT\"", "\"chunk_id\": \"", "null", "\n\u{3}fog",
    "\u{10}\u{5}", "\"\u{9}body.bm25", "2\u{4}1883", ":\u{c}source = all", "@\u{1}", "\u{ff}", "\u{0}",
    "\u{8}\u{96}\u{1}", "}", "]",
];

const QUERY_BYTES: usize = 4096;

pub fn run(_: &Path, input: &[u8]) -> String {
    let mut told = Vec::new();
    for request in read::<v1::SearchRequest>(input) {
        told.push(search(requests::search_request(request)));
    }
    for request in read::<v1::SearchBatchRequest>(input) {
        let count = request.searches.len();
        let wanted = requests::search_batch(request);
        assert!(wanted.is_err() || (1..=100).contains(&count), "{count} searches");
        told.push(wanted.map_or_else(refused, |each| format!("{} searches", each.len().min(3))));
    }
    for request in read::<v1::AnswerRequest>(input) {
        told.push(requests::answer_request(request).map_or_else(refused, |(wanted, manner)| {
            assert!((1..=10).contains(&wanted.k) && !wanted.query.trim().is_empty(), "{wanted:?}");
            format!("answered {}", manner.is_some())
        }));
    }
    for request in read::<v1::ListHandlesRequest>(input) {
        told.push(requests::list_handles(request).map_or_else(refused, |wanted| {
            assert!((1..=1000).contains(&wanted.most) && wanted.contains.len() <= QUERY_BYTES);
            format!("listed {} {}", wanted.kind.is_some(), wanted.from.is_some())
        }));
    }
    for request in read::<v1::FeedbackRequest>(input) {
        told.push(requests::verdict(&request).map_or_else(refused, |verdict| verdict.to_string()));
    }
    told.join("; ")
}

/// The message, in either form; both forms of it say the same.
fn read<M: Message + Default + Clone + PartialEq + Debug + Serialize + DeserializeOwned>(input: &[u8]) -> Vec<M> {
    let read: Vec<M> = M::decode(input).into_iter().chain(serde_json::from_slice::<M>(input)).collect();
    for message in &read {
        let bytes = message.encode_to_vec();
        assert_eq!(M::decode(bytes.as_slice()).as_ref(), Ok(message));
        // A number that no name stands for cannot be said in JSON.
        if let Ok(json) = serde_json::to_string(message) {
            assert_eq!(serde_json::from_str::<M>(&json).expect("what was written is read"), *message, "{json}");
        }
    }
    read
}

fn search(wanted: Result<frontload_engine::SearchRequest, Status>) -> String {
    wanted.map_or_else(refused, |wanted| {
        assert!((1..=100).contains(&wanted.k), "{wanted:?}");
        assert!(!wanted.query.trim().is_empty() && wanted.query.len() <= QUERY_BYTES, "{wanted:?}");
        if let LaneSelection::Listed(lanes) = &wanted.lanes {
            assert!((1..=64).contains(&lanes.len()), "{lanes:?}");
            let mut weights = lanes.iter().filter_map(|lane| lane.weight);
            assert!(weights.all(|weight| (0.0..=1000.0).contains(&weight)), "{lanes:?}");
        }
        format!("searched {} {}", wanted.filter.is_some(), wanted.fusion.is_some())
    })
}

fn refused(status: Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    outcome(status.message())
}
