//! What the store promises of tables that lack an index.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType, ProvisionedThroughput, ScalarAttributeType, StreamSpecification,
    StreamViewType,
};
use echoes_core::store::Store;
use echoes_core::store::table::Billing;
use echoes_shared::Emotion;

use crate::cases::{content, create, now, user};
use crate::engine::Engine;
use crate::raw::Raw;

pub async fn all(engine: &Engine) {
    run! { engine,
        a_table_of_an_earlier_version_gets_its_indexes
    }
}

/// The table of echoes with nothing but its own keys and capacity.
async fn bare_table(engine: &Engine, name: &str) {
    let keys = [("userId", KeyType::Hash), ("timestamp", KeyType::Range)];
    let mut request = engine.client().create_table().table_name(name);
    for (name, kind) in keys {
        let kind_of_value = ScalarAttributeType::S;
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind_of_value);
        request = request
            .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
            .attribute_definitions(attribute.build().unwrap());
    }
    let units = ProvisionedThroughput::builder().read_capacity_units(50).write_capacity_units(40).build().unwrap();
    let images = StreamViewType::NewAndOldImages;
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(images).build().unwrap();
    request.provisioned_throughput(units).stream_specification(stream).send().await.unwrap();
}

async fn create_tables(store: &Store) -> Vec<String> {
    let mut said = Vec::new();
    store.create_tables(Billing::OnDemand, |line| said.push(line)).await.unwrap();
    said
}

async fn a_table_of_an_earlier_version_gets_its_indexes(engine: &Engine) {
    let present = engine.store("indexed").await;
    let echo = create(&present, "ana", now(), content(Emotion::Happy)).await;
    create(&present, "ben", now(), content(Emotion::Happy)).await;
    let mut items = Raw { engine, prefix: "indexed" }.items("echoes").await;
    items[0].retain(|name, _| !["random", "lot"].contains(&name.as_str()));
    bare_table(engine, "bare-echoes").await;
    for item in items {
        engine.client().put_item().table_name("bare-echoes").set_item(Some(item)).send().await.unwrap();
    }
    let store = engine.tables("bare", "eu-west-1");
    let said = create_tables(&store).await;
    for index in ["emotion-timestamp-index", "echoId-index", "userId-emotion-index", "recent-index", "random-index"] {
        let adding =
            said.iter().position(|line| *line == format!("bare-echoes: {index} is missing and is being added"));
        let added = said.iter().position(|line| line.starts_with(&format!("bare-echoes: {index} is added; ")));
        // One after another.
        assert!(adding.is_some_and(|adding| added == Some(adding + 1)), "{said:#?}");
    }
    assert!(
        said.contains(&"bare-echoes: random-index is added; items without random and lot are not in it".to_owned())
    );
    assert_eq!(store.check_tables().await.unwrap(), [""; 0]);
    assert_eq!(
        create_tables(&store).await,
        ["bare-echoes", "bare-ops", "bare-local"].map(|name| format!("{name}: is there"))
    );

    let described = engine.client().describe_table().table_name("bare-echoes").send().await.unwrap().table.unwrap();
    for index in described.global_secondary_indexes() {
        // dynoxide keeps no capacity of an index that was added.
        let units = index.provisioned_throughput().and_then(|units| units.write_capacity_units());
        assert!([None, Some(0), Some(40)].contains(&units), "{index:?}");
    }
    // What was there before is found by every index whose keys it carries.
    assert_eq!(store.feed(Emotion::Happy, 10, None, now()).await.unwrap().echoes.len(), 2);
    assert_eq!(store.recent(10, None, now()).await.unwrap().echoes.len(), 2);
    let timeline = store.timeline_of_emotion(&user("ana"), Emotion::Happy, 10, None, now()).await.unwrap();
    assert_eq!(timeline.echoes, [echo]);
    let random = engine.client().scan().table_name("bare-echoes").index_name("random-index").send().await.unwrap();
    assert_eq!(random.count, 1);
}
