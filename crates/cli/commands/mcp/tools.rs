//! The tools: what an assistant can ask for, and what it is given.
//!
//! A result comes twice, as a text to read and as data. Most assistants read the text, so nothing in it is invisible;
//! the data is what the index holds.

use std::{collections::BTreeMap, ops::ControlFlow};

use anyhow::{anyhow, bail, ensure};
use frontload_core::{Chunk, Embedder, Filter, Generator, Handle};
use frontload_engine::{
    Hit, LaneSelection, SearchRequest, SearchResponse, Shown, answer, embed_query, gather, search_embedded, show,
};
use frontload_index::IndexedChunk;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations, object};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Desk, lock};
use crate::print;

/// How many hits there are unless asked otherwise, and at most.
const SEARCH_K: (i64, i64) = (10, 50);
const ANSWER_K: (i64, i64) = (4, 10);
/// Characters of a hit's text to read; `read_chunk` gives all.
const TEXT_CHARS: usize = 1500;
/// Characters of a title, a handle or a quote to read.
const LINE_CHARS: usize = 200;
const EXAMPLE: &str = "source = letters and meta.year >= 1900 and not has handle.mood";
const FILTER: &str = "Only passages for which this expression holds. Its subjects are source, document, language, \
                      evidence, meta.NAME (a fact of the document) and handle.KIND. A condition is SUBJECT = VALUE, \
                      SUBJECT != VALUE, SUBJECT in (A, B), has SUBJECT, meta.NAME < VALUE (also <=, >, >=), or during \
                      1883..1890 (a time it tells of touches these days). Conditions are joined by and, or, not and \
                      parentheses; a value of several words stands in double quotes";

/// The tools, as an assistant is told of them.
pub fn all() -> Vec<Tool> {
    let k = |(default, most): (i64, i64), what: &str| {
        let description = format!("{what}, from 1 to {most}; {default} unless given");
        json!({"type": "integer", "minimum": 1, "maximum": most, "default": default, "description": description})
    };
    let text = |description: &str| json!({"type": "string", "description": description});
    let filter = text(&format!("{FILTER}. Example: {EXAMPLE}"));
    let flag = |description: &str| json!({"type": "boolean", "default": false, "description": description});
    let search = json!({
        "query": text("What to look for: words of the text, or a description of what it is about, when it takes place, \
                       how it feels, what it is for"),
        "k": k(SEARCH_K, "Passages wanted"),
        "filter": filter,
        "group": flag("Only the best passage of each document"),
        "plain": flag("Look at the text alone, not at its handles"),
    });
    let answer = json!({
        "question": text("The question, as a sentence"),
        "k": k(ANSWER_K, "Passages to answer from"),
        "filter": filter,
    });
    let read_chunk = json!({"id": text("The passage's id, as `search` and `answer` give it")});
    vec![
        tool("search", "Finds passages of the corpus, best first, and says why each was found.", search, "query"),
        tool(
            "answer",
            "Answers a question from the passages of the corpus, with a mark [n] after each sentence for the passage \
             it stands in. Refuses when they do not answer it.",
            answer,
            "question",
        ),
        tool(
            "read_chunk",
            "Shows one passage whole: its text, the headings above it, its handles, and the ids of the passages \
             before and after it.",
            read_chunk,
            "id",
        ),
    ]
}

fn tool(name: &'static str, description: &'static str, parameters: Value, required: &str) -> Tool {
    let schema = json!({
        "type": "object", "properties": parameters, "required": [required], "additionalProperties": false,
    });
    let annotations = ToolAnnotations::new().read_only(true).open_world(false);
    Tool::new(name, description, object(schema)).with_annotations(annotations)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
    k: Option<i64>,
    filter: Option<String>,
    group: Option<bool>,
    plain: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    question: String,
    k: Option<i64>,
    filter: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadChunk {
    id: String,
}

/// What a tool gives back.
pub struct Reply {
    text: String,
    data: Value,
}

impl From<Reply> for CallToolResult {
    fn from(reply: Reply) -> Self {
        let mut result = Self::success(vec![ContentBlock::text(reply.text)]);
        result.structured_content = Some(reply.data);
        result
    }
}

impl Desk {
    /// Does what a tool is asked for. `unwanted` says whether nobody waits for it any more.
    pub fn call(&self, tool: &str, arguments: JsonObject, unwanted: &dyn Fn() -> bool) -> anyhow::Result<Reply> {
        match tool {
            "search" => self.search(read(arguments)?),
            "answer" => self.answer(read(arguments)?, unwanted),
            "read_chunk" => self.read_chunk(read(arguments)?),
            other => bail!("no tool {other:?}"),
        }
    }

    fn search(&self, asked: Search) -> anyhow::Result<Reply> {
        let Search { query, k, filter, group, plain } = asked;
        ensure!(!query.trim().is_empty(), "the query is empty: say in words what to look for");
        let (filter, group) = (condition(filter)?, group == Some(true));
        let lanes = if plain == Some(true) { LaneSelection::Plain } else { LaneSelection::All };
        let request = SearchRequest { lanes, filter, group, ..SearchRequest::new(query, within(k, SEARCH_K)?) };
        let found = self.found(&request)?;
        let mut said = warnings(&found.degraded);
        if found.hits.is_empty() {
            said.push("Nothing was found; a filter, if there was one, may let nothing through.".to_owned());
        }
        said.extend(found.hits.iter().map(hit_text));
        let hits: Vec<Value> = found.hits.iter().map(hit_data).collect();
        Ok(Reply { text: said.join("\n\n"), data: json!({"hits": hits, "degraded": found.degraded}) })
    }

    fn found(&self, request: &SearchRequest) -> anyhow::Result<SearchResponse> {
        let embedded = embed_query(&mut *lock(&self.embedder), &request.query);
        Ok(search_embedded(&self.serving.reader(), &embedded, request)?)
    }

    fn answer(&self, asked: Ask, unwanted: &dyn Fn() -> bool) -> anyhow::Result<Reply> {
        let Ask { question, k, filter } = asked;
        ensure!(!question.trim().is_empty(), "the question is empty: ask something");
        let filter = condition(filter)?;
        let request = SearchRequest { filter, ..SearchRequest::new(&question, within(k, ANSWER_K)?) };
        let found = self.found(&request)?;
        // The embedding model is given back between the sentences: searches do not wait for answers.
        let material = gather(found, &question, &mut |texts, role| lock(&self.embedder).embed(texts, role))?;
        let mut told = |_: &str| if unwanted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let answered = match &self.generator {
            Some(generator) => {
                let mut generator = lock(generator);
                let generator = generator.as_mut() as &mut dyn Generator;
                answer(material, &question, &self.how, Some(generator), &mut told)
            }
            None => answer(material, &question, &self.how, None, &mut told),
        };
        let Some(answer) = answered? else { bail!("stopped: the call was cancelled") };
        let mut said = warnings(&answer.degraded);
        said.push(visible(&answer.text()));
        if let Some((why, _)) = &answer.refusal {
            let why = why.name();
            said.push(format!("This is a refusal ({why}): nothing that was found answers the question."));
        }
        for sentence in answer.sentences.iter().filter(|sentence| !sentence.supported) {
            said.push(format!("Not found in what it cites: “{}”", print::cut(&sentence.text, LINE_CHARS)));
        }
        let is_cited = |hit: &&Hit| answer.sentences.iter().any(|sentence| sentence.citations.contains(&hit.rank));
        let cited = answer.hits.iter().filter(is_cited).map(|hit| format!("[{}] {}", hit.rank, named(&hit.chunk)));
        said.extend(cited);
        let passage = |hit: &Hit| json!({"rank": hit.rank, "id": hit.chunk.id(), "title": hit.chunk.title});
        let sentences: Vec<Value> = answer
            .sentences
            .iter()
            .map(|said| json!({"text": said.text, "citations": said.citations, "supported": said.supported}))
            .collect();
        let data = json!({
            "answer": answer.text(),
            "refusal": answer.refusal.as_ref().map(|(why, _)| why.name()),
            "sentences": sentences,
            "passages": answer.hits.iter().map(passage).collect::<Vec<Value>>(),
            "degraded": answer.degraded,
        });
        Ok(Reply { text: said.join("\n"), data })
    }

    fn read_chunk(&self, asked: ReadChunk) -> anyhow::Result<Reply> {
        let ReadChunk { id } = asked;
        let Some(shown) = show(&self.serving.reader(), &id, false)? else {
            bail!("no passage {id:?}: take an id as `search` and `answer` give it");
        };
        let Shown { indexed: IndexedChunk { chunk, handles, .. }, beside: (previous, next), .. } = shown;
        let mut kinds: BTreeMap<&str, Vec<&Handle>> = BTreeMap::new();
        for handle in &handles {
            kinds.entry(handle.kind.as_str()).or_default().push(handle);
        }
        let mut said = vec![named(&chunk)];
        if !chunk.headings.is_empty() {
            said.push(format!("Under: {}", print::clean(&chunk.headings.join(" > "))));
        }
        said.push(format!("\n{}\n", visible(&chunk.text)));
        said.extend(kinds.values().flatten().map(|handle| handle_text(&chunk, handle)));
        said.extend(previous.as_ref().map(|id| format!("Before it: {}", print::clean(id))));
        said.extend(next.as_ref().map(|id| format!("After it: {}", print::clean(id))));
        let of_kind = |handles: &Vec<&Handle>| -> Vec<Value> {
            handles
                .iter()
                .map(|handle| {
                    let quote = print::quote(&chunk, handle);
                    json!({"text": handle.text, "evidence": handle.evidence, "quote": quote})
                })
                .collect()
        };
        let by_kind: BTreeMap<&str, Vec<Value>> = kinds.iter().map(|(kind, all)| (*kind, of_kind(all))).collect();
        let data = json!({
            "id": chunk.id(),
            "document": chunk.document,
            "title": chunk.title,
            "headings": chunk.headings,
            "text": chunk.text,
            "source": chunk.source,
            "language": chunk.language,
            "metadata": chunk.metadata,
            "handles": by_kind,
            "previous": previous,
            "next": next,
        });
        Ok(Reply { text: said.join("\n"), data })
    }
}

fn read<T: DeserializeOwned>(arguments: JsonObject) -> anyhow::Result<T> {
    let read = serde_json::from_value(Value::Object(arguments));
    read.map_err(|error| anyhow!("the arguments do not fit the tool: {error}"))
}

fn within(k: Option<i64>, (default, most): (i64, i64)) -> anyhow::Result<usize> {
    let k = k.unwrap_or(default);
    ensure!((1..=most).contains(&k), "k is {k}: give a whole number from 1 to {most}");
    Ok(k as usize)
}

/// An empty expression is none: some assistants fill in every parameter.
fn condition(expression: Option<String>) -> anyhow::Result<Option<Filter>> {
    let Some(expression) = expression.filter(|expression| !expression.trim().is_empty()) else { return Ok(None) };
    expression.parse::<Filter>().map(Some).map_err(|error| anyhow!("{error}; an example: {EXAMPLE}"))
}

fn warnings(degraded: &[String]) -> Vec<String> {
    degraded.iter().map(|missing| format!("Warning: without {missing}.")).collect()
}

fn hit_text(hit: &Hit) -> String {
    let matched = print::best_handle(hit)
        .map_or_else(String::new, |(_, handle)| format!("\nFound by {}", handle_text(&hit.chunk, handle)));
    format!("{}. {}{matched}\n{}", hit.rank, named(&hit.chunk), shortened(&visible(&hit.chunk.text)))
}

fn hit_data(hit: &Hit) -> Value {
    let matched = print::best_handle(hit)
        .map(|(_, handle)| json!({"kind": handle.kind, "text": handle.text, "evidence": handle.evidence}));
    json!({
        "rank": hit.rank,
        "id": hit.chunk.id(),
        "document": hit.chunk.document,
        "title": hit.chunk.title,
        "text": hit.chunk.text,
        "score": hit.score,
        "matched": matched,
    })
}

/// A handle with what stands behind it.
fn handle_text(chunk: &Chunk, handle: &Handle) -> String {
    let words = print::quote(chunk, handle)
        .map_or_else(String::new, |words| format!(", from “{}”", print::cut(words, LINE_CHARS)));
    let (kind, evidence) = (print::clean(&handle.kind), handle.evidence);
    format!("{kind}: “{}” ({evidence}{words})", print::cut(&handle.text, LINE_CHARS))
}

fn named(chunk: &Chunk) -> String {
    let (id, title) = (print::clean(&chunk.id()), print::cut(&chunk.title, LINE_CHARS));
    if title.is_empty() { id } else { format!("{id} — {title}") }
}

/// A text as it may be shown. Tabs stay: in a program's text they mean something.
fn visible(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(print::clean).collect::<Vec<_>>().join("\t");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        Some((end, _)) => format!("{}…", text.split_at(end).0.trim_end()),
        None => text.to_owned(),
    }
}
