//! Messages to the engine's types and back.

mod chunk;
mod error;
mod stats;

use frontload_core::{Against, Filter, Fusion, Interval, Unit, WeighedLane};
use frontload_engine::{Answer, Hit, LaneSelection, Manner, Refusal, SearchRequest, SearchResponse, Timings};
use tonic::Status;

pub use chunk::list_handles;
pub(crate) use chunk::{check_kind, chunk, handle_page};
pub(crate) use error::{broken, busy, code_name, error, invalid, not_found, status, unfinished};
pub(crate) use stats::stats;

use crate::v1;

const QUERY_BYTES: usize = 4096;
const MOST_HITS: u32 = 100;
const MOST_PASSAGES: u32 = 10;
const MOST_SEARCHES: usize = 100;
const MOST_LANES: usize = 64;

/// What a search asks for.
pub fn search_request(request: v1::SearchRequest) -> Result<SearchRequest, Status> {
    let lane_set = request.lane_set();
    let fusion = request.fusion();
    let v1::SearchRequest { query, k, lanes, during, filter, group, .. } = request;
    check_text("query", &query)?;
    let lanes = if lanes.is_empty() {
        match lane_set {
            v1::LaneSet::Unspecified | v1::LaneSet::All => LaneSelection::All,
            v1::LaneSet::Plain => LaneSelection::Plain,
        }
    } else {
        LaneSelection::Listed(listed_lanes(&lanes)?)
    };
    let fusion = match fusion {
        v1::FusionMethod::Unspecified => None,
        v1::FusionMethod::Rrf => Some(Fusion::Rrf { k: 60.0 }),
        v1::FusionMethod::Convex => Some(Fusion::Convex { against: Against::Best }),
    };
    let days = (!during.is_empty()).then(|| during.parse::<Interval>());
    let during = days.transpose().map_err(|error| invalid("during", error))?;
    let filter = both(parsed_filter(&filter)?, during.map(Filter::During));
    Ok(SearchRequest { query, k: count("k", k, 10, MOST_HITS)?, lanes, fusion, filter, group })
}

fn listed_lanes(lanes: &[String]) -> Result<Vec<WeighedLane>, Status> {
    if lanes.len() > MOST_LANES {
        return Err(invalid("lanes", format!("holds {}, at most {MOST_LANES} are taken", lanes.len())));
    }
    let parsed: Result<Vec<WeighedLane>, _> = lanes.iter().map(|lane| lane.parse()).collect();
    let parsed = parsed.map_err(|error| invalid("lanes", error))?;
    // Twice would count twice.
    let named = |at: usize, one: &WeighedLane| parsed.iter().take(at).any(|before| before.lane == one.lane);
    match parsed.iter().enumerate().find(|(at, one)| named(*at, one)) {
        Some((_, twice)) => Err(invalid("lanes", format!("names {} twice", twice.lane))),
        None => Ok(parsed),
    }
}

fn parsed_filter(filter: &str) -> Result<Option<Filter>, Status> {
    if filter.len() > QUERY_BYTES {
        return Err(too_long("filter", filter.len()));
    }
    let expression = (!filter.trim().is_empty()).then(|| filter.parse::<Filter>());
    expression.transpose().map_err(|error| invalid("filter", error))
}

fn both(one: Option<Filter>, other: Option<Filter>) -> Option<Filter> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Filter::And(vec![one, other])),
        (one, other) => one.or(other),
    }
}

/// Several searches; what is wrong with one is named by its place.
pub fn search_batch(request: v1::SearchBatchRequest) -> Result<Vec<SearchRequest>, Status> {
    let searches = request.searches;
    match searches.len() {
        0 => return Err(invalid("searches", "is empty")),
        1..=MOST_SEARCHES => {}
        many => return Err(invalid("searches", format!("holds {many}, at most {MOST_SEARCHES} are taken"))),
    }
    let each = searches.into_iter().enumerate();
    each.map(|(at, search)| search_request(search).map_err(|status| error::within(&format!("searches[{at}]"), &status)))
        .collect()
}

/// The question as a search, and how it is to be answered if that was said.
pub fn answer_request(request: v1::AnswerRequest) -> Result<(SearchRequest, Option<Manner>), Status> {
    let manner = match request.mode() {
        v1::AnswerMode::Unspecified => None,
        v1::AnswerMode::Quote => Some(Manner::Quote),
        v1::AnswerMode::Write => Some(Manner::Write),
        v1::AnswerMode::Extract => Some(Manner::Extract),
    };
    let v1::AnswerRequest { question, k, filter, .. } = request;
    check_text("question", &question)?;
    let filter = parsed_filter(&filter)?;
    Ok((SearchRequest { filter, ..SearchRequest::new(question, count("k", k, 4, MOST_PASSAGES)?) }, manner))
}

/// Whether a hit was what was looked for.
pub fn verdict(request: &v1::FeedbackRequest) -> Result<bool, Status> {
    check_text("query", &request.query)?;
    check_text("chunk_id", &request.chunk_id)?;
    if request.note.len() > QUERY_BYTES {
        return Err(too_long("note", request.note.len()));
    }
    match request.verdict() {
        v1::Verdict::Relevant => Ok(true),
        v1::Verdict::NotRelevant => Ok(false),
        v1::Verdict::Unspecified => Err(invalid("verdict", "is not said")),
    }
}

pub(crate) fn search_response(found: SearchResponse) -> v1::SearchResponse {
    let SearchResponse { hits, degraded, generation, embed_ms, total_ms, timings } = found;
    let Timings { lanes, look, fuse, explain } = timings;
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let timings = v1::Timings {
        lanes: lanes.iter().map(|(lane, took)| v1::LaneTime { lane: lane.to_string(), ms: ms(*took) }).collect(),
        look_ms: ms(look),
        fuse_ms: ms(fuse),
        explain_ms: ms(explain),
    };
    let hits = hits.into_iter().map(hit).collect();
    v1::SearchResponse { hits, degraded, generation, embed_ms, total_ms, timings: Some(timings) }
}

pub(crate) fn answer_ended(answer: Answer) -> v1::AnswerEnded {
    let text = answer.text();
    let Answer { sentences, refusal, degraded, manner, nearness, tokens, .. } = answer;
    let sentences = sentences
        .into_iter()
        .map(|sentence| v1::CitedSentence {
            text: sentence.text,
            citations: sentence.citations.into_iter().map(|rank| rank as u32).collect(),
            supported: sentence.supported,
        })
        .collect();
    let refusal = match refusal {
        None => v1::Refusal::Unspecified,
        Some((Refusal::NothingFound, _)) => v1::Refusal::NothingFound,
        Some((Refusal::TooFar, _)) => v1::Refusal::TooFar,
        Some((Refusal::ByModel, _)) => v1::Refusal::ByModel,
    };
    let mode = match manner {
        Manner::Quote => v1::AnswerMode::Quote,
        Manner::Write => v1::AnswerMode::Write,
        Manner::Extract => v1::AnswerMode::Extract,
    };
    v1::AnswerEnded {
        text,
        sentences,
        refusal: refusal.into(),
        degraded,
        mode: mode.into(),
        prompt_tokens: tokens.0,
        answer_tokens: tokens.1,
        nearness: nearness.unwrap_or(0.0),
        ..v1::AnswerEnded::default()
    }
}

pub(crate) fn hit(hit: Hit) -> v1::Hit {
    let Hit { rank, score, chunk, evidence, plain_rank, handles: _ } = hit;
    let evidence = evidence
        .into_iter()
        .map(|given| v1::LaneEvidence {
            lane: given.given.lane.to_string(),
            rank: given.given.rank.unwrap_or(0),
            score: given.given.score,
            share: given.given.share,
            handle: given.handle.map(|handle| chunk::handle(handle, &chunk.text)),
        })
        .collect();
    v1::Hit {
        rank: rank as u32,
        score,
        chunk_id: chunk.id(),
        document_id: chunk.document,
        title: chunk.title,
        text: chunk.text,
        evidence,
        plain_rank: plain_rank.unwrap_or(0) as u32,
        source: chunk.source,
        place: chunk.place.map(place),
    }
}

fn place(place: frontload_core::Place) -> v1::Place {
    let unit = match place.unit {
        Unit::Byte => "byte",
        Unit::Line => "line",
        Unit::Page => "page",
    };
    v1::Place { path: place.path, start: place.start, end: place.end, unit: unit.to_owned() }
}

pub(crate) fn check_text(field: &str, text: &str) -> Result<(), Status> {
    match text.len() {
        _ if text.trim().is_empty() => Err(invalid(field, "is empty")),
        0..=QUERY_BYTES => Ok(()),
        bytes => Err(too_long(field, bytes)),
    }
}

fn too_long(field: &str, bytes: usize) -> Status {
    invalid(field, format!("is {bytes} bytes long, at most {QUERY_BYTES} are taken"))
}

fn count(field: &str, asked: u32, default: u32, most: u32) -> Result<usize, Status> {
    match asked {
        0 => Ok(default as usize),
        asked if asked <= most => Ok(asked as usize),
        asked => Err(invalid(field, format!("is {asked}, expected 1 to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn bad_requests_name_their_field() {
        let check = |change: &dyn Fn(&mut v1::SearchRequest), expected: &str| {
            let mut request = v1::SearchRequest { query: "fog".into(), ..Default::default() };
            change(&mut request);
            let status = search_request(request).expect_err("refused");
            let field =
                status.get_details_bad_request().and_then(|bad| Some(bad.field_violations.first()?.field.clone()));
            assert_eq!((status.code(), field.as_deref()), (Code::InvalidArgument, Some(expected)));
        };
        check(&|request| request.query = " ".into(), "query");
        check(&|request| request.query = "a".repeat(4097), "query");
        check(&|request| request.k = 101, "k");
        check(&|request| request.lanes = vec!["time".into()], "lanes");
        check(&|request| request.lanes = vec!["body.bm25".into(), "body.bm25=2".into()], "lanes");
        check(&|request| request.lanes = (0..65).map(|at| format!("k{at}.bm25")).collect(), "lanes");
        check(&|request| request.filter = "colour = red".into(), "filter");
    }

    #[test]
    fn zeros_stand_for_the_defaults() {
        let request = v1::SearchRequest { query: "fog".into(), ..Default::default() };
        assert_eq!(search_request(request).expect("valid"), SearchRequest::new("fog", 10));
    }
}
