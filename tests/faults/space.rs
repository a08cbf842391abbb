//! A disk that is full, or fails: a clear error, nothing lost, and it goes on once there is room.

use std::{fs, path::Path, process::Command};

use super::{
    Counts, Figures, Form, Village,
    strace::{Point, broken, points},
    village::{answered, copy},
};

/// What fails, and how.
const FAILING: [(&[&str], &str, &str); 2] = [
    (
        &["write", "pwrite64", "writev", "ftruncate", "openat", "mkdir", "rename", "renameat", "linkat"],
        "ENOSPC",
        "No space left",
    ),
    (&["fsync", "fdatasync"], "EIO", "Input/output error"),
];

pub fn run(form: Form) -> Figures {
    let mut choices = form.choices();
    let mut figures = Figures::new();
    for name in ["enrich and publish", "publish", "import"] {
        let mut village = Village::new(12);
        village.run(&["index", "corpus"]).succeeded();
        village.edit(&mut choices);
        let rows = village.rows("handles.jsonl", &mut choices);
        let arguments: &[&str] = match name {
            "import" => &["handles", "import", "handles.jsonl"],
            "publish" => &["rebuild"],
            _ => &["index", "--slots", "1", "corpus"],
        };
        if name != "enrich and publish" {
            village.run(&["index", "corpus"]).succeeded();
        }
        if name == "import" {
            village.imported.extend(rows);
        }
        let kept = village.bench.path("kept");
        copy(&village.index(), &kept);
        let all = points(&village, arguments);
        copy(&kept, &village.index());
        for (calls, error, told) in FAILING {
            let of_kind: Vec<Point> =
                all.iter().filter(|point| calls.contains(&point.call.as_str())).cloned().collect();
            let tried = form.some(&of_kind, 3);
            let mut became = Counts::default();
            for point in &tried {
                became.add(at(&village, arguments, (point, error, told)));
                copy(&kept, &village.index());
            }
            figures.push(format!("{error}, {name}: {} of {} points: {}", tried.len(), of_kind.len(), became.told()));
        }
    }
    figures
}

/// Lets one call fail, checks what is said and left, and runs the command again.
fn at(village: &Village, arguments: &[&str], (point, error, told): (&Point, &str, &str)) -> &'static str {
    let before = village.whole().expect("a whole index");
    let ledger = village.ledger();
    let (ended, calls) = broken(village, point, &format!("error={error}"), arguments);
    let what = format!("{arguments:?}, {error} at {point:?}: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}");
    let met = calls.iter().any(|call| call.told.contains("(INJECTED)"));
    let became = match ended.code {
        Some(7) => {
            assert!(ended.stderr.contains(told) && ended.stderr.contains(".frontload"), "{what}");
            "exit code 7"
        }
        // What may fail: caches, and what is tidied away after the publish.
        Some(0) if met => "done all the same",
        Some(0) => "not reached",
        code => panic!("exit code {code:?}: {what}"),
    };
    let after = village.whole().unwrap_or_else(|problem| panic!("{problem}; {what}"));
    assert!(after == before || after == before + 1, "generation {after}; {what}");
    assert!(village.ledger().starts_with(&ledger), "an acknowledged record is gone; {what}");
    again(village, arguments, &what);
    became
}

/// There is room again.
fn again(village: &Village, arguments: &[&str], what: &str) {
    let (held, asked) = (answered(&village.ledger()), village.asked().len());
    let ended = village.run(arguments);
    assert_eq!(ended.code, Some(0), "{what}{}", ended.stderr);
    let repeated: Vec<String> = village.asked().into_iter().skip(asked).filter(|tag| held.contains(tag)).collect();
    assert!(repeated.is_empty(), "{repeated:?} were answered and are asked again; {what}");
    assert_eq!(village.handles(), village.expected(), "{what}");
}

/// A real disk, of every size from too small on.
pub fn small_disk(form: Form) -> Figures {
    let village = Village::new(24);
    let folder = village.index();
    let step = if form.long { 16 } else { 192 };
    let (mut became, mut sizes, mut lost) = (Counts::default(), 0, 0);
    for kibibytes in (32_usize..).step_by(step) {
        let Some(disk) = Mounted::new(&folder, kibibytes) else {
            return vec!["a small disk: not tried, for only root can mount one".to_owned()];
        };
        let _ = fs::remove_file(village.bench.path("asked.log"));
        let ended = village.run(&["index", "--slots", "2", "corpus"]);
        let what = format!("{kibibytes} KiB: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{what}");
        sizes += 1;
        if ended.code == Some(0) {
            became.add("done");
            break;
        }
        assert!(ended.code == Some(7) && ended.stderr.contains("No space left"), "{:?} {what}", ended.code);
        became.add(if village.asked().is_empty() {
            "exit code 7 before anything was asked"
        } else {
            "exit code 7 later"
        });
        let held = answered(&village.ledger());
        lost = lost.max(village.asked().iter().filter(|tag| !held.contains(*tag)).count());
        disk.grow();
        again(&village, &["index", "--slots", "2", "corpus"], &what);
    }
    vec![format!(
        "a small disk: {sizes} sizes from 32 KiB by {step} KiB: {}; at most {lost} answers that came when it was full \
         were not kept",
        became.told()
    )]
}

/// A disk of its own for a folder; gone when dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(folder: &'a Path, kibibytes: usize) -> Option<Self> {
        fs::create_dir_all(folder).expect("made");
        let size = format!("size={kibibytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        mounted.expect("mount runs").status.success().then_some(Self(folder))
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(self.0).status();
        assert!(grown.expect("mount runs").success(), "it does not grow");
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_disk_that_fails_costs_nothing_that_was_kept() {
    assert_eq!(run(Form::SHORT).len(), 6);
}

#[test]
fn a_small_disk_fills_and_grows() {
    assert_eq!(small_disk(Form::SHORT).len(), 1);
}
