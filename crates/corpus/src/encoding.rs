//! Bytes to text: UTF-8 before anything else, then what a byte order mark says, then what the bytes look like.
//! Text that was decoded leads back to its bytes at the beginning and end of every word.

use std::{
    io::{self, Cursor, Read, Seek},
    slice,
};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::anchors::Anchored;

pub(crate) const BINARY: &str = "binary: it holds NUL bytes";
pub(crate) const UNDECODABLE: &str = "not UTF-8, nor text in another encoding that can be told; convert it to UTF-8";
/// How much is looked at in one go.
const BLOCK_BYTES: usize = 64 << 10;
/// Room for what a single byte can bring to an end.
const SCRATCH_BYTES: usize = 32;
/// The longest byte order mark.
const MARK_BYTES: usize = 3;

/// What the bytes of a file are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Utf8,
    Encoded(&'static Encoding),
    Binary,
}

/// Text from bytes, or why there is none in them.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<Anchored, String> {
    match sniff(&mut Cursor::new(bytes.as_slice())).map_err(|error| error.to_string())? {
        Content::Binary => Err(BINARY.to_owned()),
        Content::Encoded(encoding) => decode_from(&bytes, encoding).ok_or_else(|| UNDECODABLE.to_owned()),
        Content::Utf8 => {
            let mark = mark_length(&bytes);
            let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
            let mut anchored =
                Anchored { text: text.get(mark..).unwrap_or_default().to_owned(), ..Anchored::default() };
            anchored.anchors.mark(0, mark);
            Ok(anchored)
        }
    }
}

/// Looks through everything and goes back to the beginning.
pub(crate) fn sniff(reader: &mut (impl Read + Seek)) -> io::Result<Content> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut head = Vec::new();
    reader.by_ref().take(MARK_BYTES as u64).read_to_end(&mut head)?;
    reader.rewind()?;
    let marked = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
    if let Some(encoding) = marked.filter(|&encoding| encoding == UTF_16LE || encoding == UTF_16BE) {
        return Ok(Content::Encoded(encoding));
    }

    let mut strict = UTF_8.new_decoder_without_bom_handling();
    let mut scratch = vec![0; strict.max_utf8_buffer_length_without_replacement(BLOCK_BYTES).unwrap_or(BLOCK_BYTES)];
    let mut utf8 = true;
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    loop {
        let count = reader.read(&mut block)?;
        let piece = block.get(..count).unwrap_or_default();
        if piece.contains(&0) {
            reader.rewind()?;
            return Ok(Content::Binary);
        }
        if utf8 {
            let (result, ..) = strict.decode_to_utf8_without_replacement(piece, &mut scratch, count == 0);
            utf8 = result == DecoderResult::InputEmpty;
        }
        detector.feed(piece, count == 0);
        if count == 0 {
            break;
        }
    }
    reader.rewind()?;
    Ok(if utf8 { Content::Utf8 } else { Content::Encoded(detector.guess(None, Utf8Detection::Deny)) })
}

/// None when bytes do not decode, or decode to what no text holds: the encoding was only a guess then.
fn decode_from(bytes: &[u8], encoding: &'static Encoding) -> Option<Anchored> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut decoded = Anchored::default();
    let mark = mark_length(bytes);
    let mut scratch = [0; SCRATCH_BYTES];
    let mut character_start = mark;
    let mut in_word = false;
    for (at, byte) in bytes.iter().enumerate().skip(mark) {
        // Byte by byte, since the decoder does not say which bytes a character came from.
        let last = at + 1 == bytes.len();
        let (result, _, written) =
            decoder.decode_to_utf8_without_replacement(slice::from_ref(byte), &mut scratch, last);
        if result != DecoderResult::InputEmpty {
            return None;
        }
        let new = scratch.get(..written).and_then(|new| std::str::from_utf8(new).ok())?;
        let Some(character) = new.chars().next() else { continue };
        let text_start = decoded.text.len();
        decoded.text.push_str(new);
        if character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\x0c' | '\x1b') {
            return None;
        }
        // Words of alphabets are not cut, so that an anchor at each of their letters would only cost memory.
        let is_letter = character.is_alphanumeric() && character.len_utf8() <= 2;
        if !(in_word && is_letter) {
            decoded.anchors.mark(text_start, character_start);
        }
        in_word = is_letter;
        character_start = at + 1;
    }
    decoded.anchors.mark(decoded.text.len(), bytes.len());
    Some(decoded)
}

fn mark_length(bytes: &[u8]) -> usize {
    Encoding::for_bom(bytes).map_or(0, |(_, length)| length)
}

#[cfg(test)]
mod tests {
    use frontload_core::{Origin, Unit};

    use super::*;
    use crate::anchors::place_of;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
    }

    /// Every word of the decoded text stands where its anchors say.
    fn check(bytes: &[u8], encoding: &'static Encoding, expected: &str) {
        let Anchored { text, anchors } = decode(bytes.to_vec()).expect("it decodes");
        assert_eq!(text, expected);
        let origin = Origin { path: "a".to_owned(), anchors: anchors.into_vec(), unit: Unit::Byte };
        for word in text.split_whitespace() {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            let place = place_of(&origin, (start as u32, (start + word.len()) as u32)).expect("it has a path");
            let source = &bytes[place.start as usize..place.end as usize];
            let (found, _) = encoding.decode_without_bom_handling(source);
            assert_eq!(found, word, "{} at {place:?}", encoding.name());
        }
    }

    #[test]
    fn text_leads_back_to_its_bytes() {
        let text = "Größe zählt,\nsagte ‘Ötzi’ über Käse – oft.\r\nZuletzt.";
        check(text.as_bytes(), UTF_8, text);
        check(format!("\u{feff}{text}").as_bytes(), UTF_8, text);
        check(&utf16("Größe zählt 🐄.\nEnde", false), UTF_16LE, "Größe zählt 🐄.\nEnde");
        check(&utf16("Größe zählt 🐄.\nEnde", true), UTF_16BE, "Größe zählt 🐄.\nEnde");
        for (encoding, text) in [
            (encoding_rs::WINDOWS_1252, text),
            (
                encoding_rs::WINDOWS_1251,
                "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива.",
            ),
            (encoding_rs::SHIFT_JIS, "吾輩は猫である。名前はまだ無い。\nどこで生れたか とんと見当がつかぬ。"),
        ] {
            check(&encoding.encode(text).0, encoding, text);
        }
    }

    #[test]
    fn what_is_no_text_is_said_to_be_none() {
        let refuse = |bytes: &[u8], reason: &str| assert_eq!(decode(bytes.to_vec()), Err(reason.to_owned()));
        refuse(b"\x7fELF\x00\x01", BINARY);
        refuse(b"caf\xe9 \x01\x02\x03", UNDECODABLE);
        refuse(b"\xff\xfea\x00b", UNDECODABLE);
    }

    #[test]
    fn a_break_between_blocks_is_no_break_in_the_text() {
        let text = format!("{}ä{}", "a".repeat(BLOCK_BYTES - 1), "b".repeat(BLOCK_BYTES));
        assert_eq!(sniff(&mut Cursor::new(text.as_bytes())).expect("it reads"), Content::Utf8);
    }
}
