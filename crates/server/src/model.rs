//! The models that requests share: an embedding model that nobody keeps longer than one call takes, and a language
//! model that is loaded by its first question and gives its memory back when nobody asks for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

use frontload_core::{EmbedError, Embedder, Generator, Loaded, TextRole};
use frontload_engine::{EmbeddedQuery, Manner, embed_queries};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::{convert, process, v1};

/// Questions that wait for the model at once; one more is refused.
const WAITING: usize = 16;
/// How often a question that waits for the model looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An embedding model that many use.
pub(crate) struct SharedEmbedder(Mutex<Box<dyn Embedder + Send>>);

impl SharedEmbedder {
    pub fn new(embedder: Box<dyn Embedder + Send>) -> Self {
        Self(Mutex::new(embedder))
    }

    pub fn embed(&self, texts: &[&str], role: TextRole) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.lock().embed(texts, role)
    }

    pub fn queries(&self, queries: &[&str]) -> Vec<EmbeddedQuery> {
        let _span = tracing::info_span!("embed").entered();
        embed_queries(self.lock().as_mut(), queries)
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Embedder + Send>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A language model that answers one question at a time.
pub struct Model {
    name: String,
    manner: Manner,
    keep_alive: Option<Duration>,
    generator: Mutex<Box<dyn Generator + Send>>,
    queue: Arc<Semaphore>,
    seen: Mutex<Seen>,
}

/// What is known of the model without waiting for it.
struct Seen {
    loaded: Option<Loaded>,
    took: Duration,
    used: Instant,
}

impl Model {
    /// A model that is not loaded yet. It is unloaded when it was not asked for so long; never when `None`.
    pub fn new(name: String, generator: Box<dyn Generator + Send>, keep_alive: Option<Duration>) -> Self {
        Self {
            name,
            manner: Manner::of(generator.as_ref()),
            keep_alive,
            generator: Mutex::new(generator),
            queue: Arc::new(Semaphore::new(WAITING)),
            seen: Mutex::new(Seen { loaded: None, took: Duration::ZERO, used: Instant::now() }),
        }
    }

    /// The way of answering that suits it.
    pub fn manner(&self) -> Manner {
        self.manner
    }

    /// A place among those that wait.
    pub(crate) fn reserve(&self) -> Result<OwnedSemaphorePermit, Status> {
        let full = |_| convert::busy(&format!("{WAITING} questions are waiting already"), Duration::from_secs(5));
        Arc::clone(&self.queue).try_acquire_owned().map_err(full)
    }

    /// Does work with the model when it is free; `None` when the work was not wanted any more before that.
    pub(crate) fn with<T>(&self, unwanted: &dyn Fn() -> bool, work: impl FnOnce(&mut dyn Generator) -> T) -> Option<T> {
        let mut generator = loop {
            match self.generator.try_lock() {
                Ok(generator) => break generator,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if unwanted() => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK_EVERY),
            }
        };
        let done = work(generator.as_mut());
        self.note(generator.loaded());
        Some(done)
    }

    fn note(&self, loaded: Option<Loaded>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.loaded = loaded;
        seen.used = Instant::now();
        seen.took = loaded.map_or(seen.took, |loaded| loaded.took);
    }

    pub(crate) fn stats(&self) -> v1::ModelStats {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        v1::ModelStats {
            name: self.name.clone(),
            loaded: seen.loaded.is_some(),
            load_ms: seen.took.as_secs_f64() * 1e3,
            resident_bytes: seen.loaded.map_or(0, |loaded| process::resident_bytes(loaded.process)),
            keep_alive_seconds: self.keep_alive.map_or(0, |time| time.as_secs()),
        }
    }

    /// Gives the memory back whenever nobody has asked for long enough, until the service ends.
    pub(crate) async fn rest(self: Arc<Self>) {
        let Some(keep_alive) = self.keep_alive else { return };
        let mut ticks =
            tokio::time::interval((keep_alive / 4).clamp(Duration::from_millis(100), Duration::from_secs(15)));
        loop {
            ticks.tick().await;
            let idle = {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.loaded.is_some() && seen.used.elapsed() >= keep_alive
            };
            if idle && let Ok(mut generator) = self.generator.try_lock() {
                generator.unload();
                self.note(None);
                tracing::info!(model = self.name, "unloaded after {} s without a question", keep_alive.as_secs());
            }
        }
    }
}
