//! What a region asks of an echo's home, in `EchoesOps`: to raise a version. An edit that only other regions held, and that has lost
//! to an older one, the home has never seen.

use echoes_shared::keys::{self, schema};
use echoes_shared::policy::TOMBSTONE_DAYS;
use echoes_shared::{Region, Timestamp};

use super::item::{self, Item};
use super::meter::INDEXES;
use super::{Overtaken, Store, StoreError, ops};

const HASH: &str = "hash";
const WON: &str = "won";
const LOST: &str = "lost";
const ABOVE: &str = "above";
/// Asks of one page.
const PAGE_ITEMS: i32 = 100;

/// Where the list of what is asked of a region goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskPosition(String);

fn partition(home: Region) -> String {
    format!("raises#{home}")
}

impl Store {
    /// Asks the echo's home to raise its version. The same again, or of an edit below one asked for already, changes nothing.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn ask_for_raise(&self, home: Region, overtaken: &Overtaken, now: Timestamp) -> Result<(), StoreError> {
        // This region's own, so that no other writes it.
        let sort = format!("{}#{}", keys::sort_key(overtaken.echo), self.config.region);
        let request = self
            .client
            .update_item()
            .table_name(self.ops())
            .set_key(Some(ops::key(&partition(home), &sort)))
            .update_expression("SET #hash = :hash, #won = :won, #lost = :lost, #above = :above, #ttl = :ttl")
            .condition_expression("attribute_not_exists(#lost) OR #lost < :lost")
            .expression_attribute_names("#hash", HASH)
            .expression_attribute_names("#won", WON)
            .expression_attribute_names("#lost", LOST)
            .expression_attribute_names("#above", ABOVE)
            .expression_attribute_names("#ttl", schema::TTL)
            .expression_attribute_values(":hash", item::string(&overtaken.hash))
            .expression_attribute_values(":won", item::number(overtaken.won))
            .expression_attribute_values(":lost", item::number(overtaken.lost))
            .expression_attribute_values(":above", item::number(overtaken.above))
            .expression_attribute_values(":ttl", item::number(now.plus_days(TOMBSTONE_DAYS).epoch_seconds()))
            .return_consumed_capacity(INDEXES);
        self.update_ops(request).await.map(|_| ())
    }

    /// A page of what the other regions ask of this one; eventually consistent. The position of each names it for good.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn asked_raises(
        &self,
        after: Option<&AskPosition>,
    ) -> Result<(Vec<(AskPosition, Overtaken)>, Option<AskPosition>), StoreError> {
        let after = after.map(|position| position.0.as_str());
        let partition = partition(self.config.region);
        let (items, last) = self.items_behind(self.ops(), &partition, after, PAGE_ITEMS).await?;
        Ok((items.iter().filter_map(of_item).collect(), last.map(AskPosition)))
    }
}

/// One that cannot be read is that of a version to come.
fn of_item(item: &Item) -> Option<(AskPosition, Overtaken)> {
    let sort = ops::sort_key(item);
    let (key, _) = sort.rsplit_once('#')?;
    let overtaken = Overtaken {
        hash: ops::text(item, HASH)?.to_owned(),
        echo: keys::echo_of_sort_key(key)?,
        won: ops::number(item, WON)?,
        lost: ops::number(item, LOST)?,
        above: ops::number(item, ABOVE)?,
    };
    Some((AskPosition(sort.to_owned()), overtaken))
}
