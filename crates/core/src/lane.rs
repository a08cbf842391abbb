//! A lane is one way to look: a field and a method, written `body.bm25` or `mood.dense`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The chunk's own text.
    Body,
    /// Its document's title and the headings above it.
    Title,
    /// Text and handles as one: the baseline that handles in fields of their own are compared with. It is there
    /// only when asked for, and never searched unless named.
    Concatenated,
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
#[error(
    "{0:?} is not a lane: expected FIELD.METHOD, such as body.bm25 or time.dense, or with a weight, time.dense=0.5"
)]
pub struct LaneError(String);

impl Lane {
    /// The lanes over what the corpus says itself: what "plain" means.
    pub fn plain() -> [Self; 3] {
        let lane = |field, method| Self { field, method };
        [lane(Field::Body, Method::Bm25), lane(Field::Body, Method::Dense), lane(Field::Title, Method::Bm25)]
    }

    /// Whether the lane looks at what the corpus says itself.
    pub fn is_plain(&self) -> bool {
        matches!(self.field, Field::Body | Field::Title)
    }
}

impl Field {
    /// Whether a kind of handle may not be called so.
    pub fn is_reserved(name: &str) -> bool {
        matches!(name, "body" | "title" | "concatenated")
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => formatter.write_str("body"),
            Self::Title => formatter.write_str("title"),
            Self::Concatenated => formatter.write_str("concatenated"),
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
            "title" => Field::Title,
            "concatenated" => Field::Concatenated,
            kind => Field::Handle(kind.to_owned()),
        };
        Ok(Self { field, method })
    }
}

/// A lane that is asked for by name, with a weight if one is given: `mood.dense` or `mood.dense=0.5`.
#[derive(Debug, Clone, PartialEq)]
pub struct WeighedLane {
    /// Which.
    pub lane: Lane,
    /// What it counts; the index's own weight when `None`.
    pub weight: Option<f32>,
}

impl FromStr for WeighedLane {
    type Err = LaneError;

    fn from_str(text: &str) -> Result<Self, LaneError> {
        let Some((lane, weight)) = text.split_once('=') else {
            return Ok(Self { lane: text.parse()?, weight: None });
        };
        match weight.parse::<f32>() {
            Ok(weight) if (0.0..=1000.0).contains(&weight) => Ok(Self { lane: lane.parse()?, weight: Some(weight) }),
            _ => Err(LaneError(text.to_owned())),
        }
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
    fn a_weight_may_stand_behind_a_lane() {
        let read = |text: &str| text.parse::<WeighedLane>().map(|read| (read.lane.to_string(), read.weight));
        assert_eq!(read("mood.dense=0.5"), Ok(("mood.dense".to_owned(), Some(0.5))));
        assert_eq!(read("mood.dense"), Ok(("mood.dense".to_owned(), None)));
        for wrong in ["mood.dense=", "mood.dense=-1", "mood.dense=NaN", "mood=1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lanes_read_as_they_are_written() {
        for name in ["body.bm25", "title.bm25", "concatenated.dense", "time.bm25", "point.dense"] {
            assert_eq!(name.parse::<Lane>().map(|lane| lane.to_string()), Ok(name.to_owned()));
        }
        for wrong in ["body", "body.sparse", ".bm25", "", "body.bm25.x"] {
            assert!(wrong.parse::<Lane>().is_err(), "{wrong:?}");
        }
    }
}
