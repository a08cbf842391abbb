//! `frontload export training`: rows to tune a small model with.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, bail};
use frontload_engine::{EngineError, LeftOut, Training, TrainingOptions, training};
use serde_json::{Value, json};

use crate::{
    args::{AnswersName, ExportTrainingArgs},
    commands::{open, schema},
    config::Config,
    exit, print,
};

/// Written in this order: the rows to learn from say that the others are whole.
const FILES: [&str; 3] = ["split.json", "test.jsonl", "train.jsonl"];

pub fn export(config: &Config, args: &ExportTrainingArgs) -> anyhow::Result<ExitCode> {
    let there: Vec<_> = FILES.iter().map(|name| args.out.join(name)).filter(|path| path.exists()).collect();
    if let Some(path) = there.last().filter(|_| !args.force) {
        bail!("{}: is there already; --force writes over it", path.display());
    }
    let reader = open(config)?;
    let named = args.schema.as_deref().map(schema::read).transpose()?;
    let options = TrainingOptions {
        schema: named.as_ref().map(|(schema, _)| schema),
        place: args.schema.as_deref().unwrap_or(config.index.path()),
        kinds: &args.kinds,
        format: args.format.format(),
        answers: args.answers.map(AnswersName::form),
        examples: !args.no_examples,
        held_out: args.held_out,
        seed: args.seed,
        max_tokens: args.max_tokens,
    };
    let mut generator = config.generator(1)?;
    let made = training(&reader, &options, generator.as_mut())?;
    let told = told(&made.left_out, args.max_tokens);
    if made.train.is_empty() && made.test.is_empty() {
        eprintln!("no rows, and nothing written; left out: {}", told.join("; "));
        return Ok(ExitCode::from(exit::NO_HIT));
    }
    fs::create_dir_all(&args.out).map_err(EngineError::Output).with_context(|| args.out.display().to_string())?;
    // Rows of two exports side by side would be split by two rules.
    for path in there {
        fs::remove_file(&path).map_err(EngineError::Output).with_context(|| path.display().to_string())?;
    }
    let split = serde_json::to_string_pretty(&made.split)? + "\n";
    for (name, text) in FILES.iter().zip([split, lines(&made.test), lines(&made.train)]) {
        let path = args.out.join(name);
        fs::write(&path, text).map_err(EngineError::Output).with_context(|| path.display().to_string())?;
    }
    for (rows, name) in [(&made.train, "train"), (&made.test, "test")] {
        if rows.is_empty() {
            eprintln!("warning: {name}.jsonl is empty: another --seed or --held-out divides the documents otherwise");
        }
    }
    if config.json {
        print::json(&as_json(&args.out, &made));
    } else {
        describe(config, &args.out, &made, &told);
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn describe(config: &Config, out: &Path, made: &Training, told: &[String]) {
    let Training { train, test, documents, longest, .. } = made;
    let out = out.display();
    print::line(&format!("{out}/train.jsonl: {} rows, out of {} documents", train.len(), documents.0));
    print::line(&format!("{out}/test.jsonl: {} rows, out of {} other documents", test.len(), documents.1));
    match longest {
        Some(tokens) => print::line(&format!(
            "every row was rendered through the chat template of {}; the longest has {tokens} tokens",
            config.model
        )),
        None => print::line(&format!(
            "no row was checked: {} has no tokenizer here; name the GGUF file that is to be tuned with --model",
            config.model
        )),
    }
    for told in told {
        print::line(&format!("left out: {told}"));
    }
}

fn as_json(out: &Path, made: &Training) -> Value {
    let Training { train, test, documents, left_out, longest, split } = made;
    json!({
        "schema_version": 1,
        "out": out.display().to_string(),
        "format": split["format"],
        "answers": split["answers"],
        "kinds": split["kinds"],
        "rows": {"train": train.len(), "test": test.len()},
        "documents": {"train": documents.0, "test": documents.1},
        "checked": longest.is_some(),
        "longest_tokens": longest,
        "left_out": left_out,
    })
}

/// What was left out, and why.
fn told(left_out: &LeftOut, max_tokens: u32) -> Vec<String> {
    let LeftOut { unanswered, too_long, agreed, twins, unfit_handles, unasked_handles, unknown_kinds } = left_out;
    let counted = [
        (*unanswered, "rows that nobody answered".to_owned()),
        (*too_long, format!("rows longer than {max_tokens} tokens")),
        (*agreed, "rows where what the model said is what stands".to_owned()),
        (*twins, "rows about a passage that stands in a test document too".to_owned()),
        (*unfit_handles, "handles that the model could not have written within their kind's limits".to_owned()),
    ];
    let mut told: Vec<String> =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let unasked = unasked_handles.iter();
    told.extend(unasked.map(|(kind, count)| format!("{count} handles {kind}, which the schema does not ask for")));
    let unknown = unknown_kinds.iter();
    told.extend(unknown.map(|kind| format!("the kind {kind}, of which the index holds nothing")));
    if told.is_empty() { vec!["nothing".to_owned()] } else { told }
}
