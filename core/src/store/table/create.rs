//! Creates the tables that are missing, and waits for what is being made. Running it again changes nothing.

use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableInput;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProvisionedThroughput, ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
    TimeToLiveStatus,
};
use echoes_shared::keys::schema;

use super::spec::{IndexSpec, Keys, TableSpec};
use super::{Store, StoreError, check};

const CREATE: &str = "CreateTable";
const DESCRIBE: &str = "DescribeTable";

/// A new table is usually active within seconds; this is how often and how long we ask.
const ACTIVE_POLL: Duration = Duration::from_millis(500);
const ACTIVE_POLLS: usize = 600;
/// An index of a large table may be filled for hours; then we ask this often, for a day.
const FILL_POLL: Duration = Duration::from_secs(10);
const FILL_POLLS: usize = ACTIVE_POLLS + 8_640;
/// Polls from one word about it to the next.
const POLLS_A_WORD: usize = 60;

/// How a table's reads and writes are paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// By the request (seed: phase 1).
    OnDemand,
    /// By the second, the same for the table and for each index.
    Provisioned {
        /// Read units a second.
        read_units: i64,
        /// Write units a second.
        write_units: i64,
    },
}

impl Store {
    /// Creates the tables that are missing, adds the indexes that one of an earlier version lacks, waits until all are active
    /// and turns on time to live.
    ///
    /// A table that is there keeps its keys, the indexes that it has, stream and billing; `check_tables` tells whether they are
    /// what they must be.
    pub async fn create_tables(&self, billing: Billing, mut say: impl FnMut(String)) -> Result<(), StoreError> {
        for spec in self.specs() {
            let created = self.create_table(&spec, billing).await?;
            self.await_active(spec.name, &mut say).await?;
            self.add_missing_indexes(&spec, &mut say).await?;
            self.enable_ttl(spec.name).await?;
            say(format!("{}: {}", spec.name, if created { "created" } else { "is there" }));
        }
        Ok(())
    }

    async fn create_table(&self, spec: &TableSpec<'_>, billing: Billing) -> Result<bool, StoreError> {
        let input = input(spec, billing)
            .map_err(|error| StoreError::Refused { operation: CREATE, cause: error.to_string() })?;
        let request = self
            .client
            .create_table()
            .set_table_name(input.table_name)
            .set_key_schema(input.key_schema)
            .set_attribute_definitions(input.attribute_definitions)
            .set_global_secondary_indexes(input.global_secondary_indexes)
            .set_billing_mode(input.billing_mode)
            .set_provisioned_throughput(input.provisioned_throughput)
            .set_stream_specification(input.stream_specification);
        match self.count(CREATE, request.send().await) {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(false),
            Err(error) => Err(StoreError::from_sdk(CREATE, &error)),
        }
    }

    /// Waits until a table and its indexes are active, and says now and then which index is still being filled.
    pub(super) async fn await_active(&self, table: &str, say: &mut impl FnMut(String)) -> Result<(), StoreError> {
        for poll in 0..FILL_POLLS {
            // AWS may not know a table for a moment after it was created.
            let found = self.describe(table).await?;
            if found.as_ref().is_some_and(check::is_active) {
                return Ok(());
            }
            let filled = found.as_ref().and_then(check::being_made);
            match filled {
                None if poll >= ACTIVE_POLLS => break,
                Some(index) if poll % POLLS_A_WORD == POLLS_A_WORD - 1 => {
                    say(format!("{table}: {index} is being filled"));
                }
                _ => {}
            }
            tokio::time::sleep(if poll < ACTIVE_POLLS { ACTIVE_POLL } else { FILL_POLL }).await;
        }
        Err(StoreError::Unreachable { operation: DESCRIBE, cause: format!("{table} did not become active") })
    }

    async fn enable_ttl(&self, table: &str) -> Result<(), StoreError> {
        if self.ttl_status(table).await?.is_on() {
            return Ok(());
        }
        const OPERATION: &str = "UpdateTimeToLive";
        let on = TimeToLiveSpecification::builder().attribute_name(schema::TTL).enabled(true).build();
        let on = on.map_err(|error| StoreError::Refused { operation: OPERATION, cause: error.to_string() })?;
        let request = self.client.update_time_to_live().table_name(table).time_to_live_specification(on);
        self.call(OPERATION, request.send()).await.map(|_| ())
    }

    pub(super) async fn ttl_status(&self, table: &str) -> Result<Ttl, StoreError> {
        let request = self.client.describe_time_to_live().table_name(table);
        let output = self.call("DescribeTimeToLive", request.send()).await?;
        let description = output.time_to_live_description;
        let status = description.as_ref().and_then(|d| d.time_to_live_status.clone());
        let on = matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
        Ok(Ttl { attribute: description.and_then(|d| d.attribute_name).filter(|_| on) })
    }
}

/// The attribute that a table's time to live reads; `None` where it is off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ttl {
    pub attribute: Option<String>,
}

impl Ttl {
    fn is_on(&self) -> bool {
        self.attribute.as_deref() == Some(schema::TTL)
    }
}

fn input(spec: &TableSpec<'_>, billing: Billing) -> Result<CreateTableInput, BuildError> {
    let indexes: Result<Vec<_>, _> = spec.indexes.iter().map(|index| index_input(index, billing)).collect();
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()?;
    let indexes = Some(indexes?).filter(|indexes| !indexes.is_empty());
    CreateTableInput::builder()
        .table_name(spec.name)
        .set_key_schema(Some(key_schema(spec.keys)?))
        .set_attribute_definitions(Some(attribute_definitions(&spec.key_attributes())?))
        .set_global_secondary_indexes(indexes)
        .billing_mode(match billing {
            Billing::OnDemand => BillingMode::PayPerRequest,
            Billing::Provisioned { .. } => BillingMode::Provisioned,
        })
        .set_provisioned_throughput(throughput(billing)?)
        .set_stream_specification(spec.stream.then_some(stream))
        .build()
}

fn index_input(index: &IndexSpec, billing: Billing) -> Result<GlobalSecondaryIndex, BuildError> {
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.keys)?))
        .projection(projection(index))
        .set_provisioned_throughput(throughput(billing)?)
        .build()
}

pub(super) fn projection(index: &IndexSpec) -> Projection {
    let attributes = index.include.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    Projection::builder().projection_type(index.projection_type()).set_non_key_attributes(attributes).build()
}

/// The types of key attributes: every key is a string.
pub(super) fn attribute_definitions(names: &[&str]) -> Result<Vec<AttributeDefinition>, BuildError> {
    let definition = |name: &&str| {
        AttributeDefinition::builder().attribute_name(*name).attribute_type(ScalarAttributeType::S).build()
    };
    names.iter().map(definition).collect()
}

pub(super) fn key_schema(keys: Keys) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let range = keys.range.map(|name| element(name, KeyType::Range));
    std::iter::once(element(keys.hash, KeyType::Hash)).chain(range).collect()
}

pub(super) fn throughput(billing: Billing) -> Result<Option<ProvisionedThroughput>, BuildError> {
    match billing {
        Billing::OnDemand => Ok(None),
        Billing::Provisioned { read_units, write_units } => ProvisionedThroughput::builder()
            .read_capacity_units(read_units)
            .write_capacity_units(write_units)
            .build()
            .map(Some),
    }
}
