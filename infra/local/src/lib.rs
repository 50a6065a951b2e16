//! The embedded cloud: four regions of Echoes on one machine, with nothing else to install.
//!
//! [`cloud`] puts the parts of one machine together: per region an embedded `DynamoDB` engine ([`replica`]) behind a
//! front that can be stopped or throttled ([`front`]), replication between the regions ([`replication`]), an S3 server
//! ([`s3`]) and the control API ([`control`]). [`supervisor`] starts those, four cores and the edge, with `--full` real
//! cache servers ([`servers`]) besides, and stops them.

pub mod accept;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod console;
pub mod control;
pub mod cores;
pub mod faults;
pub mod front;
pub mod host;
pub mod housekeeping;
pub mod layout;
pub mod ledger;
pub mod probe;
pub mod process;
pub mod replica;
pub mod replication;
pub mod s3;
pub mod samples;
pub mod secrets;
pub mod servers;
pub mod supervisor;
pub mod tokens;
