//! `frontload ask`.

use std::{ops::ControlFlow, process::ExitCode};

use frontload_core::{Embedder, Generator};
use frontload_engine::{Answer, Manner, SearchRequest, answer, gather, search};
use serde_json::json;

use crate::{
    args::{AskArgs, ModeName},
    commands::{open, search::hit_json},
    config::Config,
    exit, print,
};

pub fn run(config: &Config, args: &AskArgs) -> anyhow::Result<ExitCode> {
    let reader = open(config)?;
    let mut embedder = config.embedder(1)?;
    let mut generator = match args.answering.mode {
        Some(ModeName::Extract) => None,
        _ => Some(config.answerer()?),
    };
    let manner = generator.as_ref().map_or(Manner::Extract, |generator| Manner::of(generator.as_ref()));
    let how = config.answering(&args.answering, manner, &mut |texts, role| embedder.embed(texts, role))?;
    let filter = args.filter.as_ref().map(|filter| filter.filter.clone());
    let request = SearchRequest { filter, ..SearchRequest::new(&args.question, args.k as usize) };
    let found = search(&reader, &mut embedder, &request)?;
    let material = gather(found, &args.question, &mut |texts, role| embedder.embed(texts, role))?;
    let generator = generator.as_mut().map(|generator| generator.as_mut() as &mut dyn Generator);
    let answered = answer(material, &args.question, &how, generator, &mut |_| ControlFlow::Continue(()))?;
    // Nothing above stops it.
    let Some(answer) = answered else { return Ok(ExitCode::from(exit::INTERRUPTED)) };
    if config.json {
        print::json(&as_json(&args.question, &answer));
    } else {
        describe(&answer);
    }
    Ok(if answer.sentences.is_empty() { ExitCode::from(exit::NO_HIT) } else { ExitCode::SUCCESS })
}

/// An answer as JSON.
fn as_json(question: &str, answer: &Answer) -> serde_json::Value {
    let sentences: Vec<serde_json::Value> = answer
        .sentences
        .iter()
        .map(|said| json!({"text": said.text, "citations": said.citations, "supported": said.supported}))
        .collect();
    json!({
        "schema_version": 1,
        "question": question,
        "answer": answer.text(),
        "sentences": sentences,
        "refusal": answer.refusal.as_ref().map(|(why, _)| why.name()),
        "nearness": answer.nearness,
        "hits": answer.hits.iter().map(hit_json).collect::<Vec<_>>(),
        "degraded": answer.degraded,
    })
}

fn describe(answer: &Answer) {
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
