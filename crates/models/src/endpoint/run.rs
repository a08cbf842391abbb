//! One run over the endpoints of a model: what is open at each, what waits to be tried again, and how it has gone.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use frontload_core::{Completion, Ended, Failure, FailureKind, Prompt};
use tokio::task::JoinSet;

use super::{
    Endpoint,
    asker::Asker,
    member::Member,
    pace::{Pace, START},
    request::{Trouble, malformed},
    tally::Tallies,
};

/// A prompt is tried this many times in all.
const ATTEMPTS: u32 = 5;
/// An answer that is not the JSON it should be is taken as it is after so many of them.
const MALFORMED: u32 = 2;
/// The first wait before another try; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often in a row every endpoint of a pool must have been found dead, once something was answered, until the run is
/// given up: a network that is gone for a moment takes all of them with it.
const ALL_DEAD: u32 = 3;

/// A prompt on its way, and how often it was tried.
struct Asked {
    prompt: Prompt,
    attempts: u32,
    malformed: u32,
    not_before: Option<Instant>,
    /// When it is given up for good; set by its first try.
    deadline: Option<Instant>,
    /// When it was last tried, and where.
    began: Instant,
    last: Option<usize>,
}

/// One run.
pub(super) struct Run<'a> {
    prompts: &'a mut dyn Iterator<Item = Prompt>,
    done: &'a mut dyn FnMut(Vec<Ended>) -> ControlFlow<()>,
    members: Vec<Member>,
    tallies: &'a Tallies,
    /// The most requests open at once, over all endpoints.
    most: usize,
    again: VecDeque<Asked>,
    /// There are no more prompts.
    drained: bool,
    /// After fatal trouble nothing new is asked, but what is being answered is paid for and kept.
    fatal: Option<String>,
    answered: bool,
    /// How long one prompt may take in all.
    deadline: Duration,
}

impl<'a> Run<'a> {
    pub fn new(
        endpoint: &'a Endpoint,
        most: usize,
        prompts: &'a mut dyn Iterator<Item = Prompt>,
        done: &'a mut dyn FnMut(Vec<Ended>) -> ControlFlow<()>,
    ) -> Self {
        let whole: f64 = endpoint.members.iter().map(|(_, weight)| weight).sum();
        let start = START * endpoint.members.len() as f64 / whole;
        let member = |(asker, weight): &(Arc<Asker>, f64)| {
            Member::new(Arc::clone(asker), *weight, Pace::new(most, start * weight))
        };
        Self {
            prompts,
            done,
            members: endpoint.members.iter().map(member).collect(),
            tallies: &endpoint.tallies,
            most,
            again: VecDeque::new(),
            drained: false,
            fatal: None,
            answered: false,
            deadline: endpoint.options.deadline,
        }
    }

    /// Asks until everything is answered, somebody wants no more, or no endpoint is left.
    pub async fn go(&mut self, client: &reqwest::Client) -> Result<(), String> {
        let mut open = JoinSet::new();
        // A try that is over and not looked at yet, and the ends that are not handed over yet.
        let mut next = None;
        let mut ended: Vec<Ended> = Vec::new();
        loop {
            let now = Instant::now();
            while self.fatal.is_none() && open.len() < self.most {
                let Some((at, asker, asked)) = self.take(now) else { break };
                let client = client.clone();
                open.spawn(async move {
                    let result = asker.ask(&client, &asked.prompt, asked.deadline).await;
                    (at, asked, result)
                });
            }
            let waiting = if self.fatal.is_none() { self.pause(now) } else { None };
            let joined = match (next.take(), waiting) {
                (Some(joined), _) => Some(joined),
                (None, None) if open.is_empty() => return self.fatal.take().map_or(Ok(()), Err),
                (None, Some(wait)) if open.is_empty() => {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                (None, Some(wait)) => match tokio::time::timeout(wait, open.join_next()).await {
                    Ok(joined) => joined,
                    Err(_) => continue,
                },
                (None, None) => open.join_next().await,
            };
            match joined {
                Some(Ok((at, asked, result))) => ended.extend(self.settle(at, asked, result)),
                Some(Err(error)) => {
                    self.fatal.get_or_insert(error.to_string());
                }
                None => continue,
            }
            // What ended while the last group was handed over makes the next one. Room is filled after each all the
            // same: the pace grows by answers that come while all of it is in use.
            next = open.try_join_next();
            if next.is_none() && !ended.is_empty() && (self.done)(std::mem::take(&mut ended)).is_break() {
                return Ok(());
            }
        }
    }

    /// The next prompt that may be asked now, and where.
    fn take(&mut self, now: Instant) -> Option<(usize, Arc<Asker>, Asked)> {
        for at in self.with_room(now) {
            let Some(mut asked) = self.next(now, at) else { continue };
            asked.attempts += 1;
            asked.began = now;
            asked.last = Some(at);
            asked.deadline = asked.deadline.or_else(|| now.checked_add(self.deadline));
            let member = self.members.get_mut(at)?;
            member.began();
            return Some((at, Arc::clone(&member.asker), asked));
        }
        None
    }

    /// The endpoints that may be asked one thing more, the emptiest for its weight first.
    fn with_room(&self, now: Instant) -> Vec<usize> {
        let whole: f64 = self.members.iter().filter(|member| member.is_well()).map(|member| member.weight).sum();
        let share = |member: &Member| (self.most as f64 * member.weight / whole).ceil().max(1.0) as usize;
        let free = self.members.iter().enumerate().filter(|(_, member)| member.has_room(now, share(member)));
        let mut free: Vec<(f64, usize)> = free.map(|(at, member)| (member.load(), at)).collect();
        free.sort_by(|left, right| left.0.total_cmp(&right.0));
        free.into_iter().map(|(_, at)| at).collect()
    }

    /// The next prompt for one endpoint. What failed there goes to another first.
    fn next(&mut self, now: Instant, at: usize) -> Option<Asked> {
        let elsewhere = self.others_answer(now, at);
        let due = self.again.iter().position(|asked| {
            asked.not_before.is_none_or(|when| when <= now) && !(elsewhere && asked.last == Some(at))
        });
        if let Some(due) = due {
            return self.again.remove(due);
        }
        if self.drained {
            return None;
        }
        let Some(prompt) = self.prompts.next() else {
            self.drained = true;
            return None;
        };
        Some(Asked { prompt, attempts: 0, malformed: 0, not_before: None, deadline: None, began: now, last: None })
    }

    /// Whether another endpoint than this one is well, and lets itself be asked.
    fn others_answer(&self, now: Instant, at: usize) -> bool {
        let answers = |member: &Member| member.is_well() && member.free_in(now).is_none();
        self.members.iter().enumerate().any(|(other, member)| other != at && answers(member))
    }

    /// How long until something changes by itself: an endpoint wants to be asked, or a prompt may be tried again.
    fn pause(&self, now: Instant) -> Option<Duration> {
        if self.drained && self.again.is_empty() {
            return None;
        }
        let endpoints = self.members.iter().filter_map(|member| member.free_in(now));
        let prompts = self.again.iter().filter_map(|asked| asked.not_before?.checked_duration_since(now));
        endpoints.chain(prompts).filter(|wait| !wait.is_zero()).min()
    }

    /// What becomes of a prompt after a try; `None` when it will be tried again.
    fn settle(&mut self, at: usize, mut asked: Asked, result: Result<Completion, Trouble>) -> Option<Ended> {
        let now = Instant::now();
        self.count(at, &result);
        let member = self.members.get_mut(at)?;
        member.ended();
        let again = asked.attempts < ATTEMPTS && asked.deadline.is_none_or(|when| now < when);
        match result {
            Ok(completion) if malformed(&asked.prompt, &completion) && asked.malformed + 1 < MALFORMED => {
                asked.malformed += 1;
                self.retry(asked, now, None);
            }
            Ok(completion) => {
                member.went_well();
                self.answered = true;
                return Some((asked.prompt.id, Ok(completion)));
            }
            Err(Trouble::NoSchema) => {
                member.asker.with_schema.store(false, Ordering::Relaxed);
                asked.attempts -= 1;
                asked.last = None;
                self.retry(asked, now, None);
            }
            Err(Trouble::Fatal(reason)) => {
                // It says nothing about the prompt, which is as good as new.
                asked.attempts -= 1;
                self.set_aside((at, asked.began), now, &reason);
                self.again.push_back(asked);
            }
            Err(Trouble::Passing(reason, wait)) => {
                let too_much = member.met_trouble(now, wait);
                if too_much && (!member.is_well() || self.others_answer(now, at)) {
                    self.set_aside((at, asked.began), now, &reason);
                }
                if again {
                    self.retry(asked, now, wait);
                    return None;
                }
                let reason = format!("{reason}, {} times", asked.attempts);
                if self.answered {
                    return Some((asked.prompt.id, Err(Failure { kind: FailureKind::TimedOut, reason })));
                }
                // Trouble that does not pass is the endpoint's, until something was answered.
                self.fatal.get_or_insert(reason);
            }
            Err(Trouble::Refused(reason)) => {
                return Some((asked.prompt.id, Err(Failure { kind: FailureKind::Refused, reason })));
            }
        }
        None
    }

    /// Tries it again: at once where there is another endpoint that has not had it, else later each time.
    fn retry(&mut self, mut asked: Asked, now: Instant, wait: Option<Duration>) {
        let untried = (asked.attempts as usize) < self.members.len();
        let at_once = untried && asked.last.is_some_and(|at| self.others_answer(now, at));
        let doubled = FIRST_WAIT * 2_u32.pow(asked.attempts.saturating_sub(1).min(16));
        let later = || now.checked_add(wait.unwrap_or(doubled).min(LONGEST_WAIT));
        asked.not_before = if at_once { None } else { later() };
        self.again.push_back(asked);
    }

    fn set_aside(&mut self, (at, began): (usize, Instant), now: Instant, reason: &str) {
        let Some(member) = self.members.get_mut(at) else { return };
        if !member.set_aside(now, began, reason) {
            return;
        }
        self.tallies.change(at, |tally| tally.aside = Some(reason.to_owned()));
        let enough = if self.answered && self.members.len() > 1 { ALL_DEAD } else { 1 };
        if self.members.iter().all(|member| member.strikes() >= enough) {
            let reason = self.none_left();
            self.fatal.get_or_insert(reason);
        }
    }

    fn none_left(&self) -> String {
        let told = |member: &Member| format!("{}: {}", member.asker.base_url, member.reason());
        match self.members.as_slice() {
            [only] => only.reason().to_owned(),
            members => {
                let each: Vec<String> = members.iter().map(told).collect();
                format!("none of {} is left: {}", members.len(), each.join("; "))
            }
        }
    }

    fn count(&self, at: usize, result: &Result<Completion, Trouble>) {
        self.tallies.change(at, |tally| {
            tally.calls += 1;
            match result {
                Ok(completion) => {
                    tally.prompt_tokens += u64::from(completion.prompt_tokens);
                    tally.answer_tokens += u64::from(completion.answer_tokens);
                    tally.aside = None;
                }
                Err(_) => tally.failures += 1,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        endpoint::EndpointOptions,
        pool::{MemberRef, PoolRef},
    };

    /// A run that has asked nothing yet, over endpoints of these weights.
    fn with_weights(weights: &[u32], most: usize, check: impl FnOnce(&mut Run<'_>)) {
        let member =
            |(at, &weight): (usize, &u32)| MemberRef { weight, ..MemberRef::new(&format!("http://host-{at}/v1")) };
        let members = weights.iter().enumerate().map(member).collect();
        let pool = PoolRef { model: "m".to_owned(), members, answers_of: None };
        let endpoint = Endpoint::pool(&pool, EndpointOptions::default(), &Tallies::default()).expect("addresses");
        let mut prompts = std::iter::empty::<Prompt>();
        let mut done = |_: Vec<Ended>| ControlFlow::<()>::Continue(());
        check(&mut Run::new(&endpoint, most, &mut prompts, &mut done));
    }

    #[test]
    fn the_emptiest_for_its_weight_is_asked_first() {
        with_weights(&[1, 3], 8, |run| {
            let now = Instant::now();
            for expected in [[1, 0], [1, 0], [0, 1], [0, 1]] {
                assert_eq!(run.with_room(now), expected);
                run.members[1].began();
            }
            run.members[0].began();
            // Two of one against five of three.
            assert_eq!(run.with_room(now), [1, 0]);
        });
    }

    #[test]
    fn a_run_begins_with_four_each_by_weight() {
        with_weights(&[1, 3], 100, |run| {
            let now = Instant::now();
            for (at, expected) in [(0, 2), (1, 6)] {
                let mut open = 0;
                while run.with_room(now).contains(&at) {
                    run.members[at].began();
                    open += 1;
                }
                assert_eq!(open, expected, "{at}");
            }
        });
    }

    #[test]
    fn no_one_is_asked_more_than_its_share() {
        with_weights(&[1, 3], 8, |run| {
            let now = Instant::now();
            for (at, share) in [(0, 2), (1, 6)] {
                assert!(run.with_room(now).contains(&at), "{at}");
                (0..share).for_each(|_| run.members[at].began());
                // By its pace it could be asked more.
                (0..2).for_each(|_| run.members[at].went_well());
                assert!(!run.with_room(now).contains(&at), "{at}");
            }
            // One that is set aside has no share.
            assert!(run.members[1].set_aside(now, now, "refused"));
            assert_eq!(run.with_room(now), [0]);
        });
    }
}
