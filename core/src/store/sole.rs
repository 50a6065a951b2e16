//! The lease of those who serve a region, an item of `EchoesLocal`: of one process without Redis, or of all that have it.
//!
//! It holds no time. Whoever finds it watches whether it changes, so no two clocks are ever compared.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::schema;

use super::item::{self, Item};
use super::meter::INDEXES;
use super::{Store, StoreError, ops};

const PARTITION: &str = "serve";
const SORT: &str = "sole";
const TOKEN: &str = "token";
const BEAT: &str = "beat";
const HOST: &str = "host";
const PID: &str = "pid";
const STARTED: &str = "started";
const SEVERAL: &str = "several";
/// Nobody becomes one of several unnoticed: not one that slept while another took its place.
const OWN: &str = " AND (#several = :several OR (#host = :host AND #pid = :pid AND #started = :started))";

/// Who holds the lease, and how often it has been renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoleLease {
    /// Of the process's own making, never repeated; [`SoleLease::SHARED`] of one that has Redis.
    pub token: String,
    /// One more with each renewal, from any start.
    pub beat: u64,
    /// The process; of several, the one that renewed it last.
    pub holder: Holder,
    /// Whether others may hold it beside the holder, or have done so since it was put.
    pub several: bool,
}

impl SoleLease {
    /// The token of every process that has Redis: they hold one lease together.
    pub const SHARED: &str = "shared";

    /// Whether its holders have Redis.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.token == Self::SHARED
    }
}

/// A process, as another of its host may find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Where it runs; empty where that cannot be told.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// When it started, in ticks since that host's boot: a number that is used again has another.
    pub started: u64,
}

impl Store {
    /// The lease as it is now.
    ///
    /// # Errors
    /// Where the store gives no answer. An item that makes no sense reads as a lease that nobody renews.
    pub async fn sole_lease(&self) -> Result<Option<SoleLease>, StoreError> {
        let item = self.local_item(PARTITION, SORT).await?;
        Ok(item.as_ref().map(of_item))
    }

    /// Puts the lease in the place of what was `seen` there, or of nothing; `false` where that is not there any more, which
    /// may also be because an answer to this very call was lost.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn put_sole_lease(&self, lease: &SoleLease, seen: Option<&SoleLease>) -> Result<bool, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(self.local())
            .set_item(Some(to_item(lease)))
            .return_consumed_capacity(INDEXES);
        let request = match seen {
            None => request
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", schema::PARTITION_KEY),
            Some(seen) => request
                .condition_expression("#token = :token AND #beat = :beat")
                .expression_attribute_names("#token", TOKEN)
                .expression_attribute_names("#beat", BEAT)
                .expression_attribute_values(":token", item::string(&seen.token))
                .expression_attribute_values(":beat", item::number(seen.beat)),
        };
        Ok(self.call_if("PutItem", request.send()).await?.is_some())
    }

    /// Renews the lease for this holder, which has it alone or is one of several; `false` where neither is so. Whoever joins
    /// others says `several`, needs its token alone, and no renewal takes that back.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn renew_sole_lease(&self, lease: &SoleLease) -> Result<bool, StoreError> {
        let (update, condition) = if lease.several { (", #several = :several", "") } else { ("", OWN) };
        let request = self
            .client
            .update_item()
            .table_name(self.local())
            .set_key(Some(ops::key(PARTITION, SORT)))
            .update_expression(format!("ADD #beat :one SET #host = :host, #pid = :pid, #started = :started{update}"))
            .condition_expression(format!("#token = :token{condition}"))
            .expression_attribute_names("#beat", BEAT)
            .expression_attribute_names("#token", TOKEN)
            .expression_attribute_names("#several", SEVERAL)
            .expression_attribute_names("#host", HOST)
            .expression_attribute_names("#pid", PID)
            .expression_attribute_names("#started", STARTED)
            .expression_attribute_values(":one", item::number(1))
            .expression_attribute_values(":token", item::string(&lease.token))
            .expression_attribute_values(":several", AttributeValue::Bool(true))
            .expression_attribute_values(":host", item::string(&lease.holder.host))
            .expression_attribute_values(":pid", item::number(u64::from(lease.holder.pid)))
            .expression_attribute_values(":started", item::number(lease.holder.started))
            .return_consumed_capacity(INDEXES);
        self.update_ops(request).await
    }

    /// Takes the lease away where it still has this token.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn release_sole_lease(&self, token: &str) -> Result<(), StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(self.local())
            .set_key(Some(ops::key(PARTITION, SORT)))
            .condition_expression("#token = :token")
            .expression_attribute_names("#token", TOKEN)
            .expression_attribute_values(":token", item::string(token))
            .return_consumed_capacity(INDEXES);
        self.call_if("DeleteItem", request.send()).await.map(|_| ())
    }
}

fn to_item(lease: &SoleLease) -> Item {
    let mut item = ops::key(PARTITION, SORT);
    let attributes = [
        (TOKEN, item::string(&lease.token)),
        (BEAT, item::number(lease.beat)),
        (HOST, item::string(&lease.holder.host)),
        (PID, item::number(u64::from(lease.holder.pid))),
        (STARTED, item::number(lease.holder.started)),
        (SEVERAL, AttributeValue::Bool(lease.several)),
    ];
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item
}

fn of_item(item: &Item) -> SoleLease {
    let text = |name| ops::text(item, name).unwrap_or_default().to_owned();
    SoleLease {
        token: text(TOKEN),
        beat: ops::number(item, BEAT).unwrap_or_default(),
        holder: Holder {
            host: text(HOST),
            pid: ops::number(item, PID).unwrap_or_default(),
            started: ops::number(item, STARTED).unwrap_or_default(),
        },
        several: item.get(SEVERAL).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default(),
    }
}
