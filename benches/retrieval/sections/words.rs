//! Words alone, beside tantivy.

use frontload_core::{Field, Lane, Method};
use tantivy::{
    Index,
    collector::TopDocs,
    query::QueryParser,
    tokenizer::{SimpleTokenizer, TextAnalyzer},
};

use crate::{
    Result,
    data::{DEPTH, Data},
    figures::{ROUNDS, at, ratio, timed, told},
};

/// Our word lanes beside tantivy's own query parser over the same fields.
pub fn words(data: &Data) -> Result<()> {
    println!("words alone, best {DEPTH}, one thread:");
    let lanes: Vec<Lane> = data.reader.manifest().lanes.iter().map(|entry| entry.lane.clone()).collect();
    let lanes: Vec<Lane> = lanes.into_iter().filter(|lane| lane.method == Method::Bm25).collect();
    let body = Lane { field: Field::Body, method: Method::Bm25 };
    let index = Index::open_in_dir(data.reader.folder().ok_or("the index lies elsewhere")?.join("bm25"))?;
    // The words are analysed already: the parser only has to cut at blanks.
    index.tokenizers().register("raw", TextAnalyzer::builder(SimpleTokenizer::default()).build());
    let searcher = index.reader()?.searcher();
    let field = |lane: &Lane| match &lane.field {
        Field::Handle(kind) => index.schema().get_field(&format!("handle_{kind}")),
        other => index.schema().get_field(&other.to_string()),
    };
    for (name, lanes) in [("the text's field", vec![body]), ("all fields", lanes)] {
        let fields = lanes.iter().map(field).collect::<std::result::Result<Vec<_>, _>>()?;
        let parser = QueryParser::for_index(&index, fields);
        let (mut ratios, mut same) = (Vec::new(), 0);
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (mut our_round, mut their_round) = (Vec::new(), Vec::new());
            for query in &data.prepared {
                let text = data.reader.words_of_query(query).join(" ");
                let ours =
                    || lanes.iter().map(|lane| data.reader.search(lane, query, (DEPTH, None))).collect::<Vec<_>>();
                let parsed = || {
                    let query = parser.parse_query(&text)?;
                    searcher.search(&query, &TopDocs::with_limit(DEPTH).order_by_score())
                };
                let (first, found) = timed(ours);
                let (second, parsed_hits) = timed(parsed);
                let (third, _) = timed(parsed);
                let (fourth, _) = timed(ours);
                our_round.extend([first, fourth]);
                their_round.extend([second, third]);
                if let (Some(Ok((hits, _))), 1) = (found.first(), lanes.len()) {
                    let scores: Vec<f32> = parsed_hits?.iter().map(|(score, _)| *score).collect();
                    let alike = hits.len() == scores.len()
                        && hits.iter().zip(&scores).all(|(hit, score)| (hit.score - score).abs() < 1e-3);
                    same += usize::from(alike);
                }
            }
            ratios.push(at(&our_round, 0.99) / at(&their_round, 0.99));
            mine.extend(our_round);
            theirs.extend(their_round);
        }
        println!(" {name}:");
        if lanes.len() == 1 {
            println!("  the same first {DEPTH} scores: {same} of {}", data.queries.len() * ROUNDS);
        }
        told("ours, a query a field", &mine);
        told("tantivy's query parser", &theirs);
        ratio("p99, ours ÷ the parser", &ratios);
    }
    Ok(())
}
