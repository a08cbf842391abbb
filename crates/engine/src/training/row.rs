//! One row: the turns that ask about a passage, and the answer that stands.

use std::collections::{BTreeMap, BTreeSet};

use frontload_core::{
    AnswerForm, Chunk, ChunkKey, Evidence, Handle, KindSpec, Message, Role, Schema, Scope, Source, fold,
};
use frontload_enrich::{Answer, Job, answer_text, parse};
use frontload_index::IndexedChunk;
use serde_json::{Value, json};

use super::{LeftOut, TrainingFormat};

/// A prompt with its answer.
pub(super) struct Row {
    /// Its passage's document.
    pub document: String,
    /// Its passage.
    pub key: ChunkKey,
    prompt: Vec<Message>,
    /// What stands.
    chosen: String,
    /// What the model said, where that is wanted beside it.
    rejected: Option<String>,
}

impl Row {
    /// How many answers the prompt has.
    pub fn answers(&self) -> usize {
        1 + usize::from(self.rejected.is_some())
    }

    /// The whole conversation, with each answer.
    pub fn conversations(&self) -> impl Iterator<Item = Vec<Message>> {
        std::iter::once(&self.chosen).chain(&self.rejected).map(|answer| {
            let mut turns = self.prompt.clone();
            turns.push(Message::assistant(answer));
            turns
        })
    }

    /// As a line of a file.
    pub fn written(&self, format: TrainingFormat) -> Value {
        let chosen = Message::assistant(&self.chosen);
        match format {
            TrainingFormat::Messages => {
                let turns: Vec<&Message> = self.prompt.iter().chain([&chosen]).collect();
                json!({"messages": turns})
            }
            TrainingFormat::ShareGpt => {
                let turn = |turn: &Message| json!({"from": speaker(turn.role), "value": turn.content});
                let turns: Vec<Value> = self.prompt.iter().chain([&chosen]).map(turn).collect();
                json!({"conversations": turns})
            }
            TrainingFormat::Alpaca => {
                let last =
                    |role: Role| self.prompt.iter().rfind(|turn| turn.role == role).map(|turn| turn.content.as_str());
                json!({"instruction": last(Role::System), "input": last(Role::User), "output": self.chosen})
            }
            TrainingFormat::Preferences => {
                let rejected: Vec<Message> = self.rejected.iter().map(Message::assistant).collect();
                json!({"prompt": self.prompt, "chosen": [chosen], "rejected": rejected})
            }
        }
    }
}

fn speaker(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "human",
        Role::Assistant => "gpt",
    }
}

/// The rows of an index: for each passage one for all kinds that see the same beside it, as the calls are made.
pub(super) fn rows(
    indexed: &[IndexedChunk],
    (schema, kinds): (&Schema, &[String]),
    (form, format): (AnswerForm, TrainingFormat),
    left_out: &mut LeftOut,
) -> Vec<Row> {
    let chunks: Vec<Chunk> = indexed.iter().map(|indexed| indexed.chunk.clone()).collect();
    let job = Job::new(&chunks, schema);
    let mut scopes: BTreeMap<Scope, Vec<&KindSpec>> = BTreeMap::new();
    for spec in schema.asked().filter(|spec| kinds.contains(&spec.kind)) {
        scopes.entry(spec.scope).or_default().push(spec);
    }
    let preferences = format == TrainingFormat::Preferences;
    let mut rows = Vec::new();
    for (at, indexed) in indexed.iter().enumerate() {
        for specs in scopes.values() {
            let stands = standing(specs, indexed, left_out);
            let told = said(specs, indexed);
            let mut specs = specs.clone();
            if preferences {
                specs.retain(|spec| told.contains_key(&spec.kind));
            }
            // No handle where nobody looked is not an answer.
            if !specs.iter().any(|spec| told.contains_key(&spec.kind) || stands.contains_key(&spec.kind)) {
                left_out.unanswered += 1;
                continue;
            }
            if preferences && specs.iter().all(|spec| folded(&told, spec) == folded(&stands, spec)) {
                left_out.agreed += 1;
                continue;
            }
            let names: Vec<String> = specs.iter().map(|spec| spec.kind.clone()).collect();
            let Some(prompt) = job.turns(at, &names, form) else { continue };
            rows.push(Row {
                document: indexed.chunk.document.clone(),
                key: indexed.chunk.key(),
                prompt,
                chosen: answer_text(&specs, &stands, form),
                rejected: preferences.then(|| answer_text(&specs, &told, form)),
            });
        }
    }
    rows
}

/// The handles that stand, as the model is to write them; kinds that have none are not in it.
pub(crate) fn standing(specs: &[&KindSpec], indexed: &IndexedChunk, left_out: &mut LeftOut) -> Answer {
    let mut answer = Answer::new();
    for spec in specs {
        // What people said means the same is there to be found by, not to be written.
        let own = indexed.handles.iter().filter(|handle| handle.kind == spec.kind && handle.source != Source::Alias);
        // Where there are too many, a person's word counts first, then what was brought in.
        let mut handles: Vec<&Handle> = own.collect();
        handles.sort_by_key(|handle| match handle.source {
            Source::Person => 0,
            Source::Import => 1,
            _ => 2,
        });
        let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
        for handle in handles {
            match written(spec, handle, &indexed.chunk.text) {
                Some(item) if seen.contains(&fold::fold(&item)) => {}
                Some(item) if items.len() < spec.max_items as usize => {
                    seen.insert(fold::fold(&item));
                    items.push(item);
                }
                _ => left_out.unfit_handles += 1,
            }
        }
        if !items.is_empty() {
            answer.insert(spec.kind.clone(), items);
        }
    }
    answer
}

/// A handle as the grammar lets the model write it, if it does: quoted kinds in the passage's own words, out of which
/// normalised handles are made again.
fn written(spec: &KindSpec, handle: &Handle, text: &str) -> Option<String> {
    let written = if spec.evidence == Evidence::Inferred || !spec.values.is_empty() {
        one_line(&handle.text)
    } else {
        let span = handle.span.map(|(start, end)| (start as usize, end as usize));
        let (start, end) = span.or_else(|| fold::find_quote(text, &handle.text))?;
        one_line(text.get(start..end)?)
    };
    let allowed = spec.values.is_empty() || spec.values.contains(&written);
    let fits = (1..=spec.max_chars as usize).contains(&written.chars().count());
    (allowed && fits).then_some(written)
}

/// What the model said of these kinds, as far as it can be read; kinds it was not asked for are not in it.
fn said(specs: &[&KindSpec], indexed: &IndexedChunk) -> Answer {
    let mut answer = Answer::new();
    for said in &indexed.said {
        let asked: Vec<&str> = specs
            .iter()
            .map(|spec| spec.kind.as_str())
            .filter(|kind| said.kinds.iter().any(|asked| asked == kind))
            .collect();
        let Ok(mut read) = parse(&said.text, &asked) else { continue };
        for kind in asked {
            let items = read.remove(kind).unwrap_or_default();
            answer.insert(kind.to_owned(), items.iter().map(|item| one_line(item)).collect());
        }
    }
    answer
}

fn folded(answer: &Answer, spec: &KindSpec) -> BTreeSet<String> {
    answer.get(&spec.kind).into_iter().flatten().map(|item| fold::fold(item)).collect()
}

/// Without line breaks and the separator, as quotes are cut for the grammar.
fn one_line(text: &str) -> String {
    text.replace('|', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
