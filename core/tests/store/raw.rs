//! The tables of a test as the engine holds them, to be read and spoilt past the store.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::engine::Engine;

/// An item as the engine holds it.
pub type Item = HashMap<String, AttributeValue>;

/// The tables as the engine holds them.
pub struct Raw<'a> {
    pub engine: &'a Engine,
    pub prefix: &'static str,
}

impl Raw<'_> {
    /// All items of a table.
    pub async fn items(&self, table: &str) -> Vec<Item> {
        let table = format!("{}-{table}", self.prefix);
        self.engine.client().scan().table_name(table).send().await.unwrap().items.unwrap()
    }

    /// The only item of the table of echoes.
    pub async fn only(&self) -> Item {
        let mut items = self.items("echoes").await;
        assert_eq!(items.len(), 1, "{items:?}");
        items.remove(0)
    }

    /// What replication does to a loser of two writes.
    pub async fn overwrite(&self, item: Item) {
        let table = format!("{}-echoes", self.prefix);
        self.engine.client().put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// Forgets which deletes this region took.
    pub async fn forget_records(&self) {
        for record in self.items("local").await {
            self.remove("local", ["pk", "sk"], &record).await;
        }
    }

    /// Takes an item away and leaves nothing.
    pub async fn remove(&self, table: &str, key: [&str; 2], item: &Item) {
        let key = key.map(|name| (name.to_owned(), item[name].clone()));
        let table = format!("{}-{table}", self.prefix);
        self.engine.client().delete_item().table_name(table).set_key(Some(key.into())).send().await.unwrap();
    }

    /// Lays the only echo under another hash key.
    pub async fn rehash(&self, hash: &str) -> Item {
        let mut item = self.only().await;
        self.remove("echoes", ["userId", "timestamp"], &item).await;
        item.insert("userId".into(), AttributeValue::S(hash.into()));
        self.overwrite(item.clone()).await;
        item
    }
}
