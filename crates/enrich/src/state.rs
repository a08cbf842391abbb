//! The state: where in the ledger each answer and import stands. Kept in sled, and only there for speed:
//! it is replayed from the ledger when it is behind, missing or broken.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use frontload_core::{ChunkKey, Digest, fold};
use serde::{Deserialize, Serialize};

use crate::ledger::{Damage, Ledger, Place, Record, Settings, call_id};

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
    db: sled::Db,
    answers: sled::Tree,
    imports: sled::Tree,
    attempts: sled::Tree,
    reviews: sled::Tree,
    aliases: sled::Tree,
    purges: sled::Tree,
    /// Lines of the ledger that could not be read while catching up.
    pub damage: Vec<Damage>,
}

impl State {
    /// Opens the state and brings it up to the ledger's end. A state that does not open, or that knows more
    /// than the ledger holds, is moved aside and built anew.
    ///
    /// # Errors
    /// When sled cannot work in the folder at all, or the ledger cannot be read.
    pub fn open(path: &Path, ledger: &Ledger) -> Result<Self, crate::EnrichError> {
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
                self.db.insert("settings", value).map_err(|error| self.wrong(&error))?;
            }
            Record::Answer(settled) => {
                let known = Known { place, answered: settled.items().is_ok() };
                self.attempts.remove(call_id(&settled.kinds).0).map_err(|error| self.wrong(&error))?;
                for key in settled.kinds.values() {
                    self.answers.insert(key.0, value(known)).map_err(|error| self.wrong(&error))?;
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
                self.attempts.insert(call.0, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Released { calls } => {
                for call in calls {
                    self.attempts.remove(call.0).map_err(|error| self.wrong(&error))?;
                }
            }
            Record::Ran { .. } | Record::Erased {} => {}
            Record::Review(decision) => {
                let handle = Digest::of_parts([decision.kind.as_str(), &fold::fold(&decision.text)]);
                let key = [decision.chunk.0.0, handle.0].concat();
                let value = value(Known { place, answered: true });
                self.reviews.insert(key, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Alias { alias, holds, .. } => {
                let key = Digest::of_parts([alias.kind.as_str(), &alias.text, &alias.means]);
                let value = value(Known { place, answered: *holds });
                self.aliases.insert(key.0, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Purge(purge) => {
                let key = serde_json::to_vec(&purge.what).unwrap_or_default();
                let value = value(Known { place, answered: purge.holds });
                self.purges.insert(key, value).map_err(|error| self.wrong(&error))?;
            }
            Record::Import { chunk, kind, text, .. } => {
                // Importing a row twice leaves one.
                let row = Digest::of_parts([kind.as_str(), text]);
                let key = [chunk.0.0, row.0].concat();
                let value = value(Known { place, answered: true });
                self.imports.insert(key, value).map_err(|error| self.wrong(&error))?;
            }
        }
        let after = Place { offset: place.offset + u64::from(place.bytes), bytes: 0, ..place };
        let applied = serde_json::to_vec(&after).unwrap_or_default();
        self.db.insert("applied", applied).map_err(|error| self.wrong(&error))?;
        Ok(())
    }

    pub(crate) fn answer(&self, key: Digest) -> Result<Option<Known>, StateError> {
        let value = self.answers.get(key.0).map_err(|error| self.wrong(&error))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Attempts at a call that no answer, no failure and no stop has ended.
    pub(crate) fn attempts(&self, call: Digest) -> Result<Attempts, StateError> {
        let value = self.attempts.get(call.0).map_err(|error| self.wrong(&error))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
    }

    /// Where the imports for one chunk stand, in the order they were imported.
    pub(crate) fn imports(&self, chunk: ChunkKey) -> Result<Vec<Place>, StateError> {
        self.places(self.imports.scan_prefix(chunk.0.0))
    }

    /// Where the last decision about each handle of one chunk stands, the earliest first.
    pub(crate) fn reviews(&self, chunk: ChunkKey) -> Result<Vec<Place>, StateError> {
        self.places(self.reviews.scan_prefix(chunk.0.0))
    }

    /// Where the last decision about every handle stands, the earliest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn all_reviews(&self) -> Result<Vec<Place>, StateError> {
        self.places(self.reviews.iter())
    }

    /// Where the last word about every alias stands, the earliest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn aliases(&self) -> Result<Vec<Place>, StateError> {
        self.places(self.aliases.iter())
    }

    /// Where the last word about everything that was ever taken out stands, the earliest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn purges(&self) -> Result<Vec<Place>, StateError> {
        self.places(self.purges.iter())
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
        let Some(value) = self.db.get("settings").map_err(|error| self.wrong(&error))? else { return Ok(None) };
        let Ok(known) = serde_json::from_slice::<Known>(&value) else { return Ok(None) };
        match ledger.read(known.place)? {
            Record::Settings(settings) => Ok(Some(settings)),
            _ => Ok(None),
        }
    }

    fn applied(&self) -> Result<Option<Place>, StateError> {
        let value = self.db.get("applied").map_err(|error| self.wrong(&error))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Forgets everything: the next to open it, or [`catch_up`](Self::catch_up), reads the ledger from its beginning.
    pub(crate) fn clear(&self) -> Result<(), StateError> {
        // How far it is goes first: what is cleared by half is read anew all the same.
        let done = self.db.remove("applied").and_then(|_| self.db.flush());
        done.map_err(|error| self.wrong(&error))?;
        let trees = [&self.answers, &self.imports, &self.attempts, &self.reviews, &self.aliases, &self.purges];
        let cleared = trees.into_iter().chain([&*self.db]).try_for_each(sled::Tree::clear);
        cleared.and_then(|()| self.db.flush()).map_err(|error| self.wrong(&error)).map(drop)
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
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => {
                let tree = |name: &str| {
                    catch_unwind(AssertUnwindSafe(|| db.open_tree(name)))
                        .map_err(|_| wrong("sled panicked".to_owned()))?
                        .map_err(|error| wrong(error.to_string()))
                };
                return Ok(State {
                    path: path.to_owned(),
                    answers: tree("answers")?,
                    imports: tree("imports")?,
                    attempts: tree("attempts")?,
                    reviews: tree("reviews")?,
                    aliases: tree("aliases")?,
                    purges: tree("purges")?,
                    db,
                    damage: Vec::new(),
                });
            }
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
                thread::sleep(Duration::from_millis(50));
            }
            Ok(Err(error)) => return Err(wrong(error.to_string())),
            Err(_) => return Err(wrong("sled panicked".to_owned())),
        }
    }
    Err(wrong("its lock is held".to_owned()))
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
