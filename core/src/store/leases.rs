//! What the workers of a region keep of a stream in `EchoesLocal`: a row for each shard, and one for each worker.
//!
//! A row holds no time that anything depends on. Whoever finds one watches whether its beat changes.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::schema;
use futures_util::future::BoxFuture;

use super::item::{self, Item};
use super::meter::INDEXES;
use super::{Store, StoreError, ops};
use crate::stream::{Claim, Kept, Letter, Positions, Row, Rows, Sequence, ShardId, State, WorkerBeat};

const WORKERS: &str = "workers";
const PARENTS: &str = "parents";
const STATE: &str = "state";
const OWNER: &str = "owner";
const FENCE: &str = "fence";
const BEAT: &str = "beat";
const POSITIONS: &str = "positions";
const CAUGHT_UP: &str = "caughtUp";
const OPEN: &str = "open";
const DONE: &str = "done";
/// Pages of rows after which something is wrong: a page has thousands of them.
const MAX_PAGES: usize = 100;

fn partition(stream: &str) -> String {
    format!("stream#{stream}")
}

impl Rows for Store {
    fn rows<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let items = self.local_partition(&partition(stream)).await?;
            Ok(items.iter().map(of_item).collect())
        })
    }

    fn begin<'a>(&'a self, stream: &'a str, row: &'a Row) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.put_row(stream, row))
    }

    fn take<'a>(&'a self, stream: &'a str, seen: &'a Row, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let request = self
            .client
            .update_item()
            .table_name(self.local())
            .set_key(Some(ops::key(&partition(stream), seen.shard.as_str())))
            .update_expression("SET #owner = :owner ADD #fence :one, #beat :one")
            .condition_expression("#fence = :fence AND #beat = :beat")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_names("#beat", BEAT)
            .expression_attribute_values(":owner", item::string(owner))
            .expression_attribute_values(":one", item::number(1))
            .expression_attribute_values(":fence", item::number(seen.fence))
            .expression_attribute_values(":beat", item::number(seen.beat))
            .return_consumed_capacity(INDEXES);
        Box::pin(self.update_ops(request))
    }

    fn keep<'a>(
        &'a self,
        stream: &'a str,
        claim: &'a Claim,
        kept: &'a Kept,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let caught_up = kept.caught_up.map(|at| item::string(at.to_string()));
        let (at, free) =
            (caught_up.as_ref().map_or("", |_| ", #at = :at"), if kept.free { " REMOVE #owner" } else { "" });
        let request = self
            .client
            .update_item()
            .table_name(self.local())
            .set_key(Some(ops::key(&partition(stream), claim.shard.as_str())))
            .update_expression(format!("SET #state = :state, #positions = :positions{at} ADD #beat :one{free}"))
            .condition_expression("#owner = :owner AND #fence = :fence")
            .expression_attribute_names("#state", STATE)
            .expression_attribute_names("#positions", POSITIONS)
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_names("#beat", BEAT)
            .expression_attribute_values(":state", item::string(word(kept.state)))
            .expression_attribute_values(":positions", of_positions(&kept.positions))
            .expression_attribute_values(":owner", item::string(&claim.owner))
            .expression_attribute_values(":fence", item::number(claim.fence))
            .expression_attribute_values(":one", item::number(1))
            .return_consumed_capacity(INDEXES);
        let request = match caught_up {
            None => request,
            Some(at) => request.expression_attribute_names("#at", CAUGHT_UP).expression_attribute_values(":at", at),
        };
        Box::pin(self.update_ops(request))
    }

    fn remove<'a>(&'a self, stream: &'a str, seen: &'a Row) -> BoxFuture<'a, Result<(), StoreError>> {
        let key = ops::key(&partition(stream), seen.shard.as_str());
        Box::pin(self.delete_unchanged(key, Some(seen.beat)))
    }

    fn workers(&self) -> BoxFuture<'_, Result<Vec<WorkerBeat>, StoreError>> {
        Box::pin(async move {
            let items = self.local_partition(WORKERS).await?;
            let beat = |item: &Item| WorkerBeat {
                worker: ops::sort_key(item).to_owned(),
                beat: ops::number(item, BEAT).unwrap_or_default(),
            };
            Ok(items.iter().map(beat).collect())
        })
    }

    fn beat<'a>(&'a self, worker: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let request = self
            .client
            .update_item()
            .table_name(self.local())
            .set_key(Some(ops::key(WORKERS, worker)))
            .update_expression("ADD #beat :one")
            .expression_attribute_names("#beat", BEAT)
            .expression_attribute_values(":one", item::number(1))
            .return_consumed_capacity(INDEXES);
        Box::pin(async move { self.update_ops(request).await.map(|_| ()) })
    }

    fn leave<'a>(&'a self, worker: &'a str, beat: Option<u64>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.delete_unchanged(ops::key(WORKERS, worker), beat))
    }

    fn set_aside<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.put_letter(letter))
    }
}

impl Store {
    async fn put_row(&self, stream: &str, row: &Row) -> Result<bool, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(self.local())
            .set_item(Some(to_item(stream, row)))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", schema::PARTITION_KEY)
            .return_consumed_capacity(INDEXES);
        Ok(self.call_if("PutItem", request.send()).await?.is_some())
    }

    /// Deletes an item of `EchoesLocal`, of a beat or whatever it is.
    pub(super) async fn delete_unchanged(&self, key: Item, beat: Option<u64>) -> Result<(), StoreError> {
        let request =
            self.client.delete_item().table_name(self.local()).set_key(Some(key)).return_consumed_capacity(INDEXES);
        let request = match beat {
            None => request,
            Some(beat) => request
                .condition_expression("#beat = :beat")
                .expression_attribute_names("#beat", BEAT)
                .expression_attribute_values(":beat", item::number(beat)),
        };
        self.call_if("DeleteItem", request.send()).await.map(|_| ())
    }

    /// All items of one partition of `EchoesLocal`; strongly consistent.
    async fn local_partition(&self, partition: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        self.each_in_partition(self.local(), partition, true, MAX_PAGES, |item| items.push(item.clone())).await?;
        Ok(items)
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Open => OPEN,
        State::Done => DONE,
    }
}

fn of_positions(positions: &Positions) -> AttributeValue {
    let position = |(sink, sequence): (&String, &Sequence)| (sink.clone(), item::string(sequence.as_str()));
    AttributeValue::M(positions.iter().map(position).collect())
}

fn to_item(stream: &str, row: &Row) -> Item {
    let parents = row.parents.iter().map(|parent| item::string(parent.as_str())).collect();
    let mut item = ops::key(&partition(stream), row.shard.as_str());
    let mut put = |name: &str, value| item.insert(name.to_owned(), value);
    put(PARENTS, AttributeValue::L(parents));
    put(STATE, item::string(word(row.state)));
    put(FENCE, item::number(row.fence));
    put(BEAT, item::number(row.beat));
    put(POSITIONS, of_positions(&row.positions));
    if let Some(owner) = &row.owner {
        put(OWNER, item::string(owner));
    }
    if let Some(at) = row.caught_up {
        put(CAUGHT_UP, item::string(at.to_string()));
    }
    item
}

/// An attribute that makes no sense reads as if it were not there: at worst the shard is read once more from its start.
fn of_item(item: &Item) -> Row {
    let parents = item.get(PARENTS).and_then(|value| value.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
    let positions = item.get(POSITIONS).and_then(|value| value.as_m().ok());
    let position = |(sink, value): (&String, &AttributeValue)| {
        Some((sink.clone(), value.as_s().ok().and_then(|digits| Sequence::parse(digits))?))
    };
    Row {
        shard: ShardId::new(ops::sort_key(item)),
        parents: parents.iter().filter_map(|parent| parent.as_s().ok()).map(ShardId::new).collect(),
        state: if ops::text(item, STATE) == Some(DONE) { State::Done } else { State::Open },
        owner: ops::text(item, OWNER).map(str::to_owned),
        fence: ops::number(item, FENCE).unwrap_or_default(),
        beat: ops::number(item, BEAT).unwrap_or_default(),
        positions: positions.into_iter().flatten().filter_map(position).collect(),
        caught_up: ops::text(item, CAUGHT_UP).and_then(|at| at.parse().ok()),
    }
}
