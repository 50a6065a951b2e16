//! What `GET /v1/live` asks for.

use super::emotion;
use crate::emotion::Emotion;
use crate::problem::Problem;

/// What the query of `GET /v1/live` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveQuery {
    /// Only echoes of this emotion.
    pub emotion: Option<Emotion>,
}

impl LiveQuery {
    /// Reads `emotion`.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut live = Self::default();
        for (_, value) in
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).filter(|(name, _)| name == "emotion")
        {
            let emotion = emotion(&value).map_err(|detail| Problem::invalid_field("emotion", detail))?;
            if live.emotion.replace(emotion).is_some() {
                return Err(Problem::invalid_field("emotion", "may be given once"));
            }
        }
        Ok(live)
    }

    /// The query in its one canonical spelling, with its `?`; nothing where nothing is asked.
    pub fn canonical(self) -> String {
        self.emotion.map_or_else(String::new, |emotion| format!("?emotion={emotion}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_emotion_is_read_once() {
        for (query, canonical) in
            [(None, ""), (Some(""), ""), (Some("x=1&limit=0"), ""), (Some("x=1&emotion=sad&y"), "?emotion=sad")]
        {
            assert_eq!(LiveQuery::parse(query).unwrap().canonical(), canonical, "{query:?}");
        }
        for query in ["emotion=", "emotion=joyful", "emotion=%FF", "emotion=sad&emotion=sad", "emotion=sad&emotion=x"]
        {
            let problem = LiveQuery::parse(Some(query)).unwrap_err();
            assert_eq!(problem.errors.iter().map(|error| &*error.field).collect::<Vec<_>>(), ["emotion"], "{query}");
        }
    }
}
