//! The power goes at any call of a run, and of the disk only what was synced is left (see `disk`): whatever the program
//! went on after is there, and the old generation or the new one answers.

use std::collections::BTreeSet;

use super::{
    Counts, Figures, Form, Village,
    disk::Disk,
    strace::{CHANGES, Call, traced},
    village::{answered, copy, imports},
};

pub fn run(form: Form) -> Figures {
    let mut choices = form.choices();
    let mut village = Village::new(10);
    let index = ["index", "--slots", "1", "corpus"];
    let mut figures = vec![at_every_call(form, "the first index", &village, &index)];
    village.edit(&mut choices);
    figures.push(at_every_call(form, "a change", &village, &index));
    let rows = village.rows("handles.jsonl", &mut choices);
    village.imported.extend(rows);
    figures.push(at_every_call(form, "import", &village, &["handles", "import", "handles.jsonl"]));
    figures.push(at_every_call(form, "rebuild", &village, &["rebuild", "--afresh"]));
    figures
}

/// Runs a command to its end, then looks at what each moment of it would have left.
fn at_every_call(form: Form, name: &str, village: &Village, arguments: &[&str]) -> String {
    let mut disk = Disk::of(&village.bench.path(""));
    let had = village.index().join("CURRENT").exists();
    let before = if had { village.whole().expect("a whole index") } else { 0 };
    let options = ["-f", "-xx", "-s", "1000000", "-e", &format!("trace={CHANGES}")];
    let (ended, calls) = traced(village, &options, arguments);
    ended.succeeded();
    let calls: Vec<Call> = calls.iter().map(Call::decoded).collect();
    let done = village.bench.path("done");
    copy(&village.index(), &done);
    let moments: Vec<usize> =
        calls.iter().enumerate().filter(|(_, call)| call.told.contains(".frontload")).map(|(at, _)| at).collect();
    let looked_at: BTreeSet<usize> = form.some(&moments, 20).into_iter().chain(moments.last().copied()).collect();
    let resumed: BTreeSet<usize> = form.some(&looked_at.iter().copied().collect::<Vec<_>>(), 4).into_iter().collect();
    let resumed: BTreeSet<usize> = if form.long { resumed.into_iter().step_by(5).collect() } else { resumed };
    let mut became = Counts::default();
    let mut passed_on = Ledger::default();
    for (at, call) in calls.iter().enumerate() {
        disk.apply(call);
        passed_on.note(call);
        if !looked_at.contains(&at) {
            continue;
        }
        let what = format!(
            "{name}, power cut after call {at}, {} {}",
            call.name,
            call.told.chars().take(200).collect::<String>()
        );
        let kept = disk.kept(".frontload/ledger/000001.jsonl").unwrap_or_default();
        for line in &passed_on.settled {
            assert!(
                kept.windows(line.len()).any(|found| found == line.as_slice()),
                "{} is gone; {what}",
                String::from_utf8_lossy(line)
            );
        }
        disk.restore(".frontload", &village.index());
        let live = village.index().join("CURRENT").exists();
        assert!(live || !had, "no generation is live; {what}");
        became.add(if live {
            let after = village.whole().unwrap_or_else(|problem| panic!("{problem}; {what}"));
            if after == before { "the old generation answers" } else { "the new one answers" }
        } else {
            "none was live yet"
        });
        if resumed.contains(&at) {
            let (held, asked) = (answered(kept), village.asked().len());
            let index = ["index", "--slots", "1", "corpus"];
            let ended = village.run(if had { arguments } else { &index });
            assert_eq!(ended.code, Some(0), "{what}{}", ended.stderr);
            village.run(&index).succeeded();
            let again: Vec<String> = village.asked().into_iter().skip(asked).filter(|tag| held.contains(tag)).collect();
            assert!(again.is_empty(), "{again:?} were answered and are asked again; {what}");
            assert_eq!(village.handles(), village.expected(), "{what}");
        }
    }
    copy(&done, &village.index());
    let settled = passed_on.settled.len();
    assert!(settled > 0 || name == "rebuild", "{name}: no record was written");
    format!(
        "power cut, {name}: {} of {} moments, {} of them resumed: {}; {settled} acknowledged records, 0 lost",
        looked_at.len(),
        moments.len(),
        resumed.len(),
        became.told()
    )
}

/// Records that the program has gone on after, and so counts on.
#[derive(Default)]
struct Ledger {
    written: Vec<(u32, Vec<u8>)>,
    settled: Vec<Vec<u8>>,
}

impl Ledger {
    /// A record is acknowledged as soon as the thread that wrote it does anything but sync it.
    fn note(&mut self, call: &Call) {
        if !matches!(call.name.as_str(), "fsync" | "fdatasync") {
            let (settled, open) =
                std::mem::take(&mut self.written).into_iter().partition(|(thread, _)| *thread == call.thread);
            let settled: Vec<(u32, Vec<u8>)> = settled;
            self.settled.extend(settled.into_iter().map(|(_, line)| line));
            self.written = open;
        }
        if call.name == "write" && call.descriptor().is_some_and(|path| path.contains("/ledger/")) {
            for line in call.bytes().split_inclusive(|&byte| byte == b'\n') {
                // A note that a call begins need not outlive the power.
                if !answered(line).is_empty() || !imports(line).is_empty() {
                    self.written.push((call.thread, line.to_vec()));
                }
            }
        }
    }
}

#[test]
fn what_was_acknowledged_outlives_the_power() {
    assert_eq!(run(Form::SHORT).len(), 4);
}
