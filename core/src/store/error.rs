//! What can go wrong below the service, in words that name no AWS type.

use std::io::{self, ErrorKind};

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// A call to the store that gave no answer. None of these is the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB grants no more units just now.
    #[error("{operation}: throttled")]
    Throttled {
        /// DynamoDB's operation.
        operation: &'static str,
    },
    /// DynamoDB cannot be reached or did not answer in time.
    #[error("{operation}: {cause}")]
    Unreachable {
        /// DynamoDB's operation.
        operation: &'static str,
        /// For the operator's log.
        cause: String,
    },
    /// There is no connection to DynamoDB: nothing was asked.
    #[error("{operation}: {cause}")]
    Unconnected {
        /// DynamoDB's operation.
        operation: &'static str,
        /// For the operator's log.
        cause: String,
    },
    /// DynamoDB refused what we asked: a missing table, a right that is missing, or a fault of ours.
    #[error("{operation}: {cause}")]
    Refused {
        /// DynamoDB's operation.
        operation: &'static str,
        /// For the operator's log.
        cause: String,
    },
    /// The same item changed under us more often than we retry.
    #[error("an item kept changing while it was written")]
    Contended,
    /// Another region has written what this one has not heard of yet.
    #[error("what another region has written has not arrived yet")]
    Behind,
}

impl StoreError {
    pub(super) fn from_sdk<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        match error.code() {
            Some(code) if is_throttle(code) => Self::Throttled { operation },
            Some(code) if is_theirs(code) => Self::Unreachable { operation, cause: code.to_owned() },
            Some(code) => {
                let message = error.message().unwrap_or_default();
                Self::Refused { operation, cause: format!("{code}: {message}") }
            }
            None if is_refused(error) => {
                Self::Unconnected { operation, cause: DisplayErrorContext(error).to_string() }
            }
            None => Self::Unreachable { operation, cause: DisplayErrorContext(error).to_string() },
        }
    }

    /// Whether the same call may be granted a little later.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Throttled { .. }) || self.is_silence()
    }

    /// Whether the store did not answer.
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unconnected { .. })
    }

    /// Whether a write that ended with this may have been made all the same: its answer was lost, or came too late. A read
    /// before it that failed has made none.
    pub fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Unreachable { operation, .. } if WRITES.contains(operation))
    }

    /// The label of `echoes_dynamodb_calls_total`.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Unreachable { .. } | Self::Unconnected { .. } => "unreachable",
            Self::Refused { .. } | Self::Contended | Self::Behind => "refused",
        }
    }
}

/// Operations that change something.
const WRITES: [&str; 4] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"];

/// Whether nobody listens where DynamoDB should. Earlier attempts of the same call were met alike, all but certainly: no one
/// call lasts much longer than a second.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.kind() == ErrorKind::ConnectionRefused)
}

/// DynamoDB's own failures, its 5xx.
fn is_theirs(code: &str) -> bool {
    matches!(code, "InternalServerError" | "InternalFailure" | "ServiceUnavailable")
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "LimitExceededException"
    )
}
