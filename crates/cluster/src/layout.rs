//! Every name in the cluster, and the schemas of collections. There are two sets of collections, blue and green: one is
//! searched while the other is written, and one alias says which.

use frontload_core::{Digest, Field};
use milvus::v2::{CollectionSchema, DataType, FieldSchema, IndexParam, IndexType, MetricType};

/// What is written into descriptions, so that a collection is known for ours. It changes with the schemas.
pub const MADE_BY: &str = "frontload lanes, format 1";

pub const KEY: &str = "key";
pub const NUMBER: &str = "number";
pub const FACTS: &str = "facts";
pub const RECORD: &str = "record";
pub const WEIGHTS: &str = "weights";
pub const ITEM: &str = "item";
pub const TEXT: &str = "text";
pub const VECTOR: &str = "vector";
pub const HAVING: &str = "having";
/// Milvus has no collection without a vector.
pub const FILLER: &str = "filler";

/// Rows' keys are 128 bits in hexadecimal.
pub const KEY_DIGITS: usize = 32;
/// The most bytes of a text column, by Milvus's own limit of 65,535.
pub const MOST_TEXT: usize = 60_000;
/// The most parts of a record.
pub const MOST_PARTS: u32 = 1024;
/// The most rows that one answer of Milvus holds.
pub const MOST_ROWS: usize = 16_384;

/// One of the two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    Blue,
    Green,
}

impl Set {
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// The collection that describes the set; the alias leads to it.
    pub fn about(self, name: &str) -> String {
        match self {
            Self::Blue => format!("{name}_blue"),
            Self::Green => format!("{name}_green"),
        }
    }

    /// Which set a description belongs to.
    pub fn of(name: &str, about: &str) -> Option<Self> {
        [Self::Blue, Self::Green].into_iter().find(|set| set.about(name) == about)
    }

    pub fn collection(self, name: &str, kind: Kind) -> String {
        match kind {
            Kind::About => self.about(name),
            Kind::Chunks => format!("{}_chunks", self.about(name)),
            Kind::Words => format!("{}_words", self.about(name)),
            Kind::Vectors => format!("{}_vectors", self.about(name)),
            Kind::Terms => format!("{}_terms", self.about(name)),
        }
    }
}

/// The collections of a set. Kinds of handle are data: a new one changes no schema, only a partition more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What was published, in parts.
    About,
    /// A row a chunk: all that is known of it.
    Chunks,
    /// A row a chunk in each lane of words: its BM25 weights. A partition a lane.
    Words,
    /// A row a vector: of a chunk's text, its pieces, each of its handles. A partition a lane.
    Vectors,
    /// A row a word of a lane: its dimension among the weights, and how many texts have it.
    Terms,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::About, Self::Chunks, Self::Words, Self::Vectors, Self::Terms];

    /// The schema; `dimension` is that of the embedding model.
    pub fn schema(self, dimension: usize) -> CollectionSchema {
        let field = |name: &str, data_type| FieldSchema::new().name(name).data_type(data_type);
        let key = field(KEY, DataType::VarChar).max_length(64).primary_key(true);
        let filler = field(FILLER, DataType::FloatVector).dimension(2);
        let facts = || field(FACTS, DataType::Json);
        let fields = match self {
            Self::About => vec![field(TEXT, DataType::VarChar).max_length(65_535), filler],
            Self::Chunks => {
                let record = field(RECORD, DataType::Array).element_type(DataType::VarChar);
                vec![facts(), record.max_length(65_535).max_capacity(MOST_PARTS), filler]
            }
            Self::Words => vec![facts(), field(WEIGHTS, DataType::SparseFloatVector)],
            Self::Vectors => vec![
                facts(),
                field(ITEM, DataType::Int64),
                field(TEXT, DataType::VarChar).max_length(64),
                field(VECTOR, DataType::FloatVector).dimension(dimension as u32),
            ],
            Self::Terms => vec![field(HAVING, DataType::Int64), filler],
        };
        let ours =
            CollectionSchema::new().description(MADE_BY).add_field(key).add_field(field(NUMBER, DataType::Int64));
        fields.into_iter().fold(ours, CollectionSchema::add_field)
    }

    /// The indexes. Vectors are scanned, which is exact, unless there are so many that a graph stands here too.
    pub fn indexes(self, graph: bool) -> Vec<IndexParam> {
        let number = IndexParam::new().field_name(NUMBER).index_name(NUMBER).index_type(IndexType::Inverted);
        let over = |name: &str, index_type| {
            IndexParam::new().field_name(name).index_name(name).index_type(index_type).metric_type(MetricType::Ip)
        };
        let vector = match self {
            Self::About | Self::Chunks | Self::Terms => over(FILLER, IndexType::Flat),
            Self::Words => over(WEIGHTS, IndexType::SparseInvertedIndex),
            Self::Vectors if graph => {
                let params = [("M", "24"), ("efConstruction", "200")];
                let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
                over(VECTOR, IndexType::Hnsw).extra_params(params.into())
            }
            Self::Vectors => over(VECTOR, IndexType::Flat),
        };
        vec![vector, number]
    }
}

/// A field's partition. Kinds of handle are told from our own fields, and may be called anything.
pub fn partition(field: &Field) -> String {
    match field {
        Field::Body => "body".to_owned(),
        Field::Title => "title".to_owned(),
        Field::Concatenated => "concatenated".to_owned(),
        Field::Handle(kind) if kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            format!("handle_{kind}")
        }
        Field::Handle(kind) => format!("handle__{}", Digest::of_bytes(kind.as_bytes()).short()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_told_apart_and_kinds_have_partitions_that_milvus_takes() {
        assert_eq!(Set::of("a", "a_green"), Some(Set::Green));
        assert_eq!(Set::of("a", &Set::Blue.other().about("a")), Some(Set::Green));
        assert_eq!(Set::of("a", "a_green_words"), None);
        for kind in ["mood", "größe", "a b"] {
            let name = partition(&Field::Handle(kind.to_owned()));
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        }
        assert_ne!(partition(&Field::Handle("body".into())), partition(&Field::Body));
    }
}
