//! Reads query strings: a known parameter once, an unknown one never.

mod analytics;
mod faults;
mod instant;
mod live;
mod near;
mod search;
mod timelines;

use std::borrow::Cow;
use std::mem;

use crate::cursor;
use crate::emotion::{Emotion, UnknownEmotion};
use crate::policy::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::problem::Problem;

use faults::Faults;

pub use analytics::{AnalyticsQuery, Bucket};
pub use live::LiveQuery;
pub use near::{Bounds, Near};
pub use search::{SearchQuery, Sort};
pub use timelines::TimelinesQuery;

/// What the query of a feed, the recent list or a timeline asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Items wanted, 1–100.
    pub limit: u8,
    /// Where an earlier page ended. Its shape is checked here, its authenticity by the core, which has the keys.
    pub cursor: Option<String>,
    /// Only this emotion; read on timelines, unknown and so ignored elsewhere.
    pub emotion: Option<Emotion>,
}

type ReadParameter = fn(&mut ListQuery, Cow<str>) -> Result<(), String>;

impl Default for ListQuery {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None, emotion: None }
    }
}

impl ListQuery {
    /// Reads `limit` and `cursor`.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        Self::read(query, false)
    }

    /// Reads `limit`, `cursor` and `emotion`.
    pub fn parse_timeline(query: Option<&str>) -> Result<Self, Problem> {
        Self::read(query, true)
    }

    fn read(query: Option<&str>, with_emotion: bool) -> Result<Self, Problem> {
        let mut list = Self::default();
        let mut faults = Faults::default();
        let (mut limit, mut cursor, mut emotion) = (false, false, false);
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let (known, seen, read): (_, _, ReadParameter) = match &*name {
                "limit" => ("limit", &mut limit, Self::read_limit),
                "cursor" => ("cursor", &mut cursor, Self::read_cursor),
                "emotion" if with_emotion => ("emotion", &mut emotion, Self::read_emotion),
                _ => continue,
            };
            if mem::replace(seen, true) {
                faults.note(known, "may be given once");
                break;
            }
            if let Err(detail) = read(&mut list, value) {
                faults.note(known, detail);
            }
        }
        faults.or(list)
    }

    fn read_limit(&mut self, value: Cow<str>) -> Result<(), String> {
        self.limit = limit(&value)?;
        Ok(())
    }

    fn read_cursor(&mut self, value: Cow<str>) -> Result<(), String> {
        cursor::check_shape(&value).map_err(|error| error.to_string())?;
        self.cursor = Some(value.into_owned());
        Ok(())
    }

    fn read_emotion(&mut self, value: Cow<str>) -> Result<(), String> {
        self.emotion = Some(emotion(&value)?);
        Ok(())
    }

    /// The query in its one canonical spelling: equal requests have equal texts, so it can be a cache key.
    pub fn canonical(&self) -> String {
        let mut text = format!("limit={}", self.limit);
        if let Some(emotion) = self.emotion {
            text.push_str("&emotion=");
            text.push_str(emotion.as_str());
        }
        if let Some(cursor) = &self.cursor {
            // base64url needs no escaping.
            text.push_str("&cursor=");
            text.push_str(cursor);
        }
        text
    }
}

fn emotion(word: &str) -> Result<Emotion, String> {
    word.parse().map_err(|error: UnknownEmotion| error.to_string())
}

fn limit(value: &str) -> Result<u8, String> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match value.parse() {
        Ok(limit @ 1..=MAX_LIMIT) if digits => Ok(limit),
        _ => Err(format!("must be a whole number from 1 to {MAX_LIMIT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn fields(query: &str) -> Vec<String> {
        let problem = ListQuery::parse_timeline(Some(query)).unwrap_err();
        problem.errors.into_iter().map(|e| e.field.into_owned()).collect()
    }

    #[test]
    fn known_parameters_are_read_and_others_ignored() {
        assert_eq!(ListQuery::parse(None).unwrap(), ListQuery::default());
        let list = ListQuery::parse(Some("x=1&limit=7&x=2&&emotion=none")).unwrap();
        assert_eq!(list.canonical(), "limit=7");
        let timeline = ListQuery::parse_timeline(Some("emotion=sad&limit=100")).unwrap();
        assert_eq!(timeline.canonical(), "limit=100&emotion=sad");
    }

    #[test]
    fn faults_name_the_parameter() {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=", "limit"),
            ("limit=+5", "limit"),
            ("limit=%2B5", "limit"),
            ("limit=5.0", "limit"),
            ("limit=99999999999", "limit"),
            ("limit=5&limit=5", "limit"),
            ("cursor=", "cursor"),
            ("cursor=forged", "cursor"),
            ("emotion=joyful", "emotion"),
            ("emotion=%FF", "emotion"),
        ] {
            assert_eq!(fields(query), [field], "{query}");
        }
    }
}
