//! Adds the indexes that a table of an earlier version lacks, one after another, as DynamoDB wants it.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, TableDescription,
};

use super::create::{Billing, attribute_definitions, key_schema, projection, throughput};
use super::spec::{IndexSpec, TableSpec};
use super::{Store, StoreError};

const UPDATE: &str = "UpdateTable";

impl Store {
    /// Adds what is missing and waits until it is filled; to do so again changes nothing.
    ///
    /// DynamoDB fills an index from the items that carry its keys; the others are not in it.
    pub(super) async fn add_missing_indexes(
        &self,
        spec: &TableSpec<'_>,
        say: &mut impl FnMut(String),
    ) -> Result<(), StoreError> {
        let mut begun: Option<&IndexSpec> = None;
        // Somebody else may be adding them too, and be the first each time.
        for _ in 0..=2 * spec.indexes.len() {
            let Some(table) = self.describe(spec.name).await? else { return Ok(()) };
            if let Some(index) = begun.take_if(|index| has(&table, index)) {
                say(format!("{}: {} is added; items without {} are not in it", spec.name, index.name, index.keys));
            }
            let Some(index) = spec.indexes.iter().find(|index| !has(&table, index)) else { return Ok(()) };
            if self.add_index(spec.name, index, billing_of(&table)).await? {
                say(format!("{}: {} is missing and is being added", spec.name, index.name));
                begun = Some(index);
            }
            self.await_active(spec.name, say).await?;
        }
        Err(StoreError::Unreachable { operation: UPDATE, cause: format!("{} keeps changing", spec.name) })
    }

    /// `false` where another change of the table, or of as many tables as may change at once, is under way.
    async fn add_index(&self, table: &str, index: &IndexSpec, billing: Billing) -> Result<bool, StoreError> {
        let refused = |error: BuildError| StoreError::Refused { operation: UPDATE, cause: error.to_string() };
        let update = creation(index, billing).map_err(refused)?;
        let definitions = attribute_definitions(&index.keys.names()).map_err(refused)?;
        let request = self
            .client
            .update_table()
            .table_name(table)
            .set_attribute_definitions(Some(definitions))
            .global_secondary_index_updates(update);
        match self.count(UPDATE, request.send().await) {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(busy) if busy.is_resource_in_use_exception() || busy.is_limit_exceeded_exception() => Ok(false),
                _ => Err(StoreError::from_sdk(UPDATE, &error)),
            },
        }
    }
}

fn has(table: &TableDescription, index: &IndexSpec) -> bool {
    table.global_secondary_indexes().iter().any(|there| there.index_name() == Some(index.name))
}

/// An index is paid for as its table is, with the same capacity.
fn billing_of(table: &TableDescription) -> Billing {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let units = table.provisioned_throughput();
    let read_units = units.and_then(|units| units.read_capacity_units()).unwrap_or_default();
    let write_units = units.and_then(|units| units.write_capacity_units()).unwrap_or_default();
    match mode {
        Some(BillingMode::PayPerRequest) => Billing::OnDemand,
        _ if read_units > 0 && write_units > 0 => Billing::Provisioned { read_units, write_units },
        _ => Billing::OnDemand,
    }
}

fn creation(index: &IndexSpec, billing: Billing) -> Result<GlobalSecondaryIndexUpdate, BuildError> {
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.keys)?))
        .projection(projection(index))
        .set_provisioned_throughput(throughput(billing)?)
        .build()?;
    Ok(GlobalSecondaryIndexUpdate::builder().create(create).build())
}
