//! `frontload ask`.

use std::process::ExitCode;

use frontload_engine::{SearchRequest, answer, gather, search};
use serde_json::json;

use crate::{
    args::AskArgs,
    commands::{open, search::hit_json},
    config::Config,
    exit, print,
};

pub fn run(config: &Config, args: &AskArgs) -> anyhow::Result<ExitCode> {
    let reader = open(&config.index)?;
    let mut embedder = config.embedder(1)?;
    let mut generator = config.generator(1)?;
    let exemplars = config.exemplars(args.exemplars.as_deref())?;
    let found = search(&reader, &mut embedder, &SearchRequest::new(&args.question, args.k as usize))?;
    let material = gather(found, &args.question, &mut embedder)?;
    let answer = answer(material, &args.question, generator.as_mut(), &exemplars, args.free)?;
    if config.json {
        let sentences: Vec<serde_json::Value> = answer
            .sentences
            .iter()
            .map(|said| json!({"text": said.text, "citations": said.citations, "supported": said.supported}))
            .collect();
        print::json(&json!({
            "schema_version": 1,
            "question": args.question,
            "answer": answer.text(),
            "sentences": sentences,
            "hits": answer.hits.iter().map(hit_json).collect::<Vec<_>>(),
            "degraded": answer.degraded,
        }));
    } else {
        answer.degraded.iter().for_each(|missing| eprintln!("warning: without {missing}"));
        print::line(&print::clean(&answer.text()));
        for sentence in answer.sentences.iter().filter(|sentence| !sentence.supported) {
            print::line(&format!("  not found in what it cites: “{}”", print::cut(&sentence.text, 80)));
        }
        for hit in &answer.hits {
            let cited = answer.sentences.iter().any(|sentence| sentence.citations.contains(&hit.rank));
            if cited {
                print::line(&format!(
                    "  [{}] {}  {}",
                    hit.rank,
                    print::clean(&hit.chunk.id()),
                    print::cut(&hit.chunk.title, 60)
                ));
            }
        }
    }
    Ok(if answer.sentences.is_empty() { ExitCode::from(exit::NO_HIT) } else { ExitCode::SUCCESS })
}
