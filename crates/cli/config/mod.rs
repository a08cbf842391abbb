//! Where everything is and how it is run: what the settings come to.

mod settings;

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use frontload_cluster::Connection;
use frontload_engine::{
    Answering, DEFAULT_PROMPT_TOKENS, DEFAULT_REFUSAL, DEFAULT_SHOWN, Embed, Exemplars, Manner, read_exemplars,
};
use frontload_index::IndexDir;
use frontload_models::{
    EmbedderRef, EndpointOptions, GeneratorOptions, LlamaOptions, ModelRef, SentenceEmbedder, Tallies, open_generator,
};

use crate::args::{AnsweringArgs, BackendName, Global, ModeName};
use settings::{Answers, Layers, Milvus, Settings};

pub use settings::{FILE, user_path};

/// Names the folder `make setup` fills, when it is not `.models`.
const MODELS_VARIABLE: &str = "FRONTLOAD_MODELS";
const RUNTIME_VARIABLE: &str = "ORT_DYLIB_PATH";
const DEFAULT_MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const DEFAULT_EMBEDDER: &str = "all-MiniLM-L6-v2";
/// Holds the token for a cluster that wants one.
const TOKEN_VARIABLE: &str = "FRONTLOAD_MILVUS_TOKEN";
const DEFAULT_COLLECTION: &str = "frontload";
const DEFAULT_RETRY_SECONDS: u32 = 30;
/// How the program, re-executed, becomes the process that holds llama.cpp.
pub const WORKER_ARGUMENT: &str = "__llm-worker";
/// Starts this program as the process that parses PDFs.
pub const PDF_WORKER_ARGUMENT: &str = "__pdf-worker";

/// Where lanes are searched.
pub type Backend = BackendName;

/// Everything settled.
pub struct Config {
    pub index: IndexDir,
    pub json: bool,
    pub quiet: bool,
    pub schema: Option<PathBuf>,
    pub model: String,
    lora: Option<PathBuf>,
    gpu_layers: u32,
    embedder: EmbedderRef,
    pub backend: Backend,
    milvus: Milvus,
    answers: Answers,
    /// Where each of these comes from.
    pub layers: Layers,
}

impl Config {
    pub fn load(global: &Global) -> anyhow::Result<Self> {
        let models = models_folder();
        let at = |name: &str| models.join(name).display().to_string();
        let defaults =
            [("index", ".frontload".to_owned()), ("model", at(DEFAULT_MODEL)), ("embedder", at(DEFAULT_EMBEDDER))];
        let layers = Layers::read(global, &defaults)?;
        let Settings { index, model, lora, gpu_layers, embedder, schema, backend, milvus, answers } =
            layers.settings()?;
        Ok(Self {
            index: IndexDir::new(index),
            json: global.json,
            quiet: global.quiet,
            schema,
            model,
            lora,
            gpu_layers,
            embedder: embedder.parse()?,
            backend,
            milvus,
            answers,
            layers,
        })
    }

    /// The cluster that was named.
    pub fn cluster(&self) -> anyhow::Result<Connection> {
        let Milvus { uri, collection, token_file, ca, retry_for, replicas } = &self.milvus;
        let Some(uri) = uri.as_deref().filter(|uri| !uri.is_empty()) else {
            bail!("no cluster named: give --uri, such as http://127.0.0.1:19530, or uri under [milvus] in {FILE}");
        };
        let token = match token_file {
            Some(path) => Some(Connection::read_token(path)?),
            None => env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()),
        };
        let patience = Duration::from_secs(u64::from(retry_for.unwrap_or(DEFAULT_RETRY_SECONDS)));
        let connection = Connection {
            uri: uri.to_owned(),
            token,
            collection: collection.clone().unwrap_or_else(|| DEFAULT_COLLECTION.to_owned()),
            authority: ca.clone(),
            patience,
            patience_of_searches: patience,
            replicas: replicas.unwrap_or(1),
        };
        connection.check()?;
        Ok(connection)
    }

    /// Opens the language model; llama.cpp itself starts with the first prompt.
    pub fn generator(&self, slots: u32) -> anyhow::Result<Box<dyn frontload_core::Generator + Send>> {
        self.open(self.llama(slots)?)
    }

    /// Opens the language model that answers questions, in the style it was given for that.
    pub fn answerer(&self) -> anyhow::Result<Box<dyn frontload_core::Generator + Send>> {
        let mut llama = self.llama(1)?;
        llama.lora = self.answers.lora.clone().or(llama.lora);
        self.open(llama)
    }

    fn open(&self, llama: LlamaOptions) -> anyhow::Result<Box<dyn frontload_core::Generator + Send>> {
        let options = GeneratorOptions { llama, endpoint: EndpointOptions::default(), tallies: Tallies::default() };
        Ok(open_generator(&self.model_ref()?, &options)?)
    }

    /// The model's name, read.
    pub fn model_ref(&self) -> anyhow::Result<ModelRef> {
        Ok(self.model.parse::<ModelRef>()?)
    }

    /// How a model in a file is run here.
    pub fn llama(&self, slots: u32) -> anyhow::Result<LlamaOptions> {
        let program = env::current_exe().context("the program's own path")?;
        let mut options = LlamaOptions::new(program, vec![WORKER_ARGUMENT.to_owned()]);
        options.slots = slots;
        options.lora.clone_from(&self.lora);
        options.gpu_layers = self.gpu_layers;
        options.prefixes = Some(self.index.path().join("prefixes"));
        Ok(options)
    }

    /// Opens the embedding model.
    pub fn embedder(&self, threads: usize) -> anyhow::Result<SentenceEmbedder> {
        self.again().embedder(threads)
    }

    /// What opens the embedding model once more, later.
    pub fn again(&self) -> Again {
        Again(self.embedder.clone())
    }

    /// How questions are answered: by flags, else by the file. `manner` is what suits the model.
    pub fn answering(&self, flags: &AnsweringArgs, manner: Manner, embed: &mut Embed) -> anyhow::Result<Answering> {
        let Answers { scope, refusal, refuse_below, exemplars, shown, prompt_tokens, tell, lora: _ } = &self.answers;
        let path = flags.exemplars.as_ref().or(exemplars.as_ref());
        let all = path.map(|path| read_exemplars(path)).transpose()?.unwrap_or_default();
        let exemplars = Exemplars::new(all, shown.unwrap_or(DEFAULT_SHOWN), embed);
        Ok(Answering {
            manner: flags.mode.map_or(manner, ModeName::manner),
            exemplars: exemplars.map_err(frontload_index::IndexError::from)?,
            scope: scope.clone(),
            refusal: refusal.clone().unwrap_or_else(|| DEFAULT_REFUSAL.to_owned()),
            refuse_below: flags.refuse_below.or(*refuse_below),
            prompt_tokens: prompt_tokens.unwrap_or(DEFAULT_PROMPT_TOKENS),
            told_kinds: if flags.tell.is_empty() { tell.clone() } else { flags.tell.clone() },
        })
    }
}

/// How the embedding model is opened.
pub struct Again(EmbedderRef);

impl Again {
    /// Opens it.
    pub fn embedder(&self, threads: usize) -> anyhow::Result<SentenceEmbedder> {
        let runtime = env::var_os(RUNTIME_VARIABLE).map_or_else(|| models_folder().join(runtime_name()), PathBuf::from);
        Ok(SentenceEmbedder::open(&self.0, &runtime, threads)?)
    }
}

/// The folder that `make setup` fills.
pub fn models_folder() -> PathBuf {
    env::var_os(MODELS_VARIABLE).map_or_else(|| ".models".into(), PathBuf::from)
}

fn runtime_name() -> &'static str {
    if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" }
}
