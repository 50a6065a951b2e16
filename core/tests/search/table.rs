//! A table of eu-west-1 in memory, and the program with the variables for it.

use echoes_core::store::{NewItem, Store};
use echoes_shared::{Echo, Timestamp};
use tokio::process::Command;

use crate::region::Region;

/// It answers while the test's runtime lives.
pub struct Table {
    region: Region,
    pub store: Store,
}

impl Table {
    pub async fn new() -> Self {
        let region = Region::new().await;
        let store = region.store("eu-west-1");
        Self { region, store }
    }

    /// Puts echoes where nothing lies.
    pub async fn put(&self, echoes: &[Echo], now: Timestamp) {
        for echo in echoes {
            self.store.restore(&NewItem::restored(echo.clone()), now).await.unwrap();
        }
    }

    /// Leaves a tombstone in the place of an echo.
    pub async fn delete(&self, echo: &Echo, now: Timestamp) {
        self.store.delete(&echo.user_id, echo.echo_id, false, now).await.unwrap();
    }

    /// The program with these arguments.
    pub fn program(&self, args: &[&str]) -> Command {
        self.region.program(args)
    }
}
