//! Counts every call to DynamoDB: its outcome, and the units it was charged by table and index.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::{
    batch_get_item::BatchGetItemOutput, batch_write_item::BatchWriteItemOutput, create_table::CreateTableOutput,
    delete_item::DeleteItemOutput, describe_table::DescribeTableOutput,
    describe_time_to_live::DescribeTimeToLiveOutput, get_item::GetItemOutput, put_item::PutItemOutput,
    query::QueryOutput, scan::ScanOutput, update_item::UpdateItemOutput, update_table::UpdateTableOutput,
    update_time_to_live::UpdateTimeToLiveOutput,
};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use aws_sdk_dynamodbstreams::operation::{
    describe_stream::DescribeStreamOutput, get_records::GetRecordsOutput, get_shard_iterator::GetShardIteratorOutput,
};

use super::{Store, StoreError};
use crate::units::{self, Units};

/// What every call asks for: the units of the table and of each index.
pub(super) const INDEXES: ReturnConsumedCapacity = ReturnConsumedCapacity::Indexes;

/// An answer of DynamoDB and what it cost.
pub(super) trait Charged {
    /// The units, one entry a table; none for calls that are free.
    fn charges(&self) -> &[ConsumedCapacity];
    /// Whether they are write units.
    const WRITES: bool = false;
}

macro_rules! charged {
    ($($output:ty, $writes:literal, $charges:expr;)*) => {
        $(impl Charged for $output {
            fn charges(&self) -> &[ConsumedCapacity] {
                let charges: fn(&Self) -> &[ConsumedCapacity] = $charges;
                charges(self)
            }
            const WRITES: bool = $writes;
        })*
    };
}

charged! {
    GetItemOutput, false, |output| output.consumed_capacity().map_or(&[], std::slice::from_ref);
    QueryOutput, false, |output| output.consumed_capacity().map_or(&[], std::slice::from_ref);
    ScanOutput, false, |output| output.consumed_capacity().map_or(&[], std::slice::from_ref);
    BatchGetItemOutput, false, |output| output.consumed_capacity();
    PutItemOutput, true, |output| output.consumed_capacity().map_or(&[], std::slice::from_ref);
    UpdateItemOutput, true, |output| output.consumed_capacity().map_or(&[], std::slice::from_ref);
    DeleteItemOutput, true, |output| output.consumed_capacity().map_or(&[], std::slice::from_ref);
    BatchWriteItemOutput, true, |output| output.consumed_capacity();
    CreateTableOutput, false, |_| &[];
    DescribeTableOutput, false, |_| &[];
    UpdateTableOutput, false, |_| &[];
    DescribeTimeToLiveOutput, false, |_| &[];
    UpdateTimeToLiveOutput, false, |_| &[];
    // A page of a stream is charged by the call.
    DescribeStreamOutput, false, |_| &[];
    GetShardIteratorOutput, false, |_| &[];
    GetRecordsOutput, false, |_| &[];
}

const CONDITION_FAILED: &str = "ConditionalCheckFailedException";
/// The label of a table's own units, where others name an index.
const BASE: &str = "table";

impl Store {
    /// Awaits one call, counts it and puts its error into our words.
    ///
    /// Through all its layers a call is some kilobytes: on the heap here, not in every future that contains one.
    pub(super) fn call<T, E, R>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> impl Future<Output = Result<T, StoreError>>
    where
        T: Charged,
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        let call = Box::pin(call);
        async move { self.count(operation, call.await).map_err(|error| StoreError::from_sdk(operation, &error)) }
    }

    /// Awaits a conditional call; `None` where its condition did not hold.
    pub(super) fn call_if<T, E, R>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> impl Future<Output = Result<Option<T>, StoreError>>
    where
        T: Charged,
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        let call = Box::pin(call);
        async move {
            match self.count(operation, call.await) {
                Ok(output) => Ok(Some(output)),
                Err(error) if error.code() == Some(CONDITION_FAILED) => Ok(None),
                Err(error) => Err(StoreError::from_sdk(operation, &error)),
            }
        }
    }

    /// Counts a call whose error the caller wants to see.
    ///
    /// A refused condition is charged too, but DynamoDB does not say how much, so it is counted as a call alone.
    pub(super) fn count<T, E, R>(
        &self,
        operation: &'static str,
        result: Result<T, SdkError<E, R>>,
    ) -> Result<T, SdkError<E, R>>
    where
        T: Charged,
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        let outcome = match &result {
            Ok(output) => {
                output.charges().iter().for_each(|charge| self.charge::<T>(operation, charge));
                "ok"
            }
            Err(error) if error.code() == Some(CONDITION_FAILED) => "condition",
            Err(error) => StoreError::from_sdk(operation, error).outcome(),
        };
        self.metrics.dynamodb_call(operation, outcome);
        result
    }

    fn charge<T: Charged>(&self, operation: &'static str, charge: &ConsumedCapacity) {
        let kind = if T::WRITES { "write" } else { "read" };
        let units = charge.capacity_units().unwrap_or_default();
        units::consume(if T::WRITES { Units { read: 0.0, write: units } } else { Units { read: units, write: 0.0 } });
        let mut indexes = 0.0;
        for (index, charge) in charge.global_secondary_indexes().into_iter().flatten() {
            let units = charge.capacity_units().unwrap_or_default();
            self.metrics.dynamodb_units(operation, index, kind, units);
            indexes += units;
        }
        // Some engines leave out the table's own part.
        let own = charge.table().and_then(|table| table.capacity_units()).unwrap_or(units - indexes);
        if own > 0.0 {
            self.metrics.dynamodb_units(operation, BASE, kind, own);
        }
    }
}
