//! The gate that needs the whole corpus: what stands on too many chunks tells them apart too little.

use std::collections::{HashMap, HashSet};

use frontload_core::{Chunk, Evidence, Handle, Reason, Rejected, Schema, Source, fold};

/// Below this many chunks nothing counts as filler: a small corpus repeats itself honestly.
const FILLER_CHUNKS: usize = 4;

/// Moves the model's inferred handles whose text stands on too large a share of the chunks to the rejected. Equal
/// chunks count as one: they were asked about once, and have the same answer.
pub(crate) fn drop_filler(
    schema: &Schema,
    chunks: &[Chunk],
    handles: &mut [Vec<Handle>],
    rejected: &mut [Vec<Rejected>],
) {
    if !schema.gates.enabled {
        return;
    }
    let open = |handle: &Handle| {
        let listed = schema.kind(&handle.kind).is_some_and(|spec| !spec.values.is_empty());
        handle.source == Source::Model && handle.evidence == Evidence::Inferred && !listed
    };
    let mut distinct = HashSet::new();
    let mut chunks_with: HashMap<(String, String), usize> = HashMap::new();
    for (_, list) in chunks.iter().zip(handles.iter()).filter(|(chunk, _)| distinct.insert(chunk.key())) {
        for handle in list.iter().filter(|handle| open(handle)) {
            *chunks_with.entry((handle.kind.clone(), fold::fold(&handle.text))).or_default() += 1;
        }
    }
    let limit = FILLER_CHUNKS.max((distinct.len() as f64 * schema.gates.filler_share) as usize);
    for (list, fallen) in handles.iter_mut().zip(rejected) {
        list.retain(|handle| {
            let key = (handle.kind.clone(), fold::fold(&handle.text));
            let count = chunks_with.get(&key).copied().filter(|&count| open(handle) && count > limit);
            if let Some(count) = count {
                let detail = format!("on {count} of {} chunks", distinct.len());
                let (kind, text) = (handle.kind.clone(), handle.text.clone());
                fallen.push(Rejected { kind, text, reason: Reason::Filler, detail });
            }
            count.is_none()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filler_goes_and_what_tells_apart_stays() {
        let toml = "[schema]\nname = \"s\"\n[[handle]]\nkind = \"mood\"\nask = \"How?\"\nevidence = \"inferred\"\n";
        let schema = Schema::from_toml(toml).expect("valid");
        let handle = |text: &str| Handle {
            kind: "mood".into(),
            text: text.into(),
            evidence: Evidence::Inferred,
            span: None,
            interval: None,
            source: Source::Model,
        };
        let chunk = |text: String| Chunk { document: "d".into(), text, ..Chunk::default() };
        let handles = || (0..5).map(|at| vec![handle("Mercy"), handle(&format!("m{at}"))]).collect::<Vec<_>>();
        let judge = |chunks: Vec<Chunk>| {
            let (mut handles, mut rejected) = (handles(), vec![Vec::new(); 5]);
            drop_filler(&schema, &chunks, &mut handles, &mut rejected);
            (handles, rejected)
        };
        // The same chunk five times is one chunk.
        let (_, rejected) = judge((0..5).map(|_| chunk("text".to_owned())).collect());
        assert!(rejected.iter().all(Vec::is_empty), "{rejected:?}");
        let (handles, rejected) = judge((0..5).map(|at| chunk(format!("text {at}"))).collect());
        assert!(handles.iter().all(|list| list.len() == 1 && list[0].text != "Mercy"));
        assert!(rejected.iter().all(|list| list[0].detail == "on 5 of 5 chunks"), "{rejected:?}");
    }
}
