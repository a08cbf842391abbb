//! `frontload hubs`: chunks that come up whatever is asked.

use std::process::ExitCode;

use anyhow::bail;
use frontload_engine::{HUB_HITS, Hub, Hubs, Probe, look_for_hubs, sample_probes};
use frontload_eval::read_topics;
use serde_json::{Value, json};

use crate::{args::HubsArgs, commands::open, config::Config, exit, print};

/// Lanes and handles shown of a hub.
const SHOWN: usize = 3;

pub fn run(config: &Config, args: &HubsArgs) -> anyhow::Result<ExitCode> {
    let reader = open(config)?;
    let probes = match &args.queries {
        Some(path) => read_topics(path)?.into_iter().map(|topic| Probe { text: topic.text, own: None }).collect(),
        None => sample_probes(&reader, args.probes as usize, args.seed)?,
    };
    if probes.is_empty() {
        bail!("no passage has a title or a handle to probe with; name queries with --queries FILE");
    }
    let found = look_for_hubs(&reader, &mut config.embedder(1)?, &probes)?;
    if config.json {
        print::json(&as_json(&found));
    } else {
        describe(&found, args.queries.is_none());
    }
    Ok(if found.hubs.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::QUARANTINED) })
}

fn describe(found: &Hubs, sampled: bool) {
    let Hubs { probes, chunks, expected, usual, least, hubs } = found;
    let from = if sampled { " from the index itself" } else { "" };
    print::line(&format!("{probes} probes{from}, {chunks} chunks, {HUB_HITS} hits each"));
    print::line(&format!(
        "if all chunks were alike, {expected:.1} probes would find each; 95% of them are found by {usual} or fewer"
    ));
    let Some(least) = least else {
        return print::line("too few chunks or probes to tell a hub from chance");
    };
    print::line(&format!("a hub is what {least} probes or more find"));
    for hub in hubs {
        describe_hub(hub, *probes);
    }
    if hubs.is_empty() {
        print::line("none");
    }
}

fn describe_hub(hub: &Hub, probes: usize) {
    let (id, share) = (hub.chunk.id(), 100.0 * hub.probes as f64 / probes as f64);
    print::line(&print::clean(&format!("\n{id}  found by {} ({share:.0}%)  {}", hub.probes, place(hub))));
    print::line(&format!("    {}", print::cut(&hub.chunk.text, 100)));
    let lanes = hub.lanes.iter().take(SHOWN).map(|(lane, count)| format!("{lane} {count}"));
    print::line(&format!("    by {}", lanes.collect::<Vec<_>>().join(", ")));
    for ((kind, text), count) in hub.handles.iter().take(SHOWN) {
        print::line(&format!("    {kind} “{}” {count}", print::cut(text, 70)));
    }
    for command in commands(hub) {
        print::line(&format!("    {}", print::clean(&command)));
    }
}

/// Its source and file.
fn place(hub: &Hub) -> String {
    let path = hub.chunk.place.as_ref().map_or("", |place| place.path.as_str());
    format!("{}/{path}", hub.chunk.source)
}

/// What to do next: look, then take out a handle or the document.
fn commands(hub: &Hub) -> Vec<String> {
    let id = quoted(&hub.chunk.id());
    let disable = hub.handles.first().map(|((kind, text), _)| {
        let text = quoted(text);
        format!("frontload handles disable {id} {kind} {text}")
    });
    let purge = format!("frontload purge --document {} --dry-run", quoted(&hub.chunk.document));
    [Some(format!("frontload inspect {id}")), disable, Some(purge)].into_iter().flatten().collect()
}

/// As a shell reads it as one word.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./#:".contains(letter);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('#') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn as_json(found: &Hubs) -> Value {
    let hubs = found.hubs.iter().map(|hub| {
        let lanes = hub.lanes.iter().map(|(lane, count)| json!({"lane": lane, "probes": count})).collect::<Vec<_>>();
        let handle =
            |((kind, text), count): &((String, String), usize)| json!({"kind": kind, "text": text, "probes": count});
        json!({
            "id": hub.chunk.id(), "document": hub.chunk.document, "source": hub.chunk.source, "place": hub.chunk.place,
            "probes": hub.probes, "lanes": lanes, "handles": hub.handles.iter().map(handle).collect::<Vec<_>>(),
            "next": commands(hub),
        })
    });
    json!({
        "schema_version": 1, "probes": found.probes, "chunks": found.chunks, "hits": HUB_HITS,
        "expected": found.expected, "usual": found.usual, "least": found.least, "hubs": hubs.collect::<Vec<_>>(),
    })
}
