//! Reading counters: one group of all regions, or every one of this region.

use std::collections::BTreeMap;

use echoes_shared::keys::schema;
use echoes_shared::{Emotion, Region};

use super::super::item::{self, Item};
use super::super::meter::INDEXES;
use super::super::scan::Segment;
use super::super::{Store, StoreError, ops};
use super::{CREATED, Counter, Counters, Tally};

/// Pages of a group at most. A page is a megabyte, and a day's counters of four regions are a fraction of one.
const MAX_PAGES: usize = 16;
/// Items of one page of a scan.
const SCAN_ITEMS: i32 = 500;

/// One item of this region's: a counter, or a slot's part of one.
pub type OwnCounter = (Counter, Tally);

impl Store {
    /// The counters of a group, each summed over regions and slots; eventually consistent. What nobody has counted is missing.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn counters(&self, group: &Counters) -> Result<BTreeMap<Counter, Tally>, StoreError> {
        let mut sums: BTreeMap<Counter, Tally> = BTreeMap::new();
        let partition = group.partition();
        let add = |item: &Item| match group.read(ops::sort_key(item)) {
            Some((counter, _)) => sums.entry(counter).or_default().add(&tally(item)),
            None => tracing::error!(key = ops::sort_key(item), "the key of a counter is damaged"),
        };
        self.each_in_partition(self.ops(), &partition, false, MAX_PAGES, add).await?;
        Ok(sums)
    }

    /// The next page of a scan of this region's own counters; strongly consistent.
    ///
    /// # Errors
    /// Where the store gives no answer; the segment stays as it was.
    pub async fn scan_counters(&self, segment: &mut Segment) -> Result<Vec<OwnCounter>, StoreError> {
        let request = self
            .client
            .scan()
            .table_name(self.ops())
            .filter_expression("begins_with(#pk, :prefix)")
            .expression_attribute_names("#pk", schema::PARTITION_KEY)
            .expression_attribute_values(":prefix", item::string(Counters::prefix()))
            .consistent_read(true)
            .limit(SCAN_ITEMS)
            .return_consumed_capacity(INDEXES);
        let output = self.call("Scan", segment.place(request).send()).await?;
        segment.went_to(output.last_evaluated_key);
        let own = |item: &Item| own_counter(item, self.config.region);
        Ok(output.items.unwrap_or_default().iter().filter_map(own).collect())
    }
}

fn own_counter(item: &Item, own: Region) -> Option<OwnCounter> {
    let group = Counters::of_partition(ops::text(item, schema::PARTITION_KEY)?)?;
    let (counter, region) = group.read(ops::sort_key(item))?;
    (region == own).then(|| (counter, tally(item)))
}

/// What an item counts.
pub(super) fn tally(item: &Item) -> Tally {
    let number = |name: &str| ops::number::<i64>(item, name).unwrap_or_default();
    let mut tally = Tally { created: number(CREATED), ..Tally::default() };
    Emotion::ALL.iter().for_each(|emotion| tally.add_living(*emotion, number(emotion.as_str())));
    tally
}
