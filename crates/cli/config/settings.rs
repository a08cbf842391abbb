//! Settings by layers: flags over the environment, over the project's file, over the user's, over defaults. Each value
//! knows where it came from.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use figment::{
    Figment, Metadata, Profile, Provider, util,
    value::{Dict, Map, Value},
};
use serde::Deserialize;

use crate::args::{BackendName, Global};

pub const FILE: &str = "frontload.toml";
/// Below the folder where a user's programs keep their settings.
const USER_FILE: &str = "frontload/config.toml";
/// What a variable in the environment may set: its name is the key's in capitals after this, `_` where a dot stands.
const PREFIX: &str = "FRONTLOAD_";
const KEYS: [&str; 13] = [
    "index",
    "model",
    "lora",
    "gpu_layers",
    "embedder",
    "schema",
    "backend",
    "milvus.uri",
    "milvus.collection",
    "milvus.token_file",
    "milvus.ca",
    "milvus.retry_for",
    "milvus.replicas",
];
const ANSWERS: [&str; 8] = ["scope", "refusal", "refuse_below", "exemplars", "lora", "shown", "prompt_tokens", "tell"];

/// Everything a file may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub index: PathBuf,
    pub model: String,
    pub lora: Option<PathBuf>,
    pub gpu_layers: u32,
    pub embedder: String,
    pub schema: Option<PathBuf>,
    pub backend: BackendName,
    #[serde(default)]
    pub milvus: Milvus,
    #[serde(default)]
    pub answers: Answers,
}

/// The cluster, where lanes are searched on one.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Milvus {
    /// Where it listens.
    pub uri: Option<String>,
    /// The name the index has there.
    pub collection: Option<String>,
    pub token_file: Option<PathBuf>,
    /// Who vouches for its certificate.
    pub ca: Option<PathBuf>,
    /// Seconds for which it is tried again.
    pub retry_for: Option<u32>,
    /// On how many nodes what is copied there is loaded.
    pub replicas: Option<u32>,
}

/// How questions are answered.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// What the assistant is about, in a sentence.
    pub scope: Option<String>,
    /// What it says instead of an answer.
    pub refusal: Option<String>,
    pub refuse_below: Option<f32>,
    pub exemplars: Option<PathBuf>,
    /// A `LoRA` adapter for answers alone.
    pub lora: Option<PathBuf>,
    /// How many of them a question is shown.
    pub shown: Option<usize>,
    pub prompt_tokens: Option<u32>,
    /// Kinds of handle that the model is told beside each passage.
    #[serde(default)]
    pub tell: Vec<String>,
}

/// Values that came from one place.
struct Layer {
    place: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone()).interpolater(|_, keys| keys.join("."))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The layers, and what they come to.
pub struct Layers(Figment);

/// One setting, for people.
pub struct Shown {
    pub key: String,
    /// As TOML writes it; `None` when nothing sets it.
    pub value: Option<String>,
    pub origin: Option<String>,
}

impl Layers {
    /// Reads the files and the environment. A file that is not there says nothing, unless it was named.
    pub fn read(flags: &Global, defaults: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut least: Dict =
            defaults.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str()))).collect();
        least.insert("gpu_layers".to_owned(), Value::from(0_u32));
        least.insert("backend".to_owned(), Value::from("folder"));
        let mut figment = Figment::from(Layer { place: "default".to_owned(), values: least });
        if let Some(user) = user_file().filter(|path| path.is_file()) {
            figment = figment.merge(file(&user)?);
        }
        let project = flags.config.clone().unwrap_or_else(|| FILE.into());
        if flags.config.is_some() || project.is_file() {
            figment = figment.merge(file(&project)?);
        }
        for key in KEYS {
            let variable = variable_of(key);
            if let Some(value) = env::var(&variable).ok().filter(|value| !value.is_empty()) {
                figment = figment.merge(Layer { values: entry(key, &value)?, place: variable });
            }
        }
        for (key, value) in given(flags) {
            figment = figment.merge(Layer { values: entry(key, &value)?, place: "flag".to_owned() });
        }
        Ok(Self(figment))
    }

    /// What they come to.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        self.0.extract().map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Every setting there is, with where it comes from.
    pub fn shown(&self) -> Vec<Shown> {
        let top = KEYS.iter().map(|key| (*key).to_owned());
        let keys = top.chain(ANSWERS.iter().map(|key| format!("answers.{key}")));
        keys.map(|key| {
            let found = self.0.find_value(&key).ok();
            let origin = found.as_ref().map(|value| {
                self.0.get_metadata(value.tag()).map_or("default".to_owned(), |metadata| metadata.name.to_string())
            });
            Shown { key, value: found.as_ref().map(written), origin }
        })
        .collect()
    }
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "_"))
}

/// A key with its value, in the table it belongs to. Those that are numbers are texts in the environment.
fn entry(key: &str, value: &str) -> anyhow::Result<Dict> {
    let value = match key {
        "gpu_layers" | "milvus.retry_for" | "milvus.replicas" => {
            let number: u32 =
                value.parse().with_context(|| format!("{}={value}: expected a number", variable_of(key)))?;
            Value::from(number)
        }
        _ => Value::from(value),
    };
    Ok(util::nest(key, value).into_dict().unwrap_or_default())
}

/// The flags that were given.
fn given(flags: &Global) -> impl Iterator<Item = (&'static str, String)> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let cluster = &flags.cluster;
    let texts = [
        ("index", path(&flags.index)),
        ("model", flags.model.clone()),
        ("lora", path(&flags.lora)),
        ("gpu_layers", flags.gpu_layers.map(|layers| layers.to_string())),
        ("embedder", flags.embedder.clone()),
        ("backend", cluster.backend.map(|backend| backend.name().to_owned())),
        ("milvus.uri", cluster.uri.clone()),
        ("milvus.collection", cluster.collection.clone()),
        ("milvus.token_file", path(&cluster.token_file)),
        ("milvus.ca", path(&cluster.milvus_ca)),
        ("milvus.retry_for", cluster.retry_for.map(|seconds| seconds.to_string())),
    ];
    texts.into_iter().filter_map(|(key, value)| Some((key, value?)))
}

fn file(path: &Path) -> anyhow::Result<Layer> {
    let place = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| place.clone())?;
    let values = toml::from_str(&text).with_context(|| place.clone())?;
    Ok(Layer { place, values })
}

/// Where the user's own settings stand, by the XDG base directories.
fn user_file() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join(USER_FILE))
}

/// Whether the user's file is there; for messages.
pub fn user_path() -> io::Result<PathBuf> {
    user_file().ok_or_else(|| io::Error::other("neither XDG_CONFIG_HOME nor HOME is set"))
}

fn written(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Num(_, number) => match (number.to_i128(), number.to_u128(), number.to_f64()) {
            (Some(whole), _, _) => whole.to_string(),
            (_, Some(whole), _) => whole.to_string(),
            (_, _, part) => part.map_or_else(String::new, |part| part.to_string()),
        },
        other => format!("{other:?}"),
    }
}
