//! The native models behind the two seams of `frontload-core`: llama.cpp in a child process,
//! OpenAI-compatible endpoints, and a sentence embedder on onnxruntime.
//!
//! llama.cpp's assertions abort the whole process, so it never runs in the process that holds the
//! index: [`worker::run`] is the child's main function, [`LlamaProcess`] the parent's side of it.

mod batch;
mod endpoint;
mod llama;
mod pool;
mod process;
mod protocol;
mod reference;
mod sentence;
mod store;
pub mod worker;

pub use batch::batch_fingerprint;
pub use endpoint::{Endpoint, EndpointOptions, Tallies, Tally};
pub use pool::{MemberRef, PoolRef};
pub use process::{LlamaOptions, LlamaProcess};
pub use protocol::Backend;
pub use reference::{ModelError, ModelRef};
pub use sentence::{EmbedderRef, SentenceEmbedder, environment as onnx_environment};
pub use store::{Stored, remove_stored, stored};

use frontload_core::Generator;

/// A prompt as the body of a request to a chat endpoint.
pub fn request_body(prompt: &frontload_core::Prompt, model: &str) -> serde_json::Value {
    endpoint::body(prompt, model, true)
}

/// Reads the body of a chat endpoint's response.
///
/// # Errors
/// What is wrong with it.
pub fn read_completion(body: &[u8]) -> Result<frontload_core::Completion, String> {
    endpoint::completion(body)
}

/// How a language model is run, whichever form it has.
#[derive(Debug, Clone)]
pub struct GeneratorOptions {
    /// For one that runs here.
    pub llama: LlamaOptions,
    /// For one that runs elsewhere.
    pub endpoint: EndpointOptions,
    /// Where endpoints count what they have done.
    pub tallies: Tallies,
}

/// Opens the language model a user named.
///
/// # Errors
/// When the file is missing or no GGUF, cannot be fetched, or an endpoint's address is unusable.
/// A model that turns out corrupt while loading is reported by the first `generate`.
pub fn open_generator(
    reference: &ModelRef,
    options: &GeneratorOptions,
) -> Result<Box<dyn Generator + Send>, ModelError> {
    let GeneratorOptions { endpoint, tallies, .. } = options;
    match reference {
        ModelRef::Endpoint { base_url, model } => Ok(Box::new(Endpoint::new(base_url, model, *endpoint, tallies)?)),
        ModelRef::Pool(pool) => Ok(Box::new(Endpoint::pool(pool, *endpoint, tallies)?)),
        ModelRef::PoolFile(path) => Ok(Box::new(Endpoint::pool(&PoolRef::read(path)?, *endpoint, tallies)?)),
        ModelRef::Batch(name) => Ok(Box::new(batch::BatchModel::new(name))),
        ModelRef::Program(path) => Ok(Box::new(LlamaProcess::program(path, options.llama.clone())?)),
        ModelRef::File(_) | ModelRef::Hub { .. } => {
            Ok(Box::new(LlamaProcess::new(&reference.resolve()?, options.llama.clone())?))
        }
    }
}
