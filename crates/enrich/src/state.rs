//! The state: where in the ledger each answer and import stands. Kept in sled, and only there for speed:
//! it is replayed from the ledger when it is behind, missing or broken.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use frontload_core::{ChunkKey, Digest, fold};
use serde::{Deserialize, Serialize};

use crate::{
    caught::{Closing, caught},
    ledger::{Damage, Ledger, Place, Record, Settings, call_id},
};

/// sled's own default is a gigabyte.
const CACHE_BYTES: u64 = 64 << 20;
/// sled releases its lock a little after the handle is dropped.
const LOCK_TRIES: u32 = 20;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// sled refused twice, the second time on an empty folder.
    #[error(
        "state {path}: {reason}; the ledger is whole: free the disk or fix permissions, then run the command again"
    )]
    Sled {
        /// The folder.
        path: PathBuf,
        /// sled's word.
        reason: String,
    },
    /// sled does not start then.
    #[error(
        "state {path}: the clock stands before 1970; nothing was touched: set the clock, then run the command again"
    )]
    Clock {
        /// The folder.
        path: PathBuf,
    },
    /// The folder of a broken state cannot be moved aside.
    #[error("state {path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// What is known about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub place: Place,
    /// Whether it holds an answer rather than a failure.
    pub answered: bool,
}

/// Attempts that came to no end: the program died while they were being made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    /// Beside others.
    pub together: u32,
    /// With nothing beside them.
    pub alone: u32,
}

/// The open state.
pub struct State {
    path: PathBuf,
    /// sled syncs when it is closed, and panics when that fails. What is lost then is read from the ledger again.
    sled: Closing<Trees>,
    /// Lines of the ledger that could not be read while catching up.
    pub damage: Vec<Damage>,
}

/// What sled keeps.
struct Trees {
    db: sled::Db,
    answers: sled::Tree,
    imports: sled::Tree,
    attempts: sled::Tree,
    reviews: sled::Tree,
    aliases: sled::Tree,
    purges: sled::Tree,
}

impl State {
    /// Opens the state and brings it up to the ledger's end. A state that does not open, or that knows more
    /// than the ledger holds, is moved aside and built anew.
    ///
    /// # Errors
    /// When sled cannot work in the folder at all, or the ledger cannot be read.
    pub fn open(path: &Path, ledger: &Ledger) -> Result<Self, crate::EnrichError> {
        // sled would panic, and a state that is whole would be taken for a broken one.
        if SystemTime::now() < UNIX_EPOCH {
            return Err(StateError::Clock { path: path.to_owned() }.into());
        }
        clear_half_snapshots(path).map_err(|source| StateError::Io { path: path.to_owned(), source })?;
        let mut state = match open_sled(path) {
            Ok(state) if state.applied()?.is_none_or(|applied| applied <= ledger.end()) => state,
            opened => {
                drop(opened);
                move_aside(path).map_err(|source| StateError::Io { path: path.to_owned(), source })?;
                open_sled(path)?
            }
        };
        state.catch_up(ledger)?;
        Ok(state)
    }

    /// Moves a state aside that turned out broken while in use. The caller holds the writer lock.
    ///
    /// # Errors
    /// When the folder cannot be moved.
    pub fn discard(path: &Path) -> Result<(), StateError> {
        move_aside(path).map_err(|source| StateError::Io { path: path.to_owned(), source })
    }

    /// Notes what the ledger now holds. Called after the ledger has synced it.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn apply(&self, place: Place, record: &Record) -> Result<(), StateError> {
        let value = |known: Known| serde_json::to_vec(&known).unwrap_or_default();
        match record {
            Record::Settings(_) => {
                let value = value(Known { place, answered: true });
                self.sled.db.insert("settings", value).map_err(|error| self.wrong(&error))?;
            }
            Record::Answer(settled) => {
                let known = Known { place, answered: settled.items().is_ok() };
                self.sled.attempts.remove(call_id(&settled.kinds).0).map_err(|error| self.wrong(&error))?;
                for key in settled.kinds.values() {
                    self.sled.answers.insert(key.0, value(known)).map_err(|error| self.wrong(&error))?;
                }
            }
            Record::Attempt { call, alone } => {
                let mut open = self.attempts(*call)?;
                if *alone {
                    open.alone += 1;
                } else {
                    open.together += 1;
                }
                let value = serde_json::to_vec(&open).unwrap_or_default();
                self.sled.attempts.insert(call.0, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Released { calls } => {
                for call in calls {
                    self.sled.attempts.remove(call.0).map_err(|error| self.wrong(&error))?;
                }
            }
            Record::Ran { .. } | Record::Erased {} => {}
            Record::Review(decision) => {
                let handle = Digest::of_parts([decision.kind.as_str(), &fold::fold(&decision.text)]);
                let key = [decision.chunk.0.0, handle.0].concat();
                let value = value(Known { place, answered: true });
                self.sled.reviews.insert(key, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Alias { alias, holds, .. } => {
                let key = Digest::of_parts([alias.kind.as_str(), &alias.text, &alias.means]);
                let value = value(Known { place, answered: *holds });
                self.sled.aliases.insert(key.0, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Purge(purge) => {
                let key = serde_json::to_vec(&purge.what).unwrap_or_default();
                let value = value(Known { place, answered: purge.holds });
                self.sled.purges.insert(key, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Import { chunk, kind, text, .. } => {
                // Importing a row twice leaves one.
                let row = Digest::of_parts([kind.as_str(), text]);
                let key = [chunk.0.0, row.0].concat();
                let value = value(Known { place, answered: true });
                self.sled.imports.insert(key, value).map_err(|error| self.wrong(&error))?;
            }
        }
        let after = Place { offset: place.offset + u64::from(place.bytes), bytes: 0, ..place };
        let applied = serde_json::to_vec(&after).unwrap_or_default();
        self.sled.db.insert("applied", applied).map_err(|error| self.wrong(&error))?;
        Ok(())
    }

    pub(crate) fn answer(&self, key: Digest) -> Result<Option<Known>, StateError> {
        let value = self.sled.answers.get(key.0).map_err(|error| self.wrong(&error))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Attempts at a call that no answer, no failure and no stop has ended.
    pub(crate) fn attempts(&self, call: Digest) -> Result<Attempts, StateError> {
        let value = self.sled.attempts.get(call.0).map_err(|error| self.wrong(&error))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
    }

    /// Where the imports for one chunk stand, in the order they were imported.
    pub(crate) fn imports(&self, chunk: ChunkKey) -> Result<Vec<Place>, StateError> {
        self.places(self.sled.imports.scan_prefix(chunk.0.0))
    }

    /// Where the last decision about each handle of one chunk stands, the earliest first.
    pub(crate) fn reviews(&self, chunk: ChunkKey) -> Result<Vec<Place>, StateError> {
        self.places(self.sled.reviews.scan_prefix(chunk.0.0))
    }

    /// Where the last decision about every handle stands, the earliest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn all_reviews(&self) -> Result<Vec<Place>, StateError> {
        self.places(self.sled.reviews.iter())
    }

    /// Where the last word about every alias stands, the earliest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn aliases(&self) -> Result<Vec<Place>, StateError> {
        self.places(self.sled.aliases.iter())
    }

    /// Where the last word about everything that was ever taken out stands, the earliest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn purges(&self) -> Result<Vec<Place>, StateError> {
        self.places(self.sled.purges.iter())
    }

    fn places(&self, entries: sled::Iter) -> Result<Vec<Place>, StateError> {
        let mut places = Vec::new();
        for entry in entries {
            let (_, value) = entry.map_err(|error| self.wrong(&error))?;
            places.extend(serde_json::from_slice::<Known>(&value).map(|known| known.place));
        }
        places.sort();
        Ok(places)
    }

    /// How the index was last built, if it was.
    ///
    /// # Errors
    /// When the state or the ledger cannot be read.
    pub fn settings(&self, ledger: &Ledger) -> Result<Option<Settings>, crate::EnrichError> {
        let Some(value) = self.sled.db.get("settings").map_err(|error| self.wrong(&error))? else { return Ok(None) };
        let Ok(known) = serde_json::from_slice::<Known>(&value) else { return Ok(None) };
        match ledger.read(known.place)? {
            Record::Settings(settings) => Ok(Some(settings)),
            _ => Ok(None),
        }
    }

    fn applied(&self) -> Result<Option<Place>, StateError> {
        let value = self.sled.db.get("applied").map_err(|error| self.wrong(&error))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Forgets everything: the next to open it, or [`catch_up`](Self::catch_up), reads the ledger from its beginning.
    pub(crate) fn clear(&self) -> Result<(), StateError> {
        // How far it is goes first: what is cleared by half is read anew all the same.
        let done = self.sled.db.remove("applied").and_then(|_| self.sled.db.flush());
        done.map_err(|error| self.wrong(&error))?;
        let trees = [
            &self.sled.answers,
            &self.sled.imports,
            &self.sled.attempts,
            &self.sled.reviews,
            &self.sled.aliases,
            &self.sled.purges,
        ];
        let cleared = trees.into_iter().chain([&*self.sled.db]).try_for_each(sled::Tree::clear);
        cleared.and_then(|()| self.sled.db.flush()).map_err(|error| self.wrong(&error)).map(drop)
    }

    /// Reads what the ledger holds beyond what is known.
    pub(crate) fn catch_up(&mut self, ledger: &Ledger) -> Result<(), crate::EnrichError> {
        let applied = self.applied()?;
        let mut failed = None;
        let damage = ledger.scan(applied, &mut |place, record| {
            if failed.is_none() {
                failed = self.apply(place, &record).err();
            }
        })?;
        self.damage = damage;
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn wrong(&self, error: &sled::Error) -> StateError {
        StateError::Sled { path: self.path.clone(), reason: error.to_string() }
    }
}

fn open_sled(path: &Path) -> Result<State, StateError> {
    let wrong = |reason: String| StateError::Sled { path: path.to_owned(), reason };
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
    for _ in 0..LOCK_TRIES {
        // sled panics on some kinds of damage (its issue 1387); that is one more way not to open.
        match caught(|| config.open()) {
            Ok(Ok(db)) => {
                let tree = |name: &str| {
                    let opened = caught(|| db.open_tree(name)).map_err(|said| wrong(panicked(&said)))?;
                    opened.map_err(|error| wrong(error.to_string()))
                };
                let trees = Trees {
                    answers: tree("answers")?,
                    imports: tree("imports")?,
                    attempts: tree("attempts")?,
                    reviews: tree("reviews")?,
                    aliases: tree("aliases")?,
                    purges: tree("purges")?,
                    db,
                };
                return Ok(State { path: path.to_owned(), sled: Closing::new(trees), damage: Vec::new() });
            }
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
                thread::sleep(Duration::from_millis(50));
            }
            Ok(Err(error)) => return Err(wrong(error.to_string())),
            Err(said) => return Err(wrong(panicked(&said))),
        }
    }
    Err(wrong("its lock is held".to_owned()))
}

fn panicked(said: &str) -> String {
    format!("sled gave up: {said}")
}

/// A crash while sled writes a snapshot leaves a `.generating` file that stops every later open
/// (its issue 1527); the snapshot it was to replace is still there.
fn clear_half_snapshots(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?.path();
        if entry.extension().is_some_and(|extension| extension == "generating") {
            fs::rename(&entry, entry.with_extension("stale"))?;
        }
    }
    Ok(())
}

fn move_aside(path: &Path) -> io::Result<()> {
    for number in 1.. {
        let aside = path.with_extension(format!("broken-{number}"));
        if !aside.exists() {
            return match fs::rename(path, aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                moved => moved,
            };
        }
    }
    Ok(())
}
