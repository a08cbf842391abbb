//! `frontload aliases`: handles that say the same.

use std::process::ExitCode;

use frontload_core::Alias;
use frontload_engine::{Proposal, Why, decide_alias, held_aliases, propose_aliases};
use serde_json::json;

use crate::{
    args::{AliasArgs, AliasesCommand, ProposeArgs},
    commands::{handles::reviewer, open_folder},
    config::Config,
    print,
};

pub fn run(config: &Config, command: &AliasesCommand) -> anyhow::Result<ExitCode> {
    match command {
        AliasesCommand::Propose(args) => propose(config, args)?,
        AliasesCommand::Accept(args) => decide(config, args, true)?,
        AliasesCommand::Withdraw(args) => decide(config, args, false)?,
        AliasesCommand::List => list(config)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn propose(config: &Config, args: &ProposeArgs) -> anyhow::Result<()> {
    let proposals = propose_aliases(&open_folder(&config.index)?, args.kind.as_deref(), args.near)?;
    let shown = proposals.iter().take(args.most);
    if config.json {
        let rows: Vec<_> = shown
            .map(|Proposal { alias, why, chunks }| {
                json!({
                    "kind": alias.kind, "text": alias.text, "means": alias.means, "why": name(*why),
                    "chunks": [chunks.0, chunks.1],
                })
            })
            .collect();
        print::json(&json!({"schema_version": 1, "proposals": rows, "total": proposals.len()}));
        return Ok(());
    }
    for Proposal { alias, why, chunks } in shown {
        print::line(&format!(
            "{:<12} {:<40} means {:<40} {} ({} and {} passages)",
            print::clean(&alias.kind),
            print::cut(&format!("{:?}", alias.text), 40),
            print::cut(&format!("{:?}", alias.means), 40),
            name(*why),
            chunks.0,
            chunks.1
        ));
    }
    if proposals.len() > args.most {
        print::line(&format!("{} more; --most shows them", proposals.len() - args.most));
    }
    print::line("`frontload aliases accept KIND TEXT MEANS` takes one; `frontload rebuild` then publishes");
    Ok(())
}

fn name(why: Why) -> String {
    match why {
        Why::Form => "another form".to_owned(),
        Why::Spelling => "another spelling".to_owned(),
        Why::Abbreviation => "an abbreviation".to_owned(),
        Why::Near(near) => format!("near, {near:.2}"),
    }
}

fn decide(config: &Config, args: &AliasArgs, holds: bool) -> anyhow::Result<()> {
    let alias = Alias { kind: args.kind.clone(), text: args.text.clone(), means: args.means.clone() };
    decide_alias(&config.index, alias, holds, reviewer(args.by.as_deref()))?;
    print::line("kept in the ledger; `frontload rebuild` publishes it");
    Ok(())
}

fn list(config: &Config) -> anyhow::Result<()> {
    let held = held_aliases(&config.index)?;
    if config.json {
        let row = |(alias, by): &(Alias, String)| json!({"kind": alias.kind, "text": alias.text, "means": alias.means, "by": by});
        print::json(&json!({"schema_version": 1, "aliases": held.iter().map(row).collect::<Vec<_>>()}));
        return Ok(());
    }
    for (Alias { kind, text, means }, by) in &held {
        print::line(&print::clean(&format!("{kind:<12} {text:?} means {means:?}   ({by})")));
    }
    if held.is_empty() {
        print::line("none; `frontload aliases propose` looks for some");
    }
    Ok(())
}
