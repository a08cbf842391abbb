//! Messages to the engine's types and back, and every error to a status that says which field and why.

use frontload_core::{Against, Filter, Fusion, Interval, Unit, WeighedLane};
use frontload_engine::{Answer, EngineError, Hit, LaneSelection, SearchRequest, SearchResponse};
use frontload_index::IndexError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::v1;

const QUERY_BYTES: usize = 4096;
const MOST_HITS: u32 = 100;
const MOST_PASSAGES: u32 = 10;

pub(crate) fn search_request(request: v1::SearchRequest) -> Result<SearchRequest, Status> {
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
        let parsed: Result<Vec<WeighedLane>, _> = lanes.iter().map(|lane| lane.parse()).collect();
        LaneSelection::Listed(parsed.map_err(|error| invalid("lanes", error))?)
    };
    let fusion = match fusion {
        v1::FusionMethod::Unspecified => None,
        v1::FusionMethod::Rrf => Some(Fusion::Rrf { k: 60.0 }),
        v1::FusionMethod::Convex => Some(Fusion::Convex { against: Against::Best }),
    };
    let days = (!during.is_empty()).then(|| during.parse::<Interval>());
    let during = days.transpose().map_err(|error| invalid("during", error))?;
    let expression = (!filter.trim().is_empty()).then(|| filter.parse::<Filter>());
    let filter = expression.transpose().map_err(|error| invalid("filter", error))?;
    let filter = both(filter, during.map(Filter::During));
    Ok(SearchRequest { query, k: count("k", k, 10, MOST_HITS)?, lanes, fusion, filter, group })
}

fn both(one: Option<Filter>, other: Option<Filter>) -> Option<Filter> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Filter::And(vec![one, other])),
        (one, other) => one.or(other),
    }
}

/// The question as a search, and whether the model may write freely.
pub(crate) fn answer_request(request: v1::AnswerRequest) -> Result<(SearchRequest, bool), Status> {
    let v1::AnswerRequest { question, k, free } = request;
    check_text("question", &question)?;
    Ok((SearchRequest::new(question, count("k", k, 4, MOST_PASSAGES)?), free))
}

pub(crate) fn search_response(found: SearchResponse) -> v1::SearchResponse {
    let SearchResponse { hits, degraded, generation, embed_ms, total_ms } = found;
    v1::SearchResponse { hits: hits.into_iter().map(hit).collect(), degraded, generation, embed_ms, total_ms }
}

pub(crate) fn answer_response(answer: Answer) -> v1::AnswerResponse {
    let text = answer.text();
    let Answer { sentences, hits, degraded } = answer;
    let sentences = sentences
        .into_iter()
        .map(|sentence| v1::CitedSentence {
            text: sentence.text,
            citations: sentence.citations.into_iter().map(|rank| rank as u32).collect(),
            supported: sentence.supported,
        })
        .collect();
    v1::AnswerResponse { text, sentences, hits: hits.into_iter().map(hit).collect(), degraded }
}

fn hit(hit: Hit) -> v1::Hit {
    let Hit { rank, score, chunk, evidence, plain_rank } = hit;
    let quoted = |span: Option<(u32, u32)>| {
        let span = span.map(|(start, end)| start as usize..end as usize);
        span.and_then(|span| chunk.text.get(span)).unwrap_or_default().to_owned()
    };
    let evidence = evidence
        .into_iter()
        .map(|given| v1::LaneEvidence {
            lane: given.given.lane.to_string(),
            rank: given.given.rank.unwrap_or(0),
            score: given.given.score,
            share: given.given.share,
            handle: given.handle.map(|handle| {
                let (span_start, span_end) = handle.span.unwrap_or_default();
                let (evidence, quote) = (handle.evidence.to_string(), quoted(handle.span));
                v1::Handle { kind: handle.kind, text: handle.text, evidence, span_start, span_end, quote }
            }),
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
        place: chunk.place.map(|place| v1::Place {
            path: place.path,
            start: place.start,
            end: place.end,
            unit: match place.unit {
                Unit::Byte => "byte",
                Unit::Line => "line",
                Unit::Page => "page",
            }
            .to_owned(),
        }),
    }
}

pub(crate) fn status(error: &EngineError) -> Status {
    let code = match error {
        EngineError::Input { .. } => return invalid("lanes", error),
        EngineError::Model(_) => Code::Unavailable,
        EngineError::Index(IndexError::UnknownInFilter { .. }) => return invalid("filter", error),
        EngineError::Index(_) => Code::DataLoss,
        EngineError::Enrich(_)
        | EngineError::Schema(_)
        | EngineError::Corpus(_)
        | EngineError::Output(_)
        | EngineError::NeverBuilt(_) => Code::Internal,
    };
    Status::new(code, error.to_string())
}

pub(crate) fn invalid(field: &str, why: impl ToString) -> Status {
    let why = why.to_string();
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation(field, why.clone());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {why}"), details)
}

fn check_text(field: &str, text: &str) -> Result<(), Status> {
    match text.len() {
        _ if text.trim().is_empty() => Err(invalid(field, "is empty")),
        0..=QUERY_BYTES => Ok(()),
        bytes => Err(invalid(field, format!("is {bytes} bytes long, at most {QUERY_BYTES} are taken"))),
    }
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
        check(&|request| request.filter = "colour = red".into(), "filter");
    }

    #[test]
    fn zeros_stand_for_the_defaults() {
        let request = v1::SearchRequest { query: "fog".into(), ..Default::default() };
        assert_eq!(search_request(request).expect("valid"), SearchRequest::new("fog", 10));
    }
}
