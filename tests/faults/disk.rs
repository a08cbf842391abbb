//! A model of a disk that keeps only what it was told to keep, in the strictest reading of POSIX: a file's bytes as
//! they were at its last fsync or fdatasync, and the names in a folder as they were at that folder's last fsync. Nothing is
//! written out by itself, nothing in between, and no write is torn.

use std::{collections::BTreeMap, fs, path::Path};

use super::strace::Call;

#[derive(Debug, Clone)]
enum Node {
    File { bytes: Vec<u8>, kept: Vec<u8> },
    Folder { names: BTreeMap<String, usize>, kept: BTreeMap<String, usize> },
}

/// The disk below one folder.
#[derive(Clone)]
pub struct Disk {
    root: String,
    nodes: Vec<Node>,
    /// Where the next write to a file goes that does not say where.
    offsets: BTreeMap<String, usize>,
}

impl Disk {
    /// A folder as it is, all of it kept.
    pub fn of(root: &Path) -> Self {
        let told = fs::canonicalize(root).expect("a folder").to_str().expect("a path").to_owned();
        let mut disk = Self { root: told, nodes: Vec::new(), offsets: BTreeMap::new() };
        let mut known = BTreeMap::new();
        disk.read(root, &mut known);
        disk
    }

    fn read(&mut self, path: &Path, known: &mut BTreeMap<u64, usize>) -> usize {
        use std::os::unix::fs::MetadataExt;
        let number = self.nodes.len();
        if path.is_dir() {
            self.nodes.push(Node::Folder { names: BTreeMap::new(), kept: BTreeMap::new() });
            let mut names = BTreeMap::new();
            for entry in fs::read_dir(path).expect("a folder").flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                names.insert(name, self.read(&entry.path(), known));
            }
            self.nodes[number] = Node::Folder { kept: names.clone(), names };
            return number;
        }
        let inode = fs::metadata(path).map_or(0, |found| found.ino());
        if let Some(&number) = known.get(&inode) {
            return number;
        }
        let bytes = fs::read(path).unwrap_or_default();
        self.nodes.push(Node::File { kept: bytes.clone(), bytes });
        known.insert(inode, number);
        number
    }

    /// What a path means: its names below the root; `None` for a path elsewhere.
    fn names(&self, path: &str) -> Option<Vec<String>> {
        let below = if path.starts_with('/') { path.strip_prefix(&self.root)? } else { path };
        Some(below.split('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_owned).collect())
    }

    fn find(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for name in self.names(path)? {
            let Node::Folder { names, .. } = &self.nodes[at] else { return None };
            at = *names.get(&name)?;
        }
        Some(at)
    }

    fn folder(&mut self, path: &str) -> Option<(&mut BTreeMap<String, usize>, String)> {
        let (last, above) = self.names(path)?.split_last().map(|(last, above)| (last.clone(), above.join("/")))?;
        let at = self.find(&above)?;
        match self.nodes.get_mut(at)? {
            Node::Folder { names, .. } => Some((names, last)),
            Node::File { .. } => None,
        }
    }

    fn make(&mut self, path: &str, node: Node) {
        let number = self.nodes.len();
        if let Some((names, name)) = self.folder(path) {
            names.insert(name, number);
            self.nodes.push(node);
        }
    }

    /// Does what a call did.
    pub fn apply(&mut self, call: &Call) {
        let (descriptor, named, bytes) = (call.descriptor(), call.named(), call.bytes());
        match (call.name.as_str(), named.as_slice()) {
            ("openat", [path, ..]) => {
                let empty = || Node::File { bytes: Vec::new(), kept: Vec::new() };
                match self.find(path) {
                    None if call.told.contains("O_CREAT") => self.make(path, empty()),
                    Some(at) if call.told.contains("O_TRUNC") => {
                        if let Node::File { bytes, .. } = &mut self.nodes[at] {
                            bytes.clear();
                        }
                    }
                    _ => {}
                }
                self.offsets.insert(self.names(path).unwrap_or_default().join("/"), 0);
            }
            ("mkdir", [path, ..]) if self.find(path).is_none() => {
                self.make(path, Node::Folder { names: BTreeMap::new(), kept: BTreeMap::new() });
            }
            ("write" | "pwrite64", _) => {
                let Some(at) = descriptor.and_then(|path| self.find(&path)) else { return };
                let key = self.names(&call.descriptor().unwrap_or_default()).unwrap_or_default().join("/");
                let Node::File { bytes: whole, .. } = &mut self.nodes[at] else { return };
                // The ledger is only appended to; what else is written without saying where is written from its start.
                let next =
                    if key.contains("ledger/") { whole.len() } else { self.offsets.get(&key).copied().unwrap_or(0) };
                let from = if call.name == "pwrite64" { call.last_number() } else { next };
                whole.resize(whole.len().max(from + bytes.len()), 0);
                whole[from..from + bytes.len()].copy_from_slice(&bytes);
                if call.name == "write" {
                    self.offsets.insert(key, from + bytes.len());
                }
            }
            ("ftruncate", _) => {
                let Some(at) = descriptor.and_then(|path| self.find(&path)) else { return };
                if let Node::File { bytes, .. } = &mut self.nodes[at] {
                    bytes.resize(call.last_number(), 0);
                }
            }
            ("fsync" | "fdatasync", _) => {
                match descriptor.and_then(|path| self.find(&path)).map(|at| &mut self.nodes[at]) {
                    Some(Node::File { bytes, kept }) => kept.clone_from(bytes),
                    Some(Node::Folder { names, kept }) => kept.clone_from(names),
                    None => {}
                }
            }
            ("rename" | "renameat" | "renameat2", [from, .., to]) => {
                let Some(moved) = self.folder(from).and_then(|(names, name)| names.remove(&name)) else { return };
                if let Some((names, name)) = self.folder(to) {
                    names.insert(name, moved);
                }
            }
            ("linkat" | "link", [from, .., to]) => {
                let Some(at) = self.find(from) else { return };
                if let Some((names, name)) = self.folder(to) {
                    names.insert(name, at);
                }
            }
            ("unlink" | "rmdir", [path, ..]) => self.remove(path),
            ("unlinkat", [path, ..]) => {
                let whole = descriptor.map_or_else(|| path.clone(), |folder| format!("{folder}/{path}"));
                self.remove(if path.starts_with('/') { path } else { &whole });
            }
            _ => {}
        }
    }

    fn remove(&mut self, path: &str) {
        if let Some((names, name)) = self.folder(path) {
            names.remove(&name);
        }
    }

    /// Bytes of a file that are kept, if the way to it is.
    pub fn kept(&self, path: &str) -> Option<&[u8]> {
        let mut at = 0;
        for name in self.names(path)? {
            let Node::Folder { kept, .. } = &self.nodes[at] else { return None };
            at = *kept.get(&name)?;
        }
        match &self.nodes[at] {
            Node::File { kept, .. } => Some(kept),
            Node::Folder { .. } => None,
        }
    }

    /// Writes what is kept below a path into a folder, files with several names as one file.
    pub fn restore(&self, path: &str, to: &Path) {
        let _ = fs::remove_dir_all(to);
        let mut at = 0;
        for name in self.names(path).expect("below the root") {
            let Node::Folder { kept, .. } = &self.nodes[at] else { return };
            let Some(next) = kept.get(&name) else { return };
            at = *next;
        }
        self.write(at, to, &mut BTreeMap::new());
    }

    fn write(&self, at: usize, to: &Path, written: &mut BTreeMap<usize, std::path::PathBuf>) {
        match &self.nodes[at] {
            Node::Folder { kept, .. } => {
                fs::create_dir_all(to).expect("made");
                for (name, &at) in kept {
                    self.write(at, &to.join(name), written);
                }
            }
            Node::File { kept, .. } => {
                if let Some(other) = written.get(&at) {
                    fs::hard_link(other, to).expect("linked");
                } else {
                    fs::write(to, kept).expect("written");
                    written.insert(at, to.to_owned());
                }
            }
        }
    }
}
