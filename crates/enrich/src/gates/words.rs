//! Which words of an item say anything, and which of them its chunk does not say.

use std::collections::BTreeSet;

use frontload_core::fold;

/// Words that name nothing, with their letters only. An item of these alone, or of one or two letters or digits,
/// finds everything.
const EMPTY_WORDS: [&str; 64] = [
    "about", "all", "also", "and", "any", "are", "because", "been", "being", "but", "can", "could", "did", "does",
    "for", "from", "had", "has", "have", "her", "him", "his", "how", "into", "its", "more", "most", "must", "none",
    "not", "one", "only", "other", "our", "shall", "she", "should", "some", "such", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "very", "was", "were", "what", "when", "where", "which",
    "who", "whom", "why", "will", "with", "would", "your",
];
/// Two words are forms of one when they begin alike for at least this many letters …
const STEM_LETTERS: usize = 4;
/// … and neither goes on for more than this many.
const ENDING_LETTERS: usize = 3;
/// An item of more words than this must not repeat itself.
const REPEATING_WORDS: usize = 5;
/// At least this share of its words must differ.
const DISTINCT_SHARE: f64 = 0.6;

/// Whether a folded word can tell chunks apart. One letter is a word in many scripts, but not in ours.
pub(super) fn tells(word: &str) -> bool {
    !word.is_ascii() || (word.len() > 2 && EMPTY_WORDS.binary_search(&word).is_err())
}

/// Whether a folded text holds a word that can tell chunks apart.
pub(super) fn says_something(folded: &str) -> bool {
    folded.split(' ').any(tells)
}

/// Whether a folded text goes round in circles, as small models do.
pub(super) fn repeats_itself(folded: &str) -> bool {
    let words: Vec<&str> = folded.split(' ').collect();
    let distinct: BTreeSet<&&str> = words.iter().collect();
    words.len() > REPEATING_WORDS && (distinct.len() as f64) < DISTINCT_SHARE * words.len() as f64
}

/// The words of a chunk, its title and its headings.
pub(super) struct ChunkWords(BTreeSet<String>);

impl ChunkWords {
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        Self(texts.flat_map(|text| fold::fold(text).split(' ').map(str::to_owned).collect::<Vec<_>>()).collect())
    }

    /// How many telling words of a folded item the chunk does not say in any form, and how many there are.
    pub fn new_words(&self, folded: &str) -> (usize, usize) {
        let words: Vec<&str> = folded.split(' ').filter(|word| tells(word)).collect();
        (words.iter().filter(|word| !self.says(word)).count(), words.len())
    }

    fn says(&self, word: &str) -> bool {
        if self.0.contains(word) {
            return true;
        }
        let stem: String = word.chars().take(STEM_LETTERS).collect();
        let alike = self.0.range(stem.clone()..).take_while(|said| said.starts_with(&stem));
        stem.chars().count() == STEM_LETTERS && alike.into_iter().any(|said| one_stem(word, said))
    }
}

fn one_stem(left: &str, right: &str) -> bool {
    let common = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
    common >= STEM_LETTERS && left.chars().count().max(right.chars().count()) - common <= ENDING_LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_one_word() {
        let words = ChunkWords::new(["The boatmen quarrelled.", "Ärger"].into_iter());
        let check = |item: &str, expected: (usize, usize)| assert_eq!(words.new_words(item), expected, "{item}");
        check("quarrel", (0, 1));
        check("quarrels of boatman", (0, 2));
        check("quarry workers", (2, 2));
        check("ärger and envy", (1, 2));
        check("the boat", (0, 1));
        check("what did they", (0, 0));
    }

    #[test]
    fn empty_words_are_sorted() {
        assert!(EMPTY_WORDS.is_sorted());
    }

    #[test]
    fn circles_are_seen() {
        assert!(repeats_itself("i am not to be judged i am not to be judged"));
        assert!(!repeats_itself("the price of salt and the price of bread"));
        assert!(!repeats_itself("again and again and again"));
    }
}
