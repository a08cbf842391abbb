//! What each endpoint has done, for whoever watches a run from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one endpoint has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Its address.
    pub endpoint: String,
    /// Requests that have ended.
    pub calls: u64,
    /// Of these, those without an answer: most were answered later, here or elsewhere.
    pub failures: u64,
    /// Tokens of prompts, as it counts them.
    pub prompt_tokens: u64,
    /// Tokens of answers, as it counts them.
    pub answer_tokens: u64,
    /// Why it is set aside now, if it is.
    pub aside: Option<String>,
}

/// The tallies of all endpoints of a generator: a copy sees what the generator counts while it runs.
#[derive(Debug, Clone, Default)]
pub struct Tallies(Arc<Mutex<Vec<Tally>>>);

impl Tallies {
    /// How far each endpoint has come; empty for a model that is no endpoint.
    pub fn read(&self) -> Vec<Tally> {
        self.lock().clone()
    }

    pub(super) fn begin<'a>(&self, endpoints: impl Iterator<Item = &'a str>) {
        *self.lock() = endpoints.map(|name| Tally { endpoint: name.to_owned(), ..Tally::default() }).collect();
    }

    pub(super) fn change(&self, at: usize, change: impl FnOnce(&mut Tally)) {
        if let Some(tally) = self.lock().get_mut(at) {
            change(tally);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
