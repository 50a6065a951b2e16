//! Reading the whole table, several parts of it side by side.

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use echoes_shared::keys::schema;
use echoes_shared::{Echo, EchoId, Timestamp};

use super::item::{self, Corrupt, Item, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// Items of one call: a page that a single attempt's time is always enough for, where DynamoDB's own megabyte may not be.
const PAGE_ITEMS: i32 = 500;

/// One of the parts that the table is read in, and how far it was read.
#[derive(Debug, Clone)]
pub struct Segment {
    index: u16,
    segments: u16,
    after: Option<Item>,
    ended: bool,
}

impl Segment {
    /// All parts of a table that is read in `segments` of them, one at least.
    pub fn all(segments: u16) -> impl Iterator<Item = Self> {
        let segments = segments.max(1);
        (0..segments).map(move |index| Self { index, segments, after: None, ended: false })
    }

    /// Whether everything was read.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// A call that goes on where this ended.
    pub(super) fn place(&self, request: ScanFluentBuilder) -> ScanFluentBuilder {
        let request = request.segment(self.index.into()).total_segments(self.segments.into());
        request.set_exclusive_start_key(self.after.clone())
    }

    /// Remembers where a call ended.
    pub(super) fn went_to(&mut self, last: Option<Item>) {
        self.ended = last.is_none();
        self.after = last;
    }
}

/// What one call read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScanPage {
    /// The living echoes, in no order.
    pub echoes: Vec<Echo>,
    /// Of which echoes there are tombstones, which are left out.
    pub tombstones: Vec<EchoId>,
    /// Expired echoes left out.
    pub expired: u64,
    /// Items that are neither echo nor tombstone: the keys of each, and which attribute is damaged.
    pub damaged: Vec<String>,
}

impl Store {
    /// Reads the next page of a segment and remembers where it ended.
    ///
    /// Eventually consistent unless `consistent`, which costs twice the units. An error leaves the segment as it was.
    pub async fn scan(
        &self,
        segment: &mut Segment,
        consistent: bool,
        now: Timestamp,
    ) -> Result<ScanPage, StoreError> {
        let request = self
            .client
            .scan()
            .table_name(self.echoes())
            .consistent_read(consistent)
            .limit(PAGE_ITEMS)
            .return_consumed_capacity(INDEXES);
        let output = self.call("Scan", segment.place(request).send()).await?;
        segment.went_to(output.last_evaluated_key);
        Ok(sort(output.items.unwrap_or_default(), now))
    }
}

fn sort(items: Vec<Item>, now: Timestamp) -> ScanPage {
    let mut page = ScanPage::default();
    for found in items {
        match item::read(&found) {
            Ok(Stored::Echo(echo, _)) if echo.lives_at(now) => page.echoes.push(*echo),
            Ok(Stored::Echo(..)) => page.expired += 1,
            Ok(Stored::Tombstone { .. }) => match item::id(&found) {
                Ok(id) => page.tombstones.push(id),
                Err(Corrupt(attribute)) => page.damaged.push(describe(&found, attribute)),
            },
            Err(Corrupt(attribute)) => page.damaged.push(describe(&found, attribute)),
        }
    }
    page
}

fn describe(found: &Item, attribute: &str) -> String {
    let key = |name| found.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
    format!("the item {} {}: its {attribute} is damaged", key(schema::USER_ID), key(schema::TIMESTAMP))
}
