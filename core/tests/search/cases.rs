//! What every kind of index does, case by case.

use std::sync::Arc;

use echoes_core::search::{Document, Index};
use echoes_shared::{Echo, Emotion, Location};

use crate::corpus::{NOW, TRANSCRIPTS, ask, documents, echo};

/// Each on an empty index that `fresh` makes.
pub async fn all(fresh: impl AsyncFn() -> Arc<dyn Index>) {
    run!(&*fresh().await, words_and_phrases_find_what_has_them);
    run!(&*fresh().await, filters_leave_out_the_rest);
    run!(&*fresh().await, the_best_come_first);
    run!(&*fresh().await, of_two_states_the_later_stays);
    run!(&*fresh().await, what_is_gone_stays_gone);
    run!(&*fresh().await, what_expired_is_not_found_and_purged);
    run!(&*fresh().await, a_thousand_at_once);
}

/// The transcripts that are found, the newest first.
async fn found(index: &dyn Index, query: &str) -> Vec<String> {
    let page = index.search(&ask(&format!("limit=100&{query}")), NOW).await.unwrap();
    page.hits.into_iter().map(|hit| hit.echo.transcript.unwrap_or_default()).collect()
}

async fn put(index: &dyn Index, documents: &[Document]) {
    assert_eq!(index.apply(documents).await.unwrap(), []);
    index.refresh().await.unwrap();
}

async fn words_and_phrases_find_what_has_them(index: &dyn Index) {
    let echoes: Vec<Echo> =
        TRANSCRIPTS.iter().zip(0..).map(|(transcript, number)| echo(number, transcript)).collect();
    put(index, &documents(&echoes)).await;
    for (q, expected) in [
        ("roof night", &["Rain on the roof, all night long."][..]),
        ("\"roof rain\"", &["ROOF RAIN"]),
        ("\"the rain on\"", &["the roof in the rain; the rain on the roof"]),
        ("“the rain on", &["the roof in the rain; the rain on the roof"]),
        ("NAIVE cafe", &["naïve café déjà-vu Ångström"]),
        ("strasse", &["Straße und Fußball, STRASSE"]),
        ("истанбул", &[]),
        ("istanbul'da", &["İstanbul'da ılık bir akşam"]),
        ("οδυσσευς", &["Ὀδυσσεύς, ἄνδρα μοι ἔννεπε"]),
        ("елка", &["Ёлка, ещё раз; йод"]),
        ("محمد", &["محمـد يحب المطر", "مرحبا بالعالم، مُحَمَّد"]),
        ("שלום", &["שָׁלוֹם עולם"]),
        ("京", &["iPhone東京2026年", "東京と大阪、京都", "東京タワーの上で雨が降る"]),
        ("京都", &["東京と大阪、京都"]),
        ("都京", &[]),
        ("タワー 雨", &["東京タワーの上で雨が降る"]),
        ("开心 下雨", &["下雨了，我很开心"]),
        ("カタカナ", &["カタカナとひらがな", "ｶﾀｶﾅとひらがな"]),
        ("がくせい", &["か\u{3099}くせい"]),
        ("한글", &["\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} 비"]),
        ("ฝน", &["ฝนไม่ตก", "ฝนตกที่บ้าน"]),
        ("ຕົກ", &["ຝົນຕົກ ສະບາຍດີ"]),
        ("ធ្លាក់", &["ភ្លៀងធ្លាក់ សួស្តី"]),
        ("ရွာ", &["မိုးရွာနေတယ်"]),
        ("☔", &["🌧️ rain 🌧️🌧️ ☔"]),
        ("👍", &["👍🏽 ok"]),
        ("full", &["ＦＵＬＬ ｗｉｄｔｈ"]),
        ("flour", &["½ cup of ﬁne ﬂour"]),
        ("softhyphen", &["soft\u{ad}hyphen zero\u{200b}width"]),
        ("field:value [1 TO 2]", &["field:value [1 TO 2] {x} ^2 \\ /"]),
        ("ra*", &[]),
        (
            "rain -roof",
            &["the roof in the rain; the rain on the roof", "ROOF RAIN", "Rain on the roof, all night long."],
        ),
    ] {
        let escaped = q.replace('%', "%25").replace('+', "%2B").replace('&', "%26").replace('#', "%23");
        let mut all = found(index, &format!("sort=time&q={escaped}")).await;
        let mut expected: Vec<_> = expected.iter().map(|transcript| (*transcript).to_owned()).collect();
        all.sort();
        expected.sort();
        assert_eq!(all, expected, "{q}");
    }
    let every = found(index, "").await;
    assert_eq!(every.len(), TRANSCRIPTS.len());
    assert_eq!(every.first().map(String::as_str), TRANSCRIPTS.last().copied(), "the newest first");
}

async fn filters_leave_out_the_rest(index: &dyn Index) {
    let place = |lat, lng| Location::new(lat, lng);
    let one = Echo { tags: Some(vec!["Rain".into(), "roof top".into()]), ..echo(1, "one rain") };
    let two = Echo { emotion: Emotion::Sad, location: place(0.0, 179.99), ..echo(2, "two") };
    let three = Echo { user_id: "ben".parse().unwrap(), location: place(0.0, -179.99), ..echo(3, "three") };
    let four = Echo { location: place(1.0, 179.99), tags: Some(vec!["top rain".into()]), ..echo(4, "four") };
    put(index, &documents(&[one.clone(), two, three.clone(), four])).await;
    let (from, to) = (one.timestamp, three.timestamp);
    for (query, expected) in [
        ("emotion=sad", &["two"][..]),
        ("tag=RAIN", &["one rain"]),
        ("tag=roof", &[]),
        ("tag=Roof%20%20Top", &["one rain"]),
        ("q=roof", &["one rain"]),
        ("q=%22rain%20roof%22", &[]),
        ("q=%22top%20rain%22", &["four"]),
        ("q=rain&sort=time", &["four", "one rain"]),
        ("userId=ben", &["three"]),
        ("userId=nobody", &[]),
        ("near=0,180", &["three", "two"]),
        ("near=0,-180&radiusKm=1.2", &["three", "two"]),
        ("near=0,180&radiusKm=1", &[]),
        ("near=0,180&radiusKm=200", &["four", "three", "two"]),
        ("near=0,180&emotion=sad&q=two", &["two"]),
        (&format!("from={from}&to={to}"), &["two", "one rain"]),
        (&format!("from={to}"), &["four", "three"]),
        ("to=2001-01-01", &[]),
        ("emotion=sad&userId=ben", &[]),
    ] {
        assert_eq!(found(index, query).await, expected, "{query}");
    }
}

async fn the_best_come_first(index: &dyn Index) {
    let long = format!("rain {}", "and so on ".repeat(60));
    put(index, &documents(&[echo(1, "rain rain rain"), echo(2, &long), echo(3, "rain rain rain"), echo(4, "sun")]))
        .await;
    assert_eq!(found(index, "q=rain").await, ["rain rain rain", "rain rain rain", &long]);
    let page = index.search(&ask("q=rain"), NOW).await.unwrap();
    assert_eq!(page.hits[0].echo.echo_id, echo(3, "").echo_id, "of equal ones the newest");
    assert!(page.hits[0].score == page.hits[1].score && page.hits[1].score > page.hits[2].score, "{page:?}");
    assert!(!page.more);
}

async fn of_two_states_the_later_stays(index: &dyn Index) {
    let first = echo(1, "first rain");
    let second = Echo { version: 2, transcript: Some("second rain".into()), ..first.clone() };
    let third = Echo { version: 3, transcript: None, ..first.clone() };
    let [one, two, three] = [first, second, third].map(Document::lives);
    put(index, &[two.clone(), one.clone()]).await;
    assert_eq!(found(index, "q=rain").await, ["second rain"]);
    put(index, std::slice::from_ref(&one)).await;
    assert_eq!(found(index, "q=rain").await, ["second rain"]);
    put(index, &[three, two, one]).await;
    assert!(found(index, "q=rain").await.is_empty());
    assert_eq!(found(index, "").await, [""], "its latest state has no transcript");
    assert_eq!(index.stats().await.unwrap().echoes, 1);
}

async fn what_is_gone_stays_gone(index: &dyn Index) {
    let [ghost, other] = [echo(1, "ghost"), echo(2, "other")];
    let gone = Document::gone(ghost.echo_id, NOW);
    // The delete comes first, the create and an edit late; and all at once.
    put(index, std::slice::from_ref(&gone)).await;
    let edited = Echo { version: 9, ..ghost.clone() };
    put(index, &documents(&[ghost.clone(), edited, other.clone()])).await;
    assert_eq!(found(index, "").await, ["other"]);
    put(index, &[Document::lives(other.clone()), Document::gone(other.echo_id, NOW), Document::lives(other)]).await;
    assert!(found(index, "").await.is_empty());
    let stats = index.stats().await.unwrap();
    assert_eq!((stats.echoes, stats.gone), (0, 2));
    assert_eq!(index.purge(NOW.plus_days(6)).await.unwrap(), 0, "an older state may still be on its way");
    assert_eq!(index.purge(NOW.plus_days(8)).await.unwrap(), 2);
    index.refresh().await.unwrap();
    assert_eq!(index.stats().await.unwrap().gone, 0);
}

async fn what_expired_is_not_found_and_purged(index: &dyn Index) {
    let ends = |number, seconds| Echo { ttl: Some(seconds), ..echo(number, &number.to_string()) };
    let now = NOW.epoch_seconds();
    put(index, &documents(&[ends(1, now - 1), ends(2, now), ends(3, now + 1), echo(4, "4")])).await;
    assert_eq!(found(index, "").await, ["4", "3"]);
    assert_eq!(index.purge(NOW).await.unwrap(), 2);
    index.refresh().await.unwrap();
    assert_eq!(index.stats().await.unwrap().echoes, 2);
    assert_eq!(found(index, "").await, ["4", "3"]);
}

async fn a_thousand_at_once(index: &dyn Index) {
    let long = "word ".repeat(200);
    let echoes: Vec<Echo> = (0..1_000).map(|number| echo(number, &format!("{long}{number}"))).collect();
    put(index, &documents(&echoes)).await;
    assert_eq!(index.stats().await.unwrap().echoes, 1_000);
    assert_eq!(found(index, "q=word&sort=time").await.len(), 100);
    assert_eq!(found(index, "q=999%20word").await.len(), 1);
}
