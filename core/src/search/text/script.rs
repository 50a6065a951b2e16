//! What the rule of words needs to know of scripts, by their blocks (Unicode 16).

use std::ops::RangeInclusive;

/// Letters that stand without spaces between words, and pictographs. Their digits and punctuation are left out: UAX #29 knows
/// what to do with those.
const UNSPACED: &[RangeInclusive<char>] = &[
    '\u{0e01}'..='\u{0e3a}',   // Thai
    '\u{0e40}'..='\u{0e4e}',   // Thai
    '\u{0e81}'..='\u{0ece}',   // Lao
    '\u{0edc}'..='\u{0edf}',   // Lao
    '\u{1000}'..='\u{103f}',   // Myanmar
    '\u{1050}'..='\u{108f}',   // Myanmar
    '\u{109a}'..='\u{109d}',   // Myanmar
    '\u{1780}'..='\u{17d3}',   // Khmer
    '\u{17d7}'..='\u{17d7}',   // Khmer: the sign that repeats a word
    '\u{17dc}'..='\u{17dd}',   // Khmer
    '\u{2600}'..='\u{27bf}',   // Symbols and dingbats
    '\u{3005}'..='\u{3007}',   // Han: repetition, closing mark, zero
    '\u{3031}'..='\u{3035}',   // Kana repetition
    '\u{303b}'..='\u{303c}',   // Han: repetition, masu
    '\u{3041}'..='\u{3096}',   // Hiragana
    '\u{309d}'..='\u{309f}',   // Hiragana
    '\u{30a1}'..='\u{30fa}',   // Katakana
    '\u{30fc}'..='\u{30ff}',   // Katakana: the long sound and repetition
    '\u{3105}'..='\u{312f}',   // Bopomofo
    '\u{31a0}'..='\u{31bf}',   // Bopomofo
    '\u{31f0}'..='\u{31ff}',   // Katakana
    '\u{3400}'..='\u{4dbf}',   // Han
    '\u{4e00}'..='\u{9fff}',   // Han
    '\u{a9e0}'..='\u{a9ef}',   // Myanmar
    '\u{a9fa}'..='\u{a9fe}',   // Myanmar
    '\u{aa60}'..='\u{aa7f}',   // Myanmar
    '\u{f900}'..='\u{faff}',   // Han
    '\u{1aff0}'..='\u{1b16f}', // Kana
    '\u{1f000}'..='\u{1faff}', // Pictographs
    '\u{20000}'..='\u{323af}', // Han
];

/// Letters to which a mark is an addition: Latin, Greek, Cyrillic, Hebrew, Arabic. Elsewhere marks are vowels, or make another
/// letter.
const WITH_DIACRITICS: &[RangeInclusive<char>] = &[
    '\u{0000}'..='\u{02af}',
    '\u{0370}'..='\u{052f}',
    '\u{0591}'..='\u{08ff}',
    '\u{1c80}'..='\u{1c8f}',
    '\u{1d00}'..='\u{1dbf}',
    '\u{1e00}'..='\u{1fff}',
    '\u{2c60}'..='\u{2c7f}',
    '\u{2de0}'..='\u{2dff}',
    '\u{a640}'..='\u{a69f}',
    '\u{a720}'..='\u{a7ff}',
    '\u{ab30}'..='\u{ab6f}',
];

/// What is in a text for the sake of its looks: hyphens and joiners that are not seen, marks of direction, the line that draws out
/// Arabic words, variants and skin tones.
const IGNORED: &[RangeInclusive<char>] = &[
    '\u{00ad}'..='\u{00ad}',
    '\u{034f}'..='\u{034f}',
    '\u{061c}'..='\u{061c}',
    '\u{0640}'..='\u{0640}',
    '\u{180b}'..='\u{180f}',
    '\u{200c}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{1f3fb}'..='\u{1f3ff}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Whether a character is a token by itself.
pub(super) fn is_unspaced(c: char) -> bool {
    // Most characters of most texts are below all of them.
    c >= '\u{0e01}' && among(UNSPACED, c)
}

/// Whether marks after it are left out.
pub(super) fn has_diacritics(c: char) -> bool {
    among(WITH_DIACRITICS, c)
}

/// Whether it is left out.
pub(super) fn is_ignored(c: char) -> bool {
    c >= '\u{00ad}' && among(IGNORED, c)
}

/// Looks the character up among blocks that rise.
fn among(blocks: &[RangeInclusive<char>], c: char) -> bool {
    let block = blocks.partition_point(|block| *block.end() < c);
    blocks.get(block).is_some_and(|block| block.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_rise() {
        for blocks in [UNSPACED, WITH_DIACRITICS, IGNORED] {
            assert!(blocks.iter().all(|block| block.start() <= block.end()));
            assert!(blocks.is_sorted_by(|before, after| before.end() < after.start()));
        }
    }
}
