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
    dir: IndexDir,
    reader: ArcSwap<Reader>,
    /// What `CURRENT` said when it was last looked at, whether or not that generation was taken up.
    seen: Mutex<Option<Digest>>,
}

impl Live {
    /// Opens the live generation; a damaged one is reported on stderr while an older one answers.
    ///
    /// # Errors
    /// When no generation is whole.
    pub fn open(dir: IndexDir) -> Result<Self, IndexError> {
        // Read first: what is published while the generation opens is then seen as new.
        let seen = Mutex::new(Reader::live_manifest(&dir).ok());
        let opened = Reader::open(&dir)?;
        if let Some(damage) = opened.stale {
            eprintln!("warning: {damage}; generation {} answers", opened.reader.manifest().generation);
        }
        Ok(Self { dir, reader: ArcSwap::from_pointee(opened.reader), seen })
    }

    /// The generation to answer from.
    pub fn reader(&self) -> Arc<Reader> {
        self.reader.load_full()
    }

    /// Opens another generation if one was published. Opening reads and hashes every file, so it runs on a
    /// thread that may block. One that is damaged, or whose vectors another embedding model made, is not taken.
    fn refresh(&self) {
        let Ok(live) = Reader::live_manifest(&self.dir) else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == Some(live) {
            return;
        }
        *seen = Some(live);
        let serving = self.reader();
        match Reader::open(&self.dir) {
            Ok(opened) if opened.stale.is_some() => eprintln!("warning: the new generation is damaged and not served"),
            Ok(opened) if opened.reader.manifest().embedder != serving.manifest().embedder => {
                eprintln!(
                    "warning: the new generation has another embedding model; start the service anew to serve it"
                );
            }
            Ok(opened) => self.reader.store(Arc::new(opened.reader)),
            Err(error) => eprintln!("warning: {error}; generation {} answers", serving.manifest().generation),
        }
    }

    /// Looks for newer generations until the service ends.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let live = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || live.refresh()).await;
        }
    }
}
