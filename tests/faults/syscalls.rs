//! Killed at every system call that changes the disk, while a generation is published and the state opened: the old
//! generation or the new one answers, never neither.

use super::{
    Counts, Figures, Form, Village,
    strace::{Point, broken, points},
    village::copy,
};

pub fn run(form: Form) -> Figures {
    let mut choices = form.choices();
    let mut village = Village::new(12);
    village.run(&["index", "corpus"]).succeeded();
    village.edit(&mut choices);
    // The calls of an index run are the model's and the ledger's; with the answers there, a rebuild is a publish. The
    // state is lost before one of the two, so that it is made and not only opened.
    let mut figures = Figures::new();
    for (name, arguments, lost) in [
        ("enrich and publish", &["index", "--slots", "1", "corpus"][..], false),
        ("publish", &["rebuild"], false),
        ("publish without a state", &["rebuild"], true),
    ] {
        let index = village.index();
        let kept = village.bench.path("kept");
        if lost {
            std::fs::remove_dir_all(index.join("state.sled")).expect("a state");
        }
        copy(&index, &kept);
        let all = points(&village, arguments);
        copy(&kept, &index);
        let tried = form.some(&all, 5);
        let (mut became, mut kinds) = (Counts::default(), Counts::default());
        for point in &tried {
            became.add(at(&village, arguments, point));
            kinds.add(&point.call);
            copy(&kept, &index);
        }
        figures.push(format!(
            "killed at a system call, {name}: {} of {} points ({})",
            tried.len(),
            all.len(),
            kinds.told()
        ));
        figures.push(format!("killed at a system call, {name}: {}, 0 neither", became.told()));
        village.run(arguments).succeeded();
    }
    figures
}

/// Kills the command at a point, and checks what is left.
fn at(village: &Village, arguments: &[&str], point: &Point) -> &'static str {
    let before = village.whole().expect("a whole index");
    let ledger = village.ledger();
    let (ended, _) = broken(village, point, "signal=SIGKILL", arguments);
    let what = format!("{arguments:?} killed at {point:?}: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}");
    // Threads take turns as they like: one may have made a call fewer this time.
    let killed = ended.code.is_none();
    assert!(killed || ended.code == Some(0), "{what}");
    let after = village.whole().unwrap_or_else(|problem| panic!("{problem}; {what}"));
    assert!(after == before || after == before + 1, "generation {after}; {what}");
    assert!(village.ledger().starts_with(&ledger), "an acknowledged record is gone; {what}");
    village.bench.run(&["verify"]).succeeded();
    village.bench.run(&["search", "--lanes", "body.bm25", "wind"]).succeeded();
    let resumed = village.run(&["index", "--slots", "1", "corpus"]);
    assert_eq!(resumed.code, Some(0), "{what}{}", resumed.stderr);
    assert_eq!(village.handles(), village.expected(), "{what}");
    match (killed, after == before) {
        (false, _) => "not reached",
        (true, true) => "the old generation answers",
        (true, false) => "the new one answers",
    }
}

#[test]
fn killed_at_a_system_call_one_generation_answers() {
    assert_eq!(run(Form::SHORT).len(), 6);
}
