//! Judged topics, and what every lane of an index ranks for them: what measuring and choosing start from.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
};

use anyhow::{Context, bail};
use frontload_core::{ChunkId, Embedder, LaneRanking};
use frontload_engine::rank_lanes;
use frontload_eval::{Described, Qrels, RankedTopic, Topic, read_qrels, read_topics};
use frontload_index::Reader;

/// The topics that are judged, and their judgments; a judged topic without a text is a mistake in the files.
pub fn judged_topics(queries: &Path, judgments: &Path) -> anyhow::Result<(Vec<Topic>, Qrels)> {
    let qrels = read_qrels(judgments)?;
    let mut topics = read_topics(queries)?;
    topics.retain(|topic| qrels.contains_key(&topic.id));
    let known: BTreeSet<&str> = topics.iter().map(|topic| topic.id.as_str()).collect();
    let missing: Vec<&String> = qrels.keys().filter(|topic| !known.contains(topic.as_str())).collect();
    if let Some(first) = missing.first() {
        let (qrels, queries) = (judgments.display(), queries.display());
        bail!("{qrels} judges {} topics that {queries} does not have, the first {first:?}", missing.len());
    }
    Ok((topics, qrels))
}

/// Judgments of other documents than the index holds would measure nothing but zeros.
pub fn check_overlap(reader: &Reader, (path, qrels): (&Path, &Qrels)) -> anyhow::Result<()> {
    let relevant = qrels.values().flatten().filter(|(_, level)| **level > 0).map(|(document, _)| document.as_str());
    let wanted: HashSet<&str> = relevant.collect();
    let mut example = None;
    for id in reader.ids() {
        let document = reader.chunk(id)?.chunk.document;
        if wanted.contains(document.as_str()) {
            return Ok(());
        }
        example.get_or_insert(document);
    }
    let mut names: Vec<&str> = wanted.into_iter().collect();
    names.sort_unstable();
    bail!(
        "{}: none of the {} documents it judges relevant (such as {:?}) is in the index (which has such as {:?}): \
         another corpus, or other document ids?",
        path.display(),
        names.len(),
        names.first().copied().unwrap_or_default(),
        example.unwrap_or_default()
    );
}

/// Judged topics, looked along every lane.
pub struct Ranked {
    topics: Vec<Topic>,
    qrels: Qrels,
    lanes: Vec<Vec<LaneRanking>>,
    documents: HashMap<ChunkId, String>,
}

impl Ranked {
    pub fn read(
        reader: &Reader,
        embedder: &mut dyn Embedder,
        (queries, judgments): (&Path, &Path),
    ) -> anyhow::Result<Self> {
        let (topics, qrels) = judged_topics(queries, judgments)?;
        check_overlap(reader, (judgments, &qrels))?;
        let document = |id| Ok((id, reader.chunk(id)?.chunk.document));
        let documents = reader.ids().map(document).collect::<anyhow::Result<HashMap<ChunkId, String>>>()?;
        let mut lanes = Vec::with_capacity(topics.len());
        for topic in &topics {
            lanes.push(rank_lanes(reader, embedder, &topic.text).with_context(|| format!("topic {}", topic.id))?);
        }
        Ok(Self { topics, qrels, lanes, documents })
    }

    pub fn topics(&self) -> Vec<RankedTopic<'_>> {
        let ranked = self.topics.iter().zip(&self.lanes);
        ranked
            .filter_map(|(topic, lanes)| {
                let (id, judged) = self.qrels.get_key_value(&topic.id)?;
                Some(RankedTopic { id, lanes, judged })
            })
            .collect()
    }

    /// Every ranked topic's text and the value of a label.
    pub fn described<'a>(&'a self, label: Option<&str>) -> Vec<Described<'a>> {
        let described = |topic: &'a Topic| {
            let group = label.map(|label| topic.labels.get(label).map_or("(none)", String::as_str));
            Described { text: &topic.text, group }
        };
        self.topics.iter().map(described).collect()
    }

    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|topic| topic.text.as_str())
    }

    pub fn document(&self, chunk: ChunkId) -> &str {
        self.documents.get(&chunk).map_or("", String::as_str)
    }
}
