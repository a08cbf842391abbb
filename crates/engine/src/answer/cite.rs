//! What a model wrote, read back into sentences with what each cites, and whether it stands there.

use std::collections::BTreeSet;

use frontload_core::fold;

use super::CitedSentence;

/// A written sentence is supported when this share of its longer words stands in the passages it cites.
const SUPPORT_SHARE: f64 = 0.5;

/// Reads an answer back that could only choose among quotes; a passage's own brackets mean nothing in it.
pub(super) fn quoted_sentences(raw: &str, quotes: &[(usize, String)]) -> Vec<CitedSentence> {
    let mut sentences: Vec<CitedSentence> = Vec::new();
    let mut rest = raw.trim();
    while let Some((at, said, after)) = quotes.iter().find_map(|(at, said)| {
        let after = rest.strip_prefix(said.as_str())?.strip_prefix(&format!(" [{at}]"))?;
        Some((*at, said, after))
    }) {
        // A weak model says the same thing until it is stopped.
        if sentences.iter().all(|before| before.text != *said) {
            sentences.push(CitedSentence { text: said.clone(), citations: vec![at], supported: true });
        }
        rest = after.trim_start();
    }
    sentences
}

/// Reads `sentence [n] sentence [m][o]` back, and looks whether each sentence stands in what it cites.
pub(super) fn cited_sentences(raw: &str, passages: &[String]) -> Vec<CitedSentence> {
    let mut sentences: Vec<CitedSentence> = Vec::new();
    let mut rest = raw.trim();
    while !rest.is_empty() {
        let (text, after) = rest.split_once('[').unwrap_or((rest, ""));
        let (number, tail) = after.split_once(']').unwrap_or(("", after));
        let cited = number.trim().parse::<usize>().ok().filter(|number| (1..=passages.len()).contains(number));
        // A full stop after the mark belongs to the sentence before it.
        let text = text.trim_start_matches(['.', '!', '?', ';', ',']);
        match (text.trim(), sentences.last_mut()) {
            ("", Some(last)) => last.citations.extend(cited),
            ("", None) => {}
            (text, _) => {
                let citations = cited.into_iter().collect();
                sentences.push(CitedSentence { text: text.to_owned(), citations, supported: false });
            }
        }
        rest = tail.trim_start();
    }
    let mut said = BTreeSet::new();
    sentences.retain(|sentence| said.insert(sentence.text.clone()));
    for sentence in &mut sentences {
        sentence.supported = is_supported(sentence, passages);
    }
    sentences
}

fn is_supported(sentence: &CitedSentence, passages: &[String]) -> bool {
    let cited: Vec<&String> = sentence.citations.iter().filter_map(|rank| passages.get(rank - 1)).collect();
    let said: BTreeSet<String> = cited.iter().flat_map(|text| longer_words(text)).collect();
    let words = longer_words(&sentence.text);
    let found = words.iter().filter(|word| said.contains(*word)).count();
    !cited.is_empty() && found as f64 >= words.len() as f64 * SUPPORT_SHARE
}

fn longer_words(text: &str) -> Vec<String> {
    fold::fold(text).split(' ').filter(|word| word.chars().count() > 3).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_keeps_its_own_brackets() {
        let quotes = [(1, "The bell [2] was hung.".to_owned()), (2, "It rang [sic].".to_owned())];
        let read =
            quoted_sentences("The bell [2] was hung. [1] It rang [sic]. [2] The bell [2] was hung. [1]", &quotes);
        let seen: Vec<(&str, &[usize])> = read.iter().map(|s| (s.text.as_str(), s.citations.as_slice())).collect();
        let expected: [(&str, &[usize]); 2] = [("The bell [2] was hung.", &[1]), ("It rang [sic].", &[2])];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_sentence_said_again_is_said_once() {
        let passages = ["Log: The harbour froze in January.".to_owned()];
        let read = cited_sentences("The harbour froze. [1] The harbour froze. [1] The harbour froze. [1]", &passages);
        assert_eq!(read.len(), 1);
    }

    #[test]
    fn citations_are_read_and_checked() {
        let passages = ["Log: The harbour froze in January.".to_owned(), "Ferry: It ran.".to_owned()];
        let read = cited_sentences("The harbour froze [1]. Dragons landed there [1] [9] Nobody said", &passages);
        let seen: Vec<(&str, &[usize], bool)> =
            read.iter().map(|s| (s.text.as_str(), s.citations.as_slice(), s.supported)).collect();
        let expected: [(&str, &[usize], bool); 3] =
            [("The harbour froze", &[1], true), ("Dragons landed there", &[1], false), ("Nobody said", &[], false)];
        assert_eq!(seen, expected);
    }
}
