//! What the embedded index keeps of an echo, and the words of a search in its terms.

use echoes_shared::{Echo, EchoId};
use tantivy::query::{BooleanQuery, Occur, PhraseQuery, Query as TantivyQuery, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value as _,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{TantivyDocument, Term};

use crate::search::text;
use crate::search::{Clause, Document, Query, State};

/// Raised with every change of what is below or of [`text`]: an index of another number is built anew.
pub(super) const FORMAT: u32 = 1;

/// Names of columns that collectors read.
pub(super) mod column {
    /// The first half of the id, which begins with the echo's millisecond.
    pub const ID_HIGH: &str = "id_high";
    /// The second half.
    pub const ID_LOW: &str = "id_low";
    /// The edition.
    pub const EDITION: &str = "edition";
    /// The epoch second from which it is of no use: the echo's `ttl`, or until when it is remembered as gone.
    pub const ENDS: &str = "ends";
    /// 1 where the echo lives, 0 where it is gone.
    pub const LIVES: &str = "lives";
    /// Degrees north.
    pub const LAT: &str = "lat";
    /// Degrees east.
    pub const LNG: &str = "lng";
}

/// The fields of the index.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub schema: Schema,
    id: Field,
    id_high: Field,
    id_low: Field,
    edition: Field,
    ends: Field,
    lives: Field,
    lat: Field,
    lng: Field,
    /// The transcript, then each tag, with a gap between them.
    text: Field,
    emotion: Field,
    tag: Field,
    user: Field,
    echo: Field,
}

impl Fields {
    pub fn new() -> Self {
        let mut schema = Schema::builder();
        // Tokens are given, so the tokenizer named here is never asked.
        let words = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        Self {
            id: schema.add_bytes_field("id", INDEXED),
            id_high: schema.add_u64_field(column::ID_HIGH, FAST),
            id_low: schema.add_u64_field(column::ID_LOW, FAST),
            edition: schema.add_u64_field(column::EDITION, FAST),
            ends: schema.add_u64_field(column::ENDS, FAST),
            lives: schema.add_u64_field(column::LIVES, FAST | INDEXED),
            lat: schema.add_f64_field(column::LAT, FAST),
            lng: schema.add_f64_field(column::LNG, FAST),
            text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
            emotion: schema.add_text_field("emotion", STRING),
            tag: schema.add_text_field("tag", STRING),
            user: schema.add_text_field("user", STRING),
            echo: schema.add_bytes_field("echo", STORED),
            schema: schema.build(),
        }
    }

    /// The term that names one echo.
    pub fn id_term(&self, id: EchoId) -> Term {
        Term::from_field_bytes(self.id, id.as_bytes())
    }

    /// The term of all that live.
    pub fn lives_term(&self) -> Term {
        Term::from_field_u64(self.lives, 1)
    }

    /// What is kept of a document; the reason where it cannot be.
    pub fn document(&self, Document { id, edition, state }: &Document) -> Result<TantivyDocument, String> {
        let mut kept = TantivyDocument::new();
        let (high, low) = halves(*id);
        kept.add_bytes(self.id, id.as_bytes());
        kept.add_u64(self.id_high, high);
        kept.add_u64(self.id_low, low);
        kept.add_u64(self.edition, *edition);
        match state {
            State::Gone { until } => {
                kept.add_u64(self.lives, 0);
                kept.add_u64(self.ends, until.epoch_seconds());
            }
            State::Lives(echo) => {
                kept.add_u64(self.lives, 1);
                self.add_echo(&mut kept, echo)?;
            }
        }
        Ok(kept)
    }

    fn add_echo(&self, kept: &mut TantivyDocument, echo: &Echo) -> Result<(), String> {
        kept.add_u64(self.ends, echo.ttl.unwrap_or(u64::MAX));
        if let Some(place) = echo.location {
            kept.add_f64(self.lat, place.lat);
            kept.add_f64(self.lng, place.lng);
        }
        for tokens in text::passages(echo) {
            let tokens = tokens.into_iter().enumerate().map(|(position, token)| Token {
                offset_from: token.at.start,
                offset_to: token.at.end,
                position,
                text: token.text,
                position_length: 1,
            });
            // The text itself is not stored twice.
            kept.add_pre_tokenized_text(
                self.text,
                PreTokenizedString { text: String::new(), tokens: tokens.collect() },
            );
        }
        kept.add_text(self.emotion, echo.emotion.as_str());
        kept.add_text(self.user, echo.user_id.as_str());
        for tag in echo.tags.iter().flatten() {
            kept.add_text(self.tag, text::whole(tag));
        }
        let json = serde_json::to_vec(echo).map_err(|error| error.to_string())?;
        kept.add_bytes(self.echo, &json);
        Ok(())
    }

    /// The echo that was kept.
    pub fn echo(&self, kept: &TantivyDocument) -> Option<Box<Echo>> {
        serde_json::from_slice(kept.get_first(self.echo)?.as_bytes()?).ok()
    }

    /// The part of a search that words decide; columns decide the rest.
    pub fn matching(&self, query: &Query) -> Box<dyn TantivyQuery> {
        let word = |token: &String| Term::from_field_text(self.text, token);
        let filter = |field, value: &str| exactly(Term::from_field_text(field, value));
        let clauses = query.clauses.iter().map(|clause| match clause {
            Clause::Word(token) => {
                Box::new(TermQuery::new(word(token), IndexRecordOption::WithFreqs)) as Box<dyn TantivyQuery>
            }
            Clause::Phrase(tokens) => Box::new(PhraseQuery::new(tokens.iter().map(word).collect())),
        });
        let mut all: Vec<Box<dyn TantivyQuery>> = clauses.collect();
        all.extend(query.emotion.map(|emotion| filter(self.emotion, emotion.as_str())));
        all.extend(query.user.iter().map(|user| filter(self.user, user.as_str())));
        all.extend(query.tag.iter().map(|tag| filter(self.tag, tag)));
        if all.is_empty() {
            all.push(exactly(self.lives_term()));
        }
        match all.len() {
            1 => all.pop().unwrap_or_else(|| Box::new(tantivy::query::EmptyQuery)),
            _ => Box::new(BooleanQuery::new(all.into_iter().map(|part| (Occur::Must, part)).collect())),
        }
    }
}

/// A filter: it scores nothing.
fn exactly(term: Term) -> Box<dyn TantivyQuery> {
    let exactly = Box::new(TermQuery::new(term, IndexRecordOption::Basic));
    Box::new(tantivy::query::ConstScoreQuery::new(exactly, 0.0))
}

/// An id as two numbers that compare as the id does.
pub(super) fn halves(id: EchoId) -> (u64, u64) {
    let both = u128::from_be_bytes(*id.as_bytes());
    ((both >> 64) as u64, both as u64)
}

/// The bits before the millisecond ends in the first half of an id (RFC 9562, UUIDv7).
pub(super) const BITS_AFTER_MILLIS: u32 = 16;
