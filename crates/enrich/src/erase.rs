//! Taking out of the ledger what was said about some chunks: by models, in imports, by reviewers.
//!
//! That something stood there stays, with the hashes that name it; what it said does not.

use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
};

use frontload_core::{ChunkKey, Decision, Failure, FailureKind};

use crate::{
    EnrichError,
    ledger::{Ledger, LedgerError, Record, Rewritten, SettledAnswer, scan},
    state::State,
};

/// What the ledger is to say nothing about any more.
#[derive(Debug, Clone, Default)]
pub struct Erasure {
    /// Chunks.
    pub chunks: HashSet<ChunkKey>,
    /// Documents: decisions name the place of the passage they were made on, and are known by it when the passage has
    /// changed since.
    pub documents: BTreeSet<String>,
    /// Chunks that stay, whatever document a decision about them names.
    pub staying: HashSet<ChunkKey>,
}

impl Erasure {
    /// How many records it would change.
    ///
    /// # Errors
    /// When a file of the ledger cannot be read.
    pub fn count(&self, ledger: &Path) -> Result<usize, LedgerError> {
        let mut count = 0;
        scan(ledger, None, &mut |_, record| count += usize::from(self.in_place_of(&record).is_some()))?;
        Ok(count)
    }

    /// What is to stand in a record's place; `None` where it may stay.
    fn in_place_of(&self, record: &Record) -> Option<Record> {
        match record {
            Record::Answer(settled) if self.chunks.contains(&settled.chunk) && !is_erased(settled) => {
                let reason = "a person had its answer erased; `frontload index --retry-failed` asks again".to_owned();
                let result = Err(Failure { kind: FailureKind::Erased, reason });
                Some(Record::Answer(SettledAnswer { result, ..settled.clone() }))
            }
            Record::Import { chunk, .. } if self.chunks.contains(chunk) => Some(Record::Erased {}),
            Record::Review(decision) if self.concerns(decision) => Some(Record::Erased {}),
            _ => None,
        }
    }

    fn concerns(&self, decision: &Decision) -> bool {
        let id = decision.chunk_id.as_str();
        let document = || {
            let whole = id.rsplit_once('#').map_or(id, |(document, _)| document);
            self.documents.contains(id) || self.documents.contains(whole)
        };
        self.chunks.contains(&decision.chunk) || (!self.staying.contains(&decision.chunk) && document())
    }
}

fn is_erased(settled: &SettledAnswer) -> bool {
    settled.result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Erased)
}

/// Erases, and brings the state up to the ledger as it is then.
///
/// # Errors
/// When the ledger or the state cannot be read or written. What is erased by then stays erased, and the same again
/// erases the rest.
pub fn erase(ledger: &mut Ledger, state: &mut State, erasure: &Erasure) -> Result<Rewritten, EnrichError> {
    // Before anything moves: a state that knows nothing is read anew from the ledger, one that knows wrong places is not.
    state.clear()?;
    let rewritten = ledger.rewrite(&|record| erasure.in_place_of(record))?;
    state.catch_up(ledger)?;
    Ok(rewritten)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use frontload_core::{Completion, Digest, Evidence, Finish, Verdict};

    use super::*;

    fn key(name: &str) -> ChunkKey {
        ChunkKey(Digest::of_bytes(name.as_bytes()))
    }

    fn answer(chunk: &str) -> Record {
        let completion = Completion {
            text: format!("mood: said of {chunk}"),
            finish: Finish::Stop,
            prompt_tokens: 1,
            prefill_tokens: 1,
            answer_tokens: 1,
        };
        let kinds = [("mood".to_owned(), Digest::of_parts(["answer", chunk]))].into();
        Record::Answer(SettledAnswer {
            chunk: key(chunk),
            kinds,
            model: "m".to_owned(),
            result: Ok(completion),
            at: None,
        })
    }

    fn import(chunk: &str) -> Record {
        let text = format!("imported for {chunk}");
        Record::Import { chunk: key(chunk), kind: "mood".to_owned(), text, evidence: Evidence::Inferred, at: None }
    }

    fn review(chunk: &str, chunk_id: &str) -> Record {
        Record::Review(Decision {
            chunk: key(chunk),
            chunk_id: chunk_id.to_owned(),
            kind: "mood".to_owned(),
            text: format!("decided on {chunk}"),
            verdict: Verdict::Accept,
            by: "Mara".to_owned(),
            at: 0,
        })
    }

    #[test]
    fn what_was_said_goes_and_the_rest_is_found_where_it_stands_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger")).expect("opens");
        let mut state = State::open(&folder.path().join("state.sled"), &ledger).expect("opens");
        let records = [
            answer("bad"),
            answer("good"),
            import("bad"),
            review("earlier text of bad", "bad#1"),
            review("shared", "bad"),
            import("good"),
        ];
        for (place, record) in ledger.append(&records).expect("kept").into_iter().zip(&records) {
            state.apply(place, record).expect("noted");
        }
        let erasure = Erasure {
            chunks: [key("bad")].into(),
            documents: ["bad".to_owned()].into(),
            staying: [key("shared")].into(),
        };
        assert_eq!(erasure.count(&folder.path().join("ledger")).expect("read"), 3);
        let rewritten = erase(&mut ledger, &mut state, &erasure).expect("erased");
        assert_eq!(rewritten, Rewritten { records: 3, unreadable: 0 });
        let text = fs::read_to_string(folder.path().join("ledger/000001.jsonl")).expect("a ledger");
        assert!(!["said of bad", "imported for bad", "earlier text"].iter().any(|gone| text.contains(gone)), "{text}");
        let stand = ["said of good", "imported for good", "decided on shared"];
        assert!(stand.iter().all(|kept| text.contains(kept)), "{text}");
        // The state leads to what stays, and to the answer as one that failed.
        let place = state.imports(key("good")).expect("known")[0];
        assert_eq!(ledger.read(place).expect("reads"), import("good"));
        assert!(state.imports(key("bad")).expect("known").is_empty());
        let known = |chunk: &str| state.answer(Digest::of_parts(["answer", chunk])).expect("known").expect("there");
        assert!(!known("bad").answered && known("good").answered);
        // What is appended now stands in the new file, and nothing is left to erase.
        ledger.append(&[import("later")]).expect("kept");
        let mut last = None;
        let damage = ledger.scan(None, &mut |_, record| last = Some(record)).expect("read");
        assert_eq!((last, damage), (Some(import("later")), vec![]));
        assert_eq!(erase(&mut ledger, &mut state, &erasure).expect("again"), Rewritten::default());
    }

    #[test]
    fn a_damaged_line_stays_and_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(folder.path()).expect("opens");
        ledger.append(&[import("bad"), import("worse")]).expect("kept");
        let path = folder.path().join("000001.jsonl");
        let text = fs::read_to_string(&path).expect("a ledger");
        fs::write(&path, text.replace("for worse", "for wORse")).expect("written");
        let (mut ledger, _) = Ledger::open(folder.path()).expect("opens");
        let rewritten =
            ledger.rewrite(&|record| (*record == import("bad")).then_some(Record::Erased {})).expect("done");
        assert_eq!(rewritten, Rewritten { records: 1, unreadable: 1 });
        let text = fs::read_to_string(&path).expect("a ledger");
        assert!(text.contains("for wORse") && !text.contains("for bad"), "{text}");
    }
}
