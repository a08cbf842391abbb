//! What a small change costs.

use std::fs;

use crate::{
    Result,
    data::{Data, frontload},
};

/// One percent changed and one percent deleted.
pub fn fresh(data: &Data) -> Result<()> {
    println!("one percent of the documents changed, one percent deleted:");
    let path = data.place.join("corpus/corpus.jsonl");
    let whole = fs::read_to_string(&path)?;
    let rows: Vec<&str> = whole.lines().collect();
    let changed: Vec<String> = rows
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 100 != 50)
        .map(
            |(at, row)| {
                if at % 100 == 7 { row.replacen("\"text\":\"", "\"text\":\"Revised. ", 1) } else { (*row).to_owned() }
            },
        )
        .collect();
    fs::write(&path, changed.join("\n"))?;
    let ended = frontload(&data.place, &["rebuild"]);
    fs::write(&path, &whole)?;
    let (seconds, built) = ended?;
    println!(
        "  published after {seconds:.1} s: {} chunks written, {} taken out, {} texts embedded",
        built["written"], built["removed"], built["embedded"]
    );
    let (seconds, built) = frontload(&data.place, &["rebuild"])?;
    println!("  and back after {seconds:.1} s: {} chunks written, {} taken out", built["written"], built["removed"]);
    Ok(())
}
