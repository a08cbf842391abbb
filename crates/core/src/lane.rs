//! A lane is one way to look: a field and a method, written `body.bm25` or `mood.dense`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The chunk's own title and text.
    Body,
    /// The handles of one kind.
    Handle(String),
}

/// How it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Words, weighted by BM25.
    Bm25,
    /// Embedding vectors, compared by cosine.
    Dense,
}

/// A field and a method.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// What is looked at.
    pub field: Field,
    /// How.
    pub method: Method,
}

/// A string that names no lane.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a lane: expected FIELD.METHOD, such as body.bm25 or time.dense")]
pub struct LaneError(String);

impl Lane {
    /// The two lanes over the chunk's own text: what "plain" means.
    pub fn plain() -> [Self; 2] {
        [Method::Bm25, Method::Dense].map(|method| Self { field: Field::Body, method })
    }

    /// Whether the lane looks at the chunk's own text.
    pub fn is_plain(&self) -> bool {
        self.field == Field::Body
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => formatter.write_str("body"),
            Self::Handle(kind) => formatter.write_str(kind),
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Bm25 => "bm25",
            Method::Dense => "dense",
        };
        write!(formatter, "{}.{method}", self.field)
    }
}

impl FromStr for Lane {
    type Err = LaneError;

    fn from_str(text: &str) -> Result<Self, LaneError> {
        let wrong = || LaneError(text.to_owned());
        let (field, method) = text.split_once('.').ok_or_else(wrong)?;
        let method = match method {
            "bm25" => Method::Bm25,
            "dense" => Method::Dense,
            _ => return Err(wrong()),
        };
        let field = match field {
            "" => return Err(wrong()),
            "body" => Field::Body,
            kind => Field::Handle(kind.to_owned()),
        };
        Ok(Self { field, method })
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_read_as_they_are_written() {
        for name in ["body.bm25", "body.dense", "time.bm25", "point.dense"] {
            assert_eq!(name.parse::<Lane>().map(|lane| lane.to_string()), Ok(name.to_owned()));
        }
        for wrong in ["body", "body.sparse", ".bm25", "", "body.bm25.x"] {
            assert!(wrong.parse::<Lane>().is_err(), "{wrong:?}");
        }
    }
}
