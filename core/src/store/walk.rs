//! Walks one partition, newest first, past tombstones and expired echoes.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys;
use echoes_shared::{Echo, EchoId, Timestamp};

use super::item::{self, Item, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// Pages that one request reads at most. Where so many hold too few living echoes, the answer is short and its cursor
/// goes on behind them, so that a graveyard cannot hold a request for ever.
const MAX_PAGES: usize = 10;

/// Items of a page after a first one that held too few living echoes.
const THICK_PAGE: usize = 100;

/// A range key above all of ours, which begin with a digit of the year.
const AFTER_ALL: &str = ":";
/// A range key below all of ours.
const BEFORE_ALL: &str = "0";

/// Some echoes, newest first, and where to go on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The living echoes.
    pub echoes: Vec<Echo>,
    /// The cursor's echo; `None` at the end.
    pub next: Option<EchoId>,
}

/// One partition of the table or of an index, and the part of it to read.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    /// The index, or `None` for the table itself.
    pub index: Option<&'static str>,
    /// The hash key's name and value.
    pub hash: (&'static str, String),
    /// The range key's name.
    pub range: &'static str,
    /// What precedes the time in the range key, such as `happy#`.
    pub prefix: String,
    /// Nothing older is read.
    pub oldest: Option<Timestamp>,
}

impl Partition {
    /// All of a partition.
    pub(super) fn whole(index: Option<&'static str>, hash: (&'static str, String), range: &'static str) -> Self {
        Self { index, hash, range, prefix: String::new(), oldest: None }
    }
}

impl Store {
    /// Reads up to `limit` living echoes after (that is: older than) `after`.
    pub(super) async fn newest(
        &self,
        partition: &Partition,
        limit: usize,
        after: Option<EchoId>,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let mut page = Page::default();
        let mut last_seen = after;
        for round in 0..MAX_PAGES {
            // One more than is wanted tells whether there is a next page. Where that was not enough, the dead lie thick.
            let missing = limit + 1 - page.echoes.len();
            let wanted = if round == 0 { missing } else { missing.max(THICK_PAGE) };
            let (items, more) = self.read_page(partition, wanted, last_seen).await?;
            for item in &items {
                match item::readable(item) {
                    Some(Stored::Echo(echo, _)) if echo.lives_at(now) => page.echoes.push(*echo),
                    _ => {}
                }
            }
            if page.echoes.len() > limit {
                page.echoes.truncate(limit);
                page.next = page.echoes.last().map(|echo| echo.echo_id);
                return Ok(page);
            }
            last_seen = items.last().and_then(|item| item::id(item).ok());
            if !more || last_seen.is_none() {
                return Ok(page);
            }
        }
        page.next = last_seen;
        Ok(page)
    }

    /// One call: the items after `after`, and whether there are more.
    pub(super) async fn read_page(
        &self,
        partition: &Partition,
        wanted: usize,
        after: Option<EchoId>,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let Partition { index, hash: (hash_name, hash), range, prefix, oldest } = partition;
        let low = oldest.map_or(BEFORE_ALL.to_owned(), |oldest| oldest.to_string());
        let high = after.map_or(AFTER_ALL.to_owned(), keys::sort_key);
        // A cursor may have grown older than the oldest time shown; DynamoDB refuses such a range.
        if high < low {
            return Ok((Vec::new(), false));
        }
        // BETWEEN includes the last echo shown, which is read once more and dropped below.
        let extra = usize::from(after.is_some());
        let request = self
            .client
            .query()
            .table_name(self.echoes())
            .set_index_name(index.map(str::to_owned))
            .key_condition_expression("#hash = :hash AND #range BETWEEN :low AND :high")
            .expression_attribute_names("#hash", *hash_name)
            .expression_attribute_names("#range", *range)
            .expression_attribute_values(":hash", AttributeValue::S(hash.clone()))
            .expression_attribute_values(":low", AttributeValue::S(format!("{prefix}{low}")))
            .expression_attribute_values(":high", AttributeValue::S(format!("{prefix}{high}")))
            .scan_index_forward(false)
            .limit(i32::try_from(wanted + extra).unwrap_or(i32::MAX))
            .return_consumed_capacity(INDEXES);
        let output = self.call("Query", request.send()).await?;
        let more = output.last_evaluated_key.is_some();
        let mut items = output.items.unwrap_or_default();
        if after.is_some() {
            items.retain(|item| item::id(item).ok() != after);
        }
        Ok((items, more))
    }
}
