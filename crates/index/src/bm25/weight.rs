//! BM25 in its two halves, a chunk's and a query's, whose product is to the last digit what tantivy scores: an engine
//! that multiplies sparse vectors then ranks as this one does. Robertson and Zaragoza, The
//! Probabilistic Relevance Framework, 2009.

use tantivy::fieldnorm::FieldNormReader;

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// A word's weight in a text: how often it stands there, saturated, against the text's length, which tantivy rounds.
/// `average` is the mean length of the lane's texts.
pub fn chunk_weight(count: u32, length: u32, average: f32) -> f32 {
    let rounded = FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(length));
    let norm = K1 * (1.0 - B + B * rounded as f32 / average);
    let count = count as f32;
    count / (count + norm)
}

/// A word's weight in a query: how rare it is, `having` texts of `documents` having it.
pub fn query_weight(having: u64, documents: u64) -> f32 {
    let rarity = (documents.saturating_sub(having) as f32 + 0.5) / (having as f32 + 0.5);
    (1.0 + rarity).ln() * (1.0 + K1)
}

/// What tantivy takes for the most that one term scores: BM25's weight of a term that fills a text as long as can be,
/// a little more than that of a term that stands once in a text of average length. tantivy's own
/// [`max_score`](tantivy::query::Bm25Weight::max_score) prepares 256 lengths first that nobody asks for here.
pub fn most(having: u64, documents: u64) -> f32 {
    let (having, documents) = (having as f32, documents as f32);
    let idf = (1.0 + (documents - having + 0.5) / (having + 0.5)).ln();
    idf * (1.0 + K1) / (1.0 + K1 * B)
}

#[cfg(test)]
mod tests {
    use tantivy::query::Bm25Weight;

    use super::*;

    #[test]
    fn the_halves_multiply_to_what_tantivy_says() {
        for (having, documents, average) in [(1, 261, 154.2_f32), (40, 261, 7.9), (200, 261, 1.0), (3, 100_000, 61.7)] {
            let told = Bm25Weight::for_one_term_without_explain(having, documents, average);
            for length in [1, 7, 41, 160, 3000] {
                for count in [1, 2, 9] {
                    let ours = query_weight(having, documents) * chunk_weight(count, length, average);
                    let theirs = told.score(FieldNormReader::fieldnorm_to_id(length), count);
                    assert!((ours - theirs).abs() <= f32::EPSILON * theirs, "{count} in {length}: {ours}, {theirs}");
                }
            }
        }
    }

    #[test]
    fn the_most_a_term_scores_is_what_tantivy_says() {
        for (having, documents) in [(1, 261), (40, 261), (200, 261), (3, 100_000)] {
            let told = Bm25Weight::for_one_term_without_explain(having, documents, 1.0).max_score();
            assert!((most(having, documents) / told - 1.0).abs() < 0.05, "{having} of {documents}: {told}");
        }
    }
}
