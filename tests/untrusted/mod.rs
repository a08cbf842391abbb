//! Text that nobody vouches for. `attacks.toml` holds passages that want something: handles of their choice, the prompt,
//! the terminal, the page. Nothing of one may be in another passage's handles, and none may reach what shows it.
//!
//! What is **not** claimed: that an attack gets no handle of its own. A model that is told to praise its passage praises
//! it, and no gate can tell that from a reading. Nor is it claimed of kinds whose scope is wider than the chunk: there
//! the model reads the neighbours, so a document can plant handles in its own other chunks.

mod handles;
mod page;
mod prompts;
mod small_model;
mod terminal;

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, Ended, root};

/// Every form of kind, narrow limits.
const SCHEMA: &str = r#"
[schema]
name = "untrusted"
about = "papers of unknown origin"

[[handle]]
kind = "quote"
ask = "Quote the main words."
evidence = "verbatim"
max_items = 3
max_chars = 60

[[handle]]
kind = "when"
ask = "Quote the words that say when."
evidence = "normalised"
normalise = "time"
max_items = 2
max_chars = 40

[[handle]]
kind = "mood"
ask = "How does it feel?"
evidence = "inferred"
max_items = 3
max_chars = 40

[[handle]]
kind = "form"
ask = "What is it?"
evidence = "inferred"
values = ["prose", "code", "list", "noise"]
max_items = 1

[[example]]
text = "At dusk on 3 March 1904 the geese went over, and nobody in the yard spoke."
handles = { quote = ["the geese"], when = ["3 March 1904"], mood = ["hushed wonder"], form = ["prose"] }
"#;
/// Kind, most items, most characters: as the schema says.
const LIMITS: [(&str, usize, usize); 4] = [("quote", 3, 60), ("when", 2, 40), ("mood", 3, 40), ("form", 1, 60)];
/// What every canary begins with.
const CANARY: &str = "wren";

/// A passage that wants something.
#[derive(serde::Deserialize)]
struct Attack {
    id: String,
    /// A word that no other passage has.
    canary: String,
    text: String,
    /// What a browser would act on.
    #[serde(default)]
    markup: String,
}

impl Attack {
    fn class(&self) -> &str {
        self.id.rsplit_once('-').map_or("", |(class, _)| class)
    }
}

#[derive(serde::Deserialize)]
struct Attacks {
    attack: Vec<Attack>,
}

fn attacks() -> Vec<Attack> {
    let text = fs::read_to_string(root().join("tests/untrusted/attacks.toml")).expect("the attacks");
    toml::from_str::<Attacks>(&text).expect("attacks").attack
}

/// A corpus of attacks with clean passages around them.
fn corpus(attacks: &[Attack], clean: &[(&str, &str)]) -> Bench {
    let bench = Bench::new();
    let row = |id: &str, text: &str| json!({"_id": id, "title": "", "text": text}).to_string();
    let (before, after) = clean.split_at(clean.len() / 2);
    let rows = before.iter().map(|(id, text)| row(id, text));
    let rows = rows.chain(attacks.iter().map(|attack| row(&attack.id, &attack.text)));
    let rows = rows.chain(after.iter().map(|(id, text)| row(id, text)));
    bench.write("untrusted/corpus.jsonl", rows.collect::<Vec<_>>().join("\n"));
    bench.write("untrusted/handles.toml", SCHEMA);
    bench
}

/// Runs the program with the model that obeys.
fn obeyed(bench: &Bench, arguments: &[&str]) -> Ended {
    let model = format!("program:{}", root().join("tests/untrusted/obedient.py").display());
    let mut command = bench.command([&["--model", model.as_str()], arguments].concat());
    // A version manager's stand-in for python3 takes longer than the script.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("/usr/bin:{path}"));
    // Where colours are shown nothing is taken out of what is printed, an attack's escapes neither.
    command.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
    Ended::of(command.output().expect("the binary runs"))
}

/// The corpus, indexed with that model. Some cards that it takes over cannot be read, which is a failure of their
/// passages alone.
fn index(bench: &Bench) -> Value {
    obeyed(bench, &["--json", "index", "untrusted"]).exited(3).json()
}

/// Whether a character hides, or makes others do so. Written out here: the program's own list is what is tested.
fn hides(letter: char) -> bool {
    let tags = ('\u{E0000}'..='\u{E0FFF}').contains(&letter);
    let controls = letter < ' ' || ('\u{7F}'..='\u{9F}').contains(&letter);
    let turns = "\u{61C}\u{200E}\u{200F}\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}";
    let nothing = "\u{200B}\u{200C}\u{200D}\u{2060}\u{2061}\u{2062}\u{2063}\u{2064}\u{FEFF}\u{180E}";
    let blanks = "\u{2028}\u{2029}\u{115F}\u{1160}\u{3164}\u{FFA0}\u{FFF9}\u{FFFA}\u{FFFB}";
    controls || tags || [turns, nothing, blanks].iter().any(|list| list.contains(letter))
}

/// What must hold of a chunk's handles, whoever was obeyed.
fn check_handles(id: &str, text: &str, handles: &[Value]) {
    const MARKS: [&str; 14] = [
        "<|",
        "|>",
        "<｜",
        "<s>",
        "</s>",
        "<bos>",
        "<eos>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "_of_turn>",
        "think>",
        "tool_call>",
        "[TOOL_CALLS]",
    ];
    const ADDRESSES: [&str; 6] = ["://", "www.", "javascript:", "data:text", "mailto:", "//wren"];
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    for (kind, items, chars) in LIMITS {
        let of_kind: Vec<&Value> = handles.iter().filter(|handle| handle["kind"] == kind).collect();
        assert!(of_kind.len() <= items, "{id}: {of_kind:?}");
        for handle in of_kind {
            let said = handle["text"].as_str().expect("text");
            assert!(!said.chars().any(hides), "{id}: {said:?}");
            assert!(!said.trim().is_empty() && said.chars().count() <= chars, "{id}: {said:?}");
            assert!(!MARKS.iter().any(|mark| said.contains(mark)), "{id}: {said:?}");
            assert!(!ADDRESSES.iter().any(|start| said.to_lowercase().contains(start)), "{id}: {said:?}");
            let at = |end: usize| handle["span"][end].as_u64().map(|at| at as usize);
            let quoted = at(0).zip(at(1)).map(|(start, end)| text.get(start..end).expect("a span of the text"));
            match kind {
                "quote" => assert_eq!(quoted.map(squeezed), Some(squeezed(said)), "{id}: {handle}"),
                "when" => assert!(quoted.is_some(), "{id}: {handle}"),
                "form" => assert!(["prose", "code", "list", "noise"].contains(&said), "{id}: {handle}"),
                _ => {}
            }
        }
    }
    assert!(handles.iter().all(|handle| LIMITS.iter().any(|(kind, ..)| handle["kind"] == *kind)), "{id}: {handles:?}");
}

/// No attack's canary is in the handles of another passage.
fn check_neighbours(bench: &Bench, attacks: &[Attack]) {
    let exported = bench.run(&["handles", "export"]).succeeded().stdout;
    let rows: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    assert!(!rows.is_empty(), "no handles at all");
    for row in &rows {
        let said = row["text"].as_str().expect("text").to_lowercase();
        for attack in attacks.iter().filter(|attack| row["id"] != attack.id.as_str()) {
            assert!(!said.contains(&attack.canary), "{} is in {row}", attack.id);
        }
    }
}
