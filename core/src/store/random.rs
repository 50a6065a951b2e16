//! Echoes of one emotion by their lots: what random draws read.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::{self, schema};
use echoes_shared::{Echo, Emotion, Timestamp};

use super::item::{self, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// Pages of one read at most. A page holds a megabyte, so only the largest of reads needs a second one.
const MAX_PAGES: usize = 10;

/// The echoes of an interval of lots.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lots {
    /// The living echoes, in the order of their lots.
    pub echoes: Vec<Echo>,
    /// The last lot that was read where the interval was not read to its end.
    pub cut_at: Option<u64>,
}

impl Store {
    /// The living echoes of `emotion` whose lots lie in `lots`, from `random-index`; eventually consistent.
    ///
    /// Reads `limit` items at most, those of expired echoes that are not yet swept included.
    pub async fn lots(
        &self,
        emotion: Emotion,
        lots: RangeInclusive<u64>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Lots, StoreError> {
        let mut found = Lots::default();
        let mut left = limit;
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .client
                .query()
                .table_name(self.echoes())
                .index_name(schema::RANDOM_INDEX)
                .key_condition_expression("#hash = :hash AND #lot BETWEEN :low AND :high")
                .expression_attribute_names("#hash", schema::RANDOM)
                .expression_attribute_names("#lot", schema::LOT)
                .expression_attribute_values(":hash", item::string(emotion.as_str()))
                .expression_attribute_values(":low", item::string(keys::lot_key(*lots.start())))
                .expression_attribute_values(":high", item::string(keys::lot_key(*lots.end())))
                .set_exclusive_start_key(start.take())
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .return_consumed_capacity(INDEXES);
            let output = self.call("Query", request.send()).await?;
            let items = output.items.unwrap_or_default();
            left = left.saturating_sub(items.len());
            let last = items.iter().rev().find_map(|item| item::id(item).ok()).map(keys::lot_number);
            let living = items.iter().filter_map(item::readable).filter_map(|stored| match stored {
                Stored::Echo(echo, _) if echo.lives_at(now) => Some(*echo),
                _ => None,
            });
            found.echoes.extend(living);
            found.cut_at = last.or(found.cut_at);
            start = output.last_evaluated_key;
            if start.is_none() {
                found.cut_at = None;
                return Ok(found);
            }
            if left == 0 {
                break;
            }
        }
        found.cut_at.get_or_insert(*lots.start());
        Ok(found)
    }
}
