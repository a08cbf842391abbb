//! Several endpoints that serve one model, as they are named: in a list on the command line, or in a TOML file.
//!
//! What the ledger calls the model is its name alone: whichever machine answered, nothing is asked twice.

use std::{collections::HashSet, fmt, fs, path::Path};

use serde::Deserialize;

use crate::{endpoint::fingerprint_of, reference::ModelError};

/// The largest weight of an endpoint.
const MOST_WEIGHT: u32 = 1000;

/// Endpoints that serve one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRef {
    /// The model's name at each of them.
    pub model: String,
    /// The endpoints.
    pub members: Vec<MemberRef>,
    /// The address of one whose answers from when it was asked alone count as the pool's.
    pub answers_of: Option<String>,
}

/// One endpoint of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRef {
    /// The address up to and including `/v1`.
    pub base_url: String,
    /// Its share of the requests that are open, beside the others' weights.
    pub weight: u32,
    /// The environment variable that holds its key, where that is not the usual one.
    pub key_variable: Option<String>,
}

/// A pool's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolFile {
    model: String,
    answers_of: Option<String>,
    #[serde(default, rename = "endpoint")]
    endpoints: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    model: Option<String>,
    #[serde(default = "one")]
    weight: u32,
    key_variable: Option<String>,
}

fn one() -> u32 {
    1
}

impl MemberRef {
    /// An endpoint like any other.
    pub fn new(base_url: &str) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), weight: 1, key_variable: None }
    }
}

impl PoolRef {
    /// Reads `http://A/v1#M,http://B/v1#M*3`; `None` for what names a single endpoint.
    pub(crate) fn listed(name: &str) -> Option<Result<Self, ModelError>> {
        let mut parts: Vec<String> = Vec::new();
        for part in name.split(',') {
            match parts.last_mut() {
                // A comma inside an address or a model's name.
                Some(last) if !is_address(part) => {
                    last.push(',');
                    last.push_str(part);
                }
                _ => parts.push(part.to_owned()),
            }
        }
        (parts.len() > 1).then(|| Self::of_parts(name, &parts))
    }

    fn of_parts(name: &str, parts: &[String]) -> Result<Self, ModelError> {
        let mut models = Vec::new();
        let mut members = Vec::new();
        for part in parts {
            let (base_url, rest) = part.split_once('#').unwrap_or((part.as_str(), ""));
            let weighed = rest.rsplit_once('*').and_then(|(model, weight)| Some((model, weight.parse::<u32>().ok()?)));
            let (model, weight) = weighed.unwrap_or((rest, 1));
            models.push(model.to_owned());
            members.push(MemberRef { weight, ..MemberRef::new(base_url) });
        }
        one_model(name, &models).and_then(|model| Self { model, members, answers_of: None }.checked(name))
    }

    /// Reads a pool's file.
    ///
    /// # Errors
    /// When it cannot be read, or does not describe endpoints of one model.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let place = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| wrong(&place, error.to_string()))?;
        let file: PoolFile = toml::from_str(&text).map_err(|error| wrong(&place, error.to_string()))?;
        let mut models = vec![file.model];
        let mut members = Vec::new();
        for entry in file.endpoints {
            let (base_url, named) = entry.url.split_once('#').unwrap_or((entry.url.as_str(), ""));
            models.extend(Some(named.to_owned()).filter(|named| !named.is_empty()));
            let member = MemberRef::new(base_url);
            members.push(MemberRef { weight: entry.weight, key_variable: entry.key_variable, ..member });
            models.extend(entry.model);
        }
        let answers_of = file.answers_of.map(|url| url.trim_end_matches('/').to_owned());
        one_model(&place, &models).and_then(|model| Self { model, members, answers_of }.checked(&place))
    }

    fn checked(self, place: &str) -> Result<Self, ModelError> {
        if self.members.is_empty() {
            return Err(wrong(place, "it names no endpoint: give each an [[endpoint]] with its url".to_owned()));
        }
        let mut seen = HashSet::new();
        for MemberRef { base_url, weight, .. } in &self.members {
            if !is_address(base_url) {
                return Err(wrong(place, format!("{base_url:?} is no address: expected http://HOST/v1")));
            }
            let url = reqwest::Url::parse(base_url).map_err(|error| wrong(place, format!("{base_url}: {error}")))?;
            if !(1..=MOST_WEIGHT).contains(weight) {
                let told = format!("{base_url} has weight {weight}: expected 1 to {MOST_WEIGHT}");
                return Err(wrong(place, format!("{told}; leave out what is not to be asked")));
            }
            if !seen.insert(url.as_str().trim_end_matches('/').to_owned()) {
                let told = format!("{base_url} is named twice; a larger weight gives it more requests");
                return Err(wrong(place, told));
            }
        }
        Ok(self)
    }

    /// What the ledger calls the model.
    pub(crate) fn fingerprint(&self) -> String {
        match &self.answers_of {
            Some(base_url) => fingerprint_of(base_url, &self.model),
            None => format!("endpoints:{}:temperature=0:json", self.model),
        }
    }
}

impl fmt::Display for PoolRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, MemberRef { base_url, weight, .. }) in self.members.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(formatter, "{comma}{base_url}#{}", self.model)?;
            if *weight != 1 {
                write!(formatter, "*{weight}")?;
            }
        }
        Ok(())
    }
}

fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn wrong(place: &str, reason: String) -> ModelError {
    ModelError::Pool { place: place.to_owned(), reason }
}

/// The one name that all of these are.
fn one_model(place: &str, models: &[String]) -> Result<String, ModelError> {
    let first = models.first().cloned().unwrap_or_default();
    if let Some(other) = models.iter().find(|model| **model != first) {
        let told = format!("two models, {first:?} and {other:?}");
        return Err(wrong(place, format!("{told}: one name stands for one model's answers")));
    }
    if first.is_empty() {
        return Err(wrong(place, "the model has no name, which is what its answers are kept under".to_owned()));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_weights() {
        let check = |name: &str, expected: &[(&str, u32)]| {
            let pool = PoolRef::listed(name).expect("a list").expect("a pool");
            let members: Vec<(&str, u32)> =
                pool.members.iter().map(|member| (member.base_url.as_str(), member.weight)).collect();
            assert_eq!((members.as_slice(), pool.model.as_str()), (expected, "qwen"), "{name}");
        };
        check("http://a/v1#qwen,http://b/v1/#qwen*3", &[("http://a/v1", 1), ("http://b/v1", 3)]);
        check("https://a/v1#qwen*10,http://a/v1#qwen", &[("https://a/v1", 10), ("http://a/v1", 1)]);
        assert!(PoolRef::listed("http://a/v1#qwen*3").is_none());
        assert!(PoolRef::listed("http://a/v1#one,two").is_none());
    }

    #[test]
    fn what_is_no_pool_is_refused_with_its_reason() {
        let check = |name: &str, told: &str| {
            let error = PoolRef::listed(name).expect("a list").expect_err("refused").to_string();
            assert!(error.contains(told), "{name}: {error}");
        };
        check("http://a/v1#qwen,http://b/v1#llama", "\"qwen\" and \"llama\"");
        check("http://a/v1#qwen,http://b/v1", "two models");
        check("http://a/v1,http://b/v1", "no name");
        check("http://a/v1#qwen,http://a/v1/#qwen", "twice");
        check("http://a/v1#qwen,http://A:80/v1#qwen", "twice");
        check("http://a/v1#qwen,http://b/v1#qwen*0", "weight 0");
    }

    #[test]
    fn the_name_of_the_model_is_what_answers_are_kept_under() {
        let of = |name: &str| PoolRef::listed(name).expect("a list").expect("a pool").fingerprint();
        assert_eq!(of("http://a/v1#qwen,http://b/v1#qwen"), of("http://c/v1#qwen,http://d/v1#qwen*2"));
        assert_ne!(of("http://a/v1#qwen,http://b/v1#qwen"), of("http://a/v1#llama,http://b/v1#llama"));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pool.toml");
        let text = "model = \"qwen\"\nanswers_of = \"http://a/v1/\"\n[[endpoint]]\nurl = \"http://b/v1\"\nweight = 2\n";
        fs::write(&path, text).expect("written");
        let pool = PoolRef::read(&path).expect("a pool");
        assert_eq!(pool.fingerprint(), fingerprint_of("http://a/v1", "qwen"));
        assert_eq!(pool.members.first().map(|member| member.weight), Some(2));
    }
}
