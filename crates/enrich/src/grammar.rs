//! The form an answer must have: one compact line grammar a call (`kind: item|item` or `kind: none`, in
//! llguidance's Lark dialect), or for endpoints a JSON schema of the same limits.
//!
//! Quoted kinds (verbatim, and what is to be normalised) can only quote: their items are runs of the passage's
//! own words. The separator has no blanks around it because a quote may itself end in one.

use std::fmt::Write;

use frontload_core::{Evidence, KindSpec};

/// Changes whenever the grammar's form does: part of every ledger key.
pub(crate) const GRAMMAR_VERSION: &str = "lines-3";

/// The JSON schema of an answer for these kinds: an object with a list of strings for each.
pub(crate) fn json_schema(kinds: &[&KindSpec]) -> serde_json::Value {
    let field = |spec: &&KindSpec| {
        let item = if spec.values.is_empty() {
            serde_json::json!({"type": "string", "minLength": 1, "maxLength": spec.max_chars})
        } else {
            serde_json::json!({"type": "string", "enum": spec.values})
        };
        (spec.kind.clone(), serde_json::json!({"type": "array", "items": item, "maxItems": spec.max_items}))
    };
    let names: Vec<&str> = kinds.iter().map(|spec| spec.kind.as_str()).collect();
    serde_json::json!({
        "type": "object",
        "properties": kinds.iter().map(field).collect::<serde_json::Map<_, _>>(),
        "required": names,
        "additionalProperties": false,
    })
}

/// The grammar of an answer about `text` for these kinds, in order.
pub fn lark(kinds: &[&KindSpec], text: &str) -> String {
    let quotable = quotable(text);
    let mut grammar = String::from("start:");
    for at in 0..kinds.len() {
        let _ = write!(grammar, " line_{at}");
    }
    grammar.push('\n');
    let mut needs_quote = false;
    for (at, spec) in kinds.iter().enumerate() {
        // Lark has no repetition of at most zero times.
        let more = match spec.max_items - 1 {
            0 => String::new(),
            more => format!(" (\"|\" item_{at}){{0,{more}}}"),
        };
        let label = literal(&format!("{}: ", spec.kind));
        let _ = writeln!(grammar, "line_{at}: {label} (\"none\" | item_{at}{more}) \"\\n\"");
        if !spec.values.is_empty() {
            let values: Vec<String> = spec.values.iter().map(|value| literal(value)).collect();
            let _ = writeln!(grammar, "item_{at}: {}", values.join(" | "));
        } else if spec.evidence != Evidence::Inferred && !quotable.is_empty() {
            needs_quote = true;
            let _ = writeln!(grammar, "item_{at}: QUOTE_{at}");
            let _ = writeln!(grammar, "QUOTE_{at}: WORDS & /{}/", item("[\\p{L}\\p{N}'’\"“‘]", "[^\\n|]", spec));
        } else {
            let _ = writeln!(grammar, "item_{at}: TEXT_{at}");
            let _ = writeln!(grammar, "TEXT_{at}: /{}/", item("[\\p{L}\\p{N}]", "[^\\n|\\x00-\\x1f]", spec));
        }
    }
    if needs_quote {
        let words = serde_json::json!({ "substring_words": quotable });
        let _ = writeln!(grammar, "WORDS: %regex {words}");
    }
    grammar
}

/// An item's form: how it begins and goes on. In scripts that write words with one character or two, an item may
/// be that short; in others three characters are the least.
fn item(first: &str, rest: &str, spec: &KindSpec) -> String {
    let most = spec.max_chars - 1;
    format!("{first}{rest}{{2,{most}}}|[\\p{{Han}}\\p{{Hiragana}}\\p{{Katakana}}\\p{{Hangul}}]{rest}{{0,{most}}}")
}

/// The passage as quotes are cut from it: one line, single blanks, without the separator.
fn quotable(text: &str) -> String {
    text.replace('|', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A Lark string literal.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use frontload_core::Schema;

    use super::*;

    #[test]
    fn every_form_of_kind_has_its_line() {
        let schema = Schema::from_toml(
            "[schema]\nname = \"s\"\n\
             [[handle]]\nkind = \"time\"\nask = \"When?\"\nevidence = \"verbatim\"\nmax_items = 2\nmax_chars = 40\n\
             [[handle]]\nkind = \"form\"\nask = \"What?\"\nevidence = \"inferred\"\nvalues = [\"letter\", \"log\"]\nmax_items = 1\n\
             [[handle]]\nkind = \"mood\"\nask = \"How?\"\nevidence = \"inferred\"\nmax_items = 1\nmax_chars = 20\n",
        )
        .expect("valid");
        let kinds: Vec<&KindSpec> = schema.asked().collect();
        let expected = "start: line_0 line_1 line_2\n\
            line_0: \"time: \" (\"none\" | item_0 (\"|\" item_0){0,1}) \"\\n\"\n\
            item_0: QUOTE_0\n\
            QUOTE_0: WORDS & /[\\p{L}\\p{N}'’\"“‘][^\\n|]{2,39}|[\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}][^\\n|]{0,39}/\n\
            line_1: \"form: \" (\"none\" | item_1) \"\\n\"\n\
            item_1: \"letter\" | \"log\"\n\
            line_2: \"mood: \" (\"none\" | item_2) \"\\n\"\n\
            item_2: TEXT_2\n\
            TEXT_2: /[\\p{L}\\p{N}][^\\n|\\x00-\\x1f]{2,19}|[\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}][^\\n|\\x00-\\x1f]{0,19}/\n\
            WORDS: %regex {\"substring_words\":\"At dawn they left.\"}\n";
        assert_eq!(lark(&kinds, "At dawn |\n they left."), expected);
        let form = &json_schema(&kinds)["properties"]["form"];
        assert_eq!((&form["maxItems"], &form["items"]["enum"][1]), (&1.into(), &"log".into()));
    }
}
