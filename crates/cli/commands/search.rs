//! `frontload search`: the index itself, or a running service.

use std::{env, fs, path::Path, process::ExitCode};

use anyhow::{Context, bail};
use frontload_core::Filter;
use frontload_engine::{Hit, LaneSelection, SearchRequest, SearchResponse, search};
use frontload_server::v1::{self, frontload_service_client::FrontloadServiceClient};
use serde_json::json;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::{
    args::{FusionName, SearchArgs},
    commands::open,
    config::Config,
    exit, print,
};

/// Holds the key for a service that wants one.
const KEY_VARIABLE: &str = "FRONTLOAD_KEY";

pub fn run(config: &Config, args: &SearchArgs) -> anyhow::Result<ExitCode> {
    if let Some(url) = &args.server {
        return ask_service(config, args, url);
    }
    let reader = open(config)?;
    let mut embedder = config.embedder(1)?;
    let mut request = SearchRequest {
        query: args.query.clone(),
        k: args.k as usize,
        lanes: args.lanes.selection()?,
        fusion: args.lanes.fusion(),
        filter: filter(args),
        group: args.group,
    };
    let found = search(&reader, &mut embedder, &request)?;
    if args.compare {
        request.lanes = LaneSelection::Plain;
        let plain = search(&reader, &mut embedder, &request)?;
        side_by_side(config, &plain, &found);
    } else if config.json {
        print::json(&response_json(&args.query, &found));
    } else {
        found.degraded.iter().for_each(|missing| eprintln!("warning: without {missing}"));
        found.hits.iter().for_each(|hit| print::hit(hit, args.explain));
    }
    Ok(if found.hits.is_empty() { ExitCode::from(exit::NO_HIT) } else { ExitCode::SUCCESS })
}

/// Both conditions, where both are given.
fn filter(args: &SearchArgs) -> Option<Filter> {
    match (args.filter.as_ref().map(|filter| filter.filter.clone()), args.during.map(Filter::During)) {
        (Some(one), Some(other)) => Some(Filter::And(vec![one, other])),
        (one, other) => one.or(other),
    }
}

fn side_by_side(config: &Config, plain: &SearchResponse, all: &SearchResponse) {
    if config.json {
        let hits = |found: &SearchResponse| found.hits.iter().map(hit_json).collect::<Vec<_>>();
        return print::json(&json!({"schema_version": 1, "plain": hits(plain), "handles": hits(all)}));
    }
    let dim = anstyle::Style::new().dimmed();
    print::line(&format!("    {:<40}  {}", "text alone", "with handles"));
    for rank in 0..plain.hits.len().max(all.hits.len()) {
        let cell = |hit: Option<&Hit>| {
            hit.map_or_else(String::new, |hit| {
                format!("{}  {}", print::name(&hit.chunk.id()), print::cut(&hit.chunk.title, 30))
            })
        };
        let (left, right) = (plain.hits.get(rank), all.hits.get(rank));
        let came = right.map_or_else(String::new, |hit| match hit.plain_rank {
            Some(before) if before == rank + 1 => String::new(),
            Some(before) => format!("  {dim}(was {before}){dim:#}"),
            None => format!("  {dim}(was not found){dim:#}"),
        });
        print::line(&format!("{:>2}. {:<40}  {}{came}", rank + 1, cell(left), cell(right)));
        if let Some((given, handle)) = right.and_then(print::best_handle) {
            print::line(&format!("    {:<40}    {dim}{}{dim:#} {}", "", given.given.lane, print::said(handle)));
        }
    }
}

/// A response as JSON; `ask` uses its hits too.
pub fn response_json(query: &str, found: &SearchResponse) -> serde_json::Value {
    json!({
        "schema_version": 1,
        "query": query,
        "generation": found.generation,
        "hits": found.hits.iter().map(hit_json).collect::<Vec<_>>(),
        "degraded": found.degraded,
        "embed_ms": found.embed_ms,
        "total_ms": found.total_ms,
    })
}

/// One hit as JSON.
pub fn hit_json(hit: &Hit) -> serde_json::Value {
    let evidence: Vec<serde_json::Value> = hit
        .evidence
        .iter()
        .map(|given| {
            let part = &given.given;
            let quote = given.handle.as_ref().and_then(|handle| print::quote(&hit.chunk, handle));
            json!({
                "lane": part.lane, "rank": part.rank, "score": part.score, "share": part.share,
                "handle": given.handle, "quote": quote,
            })
        })
        .collect();
    json!({
        "rank": hit.rank,
        "score": hit.score,
        "id": hit.chunk.id(),
        "document": hit.chunk.document,
        "title": hit.chunk.title,
        "text": hit.chunk.text,
        "source": hit.chunk.source,
        "language": hit.chunk.language,
        "metadata": hit.chunk.metadata,
        "place": hit.chunk.place,
        "plain_rank": hit.plain_rank,
        "evidence": evidence,
    })
}

fn ask_service(config: &Config, args: &SearchArgs, url: &str) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = service_request(args)?;
    let found = runtime.block_on(async {
        let mut client = FrontloadServiceClient::new(connect(url, args.ca.as_deref()).await?);
        let mut request = tonic::Request::new(request);
        if let Ok(key) = env::var(KEY_VARIABLE) {
            let value = format!("Bearer {key}").parse().with_context(|| format!("the variable {KEY_VARIABLE}"))?;
            request.metadata_mut().insert("authorization", value);
        }
        anyhow::Ok(client.search(request).await?.into_inner())
    })?;
    found.degraded.iter().for_each(|missing| eprintln!("warning: without {}", print::clean(missing)));
    for hit in &found.hits {
        let handle = hit.evidence.iter().find_map(|given| Some((&given.lane, given.handle.as_ref()?)));
        if config.json {
            let matched = handle.map(|(lane, handle)| json!({"lane": lane, "kind": handle.kind, "text": handle.text}));
            print::json(
                &json!({"rank": hit.rank, "score": hit.score, "id": hit.chunk_id, "title": hit.title, "matched": matched}),
            );
            continue;
        }
        let matched =
            handle.map_or_else(String::new, |(lane, handle)| format!("  {lane} “{}”", print::cut(&handle.text, 60)));
        print::line(&format!(
            "{:>2}. {}  {}  {:.3}{matched}",
            hit.rank,
            print::name(&hit.chunk_id),
            print::cut(&hit.title, 50),
            hit.score
        ));
    }
    if !config.json {
        eprintln!("generation {}, {:.1} ms in the service", found.generation, found.total_ms);
    }
    Ok(if found.hits.is_empty() { ExitCode::from(exit::NO_HIT) } else { ExitCode::SUCCESS })
}

async fn connect(url: &str, authority: Option<&Path>) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?;
    if !url.starts_with("https:") {
        return Ok(endpoint.connect().await?);
    }
    let mut tls = ClientTlsConfig::new();
    tls = match authority {
        Some(path) => {
            let pem = fs::read(path).with_context(|| path.display().to_string())?;
            tls.ca_certificate(Certificate::from_pem(pem))
        }
        None => tls.with_native_roots(),
    };
    Ok(endpoint.tls_config(tls)?.connect().await?)
}

fn service_request(args: &SearchArgs) -> anyhow::Result<v1::SearchRequest> {
    let (lane_set, lanes) = match args.lanes.lanes.as_str() {
        "all" => (v1::LaneSet::All, vec![]),
        "plain" => (v1::LaneSet::Plain, vec![]),
        names => (v1::LaneSet::Unspecified, names.split(',').map(str::to_owned).collect()),
    };
    let fusion = match args.lanes.fusion {
        None => v1::FusionMethod::Unspecified,
        Some(FusionName::Rrf) => v1::FusionMethod::Rrf,
        Some(FusionName::Convex) => v1::FusionMethod::Convex,
        Some(FusionName::Minmax | FusionName::Ceiling) => {
            bail!("--server: a service knows --fusion rrf and convex alone")
        }
    };
    let during = args.during.map_or_else(String::new, |days| days.to_string());
    let (query, k, group) = (args.query.clone(), args.k, args.group);
    let filter = args.filter.as_ref().map(|filter| filter.text.clone()).unwrap_or_default();
    Ok(v1::SearchRequest { query, k, lane_set: lane_set.into(), lanes, fusion: fusion.into(), during, filter, group })
}
