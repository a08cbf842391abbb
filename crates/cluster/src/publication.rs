//! What was published: the manifest and what searching needs beside it, as JSON in the rows of one small collection. The
//! alias leads to it, so that one change of the alias publishes everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use frontload_core::{Digest, Lane};
use frontload_index::Manifest;
use milvus::v2::request::{
    alias::{AlterAliasRequest, CreateAliasRequest},
    collection::{DescribeCollectionRequest, HasCollectionRequest},
};
use serde::{Deserialize, Serialize};

use crate::{
    ClusterError,
    connection::Milvus,
    facts::Known,
    layout::{Kind, MOST_ROWS, NUMBER, Set, TEXT},
    rows::{Row, cut},
    shelf::{Shelf, built},
};

/// Changes when an older program would misread it.
pub const FORMAT: u32 = 1;

/// What was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    pub format: u32,
    /// The hash of the generation's manifest, its files' hashes in it.
    pub source: Digest,
    pub manifest: Manifest,
    /// The numbers of its chunks.
    pub numbers: Vec<Range<u32>>,
    pub lanes: Vec<LaneAbout>,
    pub known: Known,
    /// Rows and checksum by collection and partition.
    pub counts: BTreeMap<String, Count>,
}

/// What a description of any format has.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// What searching a lane needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneAbout {
    pub lane: Lane,
    /// Texts that BM25 counts.
    #[serde(default)]
    pub documents: u64,
    /// The mean of its vectors, as the bits of each number: what is printed in decimals need not come back the same.
    #[serde(default)]
    pub mean: Vec<u32>,
    /// Vectors in it.
    #[serde(default)]
    pub rows: u64,
    /// The most vectors of one chunk.
    #[serde(default)]
    pub most_rows: usize,
    /// What it took where it was built.
    pub bytes: u64,
}

/// How many rows, and the sum of their marks: the order does not matter, a lost, doubled or other row does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub rows: u64,
    pub sum: u128,
}

impl Count {
    pub fn add(&mut self, mark: u128) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(mark);
    }

    /// Adds what was counted of other rows.
    pub fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} rows, checksum {:032x}", self.rows, self.sum)
    }
}

impl Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.rows, format!("{:032x}", self.sum)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (rows, sum) = <(u64, String)>::deserialize(deserializer)?;
        let sum = u128::from_str_radix(&sum, 16).map_err(serde::de::Error::custom)?;
        Ok(Self { rows, sum })
    }
}

/// Under which name a partition is counted.
pub fn counted(kind: Kind, partition: Option<&str>) -> String {
    match partition {
        Some(partition) => format!("{kind:?}/{partition}").to_lowercase(),
        None => format!("{kind:?}").to_lowercase(),
    }
}

impl Publication {
    /// The parts it is written in.
    pub fn parts(&self) -> Vec<Row> {
        let text = serde_json::to_string(self).unwrap_or_default();
        cut(&text).into_iter().enumerate().map(|(at, part)| Row::of_part(at as u32, part)).collect()
    }

    pub fn lane(&self, lane: &Lane) -> Option<&LaneAbout> {
        self.lanes.iter().find(|about| about.lane == *lane)
    }
}

/// The set the alias leads to, if there is one.
///
/// # Errors
/// When the name is a collection's, or leads to one that is not ours.
pub async fn live_set(milvus: &Milvus) -> Result<Option<Set>, ClusterError> {
    let name = milvus.connection.collection.clone();
    let shelf = Shelf { milvus: milvus.clone(), name: name.clone(), kind: Kind::About };
    let has = built(&shelf, HasCollectionRequest::builder().collection_name(&name).build())?;
    if !milvus.repeat("look for an alias", async |client| client.has_collection(has.clone()).await).await?.exists() {
        return Ok(None);
    }
    let describe = built(&shelf, DescribeCollectionRequest::builder().collection_name(&name).build())?;
    let found =
        milvus.repeat("follow an alias", async |client| client.describe_collection(describe.clone()).await).await?;
    let about = found.description().get_collection_name().to_owned();
    match Set::of(&name, &about) {
        Some(set) => Ok(Some(set)),
        None => Err(ClusterError::NotOurs {
            uri: milvus.connection.uri.clone(),
            collection: name.clone(),
            problem: if about == name {
                "it is a collection, and no alias".to_owned()
            } else {
                format!("it is an alias of {about}")
            },
        }),
    }
}

/// What is published, and in which set.
///
/// # Errors
/// When it does not read, or a newer program wrote it.
pub async fn live(milvus: &Milvus) -> Result<Option<(Set, Publication)>, ClusterError> {
    let Some(set) = live_set(milvus).await? else { return Ok(None) };
    let name = set.about(&milvus.connection.collection);
    let shelf = Shelf { milvus: milvus.clone(), name: name.clone(), kind: Kind::About };
    let found = shelf.query(None, &format!("{NUMBER} >= 0"), &[NUMBER, TEXT], MOST_ROWS).await?;
    let numbers = shelf.numbers(&found, NUMBER)?.iter().copied();
    let mut parts: Vec<(i64, &String)> = numbers.zip(shelf.strings(&found, TEXT)?).collect();
    parts.sort_unstable();
    let text: String = parts.into_iter().map(|(_, part)| part.as_str()).collect();
    let format: FormatOnly = serde_json::from_str(&text).map_err(|error| milvus.damaged(&name, error))?;
    if format.format != FORMAT {
        let problem = format!("format {}, this program reads {FORMAT}; upgrade it", format.format);
        return Err(milvus.damaged(&name, problem));
    }
    let publication = serde_json::from_str(&text).map_err(|error| milvus.damaged(&name, error))?;
    Ok(Some((set, publication)))
}

/// The first part of a set's description: what is published there is told from it, without reading the rest.
pub async fn beginning(milvus: &Milvus, set: Set) -> Result<Option<String>, ClusterError> {
    let shelf = Shelf { milvus: milvus.clone(), name: set.about(&milvus.connection.collection), kind: Kind::About };
    let found = shelf.query(None, &format!("{NUMBER} == 0"), &[NUMBER, TEXT], 1).await?;
    Ok(shelf.strings(&found, TEXT)?.first().cloned())
}

/// Leads the alias to a set: from now on searches see it, whole.
pub async fn lead_to(milvus: &Milvus, set: Set, first: bool) -> Result<(), ClusterError> {
    let (alias, collection) = (milvus.connection.collection.clone(), set.about(&milvus.connection.collection));
    let shelf = Shelf { milvus: milvus.clone(), name: collection.clone(), kind: Kind::About };
    let led = if first {
        let create = CreateAliasRequest::builder().alias(&alias).collection_name(&collection).build();
        let create = built(&shelf, create)?;
        milvus.repeat("make an alias", async |client| client.create_alias(create.clone()).await).await
    } else {
        let alter = AlterAliasRequest::builder().alias(&alias).collection_name(&collection).build();
        let alter = built(&shelf, alter)?;
        milvus.repeat("move an alias", async |client| client.alter_alias(alter.clone()).await).await
    };
    // When the answer was lost, asking again may be refused although it is done.
    if led.is_err() && live_set(milvus).await? == Some(set) {
        return Ok(());
    }
    led
}

/// Numbers as ranges.
pub fn ranges(numbers: &BTreeSet<u32>) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => ranges.push(number..number + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_do_not_mind_the_order_and_mind_everything_else() {
        let count = |marks: &[u128]| {
            let mut count = Count::default();
            for mark in marks {
                count.add(*mark);
            }
            count
        };
        let all = count(&[1, u128::MAX, 7]);
        assert_eq!(all, count(&[7, 1, u128::MAX]));
        assert!(all != count(&[1, 7]) && all != count(&[1, 7, 7]));
        let text = serde_json::to_string(&all).expect("written");
        assert_eq!(serde_json::from_str::<Count>(&text).expect("read"), all);
    }

    #[test]
    fn numbers_come_together_in_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10].into()), [1..4, 7..8, 9..11]);
        assert!(ranges(&BTreeSet::new()).is_empty());
    }
}
