//! The two seams to native models. Everything else in the project is a struct or an enum; these are
//! traits because the real ones are native, slow and may end their process.

use std::{ops::ControlFlow, time::Duration};

use serde::{Deserialize, Serialize};

/// Who speaks in a chat turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// What is asked.
    User,
    /// What was, or is to be, answered.
    Assistant,
}

/// One chat turn. The content is data: a model's own special tokens in it are never obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A system turn.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }

    /// A user turn.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// An assistant turn.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// One thing to ask a [`Generator`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The caller's number for it; comes back with the answer.
    pub id: u64,
    /// Few-shots and question as chat turns, rendered through the model's own template.
    pub messages: Vec<Message>,
    /// How many bytes at the start of the last message are the same for other prompts too: decoded once where
    /// such prompts follow each other. On a character's boundary, or nothing is shared.
    #[serde(default)]
    pub shared_bytes: usize,
    /// The form the answer must have. A generator that cannot constrain its decoder so ignores it: an answer is
    /// always validated again.
    pub constraint: Option<Constraint>,
    /// The answer is cut after this many tokens, and then counts as failed.
    pub max_tokens: u32,
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// What a Lark grammar (llguidance's dialect) generates.
    Lark {
        /// The grammar.
        grammar: String,
        /// Separates the items of a line. Where an item would repeat one of the same line, the line ends instead.
        separator: Option<char>,
    },
    /// What a JSON schema allows.
    JsonSchema(serde_json::Value),
}

/// The form a generator's answers are best asked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// One line a kind: the fewest tokens, where the decoder obeys a grammar.
    Lines,
    /// One JSON object: what endpoints can enforce.
    Json,
}

/// What a prompt costs before anything is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptSize {
    /// Tokens in all.
    pub prompt_tokens: u32,
    /// Tokens of its last message: what no other prompt shares.
    pub own_tokens: u32,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended it.
    Stop,
    /// It ran into `max_tokens`.
    Length,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The raw answer.
    pub text: String,
    /// How it ended.
    pub finish: Finish,
    /// Tokens of the prompt, shared prefix included.
    pub prompt_tokens: u32,
    /// Tokens of the prompt that were decoded for this answer alone.
    pub prefill_tokens: u32,
    /// Tokens of the answer.
    pub answer_tokens: u32,
}

/// Why one prompt got no answer. The run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, for people.
    pub reason: String,
}

/// The kinds of [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The prompt does not fit the model's context.
    TooLong,
    /// The process that held the model died on it, twice.
    Crashed,
    /// No answer within the time allowed, twice.
    TimedOut,
    /// The model or endpoint refused it.
    Refused,
    /// Whoever asked wanted it no more.
    Stopped,
    /// There was an answer or a failure, and a person had it taken out of the ledger.
    Erased,
}

impl Failure {
    /// Whoever asked wanted it no more.
    pub fn stopped() -> Self {
        Self { kind: FailureKind::Stopped, reason: "it was stopped".to_owned() }
    }
}

/// How one prompt ended: its id, and what the model said or why it said nothing.
pub type Ended = (u64, Result<Completion, Failure>);

/// The model cannot be used at all: the run stops, what was answered is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GeneratorError(pub String);

/// Answers prompts, many at once.
pub trait Generator {
    /// Names everything about the model that shapes its answers: weights, template, sampler.
    fn fingerprint(&self) -> &str;

    /// The form its answers are best asked for in.
    fn form(&self) -> AnswerForm;

    /// Weighs prompts without answering them; `None` when the model's tokenizer is out of reach. A prompt that
    /// cannot be rendered has no size.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    fn measure(
        &mut self,
        _prompts: &mut dyn Iterator<Item = Prompt>,
    ) -> Result<Option<Vec<Option<PromptSize>>>, GeneratorError> {
        Ok(None)
    }

    /// Draws prompts while it has room for them and reports each answer as it comes, in any order.
    ///
    /// `done` returning [`ControlFlow::Break`] stops the run: prompts in flight are abandoned.
    ///
    /// # Errors
    /// When the model cannot be loaded or its backend cannot be reached.
    fn generate(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
        done: &mut dyn FnMut(u64, Result<Completion, Failure>) -> ControlFlow<()>,
    ) -> Result<(), GeneratorError>;

    /// Like [`generate`](Self::generate), but what has ended while `done` was busy is handed over together, in the
    /// order it ended: whoever keeps answers on a disk then syncs once for all of them. No group is empty.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    fn generate_in_groups(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
        done: &mut dyn FnMut(Vec<Ended>) -> ControlFlow<()>,
    ) -> Result<(), GeneratorError> {
        self.generate(prompts, &mut |id, result| done(vec![(id, result)]))
    }

    /// Answers one prompt and tells each piece of the answer as it comes, where that can be. `told` is also called
    /// with nothing now and then, so that it can end an answer before it begins: [`ControlFlow::Break`] stops the
    /// work, and what comes back is then a [`FailureKind::Stopped`].
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    fn stream(
        &mut self,
        prompt: Prompt,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Result<Completion, Failure>, GeneratorError> {
        let ended = ask_once(self, prompt)?;
        if let Ok(completion) = &ended
            && told(&completion.text).is_break()
        {
            return Ok(Err(Failure::stopped()));
        }
        Ok(ended)
    }

    /// What holds the model now; `None` when it is not in memory, or not in ours.
    fn loaded(&self) -> Option<Loaded> {
        None
    }

    /// Gives the model's memory back; the next prompt loads it again.
    fn unload(&mut self) {}
}

/// Asks a model one thing.
///
/// # Errors
/// When the model cannot be used at all; that it gave no answer is a [`Failure`].
pub fn ask_once<G: Generator + ?Sized>(
    generator: &mut G,
    prompt: Prompt,
) -> Result<Result<Completion, Failure>, GeneratorError> {
    let mut ended = Err(Failure { kind: FailureKind::Refused, reason: "no answer came".into() });
    generator.generate(&mut std::iter::once(prompt), &mut |_, result| {
        ended = result;
        ControlFlow::Continue(())
    })?;
    Ok(ended)
}

/// A model in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// The process that holds it.
    pub process: u32,
    /// How long loading it took.
    pub took: Duration,
}

/// What a text is for: some embedding models want to be told, in words before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRole<'a> {
    /// To be found.
    Passage,
    /// To find with.
    Query,
    /// To be found: a handle of this kind.
    Handle(&'a str),
}

/// An embedding failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EmbedError(pub String);

/// Turns texts into unit vectors.
pub trait Embedder {
    /// Names the weights and everything else that shapes a vector.
    fn fingerprint(&self) -> &str;

    /// The length of every vector.
    fn dimension(&self) -> usize;

    /// What is put before a text of this role; shown in the manifest.
    fn prefix(&self, role: TextRole) -> &str;

    /// Cuts a text where it is longer than the model reads: every piece fits. A text that fits is one piece.
    fn pieces<'t>(&self, text: &'t str, role: TextRole) -> Vec<&'t str>;

    /// One vector a text, in order, each of [`dimension`](Self::dimension) and of length 1
    /// (or all zero when the text has no content, which callers must not index). What is longer than the model
    /// reads is cut off: see [`pieces`](Self::pieces).
    ///
    /// # Errors
    /// When the model fails to run.
    fn embed(&mut self, texts: &[&str], role: TextRole) -> Result<Vec<Vec<f32>>, EmbedError>;
}
