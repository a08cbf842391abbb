//! Few-shots out of what people reviewed: those that were put right first, and no two alike.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write,
};

use frontload_core::{ChunkId, Field, KindSpec, Lane, Method, Verdict};
use toml::Value;

use super::Desk;
use crate::{
    EngineError,
    training::{LeftOut, row::standing},
};

/// Characters of a passage in an example.
const EXAMPLE_CHARS: usize = 900;
/// What a passage that was put right is worth beside one that is merely unlike the others.
const CORRECTED: f64 = 0.5;

/// Writes the best so many reviewed passages as `[[example]]` tables of a schema file: only passages all of whose
/// handles somebody looked at. What they say is what the live generation says, so publish before.
///
/// # Errors
/// When the generation breaks under our hands.
pub fn reviewed_examples(desk: &Desk, most: usize) -> Result<(String, usize), EngineError> {
    let mut corrected: HashMap<ChunkId, usize> = HashMap::new();
    let mut looked_at: BTreeSet<ChunkId> = BTreeSet::new();
    for (named, decided) in &desk.latest {
        let Some(&chunk) = desk.keys.get(&named.0) else { continue };
        match &decided.decision.verdict {
            Verdict::Edit(_) | Verdict::Reject => *corrected.entry(chunk).or_default() += 1,
            Verdict::Accept => {}
            Verdict::Flag | Verdict::Withdraw => continue,
        }
        looked_at.insert(chunk);
    }
    for item in desk.items.iter().filter(|item| item.gate.is_none() && asked(desk, &item.kind)) {
        let decided = desk
            .decided(item)
            .is_some_and(|decided| !matches!(decided.decision.verdict, Verdict::Flag | Verdict::Withdraw));
        if !decided && item.source != frontload_core::Source::Person {
            looked_at.remove(&item.chunk);
        }
    }
    let chosen = choose(desk, looked_at, &corrected, most);
    let mut text = String::new();
    for &chunk in &chosen {
        write_example(desk, chunk, &mut text)?;
    }
    Ok((text, chosen.len()))
}

fn asked(desk: &Desk, kind: &str) -> bool {
    desk.schema.asked().any(|spec| spec.kind == kind)
}

/// Greedily, each time the passage that is least like those chosen before, with a premium on what was put right.
fn choose(
    desk: &Desk,
    mut candidates: BTreeSet<ChunkId>,
    corrected: &HashMap<ChunkId, usize>,
    most: usize,
) -> Vec<ChunkId> {
    let lane = Lane { field: Field::Body, method: Method::Dense };
    let mut vectors: HashMap<ChunkId, &[f32]> = HashMap::new();
    for (chunk, vector) in desk.reader.lane_vectors(&lane) {
        vectors.entry(chunk).or_insert(vector);
    }
    let alike = |left: ChunkId, right: ChunkId| -> f64 {
        let (Some(left), Some(right)) = (vectors.get(&left), vectors.get(&right)) else { return 0.0 };
        left.iter().zip(*right).map(|(left, right)| f64::from(left * right)).sum()
    };
    let mut chosen: Vec<ChunkId> = Vec::new();
    while chosen.len() < most {
        let worth = |chunk: &ChunkId| {
            let nearest = chosen.iter().map(|other| alike(*chunk, *other)).fold(0.0, f64::max);
            let premium = if corrected.contains_key(chunk) { CORRECTED } else { 0.0 };
            1.0 - nearest + premium
        };
        let best = candidates.iter().max_by(|left, right| worth(left).total_cmp(&worth(right)).then(right.cmp(left)));
        let Some(&best) = best else { break };
        candidates.remove(&best);
        chosen.push(best);
    }
    chosen
}

fn write_example(desk: &Desk, chunk: ChunkId, text: &mut String) -> Result<(), EngineError> {
    let mut indexed = desk.reader.chunk(chunk)?;
    indexed.chunk.text = indexed.chunk.text.chars().take(EXAMPLE_CHARS).collect();
    let specs: Vec<&KindSpec> = desk.schema.asked().collect();
    let answer = standing(&specs, &indexed, &mut LeftOut::default());
    let lists: Vec<String> = answer
        .iter()
        .map(|(kind, texts)| {
            let quoted: Vec<String> = texts.iter().map(|text| Value::from(text.as_str()).to_string()).collect();
            format!("{kind} = [{}]", quoted.join(", "))
        })
        .collect();
    let _ = write!(
        text,
        "\n# {}, as reviewed\n[[example]]\ntitle = {}\ntext = {}\nhandles = {{ {} }}\n",
        indexed.chunk.id(),
        Value::from(indexed.chunk.title.as_str()),
        Value::from(indexed.chunk.text.as_str()),
        lists.join(", ")
    );
    Ok(())
}
