//! The three tables: what they must be, creating them, and comparing them with what is there.

mod check;
mod create;
mod spec;
mod upgrade;

pub use check::{Difference, TableReport, Weight};
pub use create::Billing;

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::schema;

use super::meter::INDEXES;
use super::{Store, StoreError};
use spec::TableSpec;

impl Store {
    fn specs(&self) -> [TableSpec<'_>; 3] {
        let config = &self.config;
        [
            TableSpec::echoes(config.echoes.as_str()),
            TableSpec::ops(config.ops.as_str()),
            TableSpec::local(config.local.as_str()),
        ]
    }

    /// Whether the table of echoes can be read: asks for a key that nobody can have, since no person is called `me`.
    ///
    /// It is a read like any other, not a `DescribeTable`, whose rate AWS limits to a few a second.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(self.echoes())
            .key(schema::USER_ID, AttributeValue::S("me".to_owned()))
            .key(schema::TIMESTAMP, AttributeValue::S("0".to_owned()))
            .return_consumed_capacity(INDEXES);
        self.call("GetItem", request.send()).await.map(|_| ())
    }
}
