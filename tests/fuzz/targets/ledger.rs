//! The ledger's lines. An input is a file of records, a line each; the line around a record, with its checksum, is
//! made here, for a changed record would not come past it. A line that begins with `!` is a whole line as it stands.

use std::{fs, path::Path};

use frontload_enrich::{Ledger, Record, scan};

use super::{about, outcome};

#[rustfmt::skip] // a word a line says no more
pub const WORDS: &[&str] = &[
    "!", "\n", "\"crc\":", "\"record\":", "{\"import\":{", "{\"answer\":{", "{\"settings\":{", "{\"attempt\":{",
    "{\"released\":{", "{\"ran\":{", "{\"review\":{", "{\"alias\":{", "\"chunk\":", "\"kind\":", "\"text\":",
    "\"evidence\":", "\"verbatim\"", "\"inferred\"", "\"result\":", "\"Ok\":", "\"Err\":", "\"verdict\":", "null",
    "true", "[]", "{}", "\\u0000", "\\ud800", "\"edit\"", ",", "}", "]",
];

pub fn run(folder: &Path, input: &[u8]) -> String {
    let (read, copied) = (folder.join("read"), folder.join("copied"));
    for ledger in [&read, &copied] {
        fs::create_dir_all(ledger).expect("a folder");
    }
    let whole: Vec<u8> = input.split_inclusive(|&byte| byte == b'\n').flat_map(sealed).collect();
    fs::write(read.join("000001.jsonl"), &whole).expect("written");
    let mut records: Vec<Record> = Vec::new();
    let mut end = 0;
    let damage = scan(&read, None, &mut |place, record| {
        assert!(place.offset >= end, "{place:?} lies before {end}");
        end = place.offset + u64::from(place.bytes);
        records.push(record);
    })
    .expect("a ledger can be read, whatever is in it");
    let lines = whole.split_inclusive(|&byte| byte == b'\n').count();
    assert_eq!(records.len() + damage.len(), lines, "a line is a record or damaged");

    written_again(&copied, &records);
    opened(&read, &whole, lines);
    let told: Vec<String> = damage.iter().take(3).map(|damage| outcome(&damage.problem)).collect();
    let names: Vec<String> = records.iter().take(4).map(kind).collect();
    format!("{} {names:?} {told:?}", about(records.len()))
}

/// A record's line, or the line as it stands behind a `!`.
fn sealed(line: &[u8]) -> Vec<u8> {
    let (record, end) = line.strip_suffix(b"\n").map_or((line, ""), |record| (record, "\n"));
    if let Some(bare) = record.strip_prefix(b"!") {
        return [bare, end.as_bytes()].concat();
    }
    let head = format!("{{\"crc\":\"{:08x}\",\"record\":", crc32fast::hash(record));
    [head.as_bytes(), record, b"}", end.as_bytes()].concat()
}

/// What was read is written, and read again, as the same.
fn written_again(folder: &Path, records: &[Record]) {
    // JSON has no way to write them, though 1e39 is read as one.
    if records.is_empty() || !records.iter().all(is_finite) {
        return;
    }
    let _ = fs::remove_file(folder.join("000001.jsonl"));
    let (mut ledger, _) = Ledger::open(folder).expect("a new ledger opens");
    ledger.append(records).expect("what was read can be written");
    let mut again = Vec::new();
    let damage = scan(folder, None, &mut |_, record| again.push(record)).expect("readable");
    assert_eq!((again.as_slice(), damage.as_slice()), (records, &[][..]));
}

/// Opening cuts off a line that has no end, and nothing else.
fn opened(folder: &Path, whole: &[u8], lines: usize) {
    let (mut ledger, torn) = Ledger::open(folder).expect("a ledger opens, whatever is in it");
    let finished = whole.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    assert_eq!(torn as usize, whole.len() - finished);
    ledger.note(&Record::Ran { model: String::new(), calls: 1, seconds: 0.5 }).expect("it goes on");
    let (mut seen, mut last) = (0, None);
    let damage = scan(folder, None, &mut |_, record| {
        seen += 1;
        last = Some(record);
    });
    let ended = lines - usize::from(torn > 0);
    assert_eq!(seen + damage.expect("readable").len(), ended + 1);
    assert!(matches!(last, Some(Record::Ran { calls: 1, .. })), "{last:?}");
}

fn is_finite(record: &Record) -> bool {
    let Record::Settings(settings) = record else { return true };
    let Some(tuning) = &settings.tuning else { return true };
    let constant = match tuning.fusion {
        Some(frontload_core::Fusion::Rrf { k }) => k,
        _ => 0.0,
    };
    constant.is_finite() && tuning.weights.values().all(|weight| weight.is_finite())
}

/// Which record it is.
fn kind(record: &Record) -> String {
    let shown = format!("{record:?}");
    shown.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}
