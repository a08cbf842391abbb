//! The service under a steady mix of calls, while generations are published: no call fails, and what it holds does not
//! grow.

use std::{
    collections::BTreeMap,
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use frontload_index::{IndexDir, Reader};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Figures, Form, Village,
    gauge::{Sample, Trend},
    kill::SLOTS,
    mix::Mix,
};
use crate::served::Served;

const ENTRIES: usize = 40;
const CLIENTS: u64 = 4;
/// Between two calls of one client.
const PACE: Duration = Duration::from_millis(50);
/// A client that failed so often is heard.
const MOST_FAILED: usize = 20;
/// Generations that are published, in the longest soak.
const MOST_PUBLISHED: u32 = 1000;
/// Generations on the disk: the live one and the one to fall back on; while one is published there is one more.
const KEPT: usize = 2;
/// Descriptors and threads that come and go with calls, and descriptors that stay when all clients are gone.
const LOADED_SLACK: u64 = 16;
const IDLE_SLACK: u64 = 8;
/// Connections that were dropped are closed within this.
const LONGEST: Duration = Duration::from_secs(60);

/// What the clients did.
#[derive(Default)]
struct Calls {
    made: BTreeMap<&'static str, usize>,
    failed: Vec<String>,
}

pub fn run(form: Form) -> Figures {
    let mut village = Village::new(ENTRIES);
    village.run(&["index", "corpus"]).succeeded();
    let mut served = Served::start(&village.bench, &["--no-model"]);
    // Somebody has to read it, or the pipe fills.
    let said = served.child.stderr.take().expect("a pipe");
    let said = thread::spawn(move || io::read_to_string(said).expect("UTF-8"));
    let generations = village.index().join("generations");
    let (process, started) = (served.child.id(), Instant::now());
    let look = || Sample::of(process, &generations, started);
    let before = look().expect("a service");
    let (published, calls, samples) = under_load(&mut village, &served.address, form, &look);
    let mut figures = figures(form, (&published, &calls), &samples);
    let told = format!("{figures:#?}");
    assert!(calls.failed.is_empty() && published.is_ok(), "failed: {:#?}\n{told}", calls.failed);
    steady(&samples, &told);
    let after = left(&before, &look);
    figures.push(format!(
        "soak: {} descriptors before anybody came, {} when all were gone",
        before.descriptors, after.descriptors
    ));
    drop(served);
    let said = said.join().expect("its words");
    assert!(!said.contains("panicked"), "{said}\n{told}");
    figures
}

/// Lets clients call and generations be published side by side.
fn under_load(
    village: &mut Village,
    address: &str,
    form: Form,
    look: &(dyn Fn() -> Option<Sample> + Sync),
) -> (Result<usize, String>, Calls, Vec<Sample>) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop = &stop;
        let client =
            |number| scope.spawn(move || called(address.to_owned(), form.seed.wrapping_add(number), form, stop));
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        let samples = scope.spawn(move || sampled(form, stop, look));
        let published = publishes(village, form);
        // Clients end by themselves when the time is over.
        stop.store(published.is_err(), Ordering::Relaxed);
        let mut calls = Calls::default();
        for client in clients {
            let Calls { made, failed } = client.join().expect("a client");
            for (name, count) in made {
                *calls.made.entry(name).or_default() += count;
            }
            calls.failed.extend(failed);
        }
        stop.store(true, Ordering::Relaxed);
        (published, calls, samples.join().expect("samples"))
    })
}

/// One client, until the time is over or it has failed too often.
fn called(address: String, seed: u64, form: Form, stop: &AtomicBool) -> Calls {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut mix = Mix::new(address, seed).await;
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        while started.elapsed() < form.soak && !stop.load(Ordering::Relaxed) && mix.failed.len() < MOST_FAILED {
            ticks.tick().await;
            mix.call().await;
        }
        Calls { made: mix.made, failed: mix.failed }
    })
}

fn sampled(form: Form, stop: &AtomicBool, look: &(dyn Fn() -> Option<Sample> + Sync)) -> Vec<Sample> {
    let every = (form.soak / 60).clamp(Duration::from_millis(250), Duration::from_secs(5));
    let (mut samples, started) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) && started.elapsed() < form.soak + LONGEST {
        samples.extend(look());
        thread::sleep(every);
    }
    samples
}

/// Changes the corpus and publishes, every so often; how many times, or what went wrong.
fn publishes(village: &mut Village, form: Form) -> Result<usize, String> {
    let every = (form.soak / MOST_PUBLISHED).max(Duration::from_secs(3));
    let (mut choices, started) = (form.choices(), Instant::now());
    let mut published = 0;
    while started.elapsed() < form.soak {
        village.edit(&mut choices);
        let ended = village.run(&["index", "--slots", SLOTS, "corpus"]);
        if ended.code != Some(0) {
            return Err(format!("publish {published} ended with {:?}: {}", ended.code, ended.stderr));
        }
        published += 1;
        let kept = Reader::generations(&IndexDir::new(village.index()));
        if kept.len() > KEPT {
            return Err(format!("after publish {published} there are the generations {kept:?}"));
        }
        let next = (every * (published as u32)).min(form.soak);
        thread::sleep(next.saturating_sub(started.elapsed()));
    }
    Ok(published)
}

/// What the service holds when everybody is gone: as many descriptors as before they came.
fn left(before: &Sample, look: &dyn Fn() -> Option<Sample>) -> Sample {
    let started = Instant::now();
    loop {
        let now = look().expect("a service");
        if now.descriptors <= before.descriptors + IDLE_SLACK {
            return now;
        }
        assert!(started.elapsed() < LONGEST, "{} descriptors, and {} are left", before.descriptors, now.descriptors);
        thread::sleep(Duration::from_millis(100));
    }
}

/// The last quarter has no more descriptors and threads than the second: the first warms up.
fn steady(samples: &[Sample], told: &str) {
    let quarter = samples.len() / 4;
    assert!(quarter > 1, "{} looks are too few\n{told}", samples.len());
    let most = |of: &[Sample], what: fn(&Sample) -> u64| of.iter().map(what).max().unwrap_or(0);
    let (warm, last) = (&samples[quarter..2 * quarter], &samples[3 * quarter..]);
    let grew = |what: fn(&Sample) -> u64| most(last, what) > most(warm, what) + LOADED_SLACK;
    assert!(
        !grew(|sample| sample.descriptors) && !grew(|sample| sample.threads),
        "it grows: {warm:?} {last:?}\n{told}"
    );
    assert!(most(samples, |sample| sample.generations) <= KEPT as u64 + 1, "generations pile up\n{told}");
}

fn figures(form: Form, (published, calls): (&Result<usize, String>, &Calls), samples: &[Sample]) -> Figures {
    let warm = &samples[samples.len() / 4..];
    let trend = |value: fn(&Sample) -> f64| {
        Trend::of(&warm.iter().map(|sample| (sample.seconds, value(sample))).collect::<Vec<_>>())
    };
    let anonymous: Vec<(f64, f64)> =
        warm.iter().map(|sample| (sample.seconds, sample.anonymous_kb as f64 / 1024.0)).collect();
    let published = published.as_ref().map_or_else(Clone::clone, |count| format!("{count} publishes"));
    let most = samples.iter().map(|sample| sample.generations).max().unwrap_or(0);
    let made: Vec<String> = calls.made.iter().map(|(what, count)| format!("{what} {count}")).collect();
    vec![
        format!(
            "soak: {} s, {CLIENTS} clients, {} calls, {} failed; {published}, at most {most} generations at once",
            form.soak.as_secs(),
            calls.made.values().sum::<usize>(),
            calls.failed.len()
        ),
        format!("soak, calls: {}", made.join(", ")),
        format!("soak, resident memory: {}", trend(|sample| sample.resident_kb as f64 / 1024.0).told(" MB")),
        format!("soak, of it anonymous: {}", trend(|sample| sample.anonymous_kb as f64 / 1024.0).told(" MB")),
        format!(
            "soak, anonymous memory grew by {:.2?} MB in the quarters of that time",
            Trend::by_quarters(&anonymous)
        ),
        format!("soak, descriptors: {}", trend(|sample| sample.descriptors as f64).told("")),
        format!("soak, threads: {}", trend(|sample| sample.threads as f64).told("")),
    ]
}

#[test]
fn a_service_in_use_does_not_grow() {
    assert_eq!(run(Form::SHORT).len(), 8);
}
