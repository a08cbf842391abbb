//! The generation that is being served, replaced whole when a newer one is published.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use frontload_core::Digest;
use frontload_index::{IndexDir, IndexError, Opened, Reader};

/// How often `CURRENT` is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is waited until something that could not be read is tried again. Each further wait is twice as long,
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A try may hash a whole generation: a wait is at least so many times as long as the try took.
const WAIT_FOR_A_TRY: u32 = 10;

/// The live generation. A query that has begun keeps the one it began with.
pub struct Live {
    /// `None` where the lanes do not lie in a folder here.
    dir: Option<IndexDir>,
    reader: ArcSwap<Reader>,
    /// What `CURRENT` said when it was last looked at, whether or not that generation was taken up.
    seen: Mutex<Option<Digest>>,
    /// Why what was published last is not served.
    refused: Mutex<Option<Refusal>>,
}

/// That what was published last is not served.
struct Refusal {
    why: String,
    /// From when on an older generation has answered in its place.
    since: Instant,
    /// When it is tried again though nothing was published; `None` where that would find the same.
    retry: Option<Retry>,
}

struct Retry {
    tried: Instant,
    wait: Duration,
}

/// What looking for a newer generation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// There is none.
    Same,
    /// It is served now.
    Taken,
    /// It cannot be served, and why.
    Refused(String),
}

impl Live {
    /// Opens the live generation; a damaged one is reported while an older one answers.
    ///
    /// # Errors
    /// When no generation is whole.
    pub fn open(dir: IndexDir) -> Result<Self, IndexError> {
        // Read first: what is published while the generation opens is then seen as new.
        let seen = Mutex::new(Reader::live_manifest(&dir).ok());
        let began = Instant::now();
        let opened = Reader::open(&dir)?;
        let refused = opened.stale.map(|damage| Refusal::after(None, damage.to_string(), passing(&damage, began)));
        if let Some(Refusal { why, .. }) = &refused {
            tracing::warn!("{why}; generation {} answers", opened.reader.manifest().generation);
        }
        Ok(Self { dir: Some(dir), reader: ArcSwap::from_pointee(opened.reader), seen, refused: Mutex::new(refused) })
    }

    /// A generation whose lanes lie elsewhere; what is published there later is taken up as here.
    pub fn elsewhere(reader: Reader) -> Self {
        let (seen, refused) = (Mutex::new(None), Mutex::new(None));
        Self { dir: None, reader: ArcSwap::from_pointee(reader), seen, refused }
    }

    /// The generation to answer from.
    pub fn reader(&self) -> Arc<Reader> {
        self.reader.load_full()
    }

    /// Why what was published last is not served, empty when it is, and for how long that has been so.
    pub fn stale(&self) -> (String, Duration) {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().map(|refusal| (refusal.why.clone(), refusal.since.elapsed())).unwrap_or_default()
    }

    /// Takes up a newer generation, if one was published. What could not be read is tried again, the more rarely the
    /// longer it lasts. Opening reads and hashes every file: this is for threads that may block.
    pub fn look(&self) {
        self.refresh(self.is_due());
    }

    /// Whether it is time to try again what was refused.
    fn is_due(&self) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let retry = refused.as_ref().and_then(|refusal| refusal.retry.as_ref());
        retry.is_some_and(|retry| retry.tried.elapsed() >= retry.wait)
    }

    /// Opens another generation if one was published, or any that was refused before when `again`. Opening reads and
    /// hashes every file, so it runs on a thread that may block. One that is damaged, or whose vectors another
    /// embedding model made, is not taken.
    pub(crate) fn refresh(&self, again: bool) -> Refreshed {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let serving = self.reader();
        let opened = match &self.dir {
            None => serving.newer().map_err(|error| (error.to_string(), None)).transpose(),
            Some(dir) => {
                let live = match Reader::live_manifest(dir) {
                    Ok(live) => live,
                    Err(error) => {
                        // What it says when it is mended is looked at anew.
                        *seen = None;
                        return self.refuse(error.to_string(), None);
                    }
                };
                if *seen == Some(live) && !again {
                    return Refreshed::Same;
                }
                *seen = Some(live);
                Some(match Reader::open(dir) {
                    Ok(Opened { stale: Some(damage), .. }) => {
                        Err((format!("the new generation is damaged: {damage}"), passing(&damage, began)))
                    }
                    Ok(opened) => Ok(opened.reader),
                    Err(error) => Err((error.to_string(), passing(&error, began))),
                })
            }
        };
        let (why, took) = match opened {
            None => {
                self.settle();
                return Refreshed::Same;
            }
            Some(Ok(reader)) if reader.manifest().embedder != serving.manifest().embedder => {
                ("the new generation has another embedding model; start the service anew to serve it".to_owned(), None)
            }
            Some(Ok(reader)) if reader.manifest() == serving.manifest() => {
                self.settle();
                return Refreshed::Same;
            }
            Some(Ok(reader)) => {
                self.settle();
                tracing::info!(generation = reader.manifest().generation, "serving a new generation");
                self.reader.store(Arc::new(reader));
                return Refreshed::Taken;
            }
            Some(Err(told)) => told,
        };
        self.refuse(why, took)
    }

    /// What was published last is served.
    fn settle(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// It is not; the log is told once. `took` is how long a try took that may go better another time.
    fn refuse(&self, why: String, took: Option<Duration>) -> Refreshed {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refusal = Refusal::after(refused.as_ref(), why, took);
        let why = refusal.why.clone();
        if refused.as_ref().is_none_or(|before| before.why != why) {
            tracing::warn!("{why}; generation {} answers", self.reader().manifest().generation);
        }
        *refused = Some(refusal);
        Refreshed::Refused(why)
    }

    /// Looks for newer generations until the service ends.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let live = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || live.look()).await;
        }
    }
}

impl Refusal {
    /// The next one, which goes on from the one before if that was not settled.
    fn after(before: Option<&Self>, mut why: String, took: Option<Duration>) -> Self {
        let waited = before.and_then(|before| before.retry.as_ref()).map(|retry| retry.wait);
        let retry = took.map(|took| Retry { tried: Instant::now(), wait: next_wait(waited, took) });
        if retry.is_some() {
            why.push_str("; it is tried again by itself");
        }
        Self { why, since: before.map_or_else(Instant::now, |before| before.since), retry }
    }
}

/// How long a try took that failed for a reason which may pass; `None` where it failed for another.
///
/// Out of files or memory, a disk that is full or does not answer, no right to read: these pass. So does a file that is
/// not there, as while an index is still being copied. Wrong bytes do not: nobody writes into what was published, each
/// look would hash all of it for nothing, and what mends it, `frontload rebuild`, publishes. They are looked at again
/// when `CURRENT` names something else, or when somebody asks for it.
fn passing(error: &IndexError, began: Instant) -> Option<Duration> {
    let passes = match error {
        IndexError::Io { .. } => true,
        IndexError::Corrupt { path, .. } => !path.exists(),
        _ => false,
    };
    passes.then(|| began.elapsed())
}

/// How long is waited until the next try, after what was waited for the one before.
fn next_wait(waited: Option<Duration>, took: Duration) -> Duration {
    let longer = waited.map_or(FIRST_WAIT, |waited| waited.saturating_mul(2).min(LONGEST_WAIT));
    longer.max(took.saturating_mul(WAIT_FOR_A_TRY))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let there = folder.path().to_owned();
        let check = |error: IndexError, expected: bool| {
            assert_eq!(passing(&error, Instant::now()).is_some(), expected, "{error}");
        };
        let corrupt = |path, problem: &str| IndexError::Corrupt { path, problem: problem.to_owned() };
        check(IndexError::Io { path: there.clone(), source: io::Error::other("too many open files") }, true);
        check(corrupt(there.join("rows"), "missing"), true);
        check(corrupt(there.clone(), "its hash is not the one in the manifest"), false);
        check(IndexError::Newer { path: there, found: 99 }, false);
    }

    #[test]
    fn tries_grow_rarer_within_bounds_and_never_take_much_of_the_time() {
        let mut waited = None;
        let waits = [(); 8].map(|()| {
            let wait = next_wait(waited, Duration::ZERO);
            waited = Some(wait);
            wait.as_secs()
        });
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(next_wait(None, Duration::from_secs(9)), Duration::from_secs(90));
    }

    #[test]
    fn a_refusal_lasts_from_the_first_one_on_and_waits_longer_each_time() {
        let refuse = |before: Option<&Refusal>, took| Refusal::after(before, "full".to_owned(), took);
        let first = refuse(None, Some(Duration::ZERO));
        let second = refuse(Some(&first), Some(Duration::ZERO));
        let damaged = refuse(Some(&second), None);
        assert!(second.since == first.since && damaged.since == first.since);
        let wait = |refusal: &Refusal| refusal.retry.as_ref().map(|retry| retry.wait.as_secs());
        assert_eq!([&first, &second, &damaged].map(wait), [Some(1), Some(2), None]);
        assert!(second.why.contains("tried again") && damaged.why == "full", "{} {}", second.why, damaged.why);
    }
}
