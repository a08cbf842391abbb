//! What must be so: the corpus, the handles and what people decided, kept beside the program. What a generation must
//! say follows from it, and so does what the model must be asked.

use std::collections::{BTreeMap, BTreeSet};

use frontload_index::{IndexDir, Reader};
use serde_json::{Value, json};

use super::{
    Village,
    village::{answered, imports, tag, text},
};

/// Entries that are always left, and how many there may ever be: a service gives at most a hundred hits.
const FEWEST: usize = 8;
const MOST: usize = 80;
/// Numbers that no text counts up to: a word of a handle alone.
const NUMBERS: std::ops::Range<u32> = 10_000..1_000_000_000;

/// A handle: its kind and its text.
pub type Said = (String, String);

/// An entry, as a generation has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    pub tag: String,
    pub text: String,
    pub handles: BTreeSet<Said>,
}

/// What a generation says: its entries by their ids.
pub type Snapshot = BTreeMap<String, Passage>;

/// What a person decides about a handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Edit(String),
    Disable,
    Undo,
}

struct Decided {
    tag: String,
    said: Said,
    verdict: Verdict,
}

/// Two ways of saying the same, and whether that still holds.
pub struct Pair {
    pub kind: String,
    pub text: String,
    pub means: String,
    pub holds: bool,
}

/// The account.
pub struct Account {
    pub village: Village,
    /// The highest version that each entry ever had.
    versions: BTreeMap<usize, usize>,
    /// Tags that the ledger holds an answer to.
    pub answered: BTreeSet<String>,
    /// Imported notes: tag and text.
    pub imports: BTreeSet<(String, String)>,
    /// The last decision about each handle, the earliest first.
    decisions: Vec<Decided>,
    pub pairs: Vec<Pair>,
    /// What every generation there ever was must say.
    pub generations: BTreeMap<u64, Snapshot>,
    pub live: u64,
    /// Generations on the disk that were damaged.
    pub broken: BTreeSet<u64>,
    /// Words to look for: those that were ever said of one entry alone, and one that every text says.
    words: BTreeSet<String>,
    /// Calls that were accounted for.
    asked: usize,
}

impl Account {
    /// A village of so many entries, indexed.
    pub fn new(entries: usize) -> Self {
        let mut account = Self {
            village: Village::new(entries),
            versions: (0..entries).map(|number| (number, 0)).collect(),
            answered: BTreeSet::new(),
            imports: BTreeSet::new(),
            decisions: Vec::new(),
            pairs: Vec::new(),
            generations: BTreeMap::new(),
            live: 0,
            broken: BTreeSet::new(),
            words: (0..entries).map(|number| tag(number, 0)).chain(["wind".to_owned()]).collect(),
            asked: 0,
        };
        account.village.run(&["index", "corpus"]).succeeded();
        let missing = account.missing();
        account.asked_for(&missing);
        account.answered = missing;
        let next = account.next();
        account.published(next);
        account
    }

    /// Changes the corpus at one place: an entry is new, changed, as it was before, gone, or back.
    pub fn change(&mut self, choices: &mut fastrand::Rng) {
        let (number, version) = match choices.u8(..6) {
            0 if self.versions.len() < MOST => (self.versions.len(), 0),
            1 if self.village.entries().len() > FEWEST => {
                let gone = choices.choice(self.village.entries().keys().copied());
                self.village.take_out(gone.expect("an entry"));
                return self.village.write("");
            }
            2 | 3 => {
                let (number, highest) = choices.choice(self.versions.iter()).expect("an entry");
                (*number, choices.usize(..=*highest))
            }
            _ => {
                let (number, highest) = choices.choice(self.versions.iter()).expect("an entry");
                (*number, highest + 1)
            }
        };
        let highest = self.versions.entry(number).or_default();
        *highest = version.max(*highest);
        self.words.insert(tag(number, version));
        self.village.put(number, version);
        self.village.write("");
    }

    /// A word that nothing else says.
    pub fn number(&mut self, choices: &mut fastrand::Rng) -> String {
        loop {
            let number = choices.u32(NUMBERS).to_string();
            if self.words.insert(number.clone()) {
                return number;
            }
        }
    }

    /// A word to look for, whether or not anything still says it.
    pub fn word(&self, choices: &mut fastrand::Rng) -> String {
        choices.choice(self.words.iter()).expect("a word").clone()
    }

    /// The id of an entry that is there, or was.
    pub fn id(&self, choices: &mut fastrand::Rng) -> String {
        format!("e{}", choices.usize(..self.versions.len()))
    }

    /// Tags of the corpus that nobody has answered.
    pub fn missing(&self) -> BTreeSet<String> {
        self.village.tags().into_values().filter(|tag| !self.answered.contains(tag)).collect()
    }

    /// What a generation that was built now would say.
    pub fn next(&self) -> Snapshot {
        let passage = |(&number, &version): (&usize, &usize)| {
            let (tag, text) = (tag(number, version), text(number, version));
            let handles = self.handles(&tag);
            (format!("e{number}"), Passage { tag, text, handles })
        };
        self.village.entries().iter().map(passage).collect()
    }

    /// The model's handle and the imported ones, then what people decided, then what means the same.
    fn handles(&self, tag: &str) -> BTreeSet<Said> {
        let mut handles = BTreeSet::new();
        if self.answered.contains(tag) {
            handles.insert(("mood".to_owned(), format!("unease about {tag}")));
        }
        let notes = self.imports.iter().filter(|(about, _)| about == tag);
        handles.extend(notes.map(|(_, text)| ("note".to_owned(), text.clone())));
        for Decided { said, verdict, .. } in self.decisions.iter().filter(|decided| decided.tag == tag) {
            match verdict {
                Verdict::Accept => {
                    handles.insert(said.clone());
                }
                Verdict::Edit(to) => {
                    handles.remove(said);
                    handles.insert((said.0.clone(), to.clone()));
                }
                Verdict::Disable => {
                    handles.remove(said);
                }
                Verdict::Undo => {}
            }
        }
        for pair in self.pairs.iter().filter(|pair| pair.holds) {
            let both = [&pair.text, &pair.means].map(|text| (pair.kind.clone(), text.clone()));
            if both.iter().any(|said| handles.contains(said)) {
                handles.extend(both);
            }
        }
        handles
    }

    /// Notes a decision.
    pub fn decide(&mut self, tag: &str, said: &Said, verdict: Verdict) {
        self.decisions.retain(|decided| decided.tag != tag || decided.said != *said);
        self.decisions.push(Decided { tag: tag.to_owned(), said: said.clone(), verdict });
    }

    /// What was decided about an entry that reads so: the handles.
    pub fn decided(&self, tag: &str) -> Vec<Said> {
        self.decisions.iter().filter(|decided| decided.tag == tag).map(|decided| decided.said.clone()).collect()
    }

    /// What the live generation says.
    pub fn now(&self) -> &Snapshot {
        self.generations.get(&self.live).expect("a generation")
    }

    /// Generations on the disk.
    pub fn on_disk(&self) -> Vec<u64> {
        Reader::generations(&IndexDir::new(self.village.index()))
    }

    /// The calls since the last look are these, each made once.
    pub fn asked_for(&mut self, expected: &BTreeSet<String>) {
        let asked = self.asked_now();
        let once: BTreeSet<String> = asked.iter().cloned().collect();
        assert_eq!((asked.len(), &once), (expected.len(), expected), "calls that were made, and that were missing");
    }

    /// The calls since the last look.
    pub fn asked_now(&mut self) -> Vec<String> {
        let asked = self.village.asked().split_off(self.asked);
        self.asked += asked.len();
        asked
    }

    /// A generation was published: it is whole, it is the next one, at most one other is kept, and it says what it
    /// must.
    pub fn published(&mut self, next: Snapshot) {
        let before = self.generations.keys().next_back().copied().unwrap_or(0);
        self.live = self.village.whole().unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(self.live, before + 1, "the number of the new generation");
        let on_disk = self.on_disk();
        assert!(on_disk.len() <= 2 && on_disk.last() == Some(&self.live), "generations {on_disk:?}");
        self.broken.retain(|number| on_disk.contains(number));
        self.generations.insert(self.live, next);
        self.exported();
    }

    /// After a kill: the old generation is live, or a new one is, whole and saying what it must. `true` when there is
    /// a new one on the disk, live or not.
    pub fn perhaps_published(&mut self) -> bool {
        let number = self.generations.keys().next_back().copied().unwrap_or(0) + 1;
        let live = self.village.whole().unwrap_or_else(|problem| panic!("{problem}"));
        let on_disk = self.on_disk();
        let built = on_disk.contains(&number);
        assert!(live == self.live || (live == number && built), "{live} is live after {}: {on_disk:?}", self.live);
        self.live = live;
        self.broken.retain(|number| on_disk.contains(number));
        if built {
            let next = self.next();
            self.generations.insert(number, next);
        }
        self.exported();
        built
    }

    /// What `handles export` prints is what the live generation must have.
    pub fn exported(&self) {
        let printed = self.village.bench.run(&["handles", "export"]).succeeded().stdout;
        let told = |row: &Value, field: &str| row[field].as_str().expect("a text").to_owned();
        let rows = printed.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row"));
        let rows: BTreeSet<(String, Said)> =
            rows.map(|row| (told(&row, "id"), (told(&row, "kind"), told(&row, "text")))).collect();
        let expected = self.now().iter();
        let expected: BTreeSet<(String, Said)> = expected
            .flat_map(|(id, passage)| passage.handles.iter().map(move |said| (id.clone(), said.clone())))
            .collect();
        assert_eq!(rows, expected, "handles of generation {}", self.live);
    }

    /// What `inspect` prints of an entry: nothing where there is none.
    pub fn inspected(&self, id: &str) {
        let ended = self.village.bench.run(&["--json", "inspect", id]);
        let Some(passage) = self.now().get(id) else {
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{id} is gone: {}", ended.stderr);
            return;
        };
        let told = ended.succeeded().json();
        let handles = told["handles"].as_array().expect("a list").iter();
        let handles: BTreeSet<Said> = handles
            .map(|one| {
                (one["kind"].as_str().expect("a kind").to_owned(), one["text"].as_str().expect("a text").to_owned())
            })
            .collect();
        assert_eq!((told["chunk"]["text"].as_str(), &handles), (Some(passage.text.as_str()), &passage.handles), "{id}");
    }

    /// A file of notes on some entries of the corpus, and what is in it: tag and text.
    pub fn notes(&mut self, name: &str, choices: &mut fastrand::Rng) -> BTreeSet<(String, String)> {
        let tags: Vec<(String, String)> = self.village.tags().into_iter().collect();
        let (mut rows, mut lines) = (BTreeSet::new(), Vec::new());
        for _ in 0..choices.usize(1..4) {
            let (id, tag) = choices.choice(&tags).expect("an entry");
            let text = format!("note {} on {tag}", self.number(choices));
            lines.push(json!({"id": id, "kind": "note", "text": text}).to_string());
            rows.insert((tag.clone(), text));
        }
        self.village.bench.write(name, lines.join("\n"));
        rows
    }

    /// After a command was killed: what the ledger holds counts, and it holds all that it held. `rows` are those of an
    /// import. Gives back how many calls were on their way.
    pub fn caught_up(&mut self, asks: bool, rows: &BTreeSet<(String, String)>) -> usize {
        let ledger = self.village.ledger();
        let known = answered(&ledger);
        assert!(known.is_superset(&self.answered), "answers are gone: {:?}", self.answered.difference(&known));
        let (missing, asked) = (self.missing(), self.asked_now());
        let once: BTreeSet<String> = asked.iter().cloned().collect();
        assert!(asked.len() == once.len() && (asks || asked.is_empty()), "asked twice, or for nothing: {asked:?}");
        assert!(once.is_subset(&missing), "{once:?} were asked, {missing:?} were missing");
        let new: BTreeSet<String> = known.difference(&self.answered).cloned().collect();
        assert!(new.is_subset(&once), "{new:?} are answered, {once:?} were asked");
        self.answered = known;
        let held = imports(&ledger);
        let lost = self.imports.iter().find(|(_, text)| !held.contains(text));
        assert!(lost.is_none(), "an import is gone: {lost:?}");
        self.imports.extend(rows.iter().filter(|(_, text)| held.contains(text)).cloned());
        once.len() - new.len()
    }
}

/// The lanes of words that a generation has.
pub fn lanes(snapshot: &Snapshot) -> Vec<String> {
    let kinds: BTreeSet<&str> =
        snapshot.values().flat_map(|passage| &passage.handles).map(|(kind, _)| kind.as_str()).collect();
    ["body"].into_iter().chain(kinds).map(|field| format!("{field}.bm25")).collect()
}

/// The entries of which one of these lanes says a word.
pub fn found(snapshot: &Snapshot, lanes: &[String], word: &str) -> BTreeSet<String> {
    let says = |text: &str| text.split(|letter: char| !letter.is_alphanumeric()).any(|said| said == word);
    let along = |field: &str| lanes.iter().any(|lane| lane.strip_suffix(".bm25") == Some(field));
    let holds = |passage: &Passage| {
        let in_handle = |(kind, text): &Said| along(kind) && says(text);
        along("body") && says(&passage.text) || passage.handles.iter().any(in_handle)
    };
    snapshot.iter().filter(|(_, passage)| holds(passage)).map(|(id, _)| id.clone()).collect()
}
