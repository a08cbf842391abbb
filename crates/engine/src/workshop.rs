//! The writer's hold on an index: lock, ledger, state.

use std::path::{Path, PathBuf};

use frontload_core::Purge;
use frontload_corpus::{Corpus, read_corpus};
use frontload_enrich::{EnrichError, Ledger, LedgerError, Place, Record, Settings, State, StateError};
use frontload_index::{IndexDir, Reader, WriterLock};

use crate::{EngineError, input};

/// Everything a writer holds while it works.
pub(crate) struct Workshop {
    pub lock: WriterLock,
    pub ledger: Ledger,
    pub state: State,
    pub torn_bytes: u64,
}

impl Workshop {
    pub fn open(dir: &IndexDir) -> Result<Self, EngineError> {
        let lock = WriterLock::take(dir)?;
        let (ledger, torn_bytes) = Ledger::open(&dir.ledger())?;
        let state = State::open(&dir.state(), &ledger)?;
        if state.settings(&ledger)?.is_none()
            && let Some(from) = Reader::copied_from(dir)
        {
            return Err(EngineError::Copied { folder: dir.path().to_owned(), from });
        }
        Ok(Self { lock, ledger, state, torn_bytes })
    }

    pub fn settings(&self, dir: &IndexDir) -> Result<Settings, EngineError> {
        let settings = self.state.settings(&self.ledger)?;
        settings.ok_or_else(|| EngineError::NeverBuilt(dir.path().to_owned()))
    }

    /// Reads a corpus, but for what people took out.
    pub fn read(&self, sources: &[PathBuf]) -> Result<Corpus, EngineError> {
        let mut corpus = read_corpus(sources)?;
        let purges = self.purges()?;
        corpus.withhold(|document| {
            let (source, path) = (&document.source, &document.origin.path);
            purges.iter().any(|purge| purge.what.covers(source, path, &document.id))
        });
        if corpus.documents.is_empty() {
            let problem = "all of it was taken out; `frontload purge --list` shows by whom, `--undo` takes that back";
            return Err(input(Path::new("corpus"), None, problem));
        }
        Ok(corpus)
    }

    /// What people took out and did not put back, the earliest decision first.
    pub fn purges(&self) -> Result<Vec<Purge>, EngineError> {
        let mut held = Vec::new();
        for place in self.state.purges().map_err(EnrichError::from)? {
            if let Record::Purge(purge @ Purge { holds: true, .. }) = self.ledger.read(place)? {
                held.push(purge);
            }
        }
        Ok(held)
    }

    /// Notes how the generation that is about to be published is built.
    pub fn settle(&mut self, settings: &Settings) -> Result<(), EngineError> {
        if self.state.settings(&self.ledger)?.as_ref() != Some(settings) {
            self.append(&[Record::Settings(settings.clone())])?;
        }
        Ok(())
    }

    /// Appends one record, and says where it stands.
    pub fn append_one(&mut self, record: Record) -> Result<Place, EngineError> {
        let end = self.ledger.end();
        self.append(std::slice::from_ref(&record))?;
        // A new file is begun when the last one is full.
        Ok(if self.ledger.end().file == end.file {
            end
        } else {
            Place { file: self.ledger.end().file, offset: 0, bytes: 0 }
        })
    }

    pub fn append(&mut self, records: &[Record]) -> Result<(), EngineError> {
        let places = self.ledger.append(records)?;
        for (place, record) in places.into_iter().zip(records) {
            self.state.apply(place, record).map_err(EnrichError::from)?;
        }
        Ok(())
    }
}

/// Does work that needs the state; when the state turns out broken, or to know a ledger line that no longer
/// reads, it is moved aside and the work done again: opening it anew replays the ledger without such lines.
pub(crate) fn healed<T>(dir: &IndexDir, work: &mut dyn FnMut() -> Result<T, EngineError>) -> Result<T, EngineError> {
    match work() {
        Err(EngineError::Enrich(
            EnrichError::Ledger(LedgerError::Damaged { .. }) | EnrichError::State(StateError::Sled { .. }),
        )) => {
            let _lock = WriterLock::take(dir)?;
            State::discard(&dir.state()).map_err(EnrichError::from)?;
        }
        ended => return ended,
    }
    work()
}
