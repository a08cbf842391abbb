//! A model that somebody else runs, in batches: prompts leave as a file, completions come back as one.

use std::ops::ControlFlow;

use frontload_core::{AnswerForm, Completion, Failure, Generator, GeneratorError, Prompt};

/// Stands for such a model where answers that are at hand are enough.
pub struct BatchModel {
    name: String,
    fingerprint: String,
}

impl BatchModel {
    /// Names it.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fingerprint: batch_fingerprint(name) }
    }
}

/// The fingerprint of a model that is run in batches.
pub fn batch_fingerprint(name: &str) -> String {
    format!("batch:{name}:temperature=0:json")
}

impl Generator for BatchModel {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn form(&self) -> AnswerForm {
        AnswerForm::Json
    }

    fn generate(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
        _done: &mut dyn FnMut(u64, Result<Completion, Failure>) -> ControlFlow<()>,
    ) -> Result<(), GeneratorError> {
        match prompts.next() {
            None => Ok(()),
            Some(_) => Err(GeneratorError(format!(
                "{0} is run elsewhere and some answers are missing: `frontload export prompts --model batch:{0}` writes \
                 what to ask, `frontload import completions` takes the answers; --budget-minutes 0 publishes without them",
                self.name
            ))),
        }
    }
}
