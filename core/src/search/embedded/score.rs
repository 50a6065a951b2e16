//! How well an echo fits is told by the echo alone: BM25 over an imagined collection.
//!
//! The numbers of the real one change with every write, and with them every score; a cursor that names the last score would then
//! skip and repeat. Since every word of a search must be there, how rare each is matters little.

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Result, Term};

/// Echoes of the collection.
const ECHOES: u64 = 1_000;
/// Tokens of each: a sentence or two, as most transcripts are.
const TOKENS_OF_EACH: u64 = 24;
/// Echoes in which a word is.
const WITH_WORD: u64 = 100;

/// The numbers of the imagined collection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Imagined;

impl Bm25StatisticsProvider for Imagined {
    fn total_num_tokens(&self, _: Field) -> Result<u64> {
        Ok(ECHOES * TOKENS_OF_EACH)
    }

    fn total_num_docs(&self) -> Result<u64> {
        Ok(ECHOES)
    }

    fn doc_freq(&self, _: &Term) -> Result<u64> {
        Ok(WITH_WORD)
    }
}
