//! One walk: an index, a service, and the account of both; what can be done to them, and what is looked at after it.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use frontload_index::{IndexDir, Reader};
use serde_json::Value;

use super::{
    Counts, Figures,
    account::{Account, Pair, Passage, Said, Verdict, found, lanes},
    caller::Caller,
    damage,
    kill::{IN_FLIGHT, SLOTS, kill},
    state,
};
use crate::bench::Ended;

/// Passages to begin with.
const ENTRIES: usize = 24;
/// Words that the service is asked for at once.
const WORDS: usize = 6;

/// One thing to do.
pub type Act = fn(&mut Walk, &mut fastrand::Rng);

/// What there is to do, and how often it is done beside the others.
pub const ACTS: [(&str, usize, Act); 14] = [
    ("change", 5, Walk::change),
    ("index", 5, Walk::index),
    ("kill", 5, Walk::kill),
    ("rebuild", 2, Walk::rebuild),
    ("import", 2, Walk::import),
    ("decide", 4, Walk::decide),
    ("undo", 1, Walk::undo),
    ("alias", 2, Walk::alias),
    ("query", 3, Walk::query),
    ("reload", 1, Walk::reload),
    ("follow", 1, Walk::follow),
    ("restart", 1, Walk::restart),
    ("damage", 2, Walk::damage),
    ("state", 2, Walk::state),
];

/// An index, a service, and the account of both.
pub struct Walk {
    account: Account,
    caller: Caller,
    /// The generation that the service was last heard to answer from.
    serving: u64,
    /// How long the last whole run took: kills fall within.
    takes: Duration,
    did: Counts,
    became: Counts,
}

impl Walk {
    pub fn new() -> Self {
        let account = Account::new(ENTRIES);
        let caller = Caller::start(&account.village.bench);
        let (serving, takes) = (account.live, Duration::from_secs(1));
        Self { account, caller, serving, takes, did: Counts::default(), became: Counts::default() }
    }

    /// Does one thing, all of its choices from this seed, and looks whether everything still agrees.
    pub fn step(&mut self, act: usize, seed: u64) {
        let (name, _, act) = ACTS[act];
        let mut choices = fastrand::Rng::with_seed(seed);
        act(self, &mut choices);
        self.account.asked_for(&BTreeSet::new());
        let (word, id) = (self.account.word(&mut choices), self.account.id(&mut choices));
        self.serves(&word);
        self.finds(self.account.live, &word);
        self.account.inspected(&id);
        self.did.add(name);
    }

    /// What it came to, once everything is brought up to date.
    pub fn figures(mut self) -> Figures {
        self.index(&mut fastrand::Rng::with_seed(0));
        self.account.village.bench.run(&["verify"]).succeeded();
        let generations = self.account.generations.len();
        vec![
            format!("random: steps: {}", self.did.told()),
            format!("random: {}", self.became.told()),
            format!(
                "random: {generations} generations, {} calls for {} passages; every answer agreed with the account",
                self.account.village.asked().len(),
                self.account.answered.len()
            ),
        ]
    }

    /// What the service finds, in whichever generation it answers from: never an older one than before.
    fn serves(&mut self, word: &str) {
        let lanes = ["body.bm25".to_owned()];
        let (generation, ids) = self.caller.search(&lanes, word);
        assert!(generation >= self.serving, "generation {generation} is served after {}", self.serving);
        self.serving = generation;
        let snapshot = self.account.generations.get(&generation).expect("a generation that was built");
        assert_eq!(ids, found(snapshot, &lanes, word), "{word:?} in the service's generation {generation}");
    }

    /// What the program finds, answering from this generation. Gives back what it said beside.
    fn finds(&self, generation: u64, word: &str) -> String {
        let snapshot = self.account.generations.get(&generation).expect("a generation that was built");
        let lanes = lanes(snapshot);
        let expected = found(snapshot, &lanes, word);
        let ended = self.search(&lanes, word).exited(i32::from(expected.is_empty()));
        let told = ended.json();
        let hits = told["hits"].as_array().expect("hits").iter();
        let ids: BTreeSet<String> = hits.map(|hit| hit["document"].as_str().expect("an id").to_owned()).collect();
        assert_eq!((told["generation"].as_u64(), ids), (Some(generation), expected), "{word:?} in {lanes:?}");
        ended.stderr
    }

    fn search(&self, lanes: &[String], word: &str) -> Ended {
        let lanes = lanes.join(",");
        self.account.village.bench.run(&["--json", "search", "-k", "100", "--lanes", &lanes, word])
    }

    /// Something else stands in the corpus; nothing is told of it.
    fn change(&mut self, choices: &mut fastrand::Rng) {
        for _ in 0..choices.usize(1..4) {
            self.account.change(choices);
        }
    }

    fn index(&mut self, _: &mut fastrand::Rng) {
        let missing = self.account.missing();
        let started = Instant::now();
        let ended = self.account.village.run(&["--json", "index", "--slots", SLOTS, "--retry-failed", "corpus"]);
        self.takes = started.elapsed();
        let built = ended.succeeded().json();
        self.account.asked_for(&missing);
        assert_eq!(built["calls"]["done"].as_u64().unwrap_or(0), missing.len() as u64, "{built}");
        self.account.answered.extend(missing);
        let next = self.account.next();
        self.account.published(next);
        self.reported(&built);
    }

    /// Runs what publishes without the model.
    fn publishes(&mut self, arguments: &[&str]) {
        let unasked = self.account.missing().len();
        let started = Instant::now();
        let ended = self.account.village.run(&[&["--json"], arguments].concat());
        self.takes = started.elapsed();
        let built = ended.exited(if unasked == 0 { 0 } else { 3 }).json();
        self.account.asked_for(&BTreeSet::new());
        assert_eq!(built["unasked"].as_u64(), Some(unasked as u64), "{built}");
        let next = self.account.next();
        self.account.published(next);
        self.reported(&built);
    }

    /// What a build says of itself.
    fn reported(&self, built: &Value) {
        let now = self.account.now();
        let handles: usize = now.values().map(|passage| passage.handles.len()).sum();
        let told = ["generation", "documents", "handles"].map(|field| built[field].as_u64());
        assert_eq!(told, [self.account.live, now.len() as u64, handles as u64].map(Some), "{built}");
    }

    fn rebuild(&mut self, choices: &mut fastrand::Rng) {
        let afresh: &[&str] = &["rebuild", "--afresh"];
        self.publishes(if choices.u8(..4) == 0 { afresh } else { &["rebuild"] });
    }

    fn import(&mut self, choices: &mut fastrand::Rng) {
        let rows = self.account.notes("handles.jsonl", choices);
        self.account.imports.extend(rows);
        self.publishes(&["handles", "import", "handles.jsonl"]);
    }

    /// Starts what publishes, and kills it at some moment.
    fn kill(&mut self, choices: &mut fastrand::Rng) {
        let mut rows = BTreeSet::new();
        let arguments: &[&str] = match choices.u8(..5) {
            0 => {
                rows = self.account.notes("handles.jsonl", choices);
                &["handles", "import", "handles.jsonl"]
            }
            1 => &["rebuild"],
            _ => &["index", "--slots", SLOTS, "--retry-failed", "corpus"],
        };
        let asks = arguments[0] == "index";
        let mut command = self.account.village.command(arguments);
        let mut child = command.env("SCRIPTED_DELAY", "0.01").spawn().expect("starts");
        thread::sleep(self.takes.mul_f64(choices.f64() * 1.1));
        kill(&mut child);
        let ended = Ended::of(child.wait_with_output().expect("a child"));
        let what = format!("{arguments:?}: {:?} {}", ended.code, ended.stderr);
        assert!(!ended.stderr.contains("panicked") && matches!(ended.code, None | Some(0 | 3)), "{what}");
        let lost = self.account.caught_up(asks, &rows);
        assert!(lost <= IN_FLIGHT, "{lost} calls were made for nothing; {what}");
        let before = self.account.live;
        let built = self.account.perhaps_published();
        let ready = rows.is_subset(&self.account.imports) && (!asks || self.account.missing().is_empty());
        assert!(!built || ready, "built before all was there; {what}");
        let live = self.account.live > before;
        assert!(live || ended.code.is_none(), "it ended and published nothing; {what}");
        self.became.add(match (ended.code, live) {
            (Some(_), _) => "killed after its end",
            (None, true) => "killed after publishing",
            (None, false) => "killed before",
        });
    }

    fn decide(&mut self, choices: &mut fastrand::Rng) {
        let (id, passage) = choices.choice(self.account.now()).expect("an entry");
        let (id, passage) = (id.clone(), passage.clone());
        let number = self.account.number(choices);
        let (verb, said, verdict) = match (choices.u8(..5), choices.choice(&passage.handles).cloned()) {
            (0 | 1, Some(said)) => ("edit", said, Verdict::Edit(format!("resolve {number} told anew"))),
            (2, Some(said)) => ("disable", said, Verdict::Disable),
            (3, Some(said)) => ("accept", said, Verdict::Accept),
            _ => ("accept", ("mood".to_owned(), format!("calm {number}")), Verdict::Accept),
        };
        self.decided(verb, (&id, &passage.tag, &said), verdict);
    }

    /// Takes back what was decided about a passage that still reads so.
    fn undo(&mut self, choices: &mut fastrand::Rng) {
        let account = &self.account;
        let of_entry = |(id, passage): (&String, &Passage)| {
            let decided = account.decided(&passage.tag).into_iter();
            decided.map(|said| (id.clone(), passage.tag.clone(), said)).collect::<Vec<_>>()
        };
        let decided: Vec<(String, String, Said)> = account.now().iter().flat_map(of_entry).collect();
        if let Some((id, tag, said)) = choices.choice(&decided) {
            self.decided("undo", (id, tag, said), Verdict::Undo);
        }
    }

    fn decided(&mut self, verb: &str, (id, tag, said): (&str, &str, &Said), verdict: Verdict) {
        let mut arguments = vec!["handles", verb, id, said.0.as_str(), said.1.as_str(), "--by", "Mara"];
        if let Verdict::Edit(to) = &verdict {
            arguments.extend(["--to", to.as_str()]);
        }
        self.account.village.bench.run(&arguments).succeeded();
        self.account.decide(tag, said, verdict);
    }

    /// Says that two handles mean the same, or that two do not after all.
    fn alias(&mut self, choices: &mut fastrand::Rng) {
        let pairs = self.account.pairs.iter().enumerate();
        let held: Vec<usize> = pairs.filter(|(_, pair)| pair.holds).map(|(at, _)| at).collect();
        if let Some(&at) = choices.choice(&held).filter(|_| choices.bool()) {
            self.account.pairs[at].holds = false;
            return self.joined("withdraw", at);
        }
        let fresh = |said: &&Said| {
            !self.account.pairs.iter().any(|pair| pair.kind == said.0 && [&pair.text, &pair.means].contains(&&said.1))
        };
        let said: Vec<Said> =
            self.account.now().values().flat_map(|passage| &passage.handles).filter(fresh).cloned().collect();
        let Some((kind, text)) = choices.choice(said) else { return };
        let means = format!("dread {}", self.account.number(choices));
        self.account.pairs.push(Pair { kind, text, means, holds: true });
        self.joined("accept", self.account.pairs.len() - 1);
    }

    fn joined(&self, verb: &str, at: usize) {
        let Pair { kind, text, means, .. } = &self.account.pairs[at];
        self.account.village.bench.run(&["aliases", verb, kind, text, means]).succeeded();
    }

    /// Asks the service for words that stand in texts, in handles alone, or nowhere any more.
    fn query(&mut self, choices: &mut fastrand::Rng) {
        self.reload(choices);
        for _ in 0..WORDS {
            let word = self.account.word(choices);
            let snapshot = self.account.now();
            let lanes = lanes(snapshot);
            let expected = (self.account.live, found(snapshot, &lanes, &word));
            assert_eq!(self.caller.search(&lanes, &word), expected, "{word:?} in the service's {lanes:?}");
        }
        let id = self.account.id(choices);
        let passage = self.account.now().get(&id);
        let expected = passage.map(|passage| (passage.text.clone(), passage.handles.clone()));
        assert_eq!(self.caller.chunk(&id), expected, "{id}");
    }

    fn reload(&mut self, _: &mut fastrand::Rng) {
        let told = self.caller.reload();
        assert_eq!((told.generation, told.problem.as_str()), (self.account.live, ""));
        self.serving = told.generation;
    }

    /// Waits until the service has taken up the live generation by itself.
    fn follow(&mut self, _: &mut fastrand::Rng) {
        let started = Instant::now();
        while self.caller.generation() != self.account.live {
            assert!(started.elapsed() < Duration::from_secs(600), "generation {} is never served", self.account.live);
            thread::sleep(Duration::from_millis(20));
        }
        self.serving = self.account.live;
    }

    fn restart(&mut self, _: &mut fastrand::Rng) {
        self.started_anew(self.account.live);
    }

    fn started_anew(&mut self, expected: u64) {
        self.caller = Caller::start(&self.account.village.bench);
        self.serving = self.caller.generation();
        assert_eq!(self.serving, expected, "the generation of a service that was started anew");
    }

    /// A file of the live generation is not what it was. The one before answers, if it is whole, and `rebuild` mends
    /// it.
    fn damage(&mut self, choices: &mut fastrand::Rng) {
        // The service has opened it: while it opens files, they must not change under its hands.
        self.reload(choices);
        let current = choices.u8(..8) == 0;
        let path = self.file_of_the_index(current, choices);
        let how = damage::replaced(&path, current, &self.account.village.bench.path("damaged"), choices);
        if !current {
            self.account.broken.insert(self.account.live);
        }
        let whole = self.account.on_disk().into_iter().rev().find(|number| !self.account.broken.contains(number));
        let verified = self.account.village.bench.run(&["verify"]);
        let said = format!("{}{}", verified.stdout, verified.stderr);
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(verified.code == Some(6) && said.contains(&*name), "{how}: verify says {said}");
        let word = self.account.word(choices);
        if let Some(number) = whole {
            let said = self.finds(number, &word);
            assert!(said.contains("frontload rebuild"), "{how}: {said}");
        } else {
            self.search(&["body.bm25".to_owned()], &word).exited(6);
        }
        self.still_served(whole, choices);
        self.became.add(if whole.is_some() { "damaged, another answers" } else { "damaged, none answers" });
        self.publishes(&["rebuild"]);
        assert!(whole.is_none_or(|number| self.account.on_disk().contains(&number)), "{how}: {whole:?} was removed");
        self.account.village.bench.run(&["verify"]).succeeded();
    }

    /// A service that runs goes on with what it has, and says so when it is told to look; one that starts takes what is
    /// whole.
    fn still_served(&mut self, whole: Option<u64>, choices: &mut fastrand::Rng) {
        let word = self.account.word(choices);
        self.serves(&word);
        if let Some(number) = whole.filter(|_| choices.bool()) {
            return self.started_anew(number);
        }
        let told = self.caller.reload();
        assert_eq!((told.generation, told.problem.is_empty()), (self.serving, false), "{told:?}");
    }

    fn file_of_the_index(&self, current: bool, choices: &mut fastrand::Rng) -> PathBuf {
        let index = self.account.village.index();
        if current {
            return index.join("CURRENT");
        }
        let reader = Reader::open(&IndexDir::new(index)).expect("an index").reader;
        let files = reader.manifest().files.iter().filter(|file| file.bytes > 0).map(|file| file.path.as_str());
        let files: Vec<&str> = files.chain(["manifest.json"]).collect();
        reader.folder().expect("a folder").join(choices.choice(&files).expect("a file"))
    }

    /// The state is lost, and the next step meets that; or it is damaged, and met by what asks no model.
    fn state(&mut self, choices: &mut fastrand::Rng) {
        let folder = self.account.village.index().join("state.sled");
        if choices.bool() || !folder.exists() {
            let _ = fs::remove_dir_all(&folder);
            self.became.add("state lost");
            return;
        }
        let mut files = state::names(&folder);
        files.retain(|name| fs::metadata(folder.join(name)).is_ok_and(|found| found.len() > 0));
        let name = choices.choice(&files).expect("a file of the state");
        state::harm(&folder.join(name), choices);
        self.became.add("state damaged");
        if choices.bool() {
            self.import(choices);
        } else {
            self.rebuild(choices);
        }
    }
}
