//! Where everything is: flags first, then `frontload.toml`, then defaults.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, bail};
use frontload_engine::{
    Answering, DEFAULT_PROMPT_TOKENS, DEFAULT_REFUSAL, DEFAULT_SHOWN, Embed, Exemplars, Manner, read_exemplars,
};
use frontload_index::IndexDir;
use frontload_models::{
    EmbedderRef, EndpointOptions, GeneratorOptions, LlamaOptions, ModelRef, SentenceEmbedder, open_generator,
};
use serde::Deserialize;

use crate::args::{AnsweringArgs, Global, ModeName};

pub const FILE: &str = "frontload.toml";
/// Names the folder `make setup` fills, when it is not `.models`.
const MODELS_VARIABLE: &str = "FRONTLOAD_MODELS";
const RUNTIME_VARIABLE: &str = "ORT_DYLIB_PATH";
const DEFAULT_MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const DEFAULT_EMBEDDER: &str = "all-MiniLM-L6-v2";
/// How the program, re-executed, becomes the process that holds llama.cpp.
pub const WORKER_ARGUMENT: &str = "__llm-worker";

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    index: Option<PathBuf>,
    model: Option<String>,
    lora: Option<PathBuf>,
    gpu_layers: Option<u32>,
    embedder: Option<String>,
    schema: Option<PathBuf>,
    #[serde(default)]
    answers: Answers,
}

/// How questions are answered.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Answers {
    /// What the assistant is about, in a sentence.
    scope: Option<String>,
    /// What it says instead of an answer.
    refusal: Option<String>,
    refuse_below: Option<f32>,
    exemplars: Option<PathBuf>,
    /// A `LoRA` adapter for answers alone.
    lora: Option<PathBuf>,
    /// How many of them a question is shown.
    shown: Option<usize>,
    prompt_tokens: Option<u32>,
}

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
    answers: Answers,
}

impl Config {
    pub fn load(global: &Global) -> anyhow::Result<Self> {
        let path = global.config.clone().unwrap_or_else(|| FILE.into());
        let file: File = match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| path.display().to_string())?,
            Err(error) if global.config.is_some() => bail!("{}: {error}", path.display()),
            Err(_) => File::default(),
        };
        let models = models_folder();
        let default_model = || models.join(DEFAULT_MODEL).display().to_string();
        Ok(Self {
            index: IndexDir::new(global.index.clone().or(file.index).unwrap_or_else(|| ".frontload".into())),
            json: global.json,
            quiet: global.quiet,
            schema: file.schema,
            model: global.model.clone().or(file.model).unwrap_or_else(default_model),
            lora: global.lora.clone().or(file.lora),
            gpu_layers: global.gpu_layers.or(file.gpu_layers).unwrap_or(0),
            embedder: match global.embedder.clone().or(file.embedder) {
                Some(name) => name.parse()?,
                None => EmbedderRef::Folder(models.join(DEFAULT_EMBEDDER)),
            },
            answers: file.answers,
        })
    }

    /// Opens the language model; llama.cpp itself starts with the first prompt.
    pub fn generator(&self, slots: u32) -> anyhow::Result<Box<dyn frontload_core::Generator + Send>> {
        self.generator_with(slots, EndpointOptions::default())
    }

    /// Opens the language model that answers questions, in the style it was given for that.
    pub fn answerer(&self) -> anyhow::Result<Box<dyn frontload_core::Generator + Send>> {
        let mut llama = self.llama(1)?;
        llama.lora = self.answers.lora.clone().or(llama.lora);
        let options = GeneratorOptions { llama, endpoint: EndpointOptions::default() };
        Ok(open_generator(&self.model_ref()?, &options)?)
    }

    /// Opens the language model, wherever it runs.
    pub fn generator_with(
        &self,
        slots: u32,
        endpoint: EndpointOptions,
    ) -> anyhow::Result<Box<dyn frontload_core::Generator + Send>> {
        let options = GeneratorOptions { llama: self.llama(slots)?, endpoint };
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
        let runtime = env::var_os(RUNTIME_VARIABLE).map_or_else(|| models_folder().join(runtime_name()), PathBuf::from);
        Ok(SentenceEmbedder::open(&self.embedder, &runtime, threads)?)
    }

    /// How questions are answered: by flags, else by the file. `manner` is what suits the model.
    pub fn answering(&self, flags: &AnsweringArgs, manner: Manner, embed: &mut Embed) -> anyhow::Result<Answering> {
        let Answers { scope, refusal, refuse_below, exemplars, shown, prompt_tokens, lora: _ } = &self.answers;
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
        })
    }
}

fn models_folder() -> PathBuf {
    env::var_os(MODELS_VARIABLE).map_or_else(|| ".models".into(), PathBuf::from)
}

fn runtime_name() -> &'static str {
    if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" }
}
