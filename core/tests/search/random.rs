//! Random searches over the corpus find exactly what the rule says, page by page.

use std::collections::BTreeSet;

use echoes_core::search::{Hit, Index, Query};
use echoes_shared::EchoId;
use echoes_shared::query::Sort;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::corpus::{NOW, documents, echoes, expected, question};

const QUESTIONS: usize = 400;

/// On an empty index.
pub async fn all(index: &dyn Index) {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let echoes = echoes(&mut random);
    for part in documents(&echoes).chunks(70) {
        assert_eq!(index.apply(part).await.unwrap(), []);
    }
    index.refresh().await.unwrap();
    let mut found_something = 0;
    for _ in 0..QUESTIONS {
        let query = Query { limit: random.random_range(1..40), ..question(&echoes, &mut random) };
        let expected = expected(&echoes, &query);
        found_something += usize::from(!expected.is_empty());
        let hits = pages(index, &query).await;
        let ids: Vec<EchoId> = hits.iter().map(|hit| hit.echo.echo_id).collect();
        match query.sort {
            Sort::Time => assert_eq!(ids, expected, "{query:?}"),
            Sort::Relevance => {
                let mut newest_first = ids.clone();
                newest_first.sort_unstable_by(|one, other| other.cmp(one));
                assert_eq!(newest_first, expected, "{query:?}");
                let in_order = |pair: &[Hit]| {
                    let [before, after] = [&pair[0], &pair[1]];
                    before.score > after.score
                        || (before.score == after.score && before.echo.echo_id > after.echo.echo_id)
                };
                assert!(hits.windows(2).all(in_order), "{query:?}");
                assert!(hits.iter().all(|hit| hit.score > 0.0), "{query:?}");
            }
        }
        for hit in hits {
            assert!(echoes.contains(&hit.echo), "{:?} is not as it was given", hit.echo);
        }
    }
    assert!(found_something > QUESTIONS / 3, "only {found_something} questions had an answer");
}

/// Everything that a search finds, each once.
async fn pages(index: &dyn Index, query: &Query) -> Vec<Hit> {
    let mut query = query.clone();
    let mut all = Vec::new();
    loop {
        let page = index.search(&query, NOW).await.unwrap();
        assert!(page.hits.len() <= query.limit && (page.hits.len() == query.limit || !page.more), "{query:?}");
        query.after = page.hits.last().map(Hit::position);
        all.extend(page.hits);
        if !page.more {
            break;
        }
    }
    let unique: BTreeSet<EchoId> = all.iter().map(|hit| hit.echo.echo_id).collect();
    assert_eq!(unique.len(), all.len(), "{query:?}");
    all
}
