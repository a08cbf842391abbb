//! Words of natural languages.

use frostem::Stemmer;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Lower-cased words, stemmed and without accents. English drops them first ("cafés" and "cafes" are one word);
/// other stemmers know their accents and are given them.
pub(crate) fn stems(text: &str, stemmer: &Stemmer, fold_first: bool) -> Vec<String> {
    split(text)
        .into_iter()
        .map(
            |word| {
                if fold_first {
                    stemmer.stem(&unaccented(&word)).into_owned()
                } else {
                    unaccented(&stemmer.stem(&word))
                }
            },
        )
        .collect()
}

/// Lower-cased words without accents.
pub(crate) fn plain(text: &str) -> Vec<String> {
    split(text).iter().map(|word| unaccented(word)).collect()
}

/// Runs of letters and digits, lower-cased; a run in a script that writes no blanks becomes pairs of its letters.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut unspaced: Vec<char> = Vec::new();
    let whole = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    for letter in text.nfkc().chain(Some(' ')) {
        let in_word = letter.is_alphanumeric() || is_combining_mark(letter);
        if in_word && is_unspaced(letter) {
            whole(&mut word, &mut words);
            unspaced.push(letter);
            continue;
        }
        pairs(&mut unspaced, &mut words);
        if in_word {
            word.extend(letter.to_lowercase());
        } else {
            whole(&mut word, &mut words);
        }
    }
    words
}

fn pairs(letters: &mut Vec<char>, words: &mut Vec<String>) {
    match letters.as_slice() {
        [] => {}
        [only] => words.push(only.to_string()),
        several => words.extend(several.windows(2).map(|pair| pair.iter().collect::<String>())),
    }
    letters.clear();
}

/// Han, Japanese, Korean, Thai, Lao, Khmer and Burmese letters.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1100}'..='\u{11FF}' | '\u{1780}'..='\u{17FF}'
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30FF}' | '\u{3130}'..='\u{318F}' | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{323AF}')
}

/// Without the marks of Latin, Greek and Cyrillic letters, and with letters that have no mark but a stroke or a
/// ligature written plainly. Marks of other scripts are letters of theirs and stay.
pub(crate) fn unaccented(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let mut plain = String::with_capacity(word.len());
    for letter in word.nfd().filter(|letter| !('\u{0300}'..='\u{036F}').contains(letter)) {
        match letter {
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'þ' => plain.push_str("th"),
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' | 'ð' => plain.push('d'),
            'ħ' => plain.push('h'),
            'ı' => plain.push('i'),
            'ς' => plain.push('σ'),
            other => plain.push(other),
        }
    }
    plain.nfc().collect()
}
