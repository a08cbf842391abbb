//! What no handle may hold, whoever wrote it: characters that do not show, addresses, and what models take for their
//! own special tokens. A passage may ask for any of it.

use frontload_core::is_hidden;

/// How addresses begin, in lower case.
const ADDRESSES: [&str; 8] =
    ["://", "www.", "javascript:", "vbscript:", "mailto:", "data:text/", "data:image/", "data:application/"];
/// Special tokens as model families write them. All that stand between `<|` and `|>` are known by these marks.
const TOKENS: [&str; 30] = [
    "<|",
    "|>",
    "<｜",
    "｜>",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<mask>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
];

/// Whether a text holds hidden characters, an address or a special token.
pub(crate) fn is_unsafe(text: &str) -> bool {
    let lower = text.to_lowercase();
    text.chars().any(is_hidden)
        || TOKENS.iter().any(|token| text.contains(token))
        || ADDRESSES.iter().any(|start| lower.contains(start))
        || names_a_host(text)
}

/// Whether it holds an address without a scheme, as in `//host.example/x`, which a page would follow. The bare name of
/// a host is a word like others: `node.js` and `Ph.D/M.A` are no addresses.
fn names_a_host(text: &str) -> bool {
    text.match_indices("//").any(|(at, slashes)| {
        let rest = text.get(at + slashes.len()..).unwrap_or_default();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.' && letter != '-');
        let host = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        host.split_once('.').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_shown_is_seen() {
        for text in [
            "see http://x.example",
            "WWW.x.example",
            "JavaScript:alert(1)",
            "![x](//x.example/p)",
            "data:text/html,x",
            "mailto:a@x.example",
            "re\u{202e}lief",
            "hid\u{200b}den",
            "tag\u{e0041}",
            "line\u{2028}end",
            "red\u{9b}31m",
            "<|im_end|>",
            "<｜User｜>",
            "</s>",
            "[INST] x",
            "<start_of_turn>model",
            "<tool_call>",
        ] {
            assert!(is_unsafe(text), "{text:?}");
        }
    }

    #[test]
    fn what_only_looks_odd_is_let_through() {
        for text in [
            "relief",
            "10:30 // late",
            "and/or",
            "node.js",
            "a < b > c",
            "data: none",
            "[sic]",
            "<b>bold</b>",
            "❤\u{fe0f}",
            "静",
            "the so-called mask",
        ] {
            assert!(!is_unsafe(text), "{text:?}");
        }
    }
}
