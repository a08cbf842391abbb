//! Lanes that do not lie on this disk but in an engine somewhere else. A reader asks for them by message, and whoever
//! holds the connection answers: this crate knows neither a network nor tokio.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::mpsc::{Sender, SyncSender, sync_channel},
};

use frontload_core::{ChunkId, Filter, Lane, Scale, Scored};

use crate::{IndexError, IndexedChunk, Reader};

/// Where the answer to one question goes.
pub type Reply<T> = SyncSender<Result<T, IndexError>>;

/// What is looked for along a lane.
#[derive(Debug, Clone, PartialEq)]
pub enum Sought {
    /// A query's distinct words, analysed as the lane's are.
    Words(Vec<String>),
    /// A query's unit vector.
    Vector(Vec<f32>),
}

/// One question to whoever holds the lanes.
#[derive(Debug)]
pub enum Ask {
    /// Looks along a lane: the best chunks, best first, equal scores by number; and what the scores mean.
    Search {
        /// Along which.
        lane: Lane,
        /// What for.
        sought: Sought,
        /// How many chunks at most.
        depth: usize,
        /// Only among those it lets through.
        filter: Option<Filter>,
        /// To whom.
        reply: Reply<(Vec<Scored>, Scale)>,
    },
    /// The exact scores of some chunks in a lane; those that have none there are left out.
    Score {
        /// In which.
        lane: Lane,
        /// What for.
        sought: Sought,
        /// Of which.
        chunks: Vec<ChunkId>,
        /// To whom.
        reply: Reply<Vec<Scored>>,
    },
    /// Chunks as they are stored, in the order they are asked for.
    Chunks {
        /// Which.
        chunks: Vec<ChunkId>,
        /// To whom.
        reply: Reply<Vec<IndexedChunk>>,
    },
    /// Whether a filter can be answered at all, before any lane is looked along.
    Check {
        /// Which.
        filter: Filter,
        /// To whom.
        reply: Reply<()>,
    },
    /// All chunks that a filter lets through.
    Among {
        /// Which.
        filter: Filter,
        /// To whom.
        reply: Reply<Vec<ChunkId>>,
    },
    /// Another generation, if one was published since.
    Newer {
        /// To whom.
        reply: Reply<Option<Box<Reader>>>,
    },
}

/// A generation that lies elsewhere.
pub struct Elsewhere {
    /// What answers; named in errors.
    pub place: String,
    /// Asks it.
    pub asks: Sender<Ask>,
    /// The numbers of its chunks, ascending.
    pub numbers: Vec<Range<u32>>,
    /// What each lane took on disk where it was built, in bytes.
    pub lane_bytes: BTreeMap<Lane, u64>,
}

impl Elsewhere {
    /// Asks and waits. Whoever answers keeps to a deadline of its own.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, IndexError> {
        let (reply, answer) = sync_channel(1);
        let gone = || IndexError::Elsewhere { place: self.place.clone(), problem: "the connection was closed".into() };
        self.asks.send(ask(reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.numbers.iter().cloned().flatten().map(ChunkId)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn nobody_waits_for_an_answer_that_cannot_come() {
        let (asks, asked) = channel();
        let elsewhere =
            Elsewhere { place: "there".into(), asks, numbers: vec![2..4, 7..8], lane_bytes: BTreeMap::new() };
        assert_eq!(elsewhere.ids().map(|id| id.0).collect::<Vec<_>>(), [2, 3, 7]);
        let ask = || elsewhere.ask(|reply| Ask::Newer { reply }).err().map(|error| error.to_string());
        let answering = std::thread::spawn(move || drop(asked.recv()));
        assert_eq!(ask().as_deref(), Some("there: the connection was closed"));
        answering.join().expect("ends");
        assert_eq!(ask().as_deref(), Some("there: the connection was closed"));
    }
}
