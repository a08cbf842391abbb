//! Test queries written by a model from the passages, for those who have none of their own.
//!
//! They are worth less than people's: the writer has read the answer. What can be done about that is done: passages are
//! drawn evenly from the documents, a query may not be made of its passage's words, two may not be alike, and each must
//! lead back to its passage at all.

use std::collections::{BTreeMap, HashSet};

use fastrand::Rng;
use frontload_core::{
    AnswerForm, Chunk, ChunkId, Constraint, Embedder, Generator, Lane, Message, Method, Prompt, TextRole, ask_once,
    fold, is_hidden,
};
use frontload_index::{IndexError, Reader};
use serde::Deserialize;
use serde_json::json;

use crate::EngineError;

/// A query with a larger share of its words in its passage asks nothing that words do not find.
const MOST_COPIED: f64 = 0.6;
/// A query whose passage is not in the nearest so large a share of all is about something else.
const LEADS_BACK: f64 = 0.1;
/// Two queries nearer than this are one.
const ALIKE: f32 = 0.92;
const PASSAGE_CHARS: usize = 1200;
const QUERY_CHARS: usize = 100;
const ANSWER_TOKENS: u32 = 120;

/// A sort of query that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryType {
    /// Its name, the topics' label.
    pub name: String,
    /// What such a query goes by, as a question about the passage.
    pub ask: String,
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct SynthOptions<'a> {
    /// Sorts of query, taken in turns.
    pub types: &'a [QueryType],
    /// Queries in all.
    pub count: usize,
    /// Of the drawing.
    pub seed: u64,
}

/// A query with the passage it was written from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthQuery {
    /// The query.
    pub text: String,
    /// Its sort.
    pub query_type: String,
    /// The document it was written from.
    pub document: String,
    /// The passage.
    pub chunk: String,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synthesis {
    /// Queries that passed.
    pub queries: Vec<SynthQuery>,
    /// Passages that were asked about.
    pub asked: usize,
    /// Why the others did not pass: the reason, and how many.
    pub turned_away: BTreeMap<&'static str, usize>,
}

/// Writes queries until there are enough, or every passage was asked about.
///
/// # Errors
/// When the model or the embedder cannot be used.
pub fn synthesise(
    reader: &Reader,
    (embedder, generator): (&mut dyn Embedder, &mut dyn Generator),
    options: SynthOptions,
    report: &mut dyn FnMut(usize, usize),
) -> Result<Synthesis, EngineError> {
    let order = drawn(reader, options.seed)?;
    let mut synthesis = Synthesis::default();
    let mut vectors: Vec<Vec<f32>> = Vec::new();
    for (at, id) in order.into_iter().enumerate() {
        if synthesis.queries.len() >= options.count {
            break;
        }
        let Some(query_type) = options.types.get(at % options.types.len().max(1)) else { break };
        let chunk = reader.chunk(id)?.chunk;
        synthesis.asked += 1;
        let refused = match write(generator, &chunk, query_type)? {
            None => Some("no answer"),
            Some(text) => {
                let vector =
                    embedder.embed(&[&text], TextRole::Query).map_err(IndexError::from)?.pop().unwrap_or_default();
                let refused = check(reader, (id, &chunk), (&text, &vector), &vectors)?;
                if refused.is_none() {
                    let (query_type, document, chunk) = (query_type.name.clone(), chunk.document.clone(), chunk.id());
                    synthesis.queries.push(SynthQuery { text, query_type, document, chunk });
                    vectors.push(vector);
                }
                refused
            }
        };
        if let Some(reason) = refused {
            *synthesis.turned_away.entry(reason).or_default() += 1;
        }
        report(synthesis.queries.len(), options.count);
    }
    Ok(synthesis)
}

/// All passages: one of every document, then a second one of every document, and so on, each round shuffled.
fn drawn(reader: &Reader, seed: u64) -> Result<Vec<ChunkId>, EngineError> {
    let mut documents: BTreeMap<String, Vec<ChunkId>> = BTreeMap::new();
    for id in reader.ids() {
        documents.entry(reader.chunk(id)?.chunk.document).or_default().push(id);
    }
    let mut rng = Rng::with_seed(seed);
    let mut lists: Vec<Vec<ChunkId>> = documents.into_values().collect();
    for list in &mut lists {
        rng.shuffle(list);
    }
    let mut order = Vec::new();
    for round in 0..lists.iter().map(Vec::len).max().unwrap_or(0) {
        let mut drawn: Vec<ChunkId> = lists.iter().filter_map(|list| list.get(round)).copied().collect();
        rng.shuffle(&mut drawn);
        order.extend(drawn);
    }
    Ok(order)
}

/// Why a query does not pass, if it does not.
fn check(
    reader: &Reader,
    (id, chunk): (ChunkId, &Chunk),
    (text, vector): (&str, &[f32]),
    before: &[Vec<f32>],
) -> Result<Option<&'static str>, EngineError> {
    let words = |text: &str| -> HashSet<String> { fold::fold(text).split(' ').map(str::to_owned).collect() };
    let (asked, said) = (words(text), words(&chunk.text));
    let telling: Vec<&String> = asked.iter().filter(|word| word.chars().count() > 3).collect();
    let copied = telling.iter().filter(|word| said.contains(**word)).count();
    if telling.is_empty() {
        return Ok(Some("says nothing"));
    }
    if copied as f64 > telling.len() as f64 * MOST_COPIED {
        return Ok(Some("copies its passage"));
    }
    let near = |other: &Vec<f32>| other.iter().zip(vector).map(|(left, right)| left * right).sum::<f32>() > ALIKE;
    if before.iter().any(near) {
        return Ok(Some("like another one"));
    }
    let lane = Lane { field: frontload_core::Field::Body, method: Method::Dense };
    let nearest = ((reader.manifest().chunks as f64 * LEADS_BACK).ceil() as usize).max(10);
    let query = reader.prepare(text, vector.to_vec());
    let (hits, _) = reader.search(&lane, &query, (nearest, None))?;
    Ok((!hits.iter().any(|hit| hit.chunk == id)).then_some("does not lead back to its passage"))
}

#[derive(Deserialize)]
struct Said {
    query: String,
}

fn write(generator: &mut dyn Generator, chunk: &Chunk, query_type: &QueryType) -> Result<Option<String>, EngineError> {
    let shown: String = chunk.text.chars().take(PASSAGE_CHARS).collect();
    let about = |title: &str, text: &str, ask: &str| format!("{title}\n{text}\n\nGo by this: {ask}");
    let messages = vec![
        Message::system(
            "You write what somebody would type to find a passage again who remembers it and not its words. One short \
             search, in other words than the passage's, as a JSON object.",
        ),
        Message::user(about(
            "Forestry office, file 9",
            "Sir, your young man has marked for felling the very oaks my grandfather was told to spare. I enclose an acorn, \
             so that he may know one another time.",
            "What does the writer feel?",
        )),
        Message::assistant(r#"{"query": "scornful protest against cutting down old trees"}"#),
        Message::user(about(
            "Observatory, night book",
            "21.10 dome opened. 22.40 cloud. 00.05 there it was, low, with the tail quite plain. Called the boy up. 02.30 \
             cloud. Neither of us went to bed.",
            "What sort of text is it, and how is it written?",
        )),
        Message::assistant(r#"{"query": "clipped notes by the hour while waiting for a comet"}"#),
        Message::user(about(&chunk.title, &shown, &query_type.ask)),
    ];
    let constraint = match generator.form() {
        AnswerForm::Lines => Constraint::Lark {
            grammar: format!(
                "start: \"{{\\\"query\\\": \\\"\" /[^\"\\\\\\n\\r\\t{{}}]{{8,{QUERY_CHARS}}}/ \"\\\"}}\"\n"
            ),
            separator: None,
        },
        AnswerForm::Json => Constraint::JsonSchema(json!({
            "type": "object",
            "properties": {"query": {"type": "string", "maxLength": QUERY_CHARS}},
            "required": ["query"],
            "additionalProperties": false,
        })),
    };
    let prompt = Prompt { id: 0, messages, shared_bytes: 0, constraint: Some(constraint), max_tokens: ANSWER_TOKENS };
    let answer = ask_once(generator, prompt)?.ok();
    let said = answer.and_then(|completion| serde_json::from_str::<Said>(completion.text.trim()).ok());
    let text = said.map(|said| said.query.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(text.filter(|text| !text.is_empty() && !text.chars().any(is_hidden)))
}
