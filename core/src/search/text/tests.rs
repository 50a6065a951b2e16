//! Words of many scripts, and what holds for every text.

use proptest::prelude::*;

use super::*;

/// The tokens with spaces between them, and `+` where one continues the one before.
fn read(text: &str) -> String {
    let mut line = String::new();
    for token in tokens(text) {
        if !line.is_empty() {
            line.push(if token.continues { '+' } else { ' ' });
        }
        line.push_str(&token.text);
    }
    line
}

#[test]
fn texts_are_cut_into_words() {
    for (text, expected) in [
        ("Rain on the roof, at 3.14 o'clock!", "rain on the roof at 3.14 o'clock"),
        ("don’t DON'T", "don't don't"),
        ("Ångström naïve Éclair e\u{301}clair", "angstrom naive eclair eclair"),
        ("STRASSE Straße ﬁn", "strasse strasse fin"),
        ("Ὀδυσσεύς ΟΔΥΣΣΕΥΣ", "οδυσσευσ οδυσσευσ"),
        ("Ёлка Йод", "елка иод"),
        ("İstanbul ISPARTA ırmak", "istanbul isparta irmak"),
        ("ｈｅｌｌｏ ① ½ ㎏ \ti \t\u{93f}", "hello 1 1⁄2 kg i \u{93f}"),
        ("مُحَمَّد محمـد أحمد", "محمد محمد احمد"),
        ("שָׁלוֹם שלום", "שלום שלום"),
        ("می\u{200c}خواهم soft\u{ad}ly", "میخواهم softly"),
        ("हिन्दी में", "हिन्दी में"),
        ("한국어 \u{1112}\u{1161}\u{11ab}", "한국어 한"),
        ("東京タワー、大阪", "東+京+タ+ワ+ー 大+阪"),
        ("食べるﾃﾞｰﾀ", "食+べ+る+デ+ー+タ"),
        ("か\u{3099}く がく", "が+く が+く"),
        ("iPhone東京2026", "iphone 東+京 2026"),
        ("ที่นี่", "ท+ี+่+น+ี+่"),
        ("ສະບາຍ ភាសា မြန်", "ສ+ະ+བ+າ+ຍ"),
        ("👍🏽 ❤️ 👩‍🎤", "👍 ❤ 👩+🎤"),
        ("snake_case a.b example.com", "snake_case a.b example.com"),
        ("\u{200b}a\u{200b}b\u{feff}c\u{200e}", "a bc"),
        (" \t\n*?!…—«»\u{0}\u{fffd}", ""),
    ] {
        if text.starts_with('ສ') {
            assert_eq!(tokens(text).len(), 13, "{text}: {}", read(text));
            continue;
        }
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn a_long_word_goes_on_as_the_next_token() {
    let word = "x".repeat(150);
    assert_eq!(read(&word), format!("{}+{}+{}", &word[..64], &word[..64], &word[..22]));
    assert_eq!(read(&"é".repeat(65)), format!("{}+e", "e".repeat(64)));
}

#[test]
fn a_token_stands_for_what_was_given() {
    let text = "Été à ½ TŌKYŌ 東京 ☔️!";
    let given: Vec<&str> = tokens(text).into_iter().map(|token| &text[token.at]).collect();
    assert_eq!(given, ["Été", "à", "½", "TŌKYŌ", "東", "京", "☔️"]);
}

#[test]
fn tags_are_compared_as_a_whole() {
    for (tag, other) in [("Rain", "rain"), ("  süße   Träume ", "susse traume"), ("#ＲＡＩＮ", "#rain"), ("★", "★")]
    {
        assert_eq!(whole(tag), whole(other), "{tag}");
    }
    assert_ne!(whole("rain"), whole("#rain"));
    assert_ne!(whole("a b"), whole("ab"));
}

#[test]
fn tags_are_passages_of_their_own() {
    let echo = serde_json::json!({
        "echoId": "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20", "userId": "ana", "timestamp": "2025-11-24T04:14:33.262Z", "emotion": "happy",
        "tags": ["Rain drops", "!", "🎉"], "transcript": "On the roof", "version": 1, "origin": "eu-west-1", "updatedAt": "2025-11-24T04:14:33.262Z",
    });
    let passages = passages(&serde_json::from_value(echo).unwrap());
    let words: Vec<Vec<String>> =
        passages.into_iter().map(|tokens| tokens.into_iter().map(|token| token.text).collect()).collect();
    assert_eq!(words, [&["on", "the", "roof"][..], &["rain", "drops"], &["🎉"]]);
}

/// Texts of the characters that are hard, and of any.
fn texts() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        'a', 'Z', 'é', '\u{301}', 'ß', 'İ', 'ı', 'ς', 'ﬁ', '½', '東', 'ア', 'ﾞ', 'ｶ', 'ー', 'ท', 'ี', 'က', 'ី', '한',
        '\u{1161}', 'ि', 'ش', '\u{64b}', 'ـ', '\u{200d}', '\u{200b}', '\u{ad}', '👍', '🏽', '️', '\'', '’', '_', '.',
        ' ', '\n', '1', '٣', 'ǰ', 'ΐ', 'ﬃ', '㍿', '\u{f900}', '\u{2f00}',
    ]);
    prop::collection::vec(prop_oneof![3 => odd, 1 => any::<char>()], 0..40).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn tokens_rise_through_the_text_and_have_no_spaces(text in texts()) {
        let mut before = 0..0;
        for token in tokens(&text) {
            prop_assert!(!token.text.is_empty() && !token.text.contains(char::is_whitespace), "{token:?}");
            prop_assert!(token.text.chars().count() <= MAX_TOKEN_CHARS);
            prop_assert!(text.get(token.at.clone()).is_some_and(|given| !given.is_empty()), "{token:?}");
            prop_assert!(token.at.start >= before.start && token.at.end >= before.end, "{before:?} {token:?}");
            before = token.at;
        }
    }

    #[test]
    fn canonically_equal_texts_have_equal_tokens(text in texts()) {
        let decomposed: String = text.nfd().collect();
        let composed: String = decomposed.nfc().collect();
        prop_assert_eq!(read(&decomposed), read(&composed));
    }
}
