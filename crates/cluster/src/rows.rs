//! Rows as they are written and read. A row's key is a hash of all that it holds, so that writing it twice writes it
//! once, and reading it back shows whether it is what was written.

use frontload_core::{Digest, Field};
use frontload_index::IndexedChunk;
use milvus::v2::{FieldData, SparseVector};
use serde_json::Value;

use crate::{
    ClusterError,
    layout::{
        FACTS, FILLER, HAVING, ITEM, KEY, KEY_DIGITS, Kind, MOST_PARTS, MOST_TEXT, NUMBER, RECORD, TEXT, VECTOR,
        WEIGHTS,
    },
};

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: String,
    /// The chunk's number, the term's, or the part's.
    pub number: u32,
    /// A lane's row lies in the lane's own.
    pub partition: Option<String>,
    /// What filters ask; nothing in collections that are not filtered.
    pub facts: Value,
    pub content: Content,
}

/// What it holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// Of a chunk: its record, in parts.
    Record(Vec<String>),
    /// Of a lane of words: a chunk's weights.
    Weights(SparseVector),
    /// Of a lane of vectors: one of them.
    Vector { item: u32, text: Digest, vector: Vec<f32> },
    /// Of a word: how many texts have it.
    Having(u64),
    /// A part of what was published.
    Part(String),
}

/// A chunk's facts with their hash, which is part of all its rows' keys.
#[derive(Debug, Clone)]
pub struct Facts {
    pub value: Value,
    pub hash: String,
}

impl Facts {
    pub fn new(value: Value) -> Self {
        Self { hash: Digest::of_bytes(value.to_string().as_bytes()).to_hex(), value }
    }
}

impl Row {
    /// A chunk's record.
    ///
    /// # Errors
    /// When it is larger than a row may be.
    pub fn of_chunk(number: u32, indexed: &IndexedChunk, facts: &Facts) -> Result<Self, ClusterError> {
        let record = serde_json::to_string(indexed).unwrap_or_default();
        let parts = cut(&record);
        if parts.len() > MOST_PARTS as usize {
            let (chunk, most) = (indexed.chunk.id(), MOST_PARTS as usize * MOST_TEXT);
            return Err(ClusterError::TooLarge { chunk, what: "text and handles", bytes: record.len(), most });
        }
        let key = key(["chunk", &number.to_string(), &facts.hash, &record]);
        Ok(Self { key, number, partition: None, facts: facts.value.clone(), content: Content::Record(parts) })
    }

    /// A chunk's weights in a lane of words.
    pub fn of_words(number: u32, lane: &str, weights: SparseVector, facts: &Facts) -> Self {
        let bits: String = weights.iter().map(|(term, weight)| format!("{term}:{:08x};", weight.to_bits())).collect();
        let key = key(["words", lane, &number.to_string(), &facts.hash, &bits]);
        let content = Content::Weights(weights);
        Self { key, number, partition: Some(lane.to_owned()), facts: facts.value.clone(), content }
    }

    /// One vector of a chunk in a lane.
    pub fn of_vector(number: u32, lane: &str, (item, text, vector): (u32, Digest, &[f32]), facts: &Facts) -> Self {
        let bits: String = vector.iter().map(|value| format!("{:08x}", value.to_bits())).collect();
        let place = format!("{number}:{item}");
        let key = key(["vector", lane, &place, &facts.hash, &text.to_hex(), &bits]);
        let content = Content::Vector { item, text, vector: vector.to_vec() };
        Self { key, number, partition: Some(lane.to_owned()), facts: facts.value.clone(), content }
    }

    /// A word of a lane under its dimension.
    pub fn of_term(number: u32, field: &Field, word: &str, having: u64) -> Self {
        let key = term_key(field, word);
        Self { key, number, partition: None, facts: Value::Null, content: Content::Having(having) }
    }

    /// A part of what was published.
    pub fn of_part(number: u32, part: String) -> Self {
        let key = key(["part", &number.to_string(), &part]);
        Self { key, number, partition: None, facts: Value::Null, content: Content::Part(part) }
    }

    /// What tells the row from another under the same key: a word is looked up by itself, whatever is counted of it.
    pub fn mark(&self) -> u128 {
        match self.content {
            Content::Having(having) => term_mark(&self.key, i64::from(self.number), having as i64),
            _ => key_mark(&self.key),
        }
    }

    /// About how much it takes in a request.
    pub fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::Record(parts) => parts.iter().map(String::len).sum(),
            Content::Weights(weights) => weights.len() * 8,
            Content::Vector { vector, .. } => vector.len() * 4 + 64,
            Content::Having(_) => 8,
            Content::Part(part) => part.len(),
        };
        // A fact's value is a few words.
        let facts = self.facts.as_object().map_or(0, |facts| facts.len() * 40);
        content + facts + 64
    }
}

/// The key under which a word is looked up.
pub fn term_key(field: &Field, word: &str) -> String {
    key(["term", &field.to_string(), word])
}

/// The mark of a row whose key says all.
pub fn key_mark(key: &str) -> u128 {
    u128::from_str_radix(key, 16).unwrap_or(0)
}

/// The mark of a word's row.
pub fn term_mark(key: &str, number: i64, having: i64) -> u128 {
    key_mark(&self::key([key, &number.to_string(), &having.to_string()]))
}

fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    Digest::of_parts(parts).to_hex().chars().take(KEY_DIGITS).collect()
}

/// A text in parts that a column takes.
pub fn cut(text: &str) -> Vec<String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > MOST_TEXT {
        let mut at = MOST_TEXT;
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (part, after) = rest.split_at(at);
        parts.push(part.to_owned());
        rest = after;
    }
    parts.push(rest.to_owned());
    parts
}

/// Rows as columns.
pub fn columns(kind: Kind, rows: Vec<Row>) -> Vec<FieldData> {
    let (mut keys, mut numbers, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut records, mut weights, mut parts, mut havings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut items, mut texts, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        keys.push(row.key);
        numbers.push(i64::from(row.number));
        facts.push(row.facts);
        match row.content {
            Content::Record(record) => records.push(record),
            Content::Weights(vector) => weights.push(vector),
            Content::Having(having) => havings.push(having as i64),
            Content::Part(part) => parts.push(part),
            Content::Vector { item, text, vector } => {
                items.push(i64::from(item));
                texts.push(text.to_hex());
                vectors.push(vector);
            }
        }
    }
    let fillers = FieldData::float_vector(FILLER, vec![vec![0.0, 1.0]; keys.len()]);
    let mut columns = vec![FieldData::varchar(KEY, keys), FieldData::int64(NUMBER, numbers)];
    match kind {
        Kind::About => columns.extend([FieldData::varchar(TEXT, parts), fillers]),
        Kind::Terms => columns.extend([FieldData::int64(HAVING, havings), fillers]),
        Kind::Chunks => {
            columns.extend([FieldData::json(FACTS, facts), FieldData::array_varchar(RECORD, records), fillers]);
        }
        Kind::Words => {
            columns.extend([FieldData::json(FACTS, facts), FieldData::sparse_float_vector(WEIGHTS, weights)]);
        }
        Kind::Vectors => columns.extend([
            FieldData::json(FACTS, facts),
            FieldData::int64(ITEM, items),
            FieldData::varchar(TEXT, texts),
            FieldData::float_vector(VECTOR, vectors),
        ]),
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        // An odd letter before letters of two bytes: no cut falls where the limit does.
        let text = format!("a{}", "é".repeat(MOST_TEXT));
        let parts = cut(&text);
        assert!(parts.len() == 3 && parts.iter().all(|part| part.len() <= MOST_TEXT));
        assert_eq!(parts.concat(), text);
        assert_eq!(cut(""), [""]);
    }

    #[test]
    fn a_row_that_holds_something_else_has_another_key() {
        let facts = Facts::new(Value::Null);
        let words = |weight: f32| Row::of_words(3, "body", [(7, weight)].into(), &facts).key;
        assert_ne!(words(0.5), words(0.5 + f32::EPSILON));
        let vector = |item| Row::of_vector(3, "mood", (item, Digest::of_bytes(b"x"), &[1.0]), &facts).key;
        assert!(vector(0) != vector(1) && vector(0).len() == KEY_DIGITS);
        let term = |having| Row::of_term(1, &Field::Body, "boat", having);
        assert!(term(1).key == term(2).key && term(1).mark() != term(2).mark());
    }
}
