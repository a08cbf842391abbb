//! Finding the files of a corpus: what is ignored, hidden, linked or no regular file is never opened.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{CorpusError, Skipped};

/// A schema beside the corpus: found by `frontload index`, and no document.
pub const SCHEMA_FILE: &str = "handles.toml";
/// The file that makes a folder a BEIR collection.
const BEIR_FILE: &str = "corpus.jsonl";

/// A file to read.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub path: PathBuf,
    /// Its path in the folder that was given, or its name.
    pub name: String,
}

/// What there is under a path.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub files: Vec<SourceFile>,
    pub skipped: Vec<Skipped>,
}

/// The files a path stands for, in the order of their paths.
pub(crate) fn files_of(path: &Path) -> Result<Found, CorpusError> {
    let unusable = |problem: String| CorpusError::Input { path: path.to_owned(), problem };
    let kind = fs::metadata(path).map_err(|error| unusable(error.to_string()))?;
    let beir = path.join(BEIR_FILE);
    if kind.is_file() {
        Ok(Found { files: vec![file(path, path.parent().unwrap_or(path))], skipped: Vec::new() })
    } else if !kind.is_dir() {
        Err(unusable("neither a file nor a folder".to_owned()))
    } else if beir.is_file() {
        Ok(Found { files: vec![file(&beir, path)], skipped: Vec::new() })
    } else {
        Ok(walk(path))
    }
}

fn walk(folder: &Path) -> Found {
    let mut found = Found::default();
    let mut builder = ignore::WalkBuilder::new(folder);
    builder.sort_by_file_path(Ord::cmp).follow_links(false).require_git(false).parents(in_git(folder));
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.skip(folder, error);
                continue;
            }
        };
        let Some(kind) = entry.file_type() else { continue };
        if kind.is_file() && entry.file_name() != SCHEMA_FILE {
            found.files.push(file(entry.path(), folder));
        } else if kind.is_symlink() && entry.depth() > 0 {
            found.skip(entry.path(), "a link, which is not followed");
        } else if !kind.is_file() && !kind.is_dir() && !kind.is_symlink() {
            found.skip(entry.path(), "not a regular file");
        }
    }
    found
}

impl Found {
    fn skip(&mut self, path: &Path, reason: impl ToString) {
        self.skipped.push(Skipped { place: path.display().to_string(), reason: reason.to_string() });
    }
}

/// Whether the folder is part of a git repository. Only there do `.gitignore`s above it count: elsewhere they are
/// about something else, such as the `*` people keep in their home folder.
fn in_git(folder: &Path) -> bool {
    let within = |folder: PathBuf| folder.ancestors().any(|above| above.join(".git").exists());
    fs::canonicalize(folder).is_ok_and(within)
}

fn file(path: &Path, root: &Path) -> SourceFile {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    SourceFile { path: path.to_owned(), name: parts.join("/") }
}

impl SourceFile {
    /// Its bytes, at most `limit` of them.
    pub(crate) fn bytes(&self, limit: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let open = fs::File::open(&self.path).map_err(|error| error.to_string())?;
        // One byte more than allowed: the file may have grown since its size was asked for.
        let mut open = io::Read::take(open, limit as u64 + 1);
        io::Read::read_to_end(&mut open, &mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() > limit { Err(format!("larger than {} MiB", limit >> 20)) } else { Ok(bytes) }
    }

    /// What its name says: the last part without its ending, in words.
    pub(crate) fn stem(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().replace(['_', '-'], " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the files found in a folder with these files, and the reasons of what was left out.
    fn check(files: &[(&str, &str)], prepare: impl Fn(&Path), names: &[&str], reasons: &[&str]) {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("in");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("made");
            fs::write(path, text).expect("written");
        }
        prepare(&inner);
        let found = files_of(&inner).expect("it is there");
        assert_eq!(found.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!(found.skipped.iter().map(|skipped| skipped.reason.as_str()).collect::<Vec<_>>(), reasons);
    }

    #[test]
    fn ignored_and_hidden_files_are_not_seen() {
        let files = [("in/.gitignore", "*.log\n"), ("in/a.txt", ""), ("in/b.log", ""), ("in/.hidden.txt", "")];
        check(&files, |_| (), &["a.txt"], &[]);
        let schema = [("in/handles.toml", ""), ("in/sub/b.txt", ""), ("in/a.txt", "")];
        check(&schema, |_| (), &["a.txt", "sub/b.txt"], &[]);
    }

    #[test]
    fn an_ignore_file_above_counts_in_a_repository_only() {
        let files = [(".gitignore", "*.txt\n"), ("in/a.txt", ""), ("in/b.md", "")];
        check(&files, |_| (), &["a.txt", "b.md"], &[]);
        let init = |inner: &Path| fs::create_dir(inner.with_file_name(".git")).expect("made");
        check(&files, init, &["b.md"], &[]);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_left_alone() {
        let lay = |inner: &Path| {
            std::os::unix::fs::symlink(inner.join("a.txt"), inner.join("b.txt")).expect("linked");
            std::os::unix::fs::symlink("/", inner.join("c")).expect("linked");
            let made = std::process::Command::new("mkfifo").arg(inner.join("d.txt")).status().expect("mkfifo runs");
            assert!(made.success());
        };
        let link = "a link, which is not followed";
        check(&[("in/a.txt", "")], lay, &["a.txt"], &[link, link, "not a regular file"]);
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        fs::write(&path, "seven b").expect("written");
        let file = file(&path, folder.path());
        assert_eq!(file.bytes(7), Ok(b"seven b".to_vec()));
        assert!(file.bytes(6).is_err_and(|reason| reason.contains("larger than")));
    }
}
