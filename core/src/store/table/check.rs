//! Compares the tables with the design and describes them.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_dynamodb::types::{
    IndexStatus, KeySchemaElement, KeyType, Projection, StreamViewType, TableDescription, TableStatus,
};
use echoes_shared::keys::schema;
use serde::Serialize;

use super::spec::{IndexSpec, Keys, TableSpec};
use super::{Store, StoreError};

/// One table as DynamoDB describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    table: String,
    /// `ACTIVE`, `CREATING`, …; `MISSING` where there is none.
    status: String,
    billing: String,
    /// Items, as of DynamoDB's last count (up to six hours old).
    items: i64,
    bytes: i64,
    /// Index name to status.
    indexes: BTreeMap<String, String>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_attribute: Option<String>,
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, status, billing, items, bytes, indexes, stream, ttl_attribute } = self;
        let stream = if *stream { "on" } else { "off" };
        let ttl = ttl_attribute.as_deref().unwrap_or("off");
        write!(f, "{table}: {status}, {billing}, {items} items, {bytes} bytes, stream {stream}, ttl {ttl}")?;
        indexes.iter().try_for_each(|(name, status)| write!(f, "\n  {name}: {status}"))
    }
}

/// In what a table differs from the design.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In words that begin with the table's name.
    pub text: String,
    /// What it means to a program that is about to start.
    pub weight: Weight,
}

/// What a difference means to a program that is about to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It cannot work with such a table.
    Fatal,
    /// It must wait: the table or an index is still being made.
    Passing,
    /// It can work: there is more than it needs, such as an index that a next version brings before its programs start, or
    /// the table's capacity is just being changed.
    Harmless,
}

impl Difference {
    fn fatal(text: impl Into<String>) -> Self {
        Self { text: text.into(), weight: Weight::Fatal }
    }

    fn harmless(text: impl Into<String>) -> Self {
        Self { text: text.into(), weight: Weight::Harmless }
    }
}

/// Whether a table and all its indexes are there and nothing is being done to them.
pub(super) fn is_active(table: &TableDescription) -> bool {
    let indexes = table.global_secondary_indexes();
    // Some engines leave out the status of an index that is active.
    let usable = |status: Option<&IndexStatus>| status.is_none_or(|status| *status == IndexStatus::Active);
    table.table_status == Some(TableStatus::Active) && indexes.iter().all(|index| usable(index.index_status()))
}

/// The name of an index that is being made.
pub(super) fn being_made(table: &TableDescription) -> Option<&str> {
    let is_made = |status: Option<&IndexStatus>| status == Some(&IndexStatus::Creating);
    table.global_secondary_indexes().iter().find(|index| is_made(index.index_status()))?.index_name()
}

/// Whether a table and all its indexes answer, even where a setting of theirs is being changed.
fn is_usable(table: &TableDescription) -> bool {
    let indexes = table.global_secondary_indexes();
    let answers = |status: &IndexStatus| matches!(status, IndexStatus::Active | IndexStatus::Updating);
    matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating))
        && indexes.iter().all(|index| index.index_status().is_none_or(answers))
}

impl Store {
    /// The tables as DynamoDB sees them.
    pub async fn describe_tables(&self) -> Result<Vec<TableReport>, StoreError> {
        let mut reports = Vec::new();
        for spec in self.specs() {
            let table = self.describe(spec.name).await?;
            let ttl_attribute = match table {
                Some(_) => self.ttl_status(spec.name).await?.attribute,
                None => None,
            };
            reports.push(report(spec.name, table.as_ref(), ttl_attribute));
        }
        Ok(reports)
    }

    /// Every difference between the tables and the design, in words.
    pub async fn check_tables(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.differences().await?.into_iter().map(|difference| difference.text).collect())
    }

    /// Every difference between the tables and the design.
    pub async fn differences(&self) -> Result<Vec<Difference>, StoreError> {
        let specs = self.specs();
        let [echoes, ops, local] = specs.each_ref().map(|spec| self.differences_of(spec));
        let (echoes, ops, local) = tokio::try_join!(echoes, ops, local)?;
        Ok([echoes, ops, local].concat())
    }

    async fn differences_of(&self, spec: &TableSpec<'_>) -> Result<Vec<Difference>, StoreError> {
        let mut found = match self.describe(spec.name).await? {
            None => vec![Difference::fatal("is missing")],
            Some(table) => {
                let mut found = compare(spec, &table);
                // A table gets its time to live once it is there.
                let is_made = found.iter().all(|difference| difference.weight != Weight::Passing);
                if is_made && self.ttl_status(spec.name).await?.attribute.as_deref() != Some(schema::TTL) {
                    found.push(Difference::fatal(format!("time to live does not read `{}`", schema::TTL)));
                }
                found
            }
        };
        for difference in &mut found {
            difference.text = format!("{}: {}", spec.name, difference.text);
        }
        Ok(found)
    }

    pub(super) async fn describe(&self, table: &str) -> Result<Option<TableDescription>, StoreError> {
        const OPERATION: &str = "DescribeTable";
        match self.count(OPERATION, self.client.describe_table().table_name(table).send().await) {
            Ok(output) => Ok(output.table),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => Ok(None),
            Err(error) => Err(StoreError::from_sdk(OPERATION, &error)),
        }
    }
}

fn report(name: &str, table: Option<&TableDescription>, ttl_attribute: Option<String>) -> TableReport {
    let indexes = table.map(TableDescription::global_secondary_indexes).unwrap_or_default();
    let status = |status: Option<&IndexStatus>| status.map_or("ACTIVE", IndexStatus::as_str).to_owned();
    let billing = table
        .and_then(|t| t.billing_mode_summary())
        .and_then(|summary| summary.billing_mode())
        .map_or("PROVISIONED", |mode| mode.as_str());
    TableReport {
        table: name.to_owned(),
        status: table.and_then(|t| t.table_status()).map_or("MISSING", TableStatus::as_str).to_owned(),
        billing: if table.is_some() { billing } else { "none" }.to_owned(),
        items: table.and_then(TableDescription::item_count).unwrap_or_default(),
        bytes: table.and_then(TableDescription::table_size_bytes).unwrap_or_default(),
        indexes: indexes
            .iter()
            .map(|index| (index.index_name().unwrap_or_default().to_owned(), status(index.index_status())))
            .collect(),
        stream: table.is_some_and(streams_both_images),
        ttl_attribute,
    }
}

fn compare(spec: &TableSpec<'_>, table: &TableDescription) -> Vec<Difference> {
    let mut differences = Vec::new();
    if !is_active(table) {
        let weight = if is_usable(table) { Weight::Harmless } else { Weight::Passing };
        differences.push(Difference { text: "the table or an index is not active".to_owned(), weight });
    }
    if !has_keys(spec.keys, table.key_schema()) {
        differences.push(Difference::fatal(format!("its keys are not {:?}", spec.keys)));
    }
    if spec.stream && !streams_both_images(table) {
        differences.push(Difference::fatal("its stream is not NEW_AND_OLD_IMAGES"));
    } else if !spec.stream && streams_both_images(table) {
        differences.push(Difference::harmless("its stream is not off"));
    }
    let found = table.global_secondary_indexes();
    for index in spec.indexes {
        let Some(there) = found.iter().find(|there| there.index_name() == Some(index.name)) else {
            differences.push(Difference::fatal(format!("{} is missing", index.name)));
            continue;
        };
        if !has_keys(index.keys, there.key_schema()) {
            differences.push(Difference::fatal(format!("the keys of {} are not {:?}", index.name, index.keys)));
        }
        if !projects(index, there.projection()) {
            differences.push(Difference::fatal(format!("{} projects other attributes", index.name)));
        }
    }
    let known = |name: Option<&str>| spec.indexes.iter().any(|index| Some(index.name) == name);
    let unknown = found.iter().filter_map(|there| there.index_name()).filter(|&name| !known(Some(name)));
    differences.extend(unknown.map(|name| Difference::harmless(format!("{name} is not known"))));
    differences
}

fn streams_both_images(table: &TableDescription) -> bool {
    table.stream_specification().is_some_and(|stream| {
        stream.stream_enabled() && stream.stream_view_type() == Some(&StreamViewType::NewAndOldImages)
    })
}

fn has_keys(keys: Keys, schema: &[KeySchemaElement]) -> bool {
    let part = |kind: KeyType| schema.iter().find(|e| *e.key_type() == kind).map(KeySchemaElement::attribute_name);
    part(KeyType::Hash) == Some(keys.hash) && part(KeyType::Range) == keys.range
}

fn projects(index: &IndexSpec, projection: Option<&Projection>) -> bool {
    let Some(projection) = projection else { return false };
    let mut found = projection.non_key_attributes().to_vec();
    let mut wanted: Vec<_> = index.include.unwrap_or_default().iter().map(|&name| name.to_owned()).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    projection.projection_type() == Some(&index.projection_type()) && found == wanted
}
