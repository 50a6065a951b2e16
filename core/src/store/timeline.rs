//! One person's echoes, all of them or one emotion's.

use echoes_shared::keys::{self, schema};
use echoes_shared::{EchoId, Emotion, Timestamp, UserId};

use super::item::{self, Item};
use super::merge::{Entry, Merge};
use super::walk::{Page, Source};
use super::{Store, StoreError};

/// Times that a page is filled up where the index still lists echoes that are gone.
const MAX_FILLS: usize = 8;

impl Store {
    /// The living echoes of `user`, newest first.
    pub async fn timeline(
        &self,
        user: &UserId,
        limit: usize,
        after: Option<EchoId>,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let known = self.person(user, now).await?;
        let source =
            |(hash, extent)| Source { extent, ..Source::whole(None, (schema::USER_ID, hash), schema::TIMESTAMP) };
        let sources: Vec<_> = known.profile.parts(user, now).into_iter().map(source).collect();
        self.newest(&sources, limit, after, now).await
    }

    /// The living echoes of `user` and `emotion`, newest first: keys from `userId-emotion-index`, which projects few
    /// attributes, and bodies by BatchGetItem.
    pub async fn timeline_of_emotion(
        &self,
        user: &UserId,
        emotion: Emotion,
        limit: usize,
        after: Option<EchoId>,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let known = self.person(user, now).await?;
        let index = Some(schema::USER_EMOTION_INDEX);
        let source = |(hash, extent)| Source {
            prefix: keys::emotion_prefix(emotion),
            extent,
            ..Source::whole(index, (schema::USER_ID, hash), schema::EMOTION_TIMESTAMP)
        };
        let sources: Vec<_> = known.profile.parts(user, now).into_iter().map(source).collect();
        let mut merge = Merge::new(sources.iter().map(|source| source.extent), limit, after);
        let mut echoes = Vec::with_capacity(limit);
        for _ in 0..MAX_FILLS {
            self.walk(&sources, &mut merge, |item| Listed::of(&item, now)).await?;
            let wanted: Vec<_> = merge.taken().drain(..).map(|(id, listed)| (id, listed.hashes)).collect();
            let mut bodies = self.bodies(&wanted, now).await?;
            echoes.extend(wanted.iter().filter_map(|(id, _)| bodies.remove(id)));
            // A body may be gone that the index still lists: then the page is filled up.
            merge.want(limit - echoes.len());
            if echoes.len() == limit || !merge.can_go_on() {
                break;
            }
        }
        Ok(Page { echoes, next: merge.next() })
    }
}

/// What `userId-emotion-index` tells of an echo.
#[derive(Debug)]
struct Listed {
    /// The hash keys under which it lies: more than one where regions did not agree yet.
    hashes: Vec<String>,
    lives: bool,
}

impl Listed {
    fn of(item: &Item, now: Timestamp) -> Self {
        let hashes = item::hash(item).map(str::to_owned).into_iter().collect();
        Self { hashes, lives: item::is_unexpired(item, now) }
    }
}

impl Entry for Listed {
    fn lives(&self) -> bool {
        self.lives && !self.hashes.is_empty()
    }

    fn join(mut self, other: Self) -> Self {
        let others = other.hashes.into_iter().filter(|hash| !self.hashes.contains(hash));
        self.hashes.extend(others.collect::<Vec<_>>());
        self.lives |= other.lives;
        self
    }
}
