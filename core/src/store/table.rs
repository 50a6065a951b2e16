//! The three tables: what they must be, creating them, and comparing them with what is there.

mod check;
mod create;
mod spec;

pub use check::TableReport;
pub use create::Billing;

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

    /// Whether the table of echoes is there and active.
    pub async fn probe(&self) -> Result<(), StoreError> {
        const OPERATION: &str = "DescribeTable";
        let output = self.call(OPERATION, self.client.describe_table().table_name(self.echoes()).send()).await?;
        let active = output.table.as_ref().is_some_and(check::is_active);
        let cause = || format!("{} is not active", self.echoes());
        if active { Ok(()) } else { Err(StoreError::Refused { operation: OPERATION, cause: cause() }) }
    }
}
