//! Which calls are missing, and what each would cost to ask again.

use std::collections::{BTreeMap, HashSet};

use frontload_core::{AnswerForm, Chunk, Digest, KindSpec, Message, Prompt, Schema, Scope};

use crate::{
    EnrichError,
    grammar::GRAMMAR_VERSION,
    ledger::call_id,
    passage::{Passage, Passages},
    prompt::{PROMPT_VERSION, prompt},
    state::State,
};

/// A call at which the program died this often is made with nothing beside it …
const SUSPECT: u32 = 2;
/// … and when the program has died this often at it alone, it is given up.
const GIVEN_UP: u32 = 2;

/// One call to make: a chunk, and the kinds of one scope that it has no answer for yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The chunk's place in the corpus.
    pub chunk: usize,
    /// What the model sees beside it.
    pub scope: Scope,
    /// The kinds to ask for, each with the key of its answer.
    pub kinds: BTreeMap<String, Digest>,
}

impl Call {
    /// Names the call in the ledger, and in files of prompts for batch engines.
    pub fn id(&self) -> Digest {
        call_id(&self.kinds)
    }
}

/// The calls that are missing.
#[derive(Debug, Default)]
pub struct Plan {
    /// To be made side by side, those with the same beginning together.
    pub calls: Vec<Call>,
    /// To be made one at a time: the program died at them before.
    pub suspects: Vec<Call>,
    /// Not to be made again: the program died at each of them alone.
    pub given_up: Vec<Call>,
}

impl Plan {
    /// How many there are to make.
    pub fn len(&self) -> usize {
        self.calls.len() + self.suspects.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() + self.given_up.len() == 0
    }
}

/// What is asked about, and how.
pub struct Job<'a> {
    /// The corpus.
    pub chunks: &'a [Chunk],
    /// What to ask.
    pub schema: &'a Schema,
    passages: Passages<'a>,
}

impl<'a> Job<'a> {
    /// Prepares a corpus to be asked about. Chunks of one document must follow each other.
    pub fn new(chunks: &'a [Chunk], schema: &'a Schema) -> Self {
        Self { chunks, schema, passages: Passages::new(chunks) }
    }

    /// The kinds a model is asked for, by what it must see.
    fn scopes(&self) -> BTreeMap<Scope, Vec<&'a KindSpec>> {
        let mut scopes: BTreeMap<Scope, Vec<&KindSpec>> = BTreeMap::new();
        for spec in self.schema.asked() {
            scopes.entry(spec.scope).or_default().push(spec);
        }
        scopes
    }

    /// The keys of one chunk's answers, by kind.
    pub(crate) fn keys(&self, chunk: usize, model: &str) -> BTreeMap<String, Digest> {
        let mut keys = BTreeMap::new();
        for (scope, kinds) in self.scopes() {
            let Some(passage) = self.passages.get(chunk, scope) else { continue };
            keys.extend(kinds.iter().map(|spec| (spec.kind.clone(), answer_key(self.schema, spec, &passage, model))));
        }
        keys
    }

    /// Every call a model could be asked to make, answered or not.
    pub fn every_call(&self, model: &str) -> Vec<Call> {
        let scopes = self.scopes();
        let calls = scopes.iter().flat_map(|(&scope, specs)| {
            (0..self.chunks.len()).filter_map(move |chunk| {
                let passage = self.passages.get(chunk, scope)?;
                let key = |spec: &&KindSpec| (spec.kind.clone(), answer_key(self.schema, spec, &passage, model));
                Some(Call { chunk, scope, kinds: specs.iter().map(key).collect() })
            })
        });
        calls.collect()
    }

    /// The prompt of a call.
    pub fn prompt(&self, id: u64, call: &Call, form: AnswerForm) -> Option<Prompt> {
        let passage = self.passages.get(call.chunk, call.scope)?;
        let kinds: Vec<&KindSpec> = self.schema.asked().filter(|spec| call.kinds.contains_key(&spec.kind)).collect();
        Some(prompt(id, self.schema, &kinds, &passage, form))
    }

    /// What a model is asked to say about these kinds of one chunk, all of one scope, as chat turns.
    pub fn turns(&self, chunk: usize, kinds: &[String], form: AnswerForm) -> Option<Vec<Message>> {
        let specs: Vec<&KindSpec> = self.schema.asked().filter(|spec| kinds.contains(&spec.kind)).collect();
        let passage = self.passages.get(chunk, specs.first()?.scope)?;
        Some(prompt(0, self.schema, &specs, &passage, form).messages)
    }

    /// The calls that are missing. What has the same key is asked about once. A call that failed before is not
    /// made again unless `retry_failed`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn plan(&self, model: &str, state: &State, retry_failed: bool) -> Result<Plan, EnrichError> {
        let mut planned: HashSet<Digest> = HashSet::new();
        let mut calls = Vec::new();
        for (scope, specs) in self.scopes() {
            for chunk in 0..self.chunks.len() {
                let Some(passage) = self.passages.get(chunk, scope) else { continue };
                let mut kinds = BTreeMap::new();
                for spec in &specs {
                    let key = answer_key(self.schema, spec, &passage, model);
                    let known = state.answer(key)?;
                    if known.is_none_or(|known| retry_failed && !known.answered) {
                        kinds.insert(spec.kind.clone(), key);
                    }
                }
                let call = Call { chunk, scope, kinds };
                if !call.kinds.is_empty() && planned.insert(call.id()) {
                    calls.push(call);
                }
            }
        }
        // Those that ask for the same kinds share a prefix; the sort keeps the corpus's order among them.
        calls.sort_by(|left, right| {
            (left.scope, left.kinds.keys().collect::<Vec<_>>()).cmp(&(right.scope, right.kinds.keys().collect()))
        });
        let mut plan = Plan::default();
        for call in calls {
            let open = state.attempts(call.id())?;
            if open.alone >= GIVEN_UP && !retry_failed {
                plan.given_up.push(call);
            } else if open.together + open.alone >= SUSPECT {
                plan.suspects.push(call);
            } else {
                plan.calls.push(call);
            }
        }
        Ok(plan)
    }
}

/// The hash of everything that shapes the answer for one kind of one chunk.
fn answer_key(schema: &Schema, spec: &KindSpec, passage: &Passage, model: &str) -> Digest {
    let kind = schema.fingerprint(spec).to_hex();
    Digest::of_parts(["answer", GRAMMAR_VERSION, PROMPT_VERSION, &passage.digest().to_hex(), &kind, model])
}
