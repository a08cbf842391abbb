//! What BM25 counts in one field, frozen with the generation: with it the same scores can be had elsewhere.

use std::collections::BTreeMap;

use frontload_core::Field;
use tantivy::TantivyError;

use super::Words;
use crate::layout::bm25_field;

/// The statistics of one field's words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaneStatistics {
    /// Texts that are counted, taken-out ones too until all is written afresh.
    pub documents: u64,
    /// Their mean length in words.
    pub average: f32,
    /// Every word, with how many texts have it.
    pub words: BTreeMap<String, u64>,
}

impl Words {
    /// What is counted in a field; nothing where it is not indexed.
    pub fn statistics(&self, field: &Field) -> Result<LaneStatistics, TantivyError> {
        let mut statistics = LaneStatistics::default();
        let Ok(field) = self.index.schema().get_field(&bm25_field(field)) else { return Ok(statistics) };
        let mut tokens = 0;
        for segment in self.searcher.segment_readers() {
            let inverted = segment.inverted_index(field)?;
            statistics.documents += u64::from(segment.max_doc());
            tokens += inverted.total_num_tokens();
            let mut terms = inverted.terms().stream()?;
            while terms.advance() {
                let word = String::from_utf8_lossy(terms.key()).into_owned();
                *statistics.words.entry(word).or_default() += u64::from(terms.value().doc_freq);
            }
        }
        statistics.average = tokens as f32 / statistics.documents as f32;
        Ok(statistics)
    }
}
