//! Handles of one kind that say the same in other words or letters: proposed by likeness, decided by a person.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{SystemTime, UNIX_EPOCH},
};

use frontload_core::{Alias, Field, Lane, Method, fold};
use frontload_enrich::{EnrichError, Record};
use frontload_index::{IndexDir, Reader};

use crate::{
    EngineError,
    workshop::{Workshop, healed},
};

/// Texts of a kind that are compared with one another, the most frequent first.
const MOST_TEXTS: usize = 6_000;
/// Letters that may differ, and from how long a text on.
const SLIPS: [(usize, usize); 2] = [(12, 2), (6, 1)];
/// Words of which an abbreviation has the first letters.
const INITIALS: std::ops::RangeInclusive<usize> = 2..=6;

/// Why two texts are taken for the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// They differ by hyphens, or by one being the plural.
    Form,
    /// They differ by a letter or two.
    Spelling,
    /// One has the first letters of the other's words.
    Abbreviation,
    /// Their vectors are this near.
    Near(f32),
}

/// Two texts that may mean the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What is proposed; the more frequent one is what the other means.
    pub alias: Alias,
    /// Why.
    pub why: Why,
    /// On how many chunks each stands.
    pub chunks: (usize, usize),
}

/// Why an alias was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AliasError {
    /// It joins nothing.
    #[error("{0:?} and {1:?} are the same text")]
    Same(String, String),
    /// No chunk has either.
    #[error("no {kind} says {text:?} or {means:?} in this index")]
    NotThere {
        /// The kind.
        kind: String,
        /// One text.
        text: String,
        /// The other.
        means: String,
    },
    /// Everything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A text with its vector and the chunks that have it.
struct Said<'a> {
    text: String,
    folded: String,
    chunks: usize,
    vector: Option<&'a [f32]>,
}

/// Pairs that may mean the same, kind by kind, the surest first. Vectors count from `near` on.
///
/// # Errors
/// When the generation breaks under our hands.
pub fn propose_aliases(reader: &Reader, kind: Option<&str>, near: f32) -> Result<Vec<Proposal>, EngineError> {
    let mut proposals = Vec::new();
    for (of_kind, said) in texts(reader)? {
        if kind.is_none_or(|kind| kind == of_kind) {
            proposals.extend(pairs(&of_kind, &said, near));
        }
    }
    let rank = |proposal: &Proposal| match proposal.why {
        Why::Form => 3.0,
        Why::Abbreviation => 2.5,
        Why::Spelling => 2.0,
        Why::Near(near) => near,
    };
    proposals.sort_by(|left, right| {
        rank(right).total_cmp(&rank(left)).then(right.chunks.cmp(&left.chunks)).then(left.alias.cmp(&right.alias))
    });
    Ok(proposals)
}

fn texts(reader: &Reader) -> Result<BTreeMap<String, Vec<Said<'_>>>, EngineError> {
    let mut vectors: HashMap<(u32, String, u32), &[f32]> = HashMap::new();
    for entry in reader.manifest().lanes.iter().filter(|entry| entry.lane.method == Method::Dense) {
        let Field::Handle(kind) = &entry.lane.field else { continue };
        let lane = Lane { field: Field::Handle(kind.clone()), method: Method::Dense };
        vectors.extend(reader.lane_items(&lane).map(|(chunk, item, vector)| ((chunk.0, kind.clone(), item), vector)));
    }
    let mut kinds: BTreeMap<String, BTreeMap<String, Said>> = BTreeMap::new();
    for id in reader.ids() {
        let indexed = reader.chunk(id)?;
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        for handle in &indexed.handles {
            let number = numbers.entry(&handle.kind).or_insert(0);
            let vector = vectors.get(&(id.0, handle.kind.clone(), *number)).copied();
            *number += 1;
            let folded = fold::fold(&handle.text);
            let of_kind = kinds.entry(handle.kind.clone()).or_default();
            let new = || Said { text: handle.text.clone(), folded: folded.clone(), chunks: 0, vector };
            of_kind.entry(folded.clone()).or_insert_with(new).chunks += 1;
        }
    }
    Ok(kinds.into_iter().map(|(kind, said)| (kind, frequent(said))).collect())
}

fn frequent<'a>(said: BTreeMap<String, Said<'a>>) -> Vec<Said<'a>> {
    let mut said: Vec<Said<'a>> = said.into_values().collect();
    said.sort_by(|left, right| right.chunks.cmp(&left.chunks).then(left.folded.cmp(&right.folded)));
    said.truncate(MOST_TEXTS);
    said
}

fn pairs(kind: &str, said: &[Said], near: f32) -> Vec<Proposal> {
    let forms: Vec<String> = said.iter().map(|one| form(&one.folded)).collect();
    let initials: Vec<Option<String>> = said.iter().map(|one| initials(&one.folded)).collect();
    let mut pairs = Vec::new();
    for (at, (more, more_form)) in said.iter().zip(&forms).enumerate() {
        for (after, (less, less_form)) in said.iter().zip(&forms).enumerate().skip(at + 1) {
            let short = |text: &str, of: Option<&Option<String>>| {
                of.and_then(Option::as_ref).is_some_and(|initials| initials.as_str() == text.replace(['.', ' '], ""))
            };
            let why = if more_form == less_form {
                Why::Form
            } else if short(&more.folded, initials.get(after)) || short(&less.folded, initials.get(at)) {
                Why::Abbreviation
            } else if misspelt(more_form, less_form) {
                Why::Spelling
            } else {
                match more.vector.zip(less.vector) {
                    Some((left, right)) => {
                        match left.iter().zip(right).map(|(left, right)| left * right).sum::<f32>() {
                            product if product >= near => Why::Near(product),
                            _ => continue,
                        }
                    }
                    None => continue,
                }
            };
            // Whoever is rarer means the more frequent one; an abbreviation always means what it stands for.
            let (text, means) = match why {
                Why::Abbreviation if short(&more.folded, initials.get(after)) => (more, less),
                _ => (less, more),
            };
            let alias = Alias { kind: kind.to_owned(), text: text.text.clone(), means: means.text.clone() };
            pairs.push(Proposal { alias, why, chunks: (text.chunks, means.chunks) });
        }
    }
    pairs
}

/// A folded text, which has no hyphens, with each word in what is most likely its singular.
fn form(folded: &str) -> String {
    folded.split(' ').map(singular).collect::<Vec<_>>().join(" ")
}

fn singular(word: &str) -> String {
    let long = word.chars().count() > 3;
    match word.strip_suffix("ies") {
        Some(stem) if long && stem.chars().count() > 1 => format!("{stem}y"),
        _ => match word.strip_suffix('s') {
            Some(stem) if long && !stem.ends_with(['s', 'u', 'i']) => stem.to_owned(),
            _ => word.to_owned(),
        },
    }
}

fn initials(folded: &str) -> Option<String> {
    let words: Vec<&str> = folded.split(' ').collect();
    INITIALS.contains(&words.len()).then(|| words.iter().filter_map(|word| word.chars().next()).collect())
}

/// Whether two forms differ by a slip. Numbers never do: 1883 is not 1888.
fn misspelt(left: &str, right: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let shorter = left.chars().count().min(right.chars().count());
    let Some((_, most)) = SLIPS.iter().find(|(from, _)| shorter >= *from) else { return false };
    if left.chars().count().abs_diff(right.chars().count()) > *most || digits(left) != digits(right) {
        return false;
    }
    // Words that differ in their first letter are other words: boat and coat.
    let firsts = |text: &str| text.split(' ').filter_map(|word| word.chars().next()).collect::<BTreeSet<char>>();
    firsts(left) == firsts(right) && strsim::osa_distance(left, right) <= *most
}

/// Every alias that holds.
///
/// # Errors
/// When another writer is at work, or the ledger cannot be read.
pub fn held_aliases(dir: &IndexDir) -> Result<Vec<(Alias, String)>, EngineError> {
    healed(dir, &mut || {
        let shop = Workshop::open(dir)?;
        let mut held = Vec::new();
        for place in shop.state.aliases().map_err(EnrichError::from)? {
            if let Record::Alias { alias, holds: true, by, .. } = shop.ledger.read(place)? {
                held.push((alias, by));
            }
        }
        Ok(held)
    })
}

/// Takes an alias into the ledger, or lets go of it. The next publish reflects it.
///
/// # Errors
/// When the two are one text, no chunk has either, or the ledger cannot be written.
pub fn decide_alias(dir: &IndexDir, alias: Alias, holds: bool, by: String) -> Result<(), AliasError> {
    let folded = [fold::fold(&alias.text), fold::fold(&alias.means)];
    if folded[0] == folded[1] {
        return Err(AliasError::Same(alias.text, alias.means));
    }
    if !dir.exists() {
        return Err(EngineError::NeverBuilt(dir.path().to_owned()).into());
    }
    let mut shop = healed(dir, &mut || Workshop::open(dir))?;
    let reader = Reader::open(dir).map_err(EngineError::from)?.reader;
    let mut there = false;
    for indexed in reader.chunks() {
        let indexed = indexed.map_err(EngineError::from)?;
        there |= indexed.handles.iter().any(|one| one.kind == alias.kind && folded.contains(&fold::fold(&one.text)));
    }
    if holds && !there {
        let Alias { kind, text, means } = alias;
        return Err(AliasError::NotThere { kind, text, means });
    }
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    shop.append(&[Record::Alias { alias, holds, by, at }])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_has_its_reasons() {
        let check = |more: &str, less: &str, expected: Option<Why>| {
            let said =
                |text: &str, chunks: usize| Said { text: text.into(), folded: fold::fold(text), chunks, vector: None };
            let found = pairs("thing", &[said(more, 9), said(less, 2)], 0.9);
            assert_eq!(found.first().map(|proposal| proposal.why), expected, "{more} / {less}");
        };
        check("herring boats", "Herring-boat", Some(Why::Form));
        check("ferries", "ferry", Some(Why::Form));
        check("signal station", "signall station", Some(Why::Spelling));
        check("great western railway", "G.W.R.", Some(Why::Abbreviation));
        check("harbour light", "harbor light", Some(Why::Spelling));
        check("the year 1883", "the year 1888", None);
        check("a red coat", "a red boat", None);
        check("glass", "gas", None);
    }

    #[test]
    fn an_abbreviation_means_what_it_stands_for() {
        let said =
            |text: &str, chunks: usize| Said { text: text.into(), folded: fold::fold(text), chunks, vector: None };
        let found = pairs("thing", &[said("GWR", 9), said("Great Western Railway", 2)], 0.9);
        assert_eq!(found[0].alias.means, "Great Western Railway");
    }
}
