//! `frontload models`: language models on this machine.

use std::process::ExitCode;

use anyhow::bail;
use frontload_models::{ModelRef, Stored, remove_stored, stored};
use indicatif::HumanBytes;
use serde_json::json;

use crate::{
    args::{ModelArgs, ModelsCommand},
    config::{Config, models_folder},
    print,
};

pub fn run(config: &Config, command: &ModelsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::List => list(config)?,
        ModelsCommand::Pull(args) => print::line(&hub(args)?.resolve()?.display().to_string()),
        ModelsCommand::Path(args) => {
            let reference: ModelRef = args.model.parse()?;
            print::line(&reference.on_disk()?.display().to_string());
        }
        ModelsCommand::Rm(args) => {
            let removed = remove_stored(&hub(args)?)?;
            print::line(&format!("{} deleted, {} freed", removed.path.display(), HumanBytes(removed.bytes)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn hub(args: &ModelArgs) -> anyhow::Result<ModelRef> {
    match args.model.parse()? {
        reference @ ModelRef::Hub { .. } => Ok(reference),
        other => {
            bail!("{other}: only models of the hub are fetched and deleted here: hf:ORG/REPO[@REVISION]/FILE.gguf")
        }
    }
}

fn list(config: &Config) -> anyhow::Result<()> {
    let models = stored(&models_folder())?;
    if config.json {
        let rows =
            models.iter().map(|Stored { name, path, bytes }| json!({"name": name, "path": path, "bytes": bytes}));
        print::json(&json!({"schema_version": 1, "models": rows.collect::<Vec<_>>()}));
        return Ok(());
    }
    for Stored { name, path, bytes } in &models {
        print::line(&format!("{:>10}  {}", HumanBytes(*bytes).to_string(), print::clean(name)));
        if !name.starts_with("hf:") {
            continue;
        }
        print::line(&format!("            {}", print::clean(&path.display().to_string())));
    }
    if models.is_empty() {
        print::line(
            "none; `make setup` fetches the small one, and `frontload models pull hf:ORG/REPO/FILE.gguf` others",
        );
    }
    Ok(())
}
