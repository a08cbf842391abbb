//! `frontload config show`.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    config::{Config, user_path},
    print,
};

pub fn show(config: &Config) -> anyhow::Result<ExitCode> {
    let shown = config.layers.shown();
    if config.json {
        let settings: Vec<_> = shown
            .iter()
            .map(|setting| json!({"key": setting.key, "value": setting.value, "origin": setting.origin}))
            .collect();
        print::json(&json!({"schema_version": 1, "settings": settings}));
        return Ok(ExitCode::SUCCESS);
    }
    for setting in &shown {
        let value = setting.value.as_deref().unwrap_or("-");
        let origin = setting.origin.as_deref().unwrap_or("not set");
        print::line(&format!("{:<24} {:<48} {}", setting.key, print::clean(value), print::clean(origin)));
    }
    print::line(&format!("\nthe user's own settings would stand in {}", user_path()?.display()));
    Ok(ExitCode::SUCCESS)
}
