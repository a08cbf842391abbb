//! Our measures equal those of `ir_measures`, a public tool, on random runs with ties, graded judgments,
//! unjudged documents, topics without a ranking and rankings without a topic.

use std::{collections::BTreeMap, fmt::Write, path::Path, process::Command};

use frontload_eval::{Measure, Run, measure, read_qrels, read_run, write_run};

use crate::bench::{Bench, models};

const MEASURES: &str = "R@5 R@10 R@20 nDCG@10 nDCG@5 RR AP AP@10 P@5 Success@5";
/// `ir_measures` 0.4.3 breaks ties by document id, the larger first, as `trec_eval` does; but for `RR@k`, which
/// it takes from another tool, and for `Judged@k`, the smaller first. Where there are no ties there is no difference.
const WITHOUT_TIES: &str = "RR@10 RR@3 Judged@10";
const SCRIPT: &str = "
import sys, json, ir_measures
measures = [ir_measures.parse_measure(name) for name in sys.argv[3].split()]
qrels, run = ir_measures.read_trec_qrels(sys.argv[1]), ir_measures.read_trec_run(sys.argv[2])
values = [[m.query_id, str(m.measure), m.value] for m in ir_measures.iter_calc(measures, list(qrels), list(run))]
print(json.dumps(values))
";

/// A repeatable source of small numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn our_measures_are_the_public_ones() {
    let bench = Bench::new();
    let mut numbers = Numbers(20_261_125);
    let (mut qrels, mut run) = (String::new(), String::new());
    for topic in 0..60 {
        let mut relevant = false;
        for document in 0..40 {
            if numbers.below(3) > 0 {
                let level = numbers.below(4);
                relevant |= level > 0;
                let _ = writeln!(qrels, "t{topic} 0 d{document} {level}");
            }
            // Every tenth topic has no ranking at all. Scores repeat, so there are ties.
            if topic % 10 != 9 && numbers.below(4) > 0 {
                let _ = writeln!(run, "t{topic} Q0 d{document} 0 {}.5 test", numbers.below(8));
            }
        }
        assert!(relevant, "a fixture topic without a relevant document");
    }
    run.push_str("extra Q0 d1 1 3.0 test\n");
    bench.write("qrels.txt", &qrels);
    bench.write("run.txt", &run);

    let (qrels, ties) = (bench.path("qrels.txt"), bench.path("run.txt"));
    assert_eq!(compare(&qrels, &ties, MEASURES), 60 * 10);
    // What we write has no ties, and stands for the same order.
    let run = read_run(&ties).expect("a run");
    let untied = bench.path("untied.txt");
    write_run(&untied, &run, "test").expect("written");
    assert_eq!(compare(&qrels, &untied, MEASURES), 60 * 10);
    assert_eq!(compare(&qrels, &untied, WITHOUT_TIES), 60 * 3);
    let order = |run: &Run| -> Vec<String> { run.values().flatten().map(|(document, _)| document.clone()).collect() };
    assert_eq!(order(&read_run(&untied).expect("a run")), order(&run));
}

/// Compares every topic's every measure, and gives back how many there were.
fn compare(qrels: &Path, run: &Path, names: &str) -> usize {
    let output = Command::new("python3")
        .args(["-c", SCRIPT])
        .args([qrels, run])
        .arg(names)
        .env("PYTHONPATH", models().join("ir_measures"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<(String, String, f64)> = serde_json::from_slice(&output.stdout).expect("JSON");
    let measures: Vec<Measure> = names.split(' ').map(|name| name.parse().expect("a measure")).collect();
    let ours = measure(&read_qrels(qrels).expect("qrels"), &read_run(run).expect("a run"), &measures).per_topic;
    assert_eq!(ours.values().map(BTreeMap::len).sum::<usize>(), theirs.len());
    for (topic, name, value) in &theirs {
        let our = ours[topic][name];
        assert!((our - value).abs() < 1e-4, "{topic} {name}: {our}, ir_measures says {value}");
    }
    theirs.len()
}
