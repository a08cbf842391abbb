//! `frontload eval answers`: what `ask` says, against reference answers.

use std::{collections::BTreeMap, ops::ControlFlow, process::ExitCode};

use anyhow::{Context, bail};
use frontload_core::{Embedder, Generator};
use frontload_engine::{Answering, Exemplars, LaneSelection, Manner, Material, SearchRequest, answer, gather, search};
use frontload_eval::{Calibration, Given, Paired, Question, Score, calibrate, interval, paired, read_questions, score};
use frontload_index::Reader;
use serde_json::{Value, json};

use crate::{
    args::{EvalAnswersArgs, ModeName},
    commands::{SEED, open},
    config::Config,
    print,
};

/// The most questions with an answer that a threshold may refuse, as a share.
const MOST_WRONG: f64 = 0.1;

/// One way of answering.
struct Variant {
    name: &'static str,
    lanes: LaneSelection,
    how: Answering,
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
    let reader = open(config)?;
    let mut embedder = config.embedder(1)?;
    if args.calibrate {
        return choose_threshold(config, args, (&reader, &mut embedder), &questions);
    }
    let mut generator = match args.answering.mode {
        Some(ModeName::Extract) => None,
        _ => Some(config.answerer()?),
    };
    let manner = generator.as_ref().map_or(Manner::Extract, |generator| Manner::of(generator.as_ref()));
    let how = config.answering(&args.answering, manner, &mut |texts, role| embedder.embed(texts, role))?;
    let mut variants = vec![Variant { name: "as asked", lanes: LaneSelection::All, how: how.clone() }];
    if args.compare {
        let without = Answering { exemplars: Exemplars::default(), ..how.clone() };
        variants.push(Variant { name: "no few-shots", lanes: LaneSelection::All, how: without });
        if !how.told_kinds.is_empty() {
            let untold = Answering { told_kinds: Vec::new(), ..how.clone() };
            variants.push(Variant { name: "handles not told", lanes: LaneSelection::All, how: untold });
        }
        variants.push(Variant { name: "no handles", lanes: LaneSelection::Plain, how });
    }
    let mut columns = Vec::new();
    for variant in &variants {
        let ask = |question: &Question| {
            let generator = generator.as_mut().map(|generator| generator.as_mut() as &mut dyn Generator);
            given((&reader, &mut embedder, generator), args, variant, question)
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
    (reader, embedder, generator): (&Reader, &mut dyn Embedder, Option<&mut dyn Generator>),
    args: &EvalAnswersArgs,
    variant: &Variant,
    question: &Question,
) -> anyhow::Result<Given> {
    let material = material((reader, embedder), args, &variant.lanes, question)?;
    let answered = answer(material, &question.text, &variant.how, generator, &mut |_| ControlFlow::Continue(()))?;
    let Some(answer) = answered else { bail!("the answer was stopped") };
    let ranks = answer.sentences.iter().flat_map(|sentence| &sentence.citations);
    let cited = ranks.filter_map(|rank| Some(answer.hits.get(rank - 1)?.chunk.document.clone())).collect();
    let said: Vec<&str> = answer.sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    Ok(Given { text: said.join(" "), cited })
}

fn material(
    (reader, embedder): (&Reader, &mut dyn Embedder),
    args: &EvalAnswersArgs,
    lanes: &LaneSelection,
    question: &Question,
) -> anyhow::Result<Material> {
    let lanes = lanes.clone();
    let request = SearchRequest { lanes, ..SearchRequest::new(&question.text, args.k as usize) };
    let found = search(reader, embedder, &request)?;
    Ok(gather(found, &question.text, &mut |texts, role| embedder.embed(texts, role))?)
}

/// What asks no model: how near the nearest sentence is to each question, and where to draw the line.
fn choose_threshold(
    config: &Config,
    args: &EvalAnswersArgs,
    (reader, embedder): (&Reader, &mut dyn Embedder),
    questions: &[Question],
) -> anyhow::Result<ExitCode> {
    let (mut answerable, mut unanswerable) = (Vec::new(), Vec::new());
    for question in questions {
        let material = material((reader, embedder), args, &LaneSelection::All, question)
            .with_context(|| format!("question {}", question.id))?;
        let side = if question.is_answerable() { &mut answerable } else { &mut unanswerable };
        side.push(material.nearness.map_or(-1.0, f64::from));
    }
    let Some(chosen) = calibrate(&answerable, &unanswerable, MOST_WRONG) else {
        bail!(
            "choosing needs questions with an answer and questions without; here are {} and {}",
            answerable.len(),
            unanswerable.len()
        );
    };
    let Calibration { threshold, right, wrong, auc } = chosen;
    let (with, without) = (answerable.len(), unanswerable.len());
    if config.json {
        print::json(&json!({
            "schema_version": 1, "refuse_below": threshold, "right_refusal": right, "false_refusal": wrong, "auc": auc,
            "answerable": with, "unanswerable": without,
        }));
    } else {
        print::line(&format!(
            "the nearest sentence parts the {with} questions with an answer from the {without} without: AUC {auc:.3}"
        ));
        print::line(&format!(
            "refuse_below = {threshold:.3}   refuses {right:.2} of those without, {wrong:.2} of those with"
        ));
        eprintln!("put that line under [answers] in frontload.toml, and report on other questions than these");
    }
    Ok(ExitCode::SUCCESS)
}

fn values(column: &Column, of: OfScore) -> Vec<f64> {
    column.scores.iter().filter_map(of).collect()
}

/// A column's values less the first's, over the questions for which both have one.
fn against(first: &Column, other: &Column, of: OfScore) -> Option<Paired> {
    let both = first.scores.iter().zip(&other.scores);
    let pairs: Vec<(f64, f64)> = both.filter_map(|(first, other)| Some((of(first)?, of(other)?))).collect();
    (!pairs.is_empty()).then(|| paired(&pairs, SEED))
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
            print::line(&format!("{} against {}", other.name, first.name));
            for (name, _, of) in ROWS {
                if let Some(compared) = against(first, other, of) {
                    print::line(&format!("  {name:<14}{}", print::difference(&compared, "questions")));
                }
            }
        }
    }
    if args.per_query {
        for (at, question) in questions.iter().enumerate() {
            for column in columns {
                let (Some(score), Some(given)) = (column.scores.get(at), column.given.get(at)) else { continue };
                let (id, said) = (print::clean(&question.id), print::cut(&given.text, 80));
                print::line(&format!("{id}  {}  {score:?}  {said}", column.name));
            }
        }
    }
}

fn as_json(args: &EvalAnswersArgs, questions: &[Question], columns: &[Column]) -> Value {
    let variants: BTreeMap<&str, Value> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let measures: BTreeMap<&str, Value> = ROWS
                .iter()
                .map(|(name, _, of)| {
                    let values = values(column, *of);
                    let mut measure =
                        json!({"mean": mean(&values), "interval": interval(&values, SEED), "questions": values.len()});
                    if let Some(first) = columns.first().filter(|_| at > 0) {
                        measure["against_first"] =
                            json!(against(first, column, *of).map(|paired| print::compared(&paired)));
                    }
                    (*name, measure)
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
