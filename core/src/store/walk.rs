//! Reads several partitions as one list, newest first, past tombstones and expired echoes. What to read is decided in
//! `merge`; this is the reading.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::{Echo, EchoId, Timestamp};
use futures_util::future::try_join_all;

use super::item::{self, Item, Stored};
use super::merge::{Ceiling, Entry, Extent, Merge};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// A range key below all of ours.
const BELOW_ALL: &str = "0";

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
pub(super) struct Source {
    /// The index, or `None` for the table itself.
    pub index: Option<&'static str>,
    /// The hash key's name and value.
    pub hash: (&'static str, String),
    /// The range key's name.
    pub range: &'static str,
    /// What precedes the time in the range key, such as `happy#`.
    pub prefix: String,
    /// The part.
    pub extent: Extent,
}

impl Source {
    /// All of a partition.
    pub(super) fn whole(index: Option<&'static str>, hash: (&'static str, String), range: &'static str) -> Self {
        Self { index, hash, range, prefix: String::new(), extent: Extent::ALL }
    }
}

impl Store {
    /// Up to `limit` living echoes after (that is: older than) `after`.
    pub(super) async fn newest(
        &self,
        sources: &[Source],
        limit: usize,
        after: Option<EchoId>,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let mut merge = Merge::new(sources.iter().map(|source| source.extent), limit, after);
        self.walk(sources, &mut merge, |item| Found::of(item, now)).await?;
        let next = merge.next();
        let echoes = merge.taken().drain(..).filter_map(|(_, found)| found.echo()).collect();
        Ok(Page { echoes, next })
    }

    /// Walks on until the page is full or the list ends. All calls run in the caller's task, whose units they are.
    pub(super) async fn walk<T: Entry>(
        &self,
        sources: &[Source],
        merge: &mut Merge<T>,
        entry: impl Fn(Item) -> T,
    ) -> Result<(), StoreError> {
        loop {
            let reads = merge.advance();
            if reads.is_empty() {
                return Ok(());
            }
            let answers = reads.iter().filter_map(|read| {
                let source = sources.get(read.source)?;
                Some(self.read(source, read.ceiling, read.entries))
            });
            for (read, (items, more)) in reads.iter().zip(try_join_all(answers).await?) {
                let id = |item: Item| item::id(&item).ok().map(|id| (id, entry(item)));
                merge.filled(read.source, items.into_iter().filter_map(id).collect(), more);
            }
        }
    }

    /// One call: the newest items below a ceiling, and whether there are more.
    async fn read(&self, source: &Source, ceiling: Ceiling, entries: usize) -> Result<(Vec<Item>, bool), StoreError> {
        let Source { index, hash: (hash_name, hash), range, prefix, extent } = source;
        let low = extent.floor.map_or(BELOW_ALL.to_owned(), |floor| floor.to_string());
        let high = ceiling.key();
        // DynamoDB refuses an empty range.
        if high < low {
            return Ok((Vec::new(), false));
        }
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
            .limit(i32::try_from(entries).unwrap_or(i32::MAX))
            .return_consumed_capacity(INDEXES);
        let output = self.call("Query", request.send()).await?;
        let more = output.last_evaluated_key.is_some();
        Ok((output.items.unwrap_or_default(), more))
    }
}

/// What a list's item holds.
#[derive(Debug)]
enum Found {
    Living(Box<Echo>),
    /// An expired echo, or a damaged one.
    Expired,
    Tombstone,
}

impl Found {
    fn of(item: Item, now: Timestamp) -> Self {
        match item::readable(&item) {
            Some(Stored::Echo(echo, _)) if echo.lives_at(now) => Self::Living(echo),
            Some(Stored::Tombstone { .. }) => Self::Tombstone,
            _ => Self::Expired,
        }
    }

    fn echo(self) -> Option<Echo> {
        match self {
            Self::Living(echo) => Some(*echo),
            Self::Expired | Self::Tombstone => None,
        }
    }
}

impl Entry for Found {
    fn lives(&self) -> bool {
        matches!(self, Self::Living(_))
    }

    /// Ids are never used again, so a tombstone is right whatever else is found; of two copies the later edit is shown.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Tombstone, _) | (_, Self::Tombstone) => Self::Tombstone,
            (Self::Living(one), Self::Living(two)) if one.version < two.version => Self::Living(two),
            (Self::Living(one), _) | (Self::Expired, Self::Living(one)) => Self::Living(one),
            (Self::Expired, Self::Expired) => Self::Expired,
        }
    }
}
