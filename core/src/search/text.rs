//! The one rule of what is a word: for what is indexed, what is searched for, and what is highlighted.
//!
//! A text is brought to one spelling (NFKC, no case, no diacritics where they are an addition to the letter) and cut into words as
//! UAX #29 says. Scripts that are written without spaces have a token for every character instead, so that any part of a text in
//! them is found as a row of tokens; pictographs likewise. The rule knows no language.

mod script;

use std::ops::Range;

use echoes_shared::Echo;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation as _;

use script::{has_diacritics, is_ignored, is_unspaced};

/// Characters of a token at most. What is longer goes on as the next token: search servers cut at other lengths.
const MAX_TOKEN_CHARS: usize = 64;

/// A word, or a character of an unspaced script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its spelling. It contains no white space.
    pub text: String,
    /// The bytes that it stands for in the text as it was given.
    pub at: Range<usize>,
    /// Whether it goes on where the token before it ended, in the same run of an unspaced script or the same long word.
    pub continues: bool,
}

/// The tokens of a text in their order.
pub fn tokens(text: &str) -> Vec<Token> {
    let spelled = Spelled::of(text);
    let mut tokens: Vec<Token> = Vec::new();
    let mut run_ended_at = None;
    for (start, segment) in spelled.text.split_word_bound_indices() {
        let (mut at, mut rest, mut after_word) = (start, segment, false);
        while let Some((piece, after)) = split_piece(rest) {
            let (begins, text) = match piece {
                Piece::Between(text) => (None, text),
                Piece::Word(text) => (Some(at == start || !after_word), text),
                Piece::Character(text) => (Some(run_ended_at != Some(at)), text),
            };
            let end = at + text.len();
            if let Some(begins) = begins {
                tokens.push(Token { text: text.to_owned(), at: spelled.origin(at..end), continues: !begins });
            }
            run_ended_at = matches!(piece, Piece::Character(_)).then_some(end);
            after_word = matches!(piece, Piece::Word(_));
            (at, rest) = (end, after);
        }
    }
    tokens
}

/// A text in the spelling of tokens, as a whole: two tags are the same where these are.
pub fn whole(text: &str) -> String {
    Spelled::of(text).text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What of an echo is searched for words: the transcript, then each tag. A phrase is found within one of them.
pub fn passages(echo: &Echo) -> Vec<Vec<Token>> {
    let texts = echo.transcript.iter().chain(echo.tags.iter().flatten());
    texts.map(|text| tokens(text)).filter(|tokens| !tokens.is_empty()).collect()
}

/// What a stretch of a text is that has neither an unspaced character nor white space in it, or one such character.
enum Piece<'a> {
    Character(&'a str),
    Word(&'a str),
    Between(&'a str),
}

/// The next piece of a segment, and the rest.
fn split_piece(segment: &str) -> Option<(Piece<'_>, &str)> {
    let stands_alone = |c: char| is_unspaced(c) || c.is_whitespace();
    let first = segment.chars().next()?;
    if stands_alone(first) {
        let (character, rest) = segment.split_at(first.len_utf8());
        let is_space = first.is_whitespace();
        return Some((if is_space { Piece::Between(character) } else { Piece::Character(character) }, rest));
    }
    // A mark after a space belongs to no letter, and UAX #29 leaves the two together.
    let end = segment.find(stands_alone).unwrap_or(segment.len());
    let end = segment.char_indices().nth(MAX_TOKEN_CHARS).map_or(end, |(longest, _)| end.min(longest));
    let (stretch, rest) = segment.split_at(end);
    let is_word = stretch.contains(char::is_alphanumeric);
    Some((if is_word { Piece::Word(stretch) } else { Piece::Between(stretch) }, rest))
}

/// A text in the spelling of tokens, and where each part of it is from.
struct Spelled {
    text: String,
    /// Where a grapheme begins here and in the text as it was given, both rising; none where all of them are equal.
    graphemes: Vec<(usize, usize)>,
    given_bytes: usize,
}

impl Spelled {
    fn of(given: &str) -> Self {
        let given_bytes = given.len();
        if given.is_ascii() {
            return Self { text: given.to_ascii_lowercase(), graphemes: Vec::new(), given_bytes };
        }
        let mut text = String::with_capacity(given.len());
        let mut graphemes = Vec::with_capacity(given.len());
        for (start, grapheme) in given.grapheme_indices(true) {
            graphemes.push((text.len(), start));
            match grapheme.as_bytes() {
                [byte] => text.push(char::from(byte.to_ascii_lowercase())),
                _ => text.push_str(&spell(grapheme)),
            }
        }
        Self { text, graphemes, given_bytes }
    }

    /// The bytes of the given text that a range which is not empty stands for: all of each grapheme that it touches.
    fn origin(&self, range: Range<usize>) -> Range<usize> {
        if self.graphemes.is_empty() {
            return range;
        }
        let after_first = self.graphemes.partition_point(|(here, _)| *here <= range.start);
        let after_last = self.graphemes.partition_point(|(here, _)| *here < range.end);
        let start = after_first.checked_sub(1).and_then(|first| self.graphemes.get(first));
        let end = self.graphemes.get(after_last);
        start.map_or(0, |(_, given)| *given)..end.map_or(self.given_bytes, |(_, given)| *given)
    }
}

/// A grapheme in the one spelling.
fn spell(grapheme: &str) -> String {
    let folded = grapheme.nfkc().filter(|c| !is_ignored(*c)).flat_map(fold);
    let mut leaves_marks_out = false;
    let plain = folded.nfd().filter(|c| {
        if is_combining_mark(*c) {
            return !leaves_marks_out;
        }
        leaves_marks_out = has_diacritics(*c);
        true
    });
    plain.nfc().collect()
}

/// A character without its case, so that ß is ss and both Greek sigmas are one.
fn fold(c: char) -> impl Iterator<Item = char> {
    let c = if c == '\u{2019}' { '\'' } else { c };
    c.to_uppercase().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests;
