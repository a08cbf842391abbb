//! The native models behind the two seams of `frontload-core`: llama.cpp in a child process, an
//! OpenAI-compatible endpoint, and a sentence embedder on onnxruntime.
//!
//! llama.cpp's assertions abort the whole process, so it never runs in the process that holds the
//! index: [`worker::run`] is the child's main function, [`LlamaProcess`] the parent's side of it.

mod endpoint;
mod grammar;
mod llama;
mod process;
mod protocol;
mod reference;
mod sentence;
mod template;
pub mod worker;

pub use endpoint::Endpoint;
pub use process::{LlamaOptions, LlamaProcess};
pub use reference::{ModelError, ModelRef};
pub use sentence::SentenceEmbedder;

use frontload_core::Generator;

/// Opens the language model a user named.
///
/// # Errors
/// When the file is missing or no GGUF, cannot be fetched, or the endpoint's address is unusable.
/// A model that turns out corrupt while loading is reported by the first `generate`.
pub fn open_generator(reference: &ModelRef, options: &LlamaOptions) -> Result<Box<dyn Generator + Send>, ModelError> {
    match reference {
        ModelRef::Endpoint { base_url, model } => Ok(Box::new(Endpoint::new(base_url, model)?)),
        ModelRef::File(_) | ModelRef::Hub { .. } => {
            Ok(Box::new(LlamaProcess::new(&reference.resolve()?, options.clone())?))
        }
    }
}
