//! The generation that is being served, replaced whole when a newer one is published.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use frontload_index::{IndexDir, IndexError, Reader};

/// How often `CURRENT` is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The live generation. A query that has begun keeps the one it began with.
pub struct Live {
    dir: IndexDir,
    reader: ArcSwap<Reader>,
}

impl Live {
    /// Opens the live generation; a damaged one is reported on stderr while an older one answers.
    ///
    /// # Errors
    /// When no generation is whole.
    pub fn open(dir: IndexDir) -> Result<Self, IndexError> {
        let opened = Reader::open(&dir)?;
        if let Some(damage) = opened.stale {
            eprintln!("warning: {damage}; generation {} answers", opened.reader.manifest().generation);
        }
        Ok(Self { dir, reader: ArcSwap::from_pointee(opened.reader) })
    }

    /// The generation to answer from.
    pub fn reader(&self) -> Arc<Reader> {
        self.reader.load_full()
    }

    /// Opens a newer generation if there is one. Opening reads and hashes every file, so it runs on a thread
    /// that may block. A newer one that is damaged is not taken.
    fn refresh(&self) {
        let serving = self.reader().manifest().generation;
        match Reader::live_generation(&self.dir) {
            Ok(live) if live != serving => {}
            _ => return,
        }
        if let Ok(opened) = Reader::open(&self.dir)
            && opened.reader.manifest().generation != serving
        {
            self.reader.store(Arc::new(opened.reader));
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
