//! Schemas to start from: one for each common sort of corpus, to be edited.

/// Name, what it is for, and the schema itself.
pub const STARTERS: [(&str, &str, &str); 5] = [
    ("letters", "archives: letters, diaries, logs, minutes", include_str!("../schemas/letters.toml")),
    ("docs", "technical documentation and manuals", include_str!("../schemas/docs.toml")),
    ("code", "source code", include_str!("../schemas/code.toml")),
    ("tickets", "support tickets and issue threads", include_str!("../schemas/tickets.toml")),
    ("stories", "stories, fables, scripture", include_str!("../schemas/stories.toml")),
];

/// The starter of this name.
pub fn starter(name: &str) -> Option<&'static str> {
    STARTERS.iter().find(|(known, ..)| *known == name).map(|(.., schema)| *schema)
}

#[cfg(test)]
mod tests {
    use frontload_core::Schema;

    use super::*;

    #[test]
    fn every_starter_is_a_valid_schema() {
        for (name, _, toml) in STARTERS {
            let schema = Schema::from_toml(toml).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!((5..=8).contains(&schema.kinds.len()) && schema.examples.len() == 3, "{name}");
        }
        assert_eq!(starter("poems"), None);
    }
}
