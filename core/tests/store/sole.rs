//! The lease of the one process that serves a region without Redis, or of all that have it.

use echoes_core::store::{Holder, SoleLease};

use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    run!(engine, a_lease_is_one_processs_until_it_is_seen_to_lapse a_shared_lease_is_renewed_by_all_who_hold_it);
}

fn lease(token: &str) -> SoleLease {
    let holder = Holder { host: "core-1 boot pid:[1]".into(), pid: 4711, started: u64::MAX };
    SoleLease { token: token.to_owned(), beat: 0, holder, several: false }
}

async fn a_lease_is_one_processs_until_it_is_seen_to_lapse(engine: &Engine) {
    let store = engine.store("sole").await;
    let (one, two) = (lease("one"), lease("two"));
    assert_eq!(store.sole_lease().await.unwrap(), None);
    assert!(!store.renew_sole_lease(&one).await.unwrap(), "there is nothing to renew");
    assert!(!store.put_sole_lease(&two, Some(&one)).await.unwrap(), "nor to replace");
    assert!(store.put_sole_lease(&one, None).await.unwrap());
    assert_eq!(store.sole_lease().await.unwrap().as_ref(), Some(&one));
    assert!(!store.put_sole_lease(&two, None).await.unwrap(), "it is taken");

    // Renewed since it was seen, it is not replaced.
    assert!(store.renew_sole_lease(&one).await.unwrap() && !store.renew_sole_lease(&two).await.unwrap());
    assert!(!store.put_sole_lease(&two, Some(&one)).await.unwrap());
    let renewed = store.sole_lease().await.unwrap().unwrap();
    assert_eq!(renewed, SoleLease { beat: 1, ..one.clone() });
    assert!(store.put_sole_lease(&two, Some(&renewed)).await.unwrap());
    assert!(!store.renew_sole_lease(&one).await.unwrap(), "the first has lost it");

    // Only its holder gives it back, and may do so twice.
    store.release_sole_lease("one").await.unwrap();
    assert_eq!(store.sole_lease().await.unwrap(), Some(two));
    store.release_sole_lease("two").await.unwrap();
    store.release_sole_lease("two").await.unwrap();
    assert_eq!(store.sole_lease().await.unwrap(), None);
}

async fn a_shared_lease_is_renewed_by_all_who_hold_it(engine: &Engine) {
    let store = engine.store("shared").await;
    let first = lease(SoleLease::SHARED);
    let second = SoleLease { holder: Holder { pid: 4712, ..first.holder.clone() }, ..first.clone() };
    let joining = SoleLease { several: true, ..second.clone() };
    assert!(!store.renew_sole_lease(&joining).await.unwrap(), "there is nothing to join");
    assert!(store.put_sole_lease(&first, None).await.unwrap());
    assert!(!store.renew_sole_lease(&second).await.unwrap(), "it has not joined");
    assert!(store.renew_sole_lease(&joining).await.unwrap());
    assert_eq!(store.sole_lease().await.unwrap(), Some(SoleLease { beat: 1, ..joining }));

    // Nobody takes back that there are several.
    assert!(store.renew_sole_lease(&first).await.unwrap());
    let seen = store.sole_lease().await.unwrap().unwrap();
    assert_eq!(seen, SoleLease { beat: 2, several: true, ..first.clone() });

    // Neither renews what has become one process's.
    assert!(store.put_sole_lease(&lease("one"), Some(&seen)).await.unwrap());
    for lost in [&first, &second] {
        assert!(!store.renew_sole_lease(lost).await.unwrap());
    }
}
