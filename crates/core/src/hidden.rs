//! Characters that do not show where they stand, or change how others show. One list for all who keep foreign text from
//! a terminal, a page or a handle.

use std::fmt::Write;

/// Whether a character does not show, or changes how its neighbours do: controls (line ends and tabs too), direction
/// marks, zero-width characters, blanks that count as letters, and the plane of tags and variation selectors, which can
/// spell a hidden message. An emoji's own selectors (U+FE0F) are not among them.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{061C}'
                | '\u{115F}'
                | '\u{1160}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{3164}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

/// JSON text with its hidden characters escaped. It means the same, and may be shown on a terminal: JSON itself only
/// asks for the first thirty-two controls to be escaped.
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        // In JSON text a line end can only stand between values.
        if letter == '\n' || !is_hidden(letter) {
            escaped.push(letter);
            continue;
        }
        let mut units = [0; 2];
        for unit in letter.encode_utf16(&mut units) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_known() {
        for letter in ['\u{1b}', '\u{7f}', '\u{9b}', '\u{61c}', '\u{200b}', '\u{202e}', '\u{2069}', '\u{feff}'] {
            assert!(is_hidden(letter), "{letter:?}");
        }
        for letter in ['\u{2028}', '\u{3164}', '\u{fff9}', '\u{e0001}', '\u{e0041}', '\u{e0100}'] {
            assert!(is_hidden(letter), "{letter:?}");
        }
        for letter in ['a', ' ', '\u{a0}', 'é', '\u{301}', '静', '\u{fe0f}', '🐕', 'س'] {
            assert!(!is_hidden(letter), "{letter:?}");
        }
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value =
            serde_json::json!({"a\u{202e}": ["\u{9b}31m \u{7f}\u{1b}[2J", "\u{e0041}\u{1f4a1} é"], "b": "x\ny"});
        let escaped = escape_json(&serde_json::to_string_pretty(&value).expect("JSON"));
        assert!(!escaped.chars().any(|letter| letter != '\n' && is_hidden(letter)), "{escaped:?}");
        assert!(escaped.contains("\\u009b") && escaped.contains("\\udb40\\udc41"), "{escaped}");
        assert!(escaped.contains('\u{1f4a1}'), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("JSON"), value);
    }
}
