//! Files that prompts are written to: each is there whole or not at all, and a call always goes to the same one.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use frontload_core::Digest;

/// What every file of prompts ends with.
const ENDING: &str = ".jsonl";

/// Files being written. Dropped before it is finished, it leaves none of them.
pub struct Shards(Vec<Shard>);

struct Shard {
    path: PathBuf,
    /// Where it is until it is whole.
    unfinished: PathBuf,
    out: BufWriter<File>,
}

impl Shards {
    /// A single file.
    pub fn one(path: &Path) -> anyhow::Result<Self> {
        Self::create(vec![path.to_owned()])
    }

    /// `NAME.00000.jsonl` and so on, so many of them, for `NAME` or `NAME.jsonl`.
    pub fn many(path: &Path, count: u16) -> anyhow::Result<Self> {
        let (folder, stem) = (folder(path), stem(path));
        if folder.is_dir() {
            refuse_older(folder, &stem, count)?;
        }
        Self::create((0..count).map(|at| folder.join(format!("{stem}.{at:05}{ENDING}"))).collect())
    }

    fn create(paths: Vec<PathBuf>) -> anyhow::Result<Self> {
        let mut shards = Self(Vec::new());
        for path in paths {
            let mut unfinished: OsString = path.clone().into();
            unfinished.push(".unfinished");
            let unfinished = PathBuf::from(unfinished);
            let file = File::create(&unfinished).with_context(|| unfinished.display().to_string())?;
            shards.0.push(Shard { path, unfinished, out: BufWriter::new(file) });
        }
        Ok(shards)
    }

    /// Where the prompts will stand, for people.
    pub fn place(&self) -> String {
        match self.0.as_slice() {
            [only] => only.path.display().to_string(),
            shards => {
                let first = shards.first().map_or_else(String::new, |first| first.path.display().to_string());
                format!("{} files, {first} and on", shards.len())
            }
        }
    }

    /// Writes a line to the file that the call belongs to.
    pub fn write(&mut self, call: Digest, line: &str) -> io::Result<()> {
        let start = call.0.iter().take(8).fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
        let at = start % self.0.len().max(1) as u64;
        match self.0.get_mut(at as usize) {
            Some(shard) => writeln!(shard.out, "{line}"),
            None => Ok(()),
        }
    }

    /// Puts every file in its place.
    pub fn finish(mut self) -> anyhow::Result<()> {
        for shard in &mut self.0 {
            let kept = shard.out.flush().and_then(|()| shard.out.get_ref().sync_all());
            kept.with_context(|| shard.unfinished.display().to_string())?;
        }
        for shard in std::mem::take(&mut self.0) {
            fs::rename(&shard.unfinished, &shard.path).with_context(|| shard.path.display().to_string())?;
        }
        Ok(())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for shard in &self.0 {
            // What cannot be deleted is called unfinished.
            let _ = fs::remove_file(&shard.unfinished);
        }
    }
}

/// An earlier export in more files would leave some behind, whose prompts would then be asked twice.
fn refuse_older(folder: &Path, stem: &str, count: u16) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let name = entry.with_context(|| folder.display().to_string())?.file_name();
        let number = name.to_str().and_then(|name| {
            let digits = name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(ENDING)?;
            digits.parse::<u32>().ok().filter(|_| digits.len() == 5)
        });
        if number.is_some_and(|number| number >= u32::from(count)) {
            bail!(
                "{}: of an earlier export in more files; move it away, or what it asks would be asked twice",
                folder.join(name).display()
            );
        }
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(ENDING).unwrap_or(&name).to_owned()
}

/// Files of results as a person names them: a file, a folder of them, or a pattern with `*` and `?` in its last part.
/// Gives back those that are there, and what names none.
pub fn found(named: &[PathBuf]) -> anyhow::Result<(Vec<PathBuf>, Vec<String>)> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut absent = Vec::new();
    for path in named {
        let pattern = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut here = if path.is_dir() {
            listed(path, |name| !name.starts_with(['_', '.']))?
        } else if path.exists() {
            vec![path.clone()]
        } else if pattern.contains(['*', '?']) && folder(path).is_dir() {
            listed(folder(path), |name| matches(&pattern, name))?
        } else {
            Vec::new()
        };
        if here.is_empty() {
            absent.push(path.display().to_string());
        }
        here.sort();
        files.extend(here.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>());
    }
    Ok((files, absent))
}

fn listed(folder: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry.with_context(|| folder.display().to_string())?;
        if entry.path().is_file() && wanted(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Whether a name has the form of a pattern: `*` stands for anything, `?` for one character.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            name.char_indices().any(|(at, _)| matches(rest, &name[at..])) || matches(rest, "")
        }
        Some(wanted) => name.chars().next().is_some_and(|letter| {
            (wanted == '?' || wanted == letter) && matches(&pattern[wanted.len_utf8()..], &name[letter.len_utf8()..])
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let check = |pattern: &str, name: &str, expected: bool| assert_eq!(matches(pattern, name), expected, "{name}");
        check("results.*.jsonl", "results.00003.jsonl", true);
        check("results.*.jsonl", "results.00003.jsonl.unfinished", false);
        check("part-?????*", "part-00000-of-9", true);
        check("part-?????", "part-0000", false);
        check("*", "", true);
        check("*é?", "caféß", true);
    }
}
