//! What `GET /v1/search` asks for.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use percent_encoding::utf8_percent_encode;

use super::faults::Faults;
use super::instant::instant;
use super::limit;
use super::near::Near;
use crate::cursor;
use crate::echo::Location;
use crate::emotion::Emotion;
use crate::id::{InvalidId, UserId};
use crate::policy::{DEFAULT_LIMIT, DEFAULT_RADIUS_KM, MAX_RADIUS_KM, MAX_SEARCH_CHARS, MAX_TAG_CHARS};
use crate::problem::Problem;
use crate::timestamp::Timestamp;
use crate::wire::SEGMENT;

/// What the query of `GET /v1/search` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchQuery {
    /// Words and phrases, 1–256 characters. Whether there is a word among them is for the core to say.
    pub q: Option<String>,
    /// Only this emotion.
    pub emotion: Option<Emotion>,
    /// Only with this tag, 1–32 characters.
    pub tag: Option<String>,
    /// Only this person's.
    pub user: Option<UserId>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Only from here.
    pub near: Option<Near>,
    /// Which come first.
    pub sort: Sort,
    /// Results wanted, 1–100.
    pub limit: u8,
    /// Where an earlier page ended. Its shape is checked here, its authenticity by the core.
    pub cursor: Option<String>,
}

/// Which results come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Those that fit `q` best; of equal ones the newest.
    Relevance,
    /// The newest.
    Time,
}

impl Sort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::Time => "time",
        }
    }
}

/// The parameters, each with what was given for it.
const KNOWN: [&str; 11] =
    ["q", "emotion", "tag", "userId", "from", "to", "near", "radiusKm", "sort", "limit", "cursor"];

impl SearchQuery {
    /// Reads the parameters; every fault is named.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut given: [Option<Cow<'_, str>>; KNOWN.len()] = Default::default();
        let mut faults = Faults::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let Some((known, place)) = KNOWN.into_iter().zip(&mut given).find(|(known, _)| *known == name) else {
                continue;
            };
            if place.replace(value).is_some() {
                return Err(Problem::invalid_field(known, "may be given once"));
            }
        }
        let [q, emotion, tag, user, from, to, near, radius_km, sort, limited, cursor] = given;
        let q = faults.read("q", q, |text| characters(text, MAX_SEARCH_CHARS));
        let emotion = faults.read("emotion", emotion, super::emotion);
        let tag = faults.read("tag", tag, |text| characters(text, MAX_TAG_CHARS));
        let user = faults.read("userId", user, |name| name.parse().map_err(|error: InvalidId| error.to_string()));
        let (from, to) = (faults.read("from", from, instant), faults.read("to", to, instant));
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            faults.note("to", "must be later than from");
        }
        let (has_near, has_radius) = (near.is_some(), radius_km.is_some());
        let place = faults.read("near", near, place);
        let radius_km = faults.read("radiusKm", radius_km, radius);
        if has_radius && !has_near {
            faults.note("radiusKm", "needs near beside it");
        }
        let near = place.map(|place| Near { place, radius_km: radius_km.unwrap_or(DEFAULT_RADIUS_KM) });
        let sort = faults.read("sort", sort, sort_by);
        let limit = faults.read("limit", limited, limit).unwrap_or(DEFAULT_LIMIT);
        let cursor = faults.read("cursor", cursor, |text| {
            cursor::check_shape(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
        });
        // Without words there is nothing that one echo could fit better than another.
        let sort = if q.is_some() { sort.unwrap_or(Sort::Relevance) } else { Sort::Time };
        faults.or(Self { q, emotion, tag, user, from, to, near, sort, limit, cursor })
    }

    /// The query in its one canonical spelling, escaped as signing wants it: equal requests have equal texts.
    pub fn canonical(&self) -> String {
        let mut text = format!("limit={}", self.limit);
        if let Some(cursor) = &self.cursor {
            add(&mut text, "cursor", cursor);
        }
        let asked = self.asked();
        text + if asked.is_empty() { "" } else { "&" } + &asked
    }

    /// The same without `limit` and `cursor`: the list that cursors belong to.
    pub fn asked(&self) -> String {
        let mut text = String::new();
        let fields: [(&str, Option<&dyn Display>); 6] = [
            ("q", self.q.as_ref().map(|q| q as _)),
            ("emotion", self.emotion.as_ref().map(|emotion| emotion as _)),
            ("tag", self.tag.as_ref().map(|tag| tag as _)),
            ("userId", self.user.as_ref().map(|user| user as _)),
            ("from", self.from.as_ref().map(|from| from as _)),
            ("to", self.to.as_ref().map(|to| to as _)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                add(&mut text, name, value);
            }
        }
        if let Some(Near { place, radius_km }) = self.near {
            add(&mut text, "near", &format_args!("{},{}", place.lat, place.lng));
            add(&mut text, "radiusKm", &radius_km);
        }
        // Said only where it changes anything.
        if self.q.is_some() && self.sort == Sort::Time {
            add(&mut text, "sort", &self.sort.as_str());
        }
        text
    }
}

fn add(text: &mut String, name: &str, value: &dyn Display) {
    let separator = if text.is_empty() { "" } else { "&" };
    // Writing into a text does not fail.
    let _ = write!(text, "{separator}{name}={}", utf8_percent_encode(&value.to_string(), SEGMENT));
}

fn characters(text: &str, most: usize) -> Result<String, String> {
    match text.chars().count() {
        count if (1..=most).contains(&count) => Ok(text.to_owned()),
        _ => Err(format!("must be 1 to {most} characters")),
    }
}

fn place(text: &str) -> Result<Location, String> {
    let degrees = |part: &str| part.trim().parse::<f64>().ok();
    let place = text.split_once(',').and_then(|(lat, lng)| Location::new(degrees(lat)?, degrees(lng)?));
    place.ok_or_else(|| "must be a place on Earth like 51.5,-0.12".to_owned())
}

fn radius(text: &str) -> Result<f64, String> {
    let km = text.parse::<f64>().ok().filter(|km| *km > 0.0 && *km <= MAX_RADIUS_KM);
    km.ok_or_else(|| format!("must be a number above 0 and at most {MAX_RADIUS_KM}"))
}

fn sort_by(text: &str) -> Result<Sort, String> {
    [Sort::Relevance, Sort::Time]
        .into_iter()
        .find(|sort| sort.as_str() == text)
        .ok_or_else(|| "must be relevance or time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{MAX_SEARCH_TARGET_BYTES, MAX_USER_ID_CHARS};
    use crate::wire::{check_target_size, pattern};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn parse(query: &str) -> SearchQuery {
        SearchQuery::parse(Some(query)).unwrap()
    }

    #[test]
    fn equal_questions_have_one_spelling() {
        let query = parse(
            "x=1&q=%22a%20b%22+%C3%A9&emotion=sad&tag=R%C3%A4in&userId=auth0%7C5&from=2026-11-22&near=51.50,%20-0.12",
        );
        assert_eq!(query.q.as_deref(), Some("\"a b\" é"));
        assert_eq!((query.sort, query.near.unwrap().radius_km), (Sort::Relevance, 10.0));
        let canonical = concat!(
            "limit=20&q=%22a%20b%22%20%C3%A9&emotion=sad&tag=R%C3%A4in&userId=auth0%7C5",
            "&from=2026-11-22T00%3A00%3A00.000Z&near=51.5%2C-0.12&radiusKm=10"
        );
        assert_eq!(query.canonical(), canonical);
        assert_eq!(parse(canonical), query);
        let shuffled = "radiusKm=10.0&from=2026-11-22T01:00:00%2B01:00&near=51.5,-0.12&userId=auth0|5&limit=20&tag=R%C3%A4in&sort=relevance&emotion=sad&q=%22a+b%22%20%C3%A9";
        assert_eq!(parse(shuffled).canonical(), canonical);
    }

    #[test]
    fn nothing_asked_is_everything_by_time() {
        let query = SearchQuery::parse(None).unwrap();
        assert_eq!((query.sort, query.canonical().as_str(), query.asked().as_str()), (Sort::Time, "limit=20", ""));
        assert_eq!(parse("sort=relevance"), query);
        assert_eq!(parse("sort=time"), query);
        assert_eq!(parse("q=a&sort=time").canonical(), "limit=20&q=a&sort=time");
        assert_eq!(parse("q=a&sort=relevance").canonical(), "limit=20&q=a");
        assert_eq!(parse("q=a&limit=5").asked(), parse("q=a&limit=6").asked());
    }

    #[test]
    fn every_fault_is_named() {
        let long = |name: &str, count: usize| format!("{name}={}", "x".repeat(count));
        for (query, fields) in [
            ("q=", &["q"][..]),
            (&long("q", 257), &["q"]),
            (&long("q", 5_000), &["q"]),
            ("q=a&q=a", &["q"]),
            ("emotion=joyful", &["emotion"]),
            ("tag=", &["tag"]),
            (&long("tag", 33), &["tag"]),
            ("userId=me", &["userId"]),
            ("from=yesterday", &["from"]),
            ("from=2026-11-22&to=2026-11-22", &["to"]),
            ("near=1", &["near"]),
            ("near=91,0", &["near"]),
            ("near=NaN,0", &["near"]),
            ("near=1,2,3", &["near"]),
            ("near=1,2&radiusKm=-1", &["radiusKm"]),
            ("near=1,2&radiusKm=0", &["radiusKm"]),
            ("near=1,2&radiusKm=500.1", &["radiusKm"]),
            ("near=1,2&radiusKm=NaN", &["radiusKm"]),
            ("near=1,2&radiusKm=inf", &["radiusKm"]),
            ("radiusKm=5", &["radiusKm"]),
            ("sort=score", &["sort"]),
            ("limit=0", &["limit"]),
            ("cursor=forged", &["cursor"]),
            ("q=&near=x&radiusKm=-1&from=x&limit=101", &["q", "from", "near", "radiusKm", "limit"]),
        ] {
            let problem = SearchQuery::parse(Some(query)).unwrap_err();
            assert_eq!(problem.errors.iter().map(|error| &*error.field).collect::<Vec<_>>(), fields, "{query}");
        }
        assert!(SearchQuery::parse(Some(&long("q", 256))).is_ok());
        assert!(SearchQuery::parse(Some(&format!("q={}", "%E6%9D%B1".repeat(256)))).is_ok());
    }

    #[test]
    fn the_longest_question_fits_into_a_path() {
        let query = SearchQuery {
            q: Some("😀".repeat(MAX_SEARCH_CHARS)),
            tag: Some("😀".repeat(MAX_TAG_CHARS)),
            user: Some("|".repeat(MAX_USER_ID_CHARS).parse().unwrap()),
            from: Some(Timestamp::from_millis(0)),
            to: Some(Timestamp::from_millis(1)),
            near: Some(Near {
                place: Location::new(-12.123_456_789_012_345, -112.123_456_789_012_34).unwrap(),
                radius_km: 1e-300,
            }),
            ..parse("")
        };
        let target = format!("{}?{}", pattern::SEARCH, query.canonical());
        assert!(check_target_size(&target).is_ok(), "{}", target.len());
        assert_eq!(parse(&query.canonical()), query);
        assert!(check_target_size(&format!("{}?{}", pattern::SEARCH, "x".repeat(MAX_SEARCH_TARGET_BYTES))).is_err());
    }
}
