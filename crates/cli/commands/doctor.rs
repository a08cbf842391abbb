//! `frontload doctor`: what would be used here, and what is missing.

use std::process::ExitCode;

use frontload_core::Embedder;
use frontload_models::{LlamaProcess, ModelRef};
use serde_json::json;

use crate::{
    commands::{build_threads, open},
    config::Config,
    exit, print,
};

/// One thing looked at: what it is, and what was found or what is wrong.
struct Finding {
    what: &'static str,
    found: Result<String, String>,
}

pub fn run(config: &Config) -> ExitCode {
    let findings = [
        Finding { what: "program", found: Ok(format!("frontload {}", env!("CARGO_PKG_VERSION"))) },
        Finding { what: "threads", found: Ok(build_threads().to_string()) },
        Finding { what: "language model", found: model(config).map_err(|error| format!("{error:#}")) },
        Finding { what: "embedding model", found: embedder(config).map_err(|error| format!("{error:#}")) },
        Finding { what: "index", found: index(config).map_err(|error| format!("{error:#}")) },
    ];
    if config.json {
        let told = findings.iter().map(|finding| {
            let (good, text) = match &finding.found {
                Ok(text) => (true, text),
                Err(text) => (false, text),
            };
            json!({"what": finding.what, "good": good, "found": text})
        });
        print::json(&json!({"schema_version": 1, "findings": told.collect::<Vec<_>>()}));
    } else {
        for finding in &findings {
            let (mark, text) = match &finding.found {
                Ok(text) => ("ok     ", text),
                Err(text) => ("missing", text),
            };
            print::line(&format!("{mark}  {:<16} {}", finding.what, print::clean(text)));
        }
    }
    // An index is not there before the first build: only what a build needs decides.
    let fit = findings.iter().all(|finding| finding.what == "index" || finding.found.is_ok());
    if fit { ExitCode::SUCCESS } else { ExitCode::from(exit::MODEL) }
}

/// Loads the model and lets it compute, which is the only way to know that its kernels run here.
fn model(config: &Config) -> anyhow::Result<String> {
    let reference = config.model_ref()?;
    match &reference {
        ModelRef::File(_) | ModelRef::Hub { .. } => {
            let path = reference.resolve()?;
            let runs_on = LlamaProcess::new(&path, config.llama(1)?)?.runs_on()?;
            let why = runs_on.note.map_or_else(String::new, |note| format!("; {note}"));
            Ok(format!("{} on the {}, kernels {}{why}", path.display(), runs_on.device, runs_on.kernels))
        }
        ModelRef::Endpoint { .. } => Ok(format!("{reference} (an endpoint; it is asked first when indexing)")),
        ModelRef::Pool(_) | ModelRef::PoolFile(_) => {
            Ok(format!("{reference} ({} endpoints; they are asked first when indexing)", reference.machines()?))
        }
        ModelRef::Program(_) => Ok(format!("{reference} (a program; it is started when it is asked)")),
        ModelRef::Batch(_) => Ok(format!("{reference} (run elsewhere)")),
    }
}

fn embedder(config: &Config) -> anyhow::Result<String> {
    let embedder = config.embedder(1)?;
    Ok(format!("{} numbers a vector, {}", embedder.dimension(), embedder.fingerprint()))
}

fn index(config: &Config) -> anyhow::Result<String> {
    let reader = open(config)?;
    let manifest = reader.manifest();
    Ok(format!(
        "{}: generation {}, {} chunks, {} handles",
        config.index.path().display(),
        manifest.generation,
        manifest.chunks,
        manifest.handles
    ))
}
