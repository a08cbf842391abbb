//! Rows as the model they are for would read them: rendered through its own chat template, and counted in its tokens.

use frontload_core::{FailureKind, Generator, GeneratorError, Message, Prompt, PromptSize, ask_once};

use super::{LeftOut, row::Row};
use crate::EngineError;

/// Renders every row through the model's own chat template, and leaves out what is too long.
pub(super) fn weigh(
    rows: Vec<Row>,
    max_tokens: u32,
    generator: &mut dyn Generator,
    left_out: &mut LeftOut,
) -> Result<(Vec<Row>, Option<u32>), EngineError> {
    let measured = {
        let mut prompts = rows.iter().flat_map(Row::conversations).map(|messages| prompt(messages, 0));
        generator.measure(&mut prompts)?
    };
    let Some(sizes) = measured else { return Ok((rows, None)) };
    let mut sizes = sizes.into_iter();
    let mut kept = Vec::with_capacity(rows.len());
    let (mut longest, mut asked_why) = (0, false);
    for row in rows {
        let own: Vec<Option<PromptSize>> = sizes.by_ref().take(row.answers()).collect();
        let tokens = own.into_iter().map(|size| size.map(|size| size.prompt_tokens)).collect::<Option<Vec<u32>>>();
        match tokens.and_then(|tokens| tokens.into_iter().max()) {
            Some(tokens) if tokens <= max_tokens => {
                longest = longest.max(tokens);
                kept.push(row);
                continue;
            }
            // A template sees who speaks, and places for what is said: it renders every row, or none.
            None if !asked_why => {
                must_render(&row, generator)?;
                asked_why = true;
            }
            _ => {}
        }
        left_out.too_long += 1;
    }
    Ok((kept, Some(longest)))
}

/// A row without a size is longer than anything the model can be given, or cannot be given to it: that is an error.
fn must_render(row: &Row, generator: &mut dyn Generator) -> Result<(), EngineError> {
    for messages in row.conversations() {
        if let Err(failure) = ask_once(generator, prompt(messages, 1))?
            && failure.kind != FailureKind::TooLong
        {
            let problem = format!("{}: a row about it cannot be given to this model: {}", row.document, failure.reason);
            return Err(GeneratorError(problem).into());
        }
    }
    Ok(())
}

fn prompt(messages: Vec<Message>, max_tokens: u32) -> Prompt {
    Prompt { id: 0, messages, shared_bytes: 0, constraint: None, max_tokens }
}
