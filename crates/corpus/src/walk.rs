//! Finding the files of a corpus: what is ignored, hidden, linked or no regular file is never opened, nor is a folder
//! looked into whose rules on what is ignored are no such file.

use std::{
    error::Error,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::mpsc::channel,
};

use crate::{CorpusError, Skipped};

/// A schema beside the corpus: found by `frontload index`, and no document.
pub const SCHEMA_FILE: &str = "handles.toml";
/// The file that makes a folder a BEIR collection.
const BEIR_FILE: &str = "corpus.jsonl";

/// What says which files are ignored.
const RULES: [&str; 4] = [".gitignore", ".ignore", ".git", ".git/info/exclude"];
/// More than this is no list of patterns.
const MOST_RULES_BYTES: u64 = 1 << 20;

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
        let given = file(path, path.parent().unwrap_or(path));
        // Who names a link means what it leads to. What only stands in a folder is another matter.
        let real = fs::canonicalize(path).map_err(|error| unusable(error.to_string()))?;
        Ok(Found { files: vec![SourceFile { path: real, ..given }], skipped: Vec::new() })
    } else if !kind.is_dir() {
        Err(unusable("neither a file nor a folder".to_owned()))
    } else if beir.is_symlink() {
        Err(unusable(format!("its {BEIR_FILE} is a link, which is not followed; give the file that it leads to")))
    } else if beir.is_file() {
        Ok(Found { files: vec![file(&beir, path)], skipped: Vec::new() })
    } else if let Some(rules) = unusable_rules(path) {
        Err(unusable(cannot_tell(&rules)))
    } else {
        Ok(walk(path))
    }
}

fn walk(folder: &Path) -> Found {
    let mut found = Found::default();
    let mut builder = ignore::WalkBuilder::new(folder);
    builder.sort_by_file_path(Ord::cmp).follow_links(false).require_git(false).parents(in_git(folder));
    let (refuse, refused) = channel();
    builder.filter_entry(move |entry| {
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let rules = if is_folder { unusable_rules(entry.path()) } else { None };
        // Nobody listens any more only when the walk is over.
        rules.is_none_or(|rules| refuse.send((entry.path().to_owned(), rules)).is_err())
    });
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.skip(path_of(&error).unwrap_or(folder), reason_of(&error));
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
    for (path, rules) in refused.try_iter() {
        found.skip(&path, cannot_tell(&rules));
    }
    found
}

/// What an error of the walk is about.
fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

/// The system's word, without the path again.
fn reason_of(error: &ignore::Error) -> String {
    let Some(error) = error.io_error() else { return error.to_string() };
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// A file that says what is ignored in a folder and is better not opened: a pipe that nobody writes to, a device that
/// never ends, a list larger than any list. The walk would open it.
fn unusable_rules(folder: &Path) -> Option<PathBuf> {
    let is_unusable = |path: &Path| {
        let found = fs::metadata(path);
        found.is_ok_and(|found| !found.is_dir() && (!found.is_file() || found.len() > MOST_RULES_BYTES))
    };
    if let Some(own) = RULES.iter().map(|name| folder.join(name)).find(|path| is_unusable(path)) {
        return Some(own);
    }
    // In a worktree of git `.git` is a file that names a folder, and a file in that names the one with the rules.
    let git = PathBuf::from(first_line(&folder.join(".git"))?.strip_prefix("gitdir: ")?);
    let common = git.join("commondir");
    if is_unusable(&common) {
        return Some(common);
    }
    let named = first_line(&common)?;
    let shared = if named.starts_with('.') { git.join(named) } else { PathBuf::from(named) };
    Some(shared.join("info/exclude")).filter(|path| is_unusable(path))
}

fn first_line(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().next().map(str::to_owned)
}

fn cannot_tell(rules: &Path) -> String {
    format!("what is to be ignored in it cannot be told: {} is no text file", rules.display())
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
    /// Opens it, if it is still a regular file: what was put in its place since may be a link, or a pipe that nobody
    /// writes to.
    pub(crate) fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        {
            use rustix::fs::OFlags;
            use std::os::unix::fs::OpenOptionsExt;
            options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
        }
        let file = options.open(&self.path)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
    }

    /// Its bytes, at most `limit` of them.
    pub(crate) fn bytes(&self, limit: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let open = self.open().map_err(|error| error.to_string())?;
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

    #[cfg(unix)]
    #[test]
    fn a_link_that_was_put_in_a_files_place_is_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("a.txt"), folder.path().join("b.txt"));
        fs::write(&other, "elsewhere").expect("written");
        std::os::unix::fs::symlink(&other, &path).expect("linked");
        assert!(file(&path, folder.path()).bytes(99).is_err());
        // Named by its own path it is meant.
        let found = files_of(&path).expect("it is there");
        let given = found.files.first().expect("one file");
        assert_eq!((given.name.as_str(), given.bytes(99)), ("a.txt", Ok(b"elsewhere".to_vec())));
        fs::remove_file(&path).expect("removed");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
        assert_eq!(file(&path, folder.path()).bytes(99), Err("not a regular file".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn what_says_what_is_ignored_is_a_file_too() {
        let pipe = |path: PathBuf| {
            assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
        };
        let told = "what is to be ignored in it cannot be told";
        let one = |lay: &dyn Fn(&Path)| {
            let folder = tempfile::tempdir().expect("a folder");
            let sub = folder.path().join("sub");
            fs::create_dir(&sub).expect("made");
            fs::write(folder.path().join("a.txt"), "Fog.").expect("written");
            fs::write(sub.join("b.txt"), "Salt.").expect("written");
            lay(&sub);
            let found = files_of(folder.path()).expect("it is there");
            assert_eq!(found.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.txt"]);
            assert!(found.skipped.iter().any(|skipped| skipped.reason.contains(told)), "{:?}", found.skipped);
            assert!(files_of(&sub).is_err_and(|error| error.to_string().contains(told)));
        };
        one(&|sub| pipe(sub.join(".gitignore")));
        one(&|sub| pipe(sub.join(".ignore")));
        one(&|sub| std::os::unix::fs::symlink("/dev/zero", sub.join(".gitignore")).expect("linked"));
        one(&|sub| File::create(sub.join(".ignore")).and_then(|file| file.set_len(1 << 24)).expect("made"));
        one(&|sub| {
            fs::write(sub.join(".git"), format!("gitdir: {}", sub.display())).expect("written");
            pipe(sub.join("commondir"));
        });
        one(&|sub| {
            fs::write(sub.join(".git"), format!("gitdir: {}", sub.display())).expect("written");
            fs::write(sub.join("commondir"), "./common").expect("written");
            fs::create_dir_all(sub.join("common/info")).expect("made");
            pipe(sub.join("common/info/exclude"));
        });
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
