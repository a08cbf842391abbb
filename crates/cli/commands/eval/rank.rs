//! Rankings for judged topics, and topics that prove less than they seem to.

use std::collections::BTreeSet;

use anyhow::Context;
use frontload_core::{Embedder, Method};
use frontload_engine::{Hit, HubCount, LaneSelection, SearchRequest, search};
use frontload_eval::{Run, Topic};
use frontload_index::Reader;

use crate::{args::LaneArgs, print};

/// Documents ranked for each topic.
const DEPTH: usize = 100;
/// A query this near to a handle says the same in the same words: paraphrases were seen up to 0.9.
const SAME: f32 = 0.95;
/// Topics' label that tells what wrote them.
pub const MADE_BY: &str = "made_by";
/// Examples shown of what is warned about.
const SHOWN: usize = 3;

/// Rankings, and the topics that are nearly a handle.
pub struct Ranking {
    pub run: Run,
    /// Topic and handle.
    pub leaks: Vec<(String, String)>,
    /// Chunks that come up for too many topics, each with their number.
    pub hubs: Vec<(String, usize)>,
}

impl Ranking {
    /// Ranks documents: a document stands where its best chunk does.
    pub fn of(
        reader: &Reader,
        embedder: &mut dyn Embedder,
        topics: &[Topic],
        lanes: &LaneArgs,
    ) -> anyhow::Result<Self> {
        let selection = match lanes.selection()? {
            LaneSelection::All if reader.manifest().lanes.iter().all(|entry| entry.lane.is_plain()) => {
                LaneSelection::Plain
            }
            selection => selection,
        };
        let (mut run, mut leaks, mut hubs) = (Run::new(), Vec::new(), HubCount::default());
        for topic in topics {
            let request = SearchRequest {
                lanes: selection.clone(),
                fusion: lanes.fusion(),
                ..SearchRequest::new(topic.text.clone(), DEPTH * 2)
            };
            let found = search(reader, embedder, &request).with_context(|| format!("topic {}", topic.id))?;
            leaks.extend(same_handle(&found.hits).map(|handle| (topic.id.clone(), handle)));
            hubs.note(&found.hits, None);
            let mut seen = BTreeSet::new();
            let ranking = found
                .hits
                .into_iter()
                .filter(|hit| seen.insert(hit.chunk.document.clone()))
                .map(|hit| (hit.chunk.document, f64::from(hit.score)))
                .take(DEPTH)
                .collect();
            run.insert(topic.id.clone(), ranking);
        }
        let judged = hubs.judge(reader.manifest().chunks as usize).hubs;
        let hubs = judged.into_iter().map(|hub| (hub.chunk.id(), hub.probes)).collect();
        Ok(Self { run, leaks, hubs })
    }

    /// Says what makes the figures better than they will be for people's own queries.
    pub fn warn(&self, reader: &Reader, topics: &[Topic]) {
        if !self.leaks.is_empty() {
            let examples: Vec<String> = self
                .leaks
                .iter()
                .take(SHOWN)
                .map(|(topic, handle)| format!("{} = “{}”", print::clean(topic), print::cut(handle, 60)))
                .collect();
            eprintln!(
                "warning: {} of {} topics say what a handle says in the same words ({}): were they made from the handles?",
                self.leaks.len(),
                topics.len(),
                examples.join(", ")
            );
        }
        for (chunk, count) in self.hubs.iter().take(SHOWN) {
            eprintln!(
                "warning: {} is among the first ten for {count} of {} topics, more than chance allows; `frontload hubs` \
                 looks closer",
                print::clean(chunk),
                topics.len()
            );
        }
        let same = same_maker(reader, topics);
        if same > 0 {
            eprintln!("warning: {same} topics were written by the model that wrote the handles: they favour them");
        }
    }
}

/// Topics whose label names the model of the handles.
pub fn same_maker(reader: &Reader, topics: &[Topic]) -> usize {
    let maker =
        |topic: &&Topic| topic.labels.get(MADE_BY).is_some_and(|by| Some(by) == reader.manifest().model.as_ref());
    topics.iter().filter(maker).count()
}

/// A handle that is the query, or nearly.
fn same_handle(hits: &[Hit]) -> Option<String> {
    let evidence = hits.iter().flat_map(|hit| &hit.evidence);
    let mut near = evidence.filter(|one| one.given.lane.method == Method::Dense && one.given.score >= SAME);
    near.find_map(|one| one.handle.as_ref().map(|handle| handle.text.clone()))
}
