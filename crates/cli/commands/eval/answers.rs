//! `frontload eval answers`: what `ask` says, against reference answers.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, bail};
use frontload_core::{Embedder, Generator};
use frontload_engine::{Exemplar, LaneSelection, SearchRequest, answer, gather, search};
use frontload_eval::{Given, Question, Score, interval, paired, read_questions, score};
use frontload_index::Reader;
use serde_json::{Value, json};

use crate::{
    args::EvalAnswersArgs,
    commands::{SEED, open},
    config::Config,
    print,
};

/// One way of answering.
struct Variant {
    name: &'static str,
    lanes: LaneSelection,
    exemplars: Vec<Exemplar>,
}

/// A variant's scores, question by question.
struct Column {
    name: &'static str,
    scores: Vec<Score>,
    given: Vec<Given>,
}

/// A measure over the questions it is defined for.
type OfScore = fn(&Score) -> Option<f64>;

/// Rows of the table: what is measured, over which questions.
const ROWS: [(&str, &str, OfScore); 6] = [
    ("contains", "a reference stands in the answer", |score| match score {
        Score::Answerable { contained, .. } => Some(f64::from(u8::from(*contained))),
        Score::Unanswerable { .. } => None,
    }),
    ("token F1", "words shared with the best reference", |score| match score {
        Score::Answerable { f1, .. } => Some(*f1),
        Score::Unanswerable { .. } => None,
    }),
    ("citation P", "cited documents that answer", |score| match score {
        Score::Answerable { cited_right, .. } => *cited_right,
        Score::Unanswerable { .. } => None,
    }),
    ("citation R", "questions whose answering document is cited", |score| match score {
        Score::Answerable { found, .. } => Some(f64::from(u8::from(*found))),
        Score::Unanswerable { .. } => None,
    }),
    ("false refusal", "silent though there is an answer", |score| match score {
        Score::Answerable { refused, .. } => Some(f64::from(u8::from(*refused))),
        Score::Unanswerable { .. } => None,
    }),
    ("right refusal", "silent where there is none", |score| match score {
        Score::Unanswerable { refused } => Some(f64::from(u8::from(*refused))),
        Score::Answerable { .. } => None,
    }),
];

pub fn run(config: &Config, args: &EvalAnswersArgs) -> anyhow::Result<ExitCode> {
    let questions = questions(args)?;
    let reader = open(&config.index)?;
    let mut embedder = config.embedder(1)?;
    let mut generator = config.generator(1)?;
    let exemplars = config.exemplars(args.exemplars.as_deref())?;
    let mut variants = vec![Variant { name: "as asked", lanes: LaneSelection::All, exemplars: exemplars.clone() }];
    if args.compare {
        variants.push(Variant { name: "no few-shots", lanes: LaneSelection::All, exemplars: Vec::new() });
        variants.push(Variant { name: "no handles", lanes: LaneSelection::Plain, exemplars });
    }
    let mut columns = Vec::new();
    for variant in &variants {
        let ask = |question: &Question| {
            given((&reader, &mut embedder, generator.as_mut()), args, variant, question)
                .with_context(|| format!("question {}", question.id))
        };
        let given = questions.iter().map(ask).collect::<anyhow::Result<Vec<Given>>>()?;
        let scores = questions.iter().zip(&given).map(|(question, given)| score(question, given)).collect();
        columns.push(Column { name: variant.name, scores, given });
    }
    if config.json {
        print::json(&as_json(args, &questions, &columns));
    } else {
        describe(args, &questions, &columns);
    }
    Ok(ExitCode::SUCCESS)
}

fn questions(args: &EvalAnswersArgs) -> anyhow::Result<Vec<Question>> {
    let mut questions = read_questions(&args.questions)?;
    if let Some(only) = &args.only {
        let Some((label, value)) = only.split_once('=') else { bail!("--only {only:?}: expected LABEL=VALUE") };
        questions.retain(|question| question.labels.get(label).is_some_and(|own| own == value));
        if questions.is_empty() {
            bail!("--only {only}: no question of {} has this label", args.questions.display());
        }
    }
    Ok(questions)
}

fn given(
    (reader, embedder, generator): (&Reader, &mut dyn Embedder, &mut dyn Generator),
    args: &EvalAnswersArgs,
    variant: &Variant,
    question: &Question,
) -> anyhow::Result<Given> {
    let lanes = variant.lanes.clone();
    let found =
        search(reader, embedder, &SearchRequest { lanes, ..SearchRequest::new(&question.text, args.k as usize) })?;
    let material = gather(found, &question.text, embedder)?;
    let answer = answer(material, &question.text, generator, &variant.exemplars, args.free)?;
    let ranks = answer.sentences.iter().flat_map(|sentence| &sentence.citations);
    let cited = ranks.filter_map(|rank| Some(answer.hits.get(rank - 1)?.chunk.document.clone())).collect();
    let said: Vec<&str> = answer.sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    Ok(Given { text: said.join(" "), cited })
}

fn values(column: &Column, of: OfScore) -> Vec<f64> {
    column.scores.iter().filter_map(of).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn describe(args: &EvalAnswersArgs, questions: &[Question], columns: &[Column]) {
    let answerable = questions.iter().filter(|question| question.is_answerable()).count();
    print::line(&format!("{} questions, of which {} have no answer", questions.len(), questions.len() - answerable));
    let names: String = columns.iter().map(|column| format!("{:>26}", column.name)).collect();
    print::line(&format!("{:<14}{names}", ""));
    for (name, what, of) in ROWS {
        let cells: String = columns
            .iter()
            .map(|column| {
                let values = values(column, of);
                let (low, high) = interval(&values, SEED);
                format!("{:>26}", format!("{:.3} ({low:.3} to {high:.3})", mean(&values)))
            })
            .collect();
        print::line(&format!("{name:<14}{cells}   {what}"));
    }
    if let Some((first, others)) = columns.split_first() {
        for other in others {
            for (name, _, of) in ROWS.iter().take(1) {
                let pairs: Vec<(f64, f64)> = values(first, *of).into_iter().zip(values(other, *of)).collect();
                let told = print::difference(&paired(&pairs, SEED), "questions");
                print::line(&format!("  {name}, {} against {}: {told}", other.name, first.name));
            }
        }
    }
    if args.per_query {
        for (at, question) in questions.iter().enumerate() {
            for column in columns {
                let (Some(score), Some(given)) = (column.scores.get(at), column.given.get(at)) else { continue };
                print::line(&format!("{}  {}  {score:?}  {}", question.id, column.name, print::cut(&given.text, 80)));
            }
        }
    }
}

fn as_json(args: &EvalAnswersArgs, questions: &[Question], columns: &[Column]) -> Value {
    let variants: BTreeMap<&str, Value> = columns
        .iter()
        .map(|column| {
            let measures: BTreeMap<&str, Value> = ROWS
                .iter()
                .map(|(name, _, of)| {
                    let values = values(column, *of);
                    (
                        *name,
                        json!({"mean": mean(&values), "interval": interval(&values, SEED), "questions": values.len()}),
                    )
                })
                .collect();
            let mut value = json!({"measures": measures});
            if args.per_query {
                let rows = questions.iter().zip(&column.given).zip(&column.scores);
                let row = |((question, given), score): ((&Question, &Given), &Score)| {
                    let values: BTreeMap<&str, f64> =
                        ROWS.iter().filter_map(|(name, _, of)| Some((*name, of(score)?))).collect();
                    json!({"id": question.id, "answer": given.text, "cited": given.cited, "measures": values})
                };
                value["per_query"] = json!(rows.map(row).collect::<Vec<_>>());
            }
            (column.name, value)
        })
        .collect();
    json!({"schema_version": 1, "questions": questions.len(), "variants": variants})
}
