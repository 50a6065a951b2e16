//! The data model of Echoes and every rule that the edge and the regional core both keep.
//!
//! This crate does no I/O, reads no clock and knows neither the Workers runtime nor an AWS SDK; time and
//! randomness are passed in. It is compiled natively for the core and to WebAssembly for the edge.

pub mod cursor;
pub mod echo;
pub mod emotion;
pub mod etag;
pub mod hex;
pub mod id;
pub mod keys;
pub mod live;
pub mod places;
pub mod policy;
pub mod problem;
pub mod query;
pub mod region;
pub mod sigv4;
pub mod split;
pub mod status;
pub mod timestamp;
pub mod validate;
pub mod wire;

pub use echo::{Echo, EchoEdit, Location, NewEcho};
pub use emotion::Emotion;
pub use id::{EchoId, IdempotencyKey, UserId};
pub use problem::{FieldError, Problem, Slug};
pub use region::Region;
pub use timestamp::Timestamp;
