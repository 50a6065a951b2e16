//! Shows where in a transcript the words of a search are: a few short pieces of it as HTML, the words within `<em>`.

use std::collections::HashMap;
use std::ops::Range;

use super::Clause;
use super::text::{self, Token};

/// Pieces of one transcript at most.
const MAX_FRAGMENTS: usize = 3;
/// Characters of a piece at most, as they are read.
const MAX_FRAGMENT_CHARS: usize = 150;
/// Characters before the first word of a piece that are shown at most.
const LEAD_CHARS: usize = 40;

/// Up to three pieces of a transcript in its order, each safe to be put into a page as it is; none where nothing fits.
pub fn highlights(transcript: &str, clauses: &[Clause]) -> Vec<String> {
    if clauses.is_empty() {
        return Vec::new();
    }
    let tokens = text::tokens(transcript);
    let marked = marked(&tokens, clauses);
    let mut fragments = Vec::new();
    let mut shown = 0;
    for first in &marked {
        if fragments.len() >= MAX_FRAGMENTS {
            break;
        }
        if first.start < shown {
            continue;
        }
        let window = window(transcript, &tokens, first, shown);
        shown = window.end;
        fragments.push(write(transcript, &window, &marked));
    }
    fragments
}

/// The bytes that fit, in the order of the text; what touches is one.
fn marked(tokens: &[Token], clauses: &[Clause]) -> Vec<Range<usize>> {
    // By what they begin with, so that a long text is gone through once however many words are asked for.
    let mut by_first: HashMap<&str, Vec<&[String]>> = HashMap::new();
    for words in clauses.iter().map(Clause::tokens) {
        if let Some(first) = words.first() {
            by_first.entry(first).or_default().push(words);
        }
    }
    let mut marked: Vec<Range<usize>> = Vec::new();
    for (at, first) in tokens.iter().enumerate() {
        for words in by_first.get(first.text.as_str()).into_iter().flatten() {
            let row = tokens.get(at..at + words.len()).unwrap_or_default();
            if let Some(last) = row.last()
                && row.iter().map(|token| &token.text).eq(words.iter())
            {
                marked.push(first.at.start..last.at.end);
            }
        }
    }
    marked.sort_unstable_by_key(|range| (range.start, range.end));
    marked.dedup_by(|next, before| {
        let touches = next.start <= before.end;
        if touches {
            before.end = before.end.max(next.end);
        }
        touches
    });
    marked
}

/// The bytes of a piece that begins near `first`, after what was shown already; it neither begins nor ends within a word, unless a
/// word is longer than it may be.
fn window(transcript: &str, tokens: &[Token], first: &Range<usize>, shown: usize) -> Range<usize> {
    let before = transcript.get(shown..first.start).unwrap_or_default();
    let lead = before.char_indices().rev().nth(LEAD_CHARS - 1).map_or(shown, |(at, _)| shown + at);
    let next_word = tokens.iter().map(|token| token.at.start).find(|start| *start >= lead);
    let begin = match lead {
        // The whole beginning, with what stands before its first word.
        0 => transcript.len() - transcript.trim_start().len(),
        _ => next_word.unwrap_or(first.start),
    };
    let begin = begin.min(first.start);
    let rest = transcript.get(begin..).unwrap_or_default();
    let Some((room, _)) = rest.char_indices().nth(MAX_FRAGMENT_CHARS) else {
        return begin..begin + rest.trim_end().len();
    };
    let limit = begin + room;
    let end = tokens.iter().map(|token| token.at.end).take_while(|end| *end <= limit).last();
    begin..end.filter(|end| *end > first.start).unwrap_or(limit)
}

fn write(transcript: &str, window: &Range<usize>, marked: &[Range<usize>]) -> String {
    let mut html = String::with_capacity(window.len() + 32);
    let mut at = window.start;
    for mark in marked.iter().filter(|mark| mark.start < window.end && mark.end > window.start) {
        let (start, end) = (mark.start.max(at), mark.end.min(window.end));
        escape(&mut html, transcript.get(at..start));
        html.push_str("<em>");
        escape(&mut html, transcript.get(start..end));
        html.push_str("</em>");
        at = end;
    }
    escape(&mut html, transcript.get(at..window.end));
    html
}

fn escape(html: &mut String, text: Option<&str>) {
    for c in text.unwrap_or_default().chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::query::clauses;

    fn show(transcript: &str, q: &str) -> Vec<String> {
        highlights(transcript, &clauses(q))
    }

    #[test]
    fn words_are_marked_as_they_stand() {
        for (transcript, q, expected) in [
            ("Rain on the roof", "RAIN roof", "<em>Rain</em> on the <em>roof</em>"),
            ("Été à Paris.", "ete", "<em>Été</em> à Paris."),
            ("on the roof, the rain", "\"the roof\"", "on <em>the roof</em>, the rain"),
            ("東京タワーの上", "タワー", "東京<em>タワー</em>の上"),
            ("<b>rain</b> & 'rain\"", "rain", "&lt;b&gt;<em>rain</em>&lt;/b&gt; &amp; &#39;<em>rain</em>&quot;"),
            ("<em>rain</em>", "em", "&lt;<em>em</em>&gt;rain&lt;/<em>em</em>&gt;"),
        ] {
            assert_eq!(show(transcript, q), [expected], "{transcript}");
        }
        assert!(show("sun", "rain").is_empty() && show("", "rain").is_empty() && show("rain", "").is_empty());
    }

    #[test]
    fn a_long_transcript_is_shown_in_pieces() {
        let filler = "lorem ipsum dolor sit amet ".repeat(20);
        let transcript = format!("{filler}first rain {filler}second rain {filler}third rain {filler}fourth rain");
        let pieces = show(&transcript, "rain");
        assert_eq!(pieces.len(), 3);
        for (piece, word) in pieces.iter().zip(["first", "second", "third"]) {
            assert!(piece.contains(&format!("{word} <em>rain</em>")), "{piece}");
            assert!(piece.chars().count() <= MAX_FRAGMENT_CHARS + "<em></em>".len(), "{piece}");
            assert!(!piece.starts_with(' ') && !piece.ends_with(' '), "{piece}");
        }
    }

    #[test]
    fn the_longest_phrase_is_cut() {
        let transcript = "東".repeat(5_000);
        let pieces = show(&transcript, &"東".repeat(256));
        assert_eq!(pieces[0], format!("<em>{}</em>", "東".repeat(MAX_FRAGMENT_CHARS)));
        let word = "x".repeat(400);
        assert!(show(&word, &word).iter().all(|piece| piece.chars().count() <= MAX_FRAGMENT_CHARS + 9));
    }

    proptest! {
        #[test]
        fn pieces_are_safe_parts_of_the_transcript(transcript in "[ab<>&\"'é東 ]{0,400}", q in "[abé東\" ]{1,9}") {
            let plain = |html: &str| {
                let text = html.replace("<em>", "").replace("</em>", "");
                assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
                [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
                    .into_iter()
                    .fold(text, |text, (escaped, c)| text.replace(escaped, c))
            };
            let pieces = show(&transcript, &q);
            prop_assert!(pieces.len() <= MAX_FRAGMENTS);
            let mut rest = transcript.as_str();
            for piece in pieces {
                prop_assert!(piece.contains("<em>"));
                let text = plain(&piece);
                prop_assert!(text.chars().count() <= MAX_FRAGMENT_CHARS);
                let at = rest.find(&text);
                prop_assert!(at.is_some(), "{} in {}", text, rest);
                rest = &rest[at.unwrap() + text.len()..];
            }
        }
    }
}
