//! Who may wait. A queue that is longer than callers are patient does work for nobody: by the time a request is begun, it
//! is not wanted any more. So a request is only let in when it can be begun soon, judged by how long work took lately.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::convert;

/// The longest that a request may have to wait, as far as can be told.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many may always wait, however slow work is: a burst is no overload.
const BURST: usize = 16;
/// How much the last piece of work counts beside those before.
const NEWEST: f64 = 0.05;

/// The door.
pub(crate) struct Admission {
    places: usize,
    working: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// What a piece of work takes, a moving mean in microseconds.
    takes: AtomicU64,
}

/// Leave to work; given back when it is dropped.
pub(crate) struct Leave {
    door: Arc<Admission>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

/// A place among those that wait. Dropped too when the caller goes away.
struct Waiting<'a>(&'a Admission);

impl Admission {
    /// A door behind which so many work at once.
    pub fn new(places: usize) -> Arc<Self> {
        let working = Arc::new(Semaphore::new(places));
        Arc::new(Self { places, working, waiting: AtomicUsize::new(0), takes: AtomicU64::new(0) })
    }

    /// Waits for a free place.
    ///
    /// # Errors
    /// At once, when it would take too long.
    pub async fn enter(self: &Arc<Self>) -> Result<Leave, Status> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self);
        let expected = self.expected(before);
        if before >= BURST && expected > PATIENCE {
            let told = format!("{before} requests are waiting already, for some {} ms", expected.as_millis());
            return Err(convert::busy(&told, Duration::from_secs(1)));
        }
        let permit = Arc::clone(&self.working).acquire_owned().await;
        let permit = permit.map_err(|error| Status::internal(error.to_string()))?;
        drop(waiting);
        Ok(Leave { door: Arc::clone(self), since: Instant::now(), _permit: permit })
    }

    /// How long one more would wait behind so many.
    fn expected(&self, before: usize) -> Duration {
        let takes = self.takes.load(Ordering::Relaxed);
        Duration::from_micros(takes.saturating_mul(before as u64) / self.places.max(1) as u64)
    }

    fn note(&self, took: Duration) {
        let took = took.as_micros() as f64;
        // Two that end at once may overwrite one another, which a mean survives.
        let before = self.takes.load(Ordering::Relaxed);
        let mean = if before == 0 { took } else { before as f64 * (1.0 - NEWEST) + took * NEWEST };
        self.takes.store(mean as u64, Ordering::Relaxed);
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.door.note(self.since.elapsed());
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is let wait where nobody should be waits for ever.
    const SOON: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn who_would_wait_too_long_is_refused_at_once() {
        let door = Admission::new(1);
        let held = door.enter().await.expect("free");
        door.takes.store(100_000, Ordering::Relaxed);
        let waiting: Vec<_> = (0..BURST)
            .map(|_| {
                let door = Arc::clone(&door);
                tokio::spawn(async move { door.enter().await.map(drop) })
            })
            .collect();
        let all_wait = async {
            while door.waiting.load(Ordering::Relaxed) < BURST {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, all_wait).await.expect("a burst may wait");
        let refused = tokio::time::timeout(SOON, door.enter()).await.expect("it is told at once");
        let refused = refused.map(drop).expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        // Quick work lets as many wait as before.
        door.takes.store(10, Ordering::Relaxed);
        let late = tokio::spawn({
            let door = Arc::clone(&door);
            async move { door.enter().await.map(drop) }
        });
        drop(held);
        for one in waiting.into_iter().chain([late]) {
            one.await.expect("ends").expect("let in");
        }
        assert_eq!(door.waiting.load(Ordering::Relaxed), 0);
    }
}
