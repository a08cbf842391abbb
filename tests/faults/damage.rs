//! Flipped bits and cut files, of every kind that a generation has: seen before they are used, named by `verify`, and
//! mended by `rebuild` without a call.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use frontload_enrich::{Record, scan};
use frontload_index::{IndexDir, Reader, verify};

use super::{Counts, Figures, Form, Village, village::copy};

pub fn run(form: Form) -> Figures {
    let mut choices = form.choices();
    let mut village = Village::new(30);
    let index = ["index", "--graph-rows", "5", "corpus"];
    village.run(&index).succeeded();
    village.edit(&mut choices);
    village.run(&index).succeeded();
    village.bench.run(&["verify"]).succeeded();
    let (each, looked_at) = if form.long { (1000, 6) } else { (40, 1) };
    let mut figures = Figures::new();
    let kinds = files(&village);
    let few: Vec<String> = form.some(&kinds.keys().cloned().collect::<Vec<_>>(), 5);
    for (kind, paths) in &kinds {
        let mut became = Counts::default();
        for _ in 0..each {
            let path = choices.choice(paths).expect("a file");
            became.add(harm(path, &mut choices, &mut |how| unused(&village, path, how)));
        }
        figures.push(format!("damage, {kind}: {each}: {}", became.told()));
        if few.contains(kind) {
            let kept = village.bench.path("kept");
            copy(&village.index(), &kept);
            for _ in 0..looked_at {
                let path = choices.choice(paths).expect("a file");
                harm(path, &mut choices, &mut |how| mended(&village, path, how));
                copy(&kept, &village.index());
            }
        }
    }
    let told = if form.long { kinds.len() } else { few.len() } * looked_at;
    figures.push(format!("damage: {told} through the program: search, verify, rebuild; 0 calls, 0 deaths"));
    figures.push(ledger(&village, each, &mut choices));
    another_format(&village, &kinds["manifest"][0]);
    figures
}

/// The one bit that makes a manifest one of another program, which nobody can be sure to hit by chance.
fn another_format(village: &Village, manifest: &Path) {
    let whole = fs::read_to_string(manifest).expect("a manifest");
    for digit in ["7", "1", "2"] {
        let flipped = whole.replacen("\"format_version\": 3", &format!("\"format_version\": {digit}"), 1);
        assert_ne!(flipped, whole);
        fs::write(manifest, flipped).expect("written");
        let found = village.bench.run(&["search", "wind"]);
        assert!(
            found.code == Some(0) && found.stderr.contains("frontload rebuild"),
            "format {digit}: {}",
            found.stderr
        );
    }
    fs::write(manifest, whole).expect("written");
}

/// The files of the live generation and what names it, by kind.
fn files(village: &Village) -> BTreeMap<String, Vec<PathBuf>> {
    let index = village.index();
    let manifest = Reader::open(&IndexDir::new(&index)).expect("an index").reader.manifest().clone();
    let folder = index.join(format!("generations/gen-{:06}", manifest.generation));
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in &manifest.files {
        let (part, name) = file.path.split_once('/').expect("a part");
        let kind = match part {
            "bm25" if Path::new(name).extension().is_some_and(|form| form == "json") => format!("tantivy {name}"),
            "bm25" => format!("tantivy .{}", name.rsplit_once('.').map_or(name, |(_, extension)| extension)),
            "dense" if name.starts_with("vectors-") => "vectors".to_owned(),
            "dense" if name.starts_with("keys-") => "keys of vectors".to_owned(),
            "dense" => format!("lane .{}", name.split_once('.').map_or(name, |(_, extension)| extension)),
            _ => name.to_owned(),
        };
        if file.bytes > 0 {
            kinds.entry(kind).or_default().push(folder.join(&file.path));
        }
    }
    kinds.insert("manifest".to_owned(), vec![folder.join("manifest.json")]);
    kinds.insert("CURRENT".to_owned(), vec![index.join("CURRENT")]);
    kinds
}

/// Damages a file, has that looked at, and mends it, all under its one inode: what shares it shares the damage.
fn harm<T>(path: &Path, choices: &mut fastrand::Rng, look: &mut dyn FnMut(&str) -> T) -> T {
    let whole = fs::read(path).expect("a file");
    let at = choices.usize(..whole.len());
    let mut damaged = whole.clone();
    let how = if choices.u8(..4) == 0 {
        damaged.truncate(at);
        format!("{} cut at byte {at} of {}", path.display(), whole.len())
    } else {
        let bit = choices.u8(..8);
        damaged[at] ^= 1 << bit;
        format!("{} with bit {bit} of byte {at} flipped", path.display())
    };
    fs::write(path, damaged).expect("written");
    let seen = look(&how);
    if path.exists() {
        fs::write(path, whole).expect("written");
    }
    seen
}

/// Puts a damaged copy in a file's place. The old file stays as it is for who has it open, and for the generation that
/// shares it.
pub(super) fn replaced(path: &Path, cut: bool, spare: &Path, choices: &mut fastrand::Rng) -> String {
    let mut bytes = fs::read(path).expect("a file");
    let at = choices.usize(..bytes.len());
    if cut || choices.u8(..4) == 0 {
        bytes.truncate(at);
    } else {
        bytes[at] ^= 1 << choices.u8(..8);
    }
    fs::write(spare, &bytes).expect("written");
    fs::rename(spare, path).expect("renamed");
    format!("{}, damaged at byte {at}", path.display())
}

/// Opens the index: the damage is seen, and the generation before answers.
fn unused(village: &Village, path: &Path, how: &str) -> &'static str {
    let dir = IndexDir::new(village.index());
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let became = match Reader::open(&dir) {
        Ok(opened) if opened.stale.is_some() => "the generation before answers",
        // A digit of a hash in capitals is the same digit.
        Ok(_) => {
            assert_eq!(name, "CURRENT", "{how}: not seen");
            return "harmless";
        }
        Err(error) => panic!("{how}: {error}"),
    };
    let told = match verify(&dir) {
        Ok((_, findings)) => findings.iter().map(|finding| finding.error.to_string()).collect(),
        Err(error) => error.to_string(),
    };
    assert!(told.contains(&name), "{how}: verify says {told:?}");
    became
}

/// The same through the program, and mended.
fn mended(village: &Village, path: &Path, how: &str) {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let asked = village.asked().len();
    let found = village.bench.run(&["search", "wind"]);
    let told = format!("{how}: {}", found.stderr);
    assert!(!found.stderr.contains("panicked"), "{told}");
    let verified = village.bench.run(&["verify"]);
    if verified.code == Some(0) && name == "CURRENT" {
        return;
    }
    match found.code {
        Some(0) => assert!(found.stderr.contains("frontload rebuild"), "{told}"),
        code => assert_eq!(code, Some(6), "{told}"),
    }
    assert!(verified.code == Some(6) && verified.stdout.contains(&name) || verified.stderr.contains(&name), "{told}");
    let dir = IndexDir::new(village.index());
    let whole = Reader::open(&dir).ok().map(|opened| opened.reader.manifest().generation);
    village.run(&["rebuild"]).succeeded();
    // What answered meanwhile is what there is to fall back on, not the damaged one.
    assert!(whole.is_none_or(|whole| Reader::generations(&dir).contains(&whole)), "{told}");
    assert_eq!(village.handles(), village.expected(), "{told}");
    village.whole().unwrap_or_else(|problem| panic!("{told}: {problem}"));
    assert_eq!(village.asked().len(), asked, "{told}: the model was asked");
}

/// Damages the ledger: the record is reported and left out, its neighbours are kept.
fn ledger(village: &Village, each: usize, choices: &mut fastrand::Rng) -> String {
    let folder = village.index().join("ledger");
    let mut all = Vec::new();
    let whole = scan(&folder, None, &mut |place, record| all.push((place, record))).expect("a ledger");
    assert!(whole.is_empty(), "{whole:?}");
    let mut became = Counts::default();
    for _ in 0..each {
        became.add(harm(&village.ledger_path(), choices, &mut |how| {
            let mut kept: Vec<Record> = Vec::new();
            let damage = scan(&folder, None, &mut |_, record| kept.push(record)).expect("a ledger");
            let cut = fs::metadata(village.ledger_path()).expect("a ledger").len();
            // Where the damage is: from the first line that is not as it was to the last.
            let whole: Vec<&Record> = all
                .iter()
                .filter(|(place, _)| {
                    let (start, end) = (place.offset, place.offset + u64::from(place.bytes));
                    end <= cut
                        && !damage.iter().any(|found| {
                            start < found.place.offset + u64::from(found.place.bytes) && found.place.offset < end
                        })
                })
                .map(|(_, record)| record)
                .collect();
            assert_eq!(kept.iter().collect::<Vec<_>>(), whole, "{how}");
            let lost = all.iter().filter(|(place, _)| place.offset < cut).count() - kept.len();
            match damage.len() {
                // Cut between two lines, it is a shorter ledger.
                0 => assert!(lost == 0 && how.contains("cut"), "{how}: not seen"),
                _ => assert!(lost <= 2, "{how}: {lost} records are gone"),
            }
            if damage.is_empty() { "cut between two records" } else { "reported, neighbours kept" }
        }));
    }
    format!("damage, ledger: {each}: {}", became.told())
}

#[test]
fn damage_is_seen_before_it_is_used() {
    let figures = run(Form::SHORT);
    assert!(figures.len() > 14, "{figures:?}");
}
