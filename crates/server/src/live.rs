//! The generation that is being served, replaced whole when a newer one is published.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use frontload_core::Digest;
use frontload_index::{IndexDir, IndexError, Opened, Reader};

/// How often `CURRENT` is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The live generation. A query that has begun keeps the one it began with.
pub struct Live {
    /// `None` where the lanes do not lie in a folder here.
    dir: Option<IndexDir>,
    reader: ArcSwap<Reader>,
    /// What `CURRENT` said when it was last looked at, whether or not that generation was taken up.
    seen: Mutex<Option<Digest>>,
    /// Why what was published last is not served.
    refused: Mutex<Option<String>>,
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
        let opened = Reader::open(&dir)?;
        let refused = opened.stale.map(|damage| damage.to_string());
        if let Some(damage) = &refused {
            tracing::warn!("{damage}; generation {} answers", opened.reader.manifest().generation);
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

    /// Why what was published last is not served; empty when it is.
    pub(crate) fn stale(&self) -> String {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// Opens another generation if one was published, or any that was refused before when `again`. Opening reads and
    /// hashes every file, so it runs on a thread that may block. One that is damaged, or whose vectors another
    /// embedding model made, is not taken.
    pub(crate) fn refresh(&self, again: bool) -> Refreshed {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let serving = self.reader();
        let opened = match &self.dir {
            None => serving.newer().map_err(|error| error.to_string()).transpose(),
            Some(dir) => {
                let live = match Reader::live_manifest(dir) {
                    Ok(live) => live,
                    Err(error) => {
                        // What it says when it is mended is looked at anew.
                        *seen = None;
                        return self.refuse(error.to_string());
                    }
                };
                if *seen == Some(live) && !again {
                    return Refreshed::Same;
                }
                *seen = Some(live);
                Some(match Reader::open(dir) {
                    Ok(Opened { stale: Some(damage), .. }) => Err(format!("the new generation is damaged: {damage}")),
                    Ok(opened) => Ok(opened.reader),
                    Err(error) => Err(error.to_string()),
                })
            }
        };
        let refused = match opened {
            None => return Refreshed::Same,
            Some(Ok(reader)) if reader.manifest().embedder != serving.manifest().embedder => {
                "the new generation has another embedding model; start the service anew to serve it".to_owned()
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
        self.refuse(refused)
    }

    /// What was published last is served.
    fn settle(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// It is not; the log is told once.
    fn refuse(&self, why: String) -> Refreshed {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.as_ref() != Some(&why) {
            tracing::warn!("{why}; generation {} answers", self.reader().manifest().generation);
        }
        *refused = Some(why.clone());
        Refreshed::Refused(why)
    }

    /// Looks for newer generations until the service ends.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let live = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || live.refresh(false)).await;
        }
    }
}
