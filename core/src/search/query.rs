//! What is asked of an index: the words of a search, read, and its filters.

use echoes_shared::query::{Near, SearchQuery, Sort};
use echoes_shared::{EchoId, Emotion, Problem, Timestamp, UserId};

use super::text;

/// A search as an index understands it.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What must all be in the transcript or the tags, none twice; empty where no words were asked for.
    pub clauses: Vec<Clause>,
    /// Only this emotion.
    pub emotion: Option<Emotion>,
    /// Only with this tag, as [`text::whole`] spells it.
    pub tag: Option<String>,
    /// Only this person's.
    pub user: Option<UserId>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Only from here.
    pub near: Option<Near>,
    /// [`Sort::Relevance`] is by score, then the newest; [`Sort::Time`] is the newest.
    pub sort: Sort,
    /// Hits wanted, one at least.
    pub limit: usize,
    /// Only what comes after this.
    pub after: Option<Position>,
}

/// Words that must stand somewhere, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    /// One token.
    Word(String),
    /// Tokens in a row, two at least.
    Phrase(Vec<String>),
}

impl Clause {
    fn of(mut tokens: Vec<String>) -> Option<Self> {
        match tokens.len() {
            0 | 1 => tokens.pop().map(Self::Word),
            _ => Some(Self::Phrase(tokens)),
        }
    }

    /// Its tokens, one at least.
    pub fn tokens(&self) -> &[String] {
        match self {
            Self::Word(token) => std::slice::from_ref(token),
            Self::Phrase(tokens) => tokens,
        }
    }
}

/// A place in the order of the hits. Newer ids are greater, since they begin with the echo's millisecond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// The score; of no meaning in the order of time.
    pub score: f32,
    /// The echo.
    pub id: EchoId,
}

impl Query {
    /// The search that was asked for, from its beginning.
    ///
    /// # Errors
    /// A `q` without a word.
    pub fn of(asked: &SearchQuery) -> Result<Self, Problem> {
        let clauses = asked.q.as_deref().map(clauses);
        if clauses.as_ref().is_some_and(Vec::is_empty) {
            return Err(Problem::invalid_field("q", "must contain a word"));
        }
        Ok(Self {
            clauses: clauses.unwrap_or_default(),
            emotion: asked.emotion,
            tag: asked.tag.as_deref().map(text::whole),
            user: asked.user.clone(),
            from: asked.from,
            to: asked.to,
            near: asked.near,
            sort: asked.sort,
            limit: usize::from(asked.limit),
            after: None,
        })
    }
}

/// Reads the words of a search. What stands between quotation marks is one phrase; the last mark may be missing. What is written
/// without a space in between belongs together: a run of a script without spaces is a phrase too. There is no other syntax.
pub fn clauses(q: &str) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for (number, part) in q.split(is_quote).enumerate() {
        let tokens = text::tokens(part);
        if number % 2 == 1 {
            clauses.extend(Clause::of(tokens.into_iter().map(|token| token.text).collect()));
        } else {
            for run in tokens.chunk_by(|_, next| next.continues) {
                clauses.extend(Clause::of(run.iter().map(|token| token.text.clone()).collect()));
            }
        }
    }
    let mut unique: Vec<Clause> = Vec::with_capacity(clauses.len());
    for clause in clauses {
        if !unique.contains(&clause) {
            unique.push(clause);
        }
    }
    unique
}

/// The straight one, and those that keyboards put in its place.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{ff02}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(q: &str) -> Vec<String> {
        clauses(q).iter().map(|clause| clause.tokens().join("+")).collect()
    }

    #[test]
    fn words_and_phrases_are_told_apart() {
        for (q, expected) in [
            ("Rain on the roof", &["rain", "on", "the", "roof"][..]),
            ("rain RAIN räin", &["rain"]),
            ("\"the roof\" rain", &["the+roof", "rain"]),
            ("rain \"on the", &["rain", "on+the"]),
            ("“on the”", &["on+the"]),
            ("\"", &[]),
            ("\"\"\"", &[]),
            ("\"rain\" rain", &["rain"]),
            ("a\"b c\"d", &["a", "b+c", "d"]),
            ("東京 rain", &["東+京", "rain"]),
            ("東京rain", &["東+京", "rain"]),
            ("\"東京 大阪\"", &["東+京+大+阪"]),
            ("東京 大阪", &["東+京", "大+阪"]),
            ("rain* -roof tag:x AND (a OR b)", &["rain", "roof", "tag:x", "and", "a", "or", "b"]),
            ("*", &[]),
            ("?!*~ … ", &[]),
            ("", &[]),
        ] {
            assert_eq!(read(q), expected, "{q}");
        }
    }

    #[test]
    fn a_search_for_nothing_that_could_be_found_is_refused() {
        let ask = |query| Query::of(&SearchQuery::parse(Some(query)).unwrap());
        for q in ["q=*", "q=%22%22", "q=+", "q=%FF", "q=%00"] {
            assert_eq!(ask(q).unwrap_err().errors[0].field, "q", "{q}");
        }
        assert_eq!(ask("tag=R%C3%A4IN").unwrap().tag.as_deref(), Some("rain"));
        assert!(ask("").unwrap().clauses.is_empty());
    }
}
