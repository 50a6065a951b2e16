//! Echoes in many scripts, and the rule of what a search finds among them, without an index.

use echoes_core::search::text;
use echoes_core::search::{Clause, Document, Index, Query};
use echoes_shared::query::{SearchQuery, Sort};
use echoes_shared::{Echo, EchoId, Emotion, IdempotencyKey, Location, NewEcho, Region, Timestamp};
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};

/// When it is.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const MINUTE_MILLIS: u64 = 60 * 1_000;

/// Transcripts that are hard to get right, and some that are not.
pub const TRANSCRIPTS: &[&str] = &[
    "Rain on the roof, all night long.",
    "the roof in the rain; the rain on the roof",
    "ROOF RAIN",
    "It's raining cats & dogs <b>again</b>",
    "don’t stop / don't stop",
    "naïve café déjà-vu Ångström",
    "Straße und Fußball, STRASSE",
    "İstanbul'da ılık bir akşam",
    "Ὀδυσσεύς, ἄνδρα μοι ἔννεπε",
    "Ёлка, ещё раз; йод",
    "Здравствуй, мир! Привет, мир.",
    "مرحبا بالعالم، مُحَمَّد",
    "محمـد يحب المطر",
    "می\u{200c}خواهم باران ببارد",
    "שָׁלוֹם עולם",
    "नमस्ते दुनिया, हिन्दी में",
    "বাংলা ভাষা বৃষ্টি",
    "東京タワーの上で雨が降る",
    "東京と大阪、京都",
    "雨の音がする。静かな夜。",
    "下雨了，我很开心",
    "下雪了，我不开心",
    "臺北下雨",
    "ｶﾀｶﾅとひらがな",
    "カタカナとひらがな",
    "か\u{3099}くせい",
    "가을비가 내린다",
    "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} 비",
    "ฝนตกที่บ้าน",
    "ฝนไม่ตก",
    "ຝົນຕົກ ສະບາຍດີ",
    "ភ្លៀងធ្លាក់ សួស្តី",
    "မိုးရွာနေတယ်",
    "mưa trên mái nhà",
    "Zażółć gęślą jaźń",
    "þetta er rigning",
    "🌧️ rain 🌧️🌧️ ☔",
    "👩‍🎤 sings 🎶🎶",
    "👍🏽 ok",
    "3.14 is π, 1,000 is a thousand",
    "example.com or user@example.com",
    "snake_case CamelCase kebab-case",
    "C++ and C#, a.b.c",
    "x² + y² = z²",
    "½ cup of ﬁne ﬂour",
    "ＦＵＬＬ ｗｉｄｔｈ",
    "①②③ ㍿ ㎏",
    "soft\u{ad}hyphen zero\u{200b}width",
    "   leading and trailing   ",
    "line\nbreaks\r\nand\ttabs",
    "\"quoted\" 'single' «guillemets»",
    "AND OR NOT (a OR b) -c +d ~e *",
    "field:value [1 TO 2] {x} ^2 \\ /",
    "a",
    "a a a a a a a a",
    "the the the the the rain",
    "…!?",
    "",
    "\u{fffd}\u{0}",
    "lone mark \u{301} here",
    "iPhone東京2026年",
    "日本語 and English 混在",
    "nothing in common",
];

const TAGS: &[&str] =
    &["rain", "Rain", "night", "été", "雨", "東京 夜", "roof top", "🎉", "#1", "Straße", "mır", "a"];
const WORDS: &[&str] = &[
    "rain", "roof", "night", "the", "on", "a", "of", "雨", "東京", "京", "ฝน", "ตก", "비", "mир", "été", "πολύ", "🌧",
    "don't", "1,000", "sea", "wind",
];
const PEOPLE: &[&str] = &["ana", "ben", "auth0|5", "A"];
const PLACES: &[(f64, f64)] = &[
    (51.5074, -0.1278),
    (51.6, -0.1),
    (48.8566, 2.3522),
    (0.0, 179.95),
    (0.0, -179.95),
    (89.9, 10.0),
    (-33.9, 18.4),
];

/// Echo `number` of its own minute, newer than those of lower ones.
pub fn echo(number: u64, transcript: &str) -> Echo {
    let key = IdempotencyKey::mint(NOW.minus_days(30).plus_millis(number * MINUTE_MILLIS), &[7; 10]);
    let content = NewEcho {
        emotion: Emotion::Calm,
        s3_url: None,
        location: None,
        tags: None,
        transcript: (!transcript.is_empty()).then(|| transcript.to_owned()),
        detected_mood: None,
        metadata: None,
        days_to_live: None,
    };
    Echo::create("ana".parse().unwrap(), key, content, Region::EuWest1)
}

/// The same as the index is given it.
pub fn document(number: u64, transcript: &str) -> Document {
    Document::lives(echo(number, transcript))
}

/// Two hundred echoes: every transcript once, and words thrown together.
pub fn echoes(random: &mut impl Rng) -> Vec<Echo> {
    let each = |number: usize| {
        let transcript = match TRANSCRIPTS.get(number) {
            Some(transcript) => (*transcript).to_owned(),
            None => {
                let count = random.random_range(1..12);
                let separators = [" ", ", ", "", "\n"];
                (0..count)
                    .map(|_| format!("{}{}", WORDS.choose(random).unwrap(), separators.choose(random).unwrap()))
                    .collect()
            }
        };
        let echo = echo(number as u64, &transcript);
        let count = random.random_range(0..4);
        let tags: Vec<String> = TAGS.sample(random, count).map(|tag| (*tag).to_owned()).collect();
        let place = PLACES.choose(random).unwrap();
        let jitter = |degrees: f64, random: &mut dyn FnMut() -> f64| degrees + random() * 0.05;
        let mut unit = || random.random_range(-1.0..1.0);
        let location = Location::new(jitter(place.0, &mut unit).clamp(-90.0, 90.0), jitter(place.1, &mut unit));
        Echo {
            user_id: PEOPLE.choose(random).unwrap().parse().unwrap(),
            emotion: *[Emotion::Calm, Emotion::Happy, Emotion::Sad].choose(random).unwrap(),
            tags: (count > 0).then_some(tags),
            location: location.filter(|_| random.random_bool(0.7)),
            // One in eight has expired, one ends with this very second, one lives one more.
            ttl: match random.random_range(0..8) {
                0 => Some(NOW.epoch_seconds() - 1),
                1 => Some(NOW.epoch_seconds()),
                2 => Some(NOW.epoch_seconds() + 1),
                _ => None,
            },
            ..echo
        }
    };
    (0..200).map(each).collect()
}

/// Them all as the index is given them.
pub fn documents(echoes: &[Echo]) -> Vec<Document> {
    echoes.iter().cloned().map(Document::lives).collect()
}

/// A search by its URL's query.
pub fn ask(query: &str) -> Query {
    Query::of(&SearchQuery::parse(Some(query)).unwrap_or_else(|problem| panic!("{query}: {problem:?}"))).unwrap()
}

/// The newest hundred of all that was applied which have these words; all where there are none.
pub async fn found(index: &dyn Index, words: &str) -> Vec<Echo> {
    index.refresh().await.unwrap();
    let asked = if words.is_empty() { String::new() } else { format!("&q={words}") };
    let page = index.search(&ask(&format!("limit=100&sort=time{asked}")), NOW).await.unwrap();
    page.hits.into_iter().map(|hit| *hit.echo).collect()
}

/// What a search finds among these, the newest first.
pub fn expected(echoes: &[Echo], query: &Query) -> Vec<EchoId> {
    let mut found: Vec<EchoId> = echoes.iter().filter(|echo| fits(echo, query)).map(|echo| echo.echo_id).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found
}

fn fits(echo: &Echo, query: &Query) -> bool {
    let passages = text::passages(echo);
    let stands = |clause: &Clause| {
        let words = clause.tokens();
        passages.iter().any(|tokens| {
            tokens.windows(words.len()).any(|row| row.iter().zip(words).all(|(token, word)| token.text == *word))
        })
    };
    let tags: Vec<String> = echo.tags.iter().flatten().map(|tag| text::whole(tag)).collect();
    echo.lives_at(NOW)
        && query.clauses.iter().all(stands)
        && query.emotion.is_none_or(|emotion| echo.emotion == emotion)
        && query.user.as_ref().is_none_or(|user| echo.user_id == *user)
        && query.tag.as_ref().is_none_or(|tag| tags.contains(tag))
        && query.from.is_none_or(|from| echo.timestamp >= from)
        && query.to.is_none_or(|to| echo.timestamp < to)
        && query.near.is_none_or(|near| echo.location.is_some_and(|place| near.covers(place)))
}

/// A search for something that is there, mostly, and with filters that leave something, mostly.
pub fn question(echoes: &[Echo], random: &mut impl Rng) -> Query {
    let mut query = ask("limit=100&sort=time");
    for _ in 0..random.random_range(0..3) {
        query.clauses.push(clause(echoes, random));
    }
    query.clauses.dedup();
    let mut maybe = |chance| random.random_bool(chance);
    let [emotion, tag, user, from, to, near] = [0.2, 0.15, 0.2, 0.2, 0.2, 0.2].map(&mut maybe);
    let moment = |random: &mut dyn FnMut() -> usize| echoes[random()].timestamp;
    let mut any = || random.random_range(0..echoes.len());
    query.from = from.then(|| moment(&mut any));
    query.to = to.then(|| moment(&mut any));
    query.emotion = emotion.then(|| echoes[any()].emotion);
    query.user = user.then(|| echoes[any()].user_id.clone());
    query.tag = tag.then(|| text::whole(TAGS.choose(random).unwrap()));
    query.near = near.then(|| {
        let (lat, lng) = *PLACES.choose(random).unwrap();
        let place = Location::new(lat, lng).unwrap();
        let radius_km = *[0.5, 5.0, 30.0, 500.0].choose(random).unwrap();
        echoes_shared::query::Near { place, radius_km }
    });
    query.sort = if query.clauses.is_empty() || random.random_bool(0.5) { Sort::Time } else { Sort::Relevance };
    query
}

/// A word or a few in a row of some echo; now and then of none.
fn clause(echoes: &[Echo], random: &mut impl Rng) -> Clause {
    let passages = text::passages(echoes.choose(random).unwrap());
    let Some(tokens) = passages.choose(random) else { return Clause::Word("nowhere".to_owned()) };
    let length = random.random_range(1..=tokens.len().min(4));
    let start = random.random_range(0..=tokens.len() - length);
    let mut row: Vec<String> = tokens[start..start + length].iter().map(|token| token.text.clone()).collect();
    if random.random_bool(0.1) {
        row.reverse();
    }
    match row.len() {
        1 => Clause::Word(row.remove(0)),
        _ => Clause::Phrase(row),
    }
}
