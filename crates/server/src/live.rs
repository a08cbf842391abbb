//! The generation that is being served, replaced whole when a newer one is published.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use frontload_core::Digest;
use frontload_index::{IndexDir, IndexError, Reader};

/// How often `CURRENT` is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The live generation. A query that has begun keeps the one it began with.
pub struct Live {
    /// `None` where the lanes do not lie in a folder here.
    dir: Option<IndexDir>,
    reader: ArcSwap<Reader>,
    /// What `CURRENT` said when it was last looked at, whether or not that generation was taken up.
    seen: Mutex<Option<Digest>>,
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
        if let Some(damage) = opened.stale {
            tracing::warn!("{damage}; generation {} answers", opened.reader.manifest().generation);
        }
        Ok(Self { dir: Some(dir), reader: ArcSwap::from_pointee(opened.reader), seen })
    }

    /// A generation whose lanes lie elsewhere; what is published there later is taken up as here.
    pub fn elsewhere(reader: Reader) -> Self {
        Self { dir: None, reader: ArcSwap::from_pointee(reader), seen: Mutex::new(None) }
    }

    /// The generation to answer from.
    pub fn reader(&self) -> Arc<Reader> {
        self.reader.load_full()
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
                let Ok(live) = Reader::live_manifest(dir) else { return Refreshed::Same };
                if *seen == Some(live) && !again {
                    return Refreshed::Same;
                }
                *seen = Some(live);
                Some(match Reader::open(dir) {
                    Ok(opened) if opened.stale.is_some() => Err("the new generation is damaged".to_owned()),
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
            Some(Ok(reader)) if reader.manifest() == serving.manifest() => return Refreshed::Same,
            Some(Ok(reader)) => {
                tracing::info!(generation = reader.manifest().generation, "serving a new generation");
                self.reader.store(Arc::new(reader));
                return Refreshed::Taken;
            }
            Some(Err(told)) => told,
        };
        tracing::warn!("{refused}; generation {} answers", serving.manifest().generation);
        Refreshed::Refused(refused)
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
