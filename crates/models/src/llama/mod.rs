//! llama.cpp inside the child process: a loaded model, and the slots engine that answers many prompts at once.

mod engine;
mod grammar;
mod prefix;
mod processor;
mod slot;
mod template;
mod tokens;

use std::{cell::RefCell, num::NonZeroU32, pin::pin, sync::Arc};

use frontload_core::{Completion, Failure, Prompt, PromptSize};
use llama_cpp_2::{
    LlamaBackendDeviceType,
    context::params::LlamaContextParams,
    list_llama_ggml_backend_devices,
    llama_backend::LlamaBackend,
    model::{LlamaLoraAdapter, LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};

pub(crate) use engine::{Engine, Piece};

use crate::protocol::{Backend, Load};
use grammar::Grammars;
use template::ChatTemplate;
use tokens::Specials;

/// Rows in one decode call; also what bounds the prefill matrix product.
const BATCH_TOKENS: usize = 512;

/// What a step gives back: a prompt's number and its answer.
pub(crate) type Answered = (u64, Result<Completion, Failure>);

/// A loaded model that outlives its contexts.
pub(crate) struct LoadedModel {
    backend: LlamaBackend,
    model: Arc<LlamaModel>,
    grammars: Grammars,
    template: ChatTemplate,
    specials: Specials,
    load: Load,
    /// What its weights are adapted by. A context takes it as something to change, though it only reads it.
    lora: RefCell<Option<LlamaLoraAdapter>>,
    /// What runs it, for people.
    pub runs_on: Backend,
}

impl LoadedModel {
    /// Loads the weights and compiles the chat template.
    pub fn new(load: Load) -> Result<Self, String> {
        processor::check()?;
        let mut backend = LlamaBackend::init().map_err(|error| format!("llama.cpp does not start: {error}"))?;
        backend.void_logs();
        let device = device(load.gpu_layers)?;
        let mut params = pin!(LlamaModelParams::default().with_n_gpu_layers(load.gpu_layers));
        if load.plain_kernels {
            // Weights in plain buffers are multiplied by the plain kernels: neither repacked nor on AMX.
            params.as_mut().add_cpu_buft_override(c".*");
        }
        let mut model = LlamaModel::load_from_file(&backend, &load.path, &params)
            .map_err(|error| format!("{} cannot be loaded as a model: {error}", load.path.display()))?;
        let lora = load.lora.as_deref().map(|path| {
            let adapted = model.lora_adapter_init(path);
            adapted.map_err(|error| format!("{} cannot adapt this model: {error}", path.display()))
        });
        let lora = RefCell::new(lora.transpose()?);
        let model = Arc::new(model);
        let vocab = model.vocab();
        let source = model
            .meta_val_str("tokenizer.chat_template")
            .map_err(|error| format!("{} carries no chat template: {error}", load.path.display()))?;
        let piece = |token: LlamaToken| match token.0 {
            0.. => String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned(),
            _ => String::new(),
        };
        let template = ChatTemplate::new(&source, piece(vocab.bos()), piece(vocab.eos()))?;
        let specials = Specials::of(&model);
        let grammars = Grammars::new(&model)?;
        let runs_on = Backend {
            device,
            kernels: processor::kernels(load.plain_kernels),
            note: processor::note(load.plain_kernels),
        };
        Ok(Self { backend, model, grammars, template, specials, load, lora, runs_on })
    }

    /// Starts an engine on this model, and decodes a little with it: kernels that do not run on this processor
    /// end the process here, where the parent takes it for what it is.
    pub fn engine(&self) -> Result<Engine<'_>, String> {
        let sequences = self.load.slots + prefix::SEQUENCES;
        let threads = i32::try_from(self.load.threads).unwrap_or(i32::MAX);
        // The default cache, f16 with flash attention: measured against q8_0, whose values are unpacked again
        // for every row that looks at them, and against f16 without flash attention, it enriched 1.3 and 1.25
        // times as fast. One cache stream a sequence: rows attend to their own cells only.
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(self.load.context_tokens * sequences))
            .with_n_batch(BATCH_TOKENS as u32)
            .with_n_ubatch(BATCH_TOKENS as u32)
            .with_n_seq_max(sequences)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_kv_unified(false)
            .with_swa_full(true);
        let mut context = self
            .model
            .new_context(&self.backend, params)
            .map_err(|error| format!("no memory for {sequences} × {} tokens: {error}", self.load.context_tokens))?;
        if let Some(lora) = self.lora.borrow_mut().as_mut() {
            let set = context.lora_adapter_set(lora, 1.0);
            set.map_err(|error| format!("the adapter does not fit the model: {error}"))?;
        }
        let mut engine = Engine::new(self, context);
        engine.warm_up()?;
        Ok(engine)
    }

    /// What a prompt costs before it is answered; `None` when it cannot be rendered or does not fit.
    pub fn size(&self, prompt: &Prompt) -> Option<PromptSize> {
        let tokens = self.tokenize(prompt).ok()?;
        let fits = tokens.all.len() + prompt.max_tokens as usize <= crate::process::MOST_CONTEXT as usize;
        let own = tokens.all.len() - tokens.last_message();
        fits.then_some(PromptSize { prompt_tokens: tokens.all.len() as u32, own_tokens: own as u32 })
    }
}

/// Names what computes. A GPU that is asked for and not there is an error, never a silent fallback.
fn device(gpu_layers: u32) -> Result<String, String> {
    let devices = list_llama_ggml_backend_devices();
    let gpu = devices.iter().find(|device| {
        matches!(device.device_type, LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu)
    });
    match gpu {
        _ if gpu_layers == 0 => Ok("processor".to_owned()),
        Some(gpu) => Ok(format!("{} ({}, {gpu_layers} layers)", gpu.description, gpu.backend)),
        None => {
            let known: Vec<&str> = devices.iter().map(|device| device.backend.as_str()).collect();
            Err(format!(
                "--gpu-layers {gpu_layers} asks for a GPU, and this build sees none (only {}); build with --features \
                 cuda, vulkan or metal on a machine that has one, or leave the flag out",
                known.join(", ")
            ))
        }
    }
}
