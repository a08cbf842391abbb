//! One prompt, one answer.

use std::ops::ControlFlow;

use frontload_core::{Completion, Failure, FailureKind, Generator, GeneratorError, Prompt};

/// Asks a model one thing.
///
/// # Errors
/// When the model cannot be used at all; that it gave no answer is a [`Failure`].
pub(crate) fn ask_once(
    generator: &mut dyn Generator,
    prompt: Prompt,
) -> Result<Result<Completion, Failure>, GeneratorError> {
    let mut ended = Err(Failure { kind: FailureKind::Refused, reason: "no answer came".into() });
    generator.generate(&mut std::iter::once(prompt), &mut |_, result| {
        ended = result;
        ControlFlow::Continue(())
    })?;
    Ok(ended)
}
