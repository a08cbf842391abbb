//! Changes to inputs that are nearly right: what a reader refuses at once teaches nothing.
//!
//! Written here since no library does this under `cargo test`: bolero replays a corpus there but changes none of it, and
//! draws bytes at random besides; mutatis changes values, but knows neither words nor a second input, and brings another
//! `rand`.

use std::ops::Range;

use fastrand::Rng;

/// What is odd in most formats: the ends of numbers, letters of several bytes, what is not seen, what opens and ends.
#[rustfmt::skip] // a word a line says no more
static ODD: &[&str] = &[
    "0", "-1", "1", "255", "256", "65535", "2147483647", "4294967295", "4294967296", "9223372036854775807",
    "18446744073709551615", "1e308", "-0.0", "NaN", "9999", "é", "ß", "İ", "e\u{301}", "\u{301}", "漢", "𝄞",
    "👩\u{200D}👧", "\u{FEFF}", "\u{202E}", "\u{200B}", "\u{A0}", "\u{2028}", "\0", "\t", "\n", "\r\n", "\n\n", " ",
    "\"", "\\", "'", "<|im_end|>", "\u{1b}[2J", "…",
];
/// Changes to one input double in number up to this many times.
const DOUBLINGS: u32 = 4;
/// The longest piece that is moved, and how often it is repeated, as powers of two.
const PIECE: u32 = 9;
const REPEATS: u32 = 7;

/// Makes new inputs out of those at hand.
pub struct Mutator {
    dice: Rng,
    words: &'static [&'static str],
    longest: usize,
}

impl Mutator {
    /// With the words of a format, up to so many bytes; from a seed always the same.
    pub fn new(words: &'static [&'static str], longest: usize, seed: Option<u64>) -> Self {
        Self { dice: seed.map_or_else(Rng::new, Rng::with_seed), words, longest }
    }

    /// One of the inputs, changed in a few ways.
    pub fn next(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one_of(pool);
        for _ in 0..1 << self.dice.u32(0..=DOUBLINGS) {
            self.change(&mut input, pool);
            input.truncate(self.longest);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.dice.usize(0..=input.len());
        let piece = self.piece(input.len());
        match self.dice.u8(0..11) {
            0 => self.flip(input),
            1 => drop(input.splice(piece, [self.dice.u8(..)])),
            2 => drop(input.drain(piece)),
            3 => self.repeat(input, piece),
            4 => input.truncate(at),
            5 | 6 => drop(input.splice(at..at, self.word())),
            7 => drop(input.splice(piece, self.word())),
            8 => self.number(input),
            9 => {
                let other = self.one_of(pool);
                let from = self.dice.usize(0..=other.len());
                input.truncate(at);
                input.extend(other.get(from..).unwrap_or_default());
            }
            _ => {
                let mut other = self.one_of(pool);
                let taken = self.piece(other.len());
                input.splice(at..at, other.drain(taken));
            }
        }
    }

    fn flip(&mut self, input: &mut [u8]) {
        let bit = 1_u8 << self.dice.u8(0..8);
        if let Some(byte) = self.dice.choice(input.iter_mut()) {
            *byte ^= bit;
        }
    }

    /// Nests and lengthens: a piece over and over.
    fn repeat(&mut self, input: &mut Vec<u8>, piece: Range<usize>) {
        let times = 1_usize << self.dice.u32(0..=REPEATS);
        let again = input.get(piece.clone()).unwrap_or_default().repeat(times);
        input.splice(piece.end..piece.end, again);
    }

    /// Another number in the place of one.
    fn number(&mut self, input: &mut Vec<u8>) {
        let starts = |at: &usize| {
            let digit = |at: usize| input.get(at).is_some_and(u8::is_ascii_digit);
            digit(*at) && !at.checked_sub(1).is_some_and(digit)
        };
        let Some(start) = self.dice.choice((0..input.len()).filter(starts).collect::<Vec<_>>()) else { return };
        let digits = input.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count();
        let word = self.dice.choice(ODD.iter().take(15)).copied().unwrap_or_default();
        input.splice(start..start + digits, word.bytes());
    }

    /// A word of the format, or an odd one.
    fn word(&mut self) -> Vec<u8> {
        let words = if self.dice.u8(0..3) == 0 { ODD } else { self.words };
        self.dice.choice(words).copied().unwrap_or_default().into()
    }

    fn one_of(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        self.dice.choice(pool).cloned().unwrap_or_default()
    }

    fn piece(&mut self, length: usize) -> Range<usize> {
        let start = self.dice.usize(0..=length);
        let most = (length - start).min(1_usize << self.dice.u32(0..=PIECE));
        start..start + self.dice.usize(0..=most)
    }
}
