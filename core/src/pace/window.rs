//! Calls at a time: one more for each round that is granted, half as many after a refusal, as TCP does it
//! (<https://www.rfc-editor.org/rfc/rfc5681>).

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many calls may be under way, shared by all of them.
#[derive(Debug)]
pub struct Window {
    room: Mutex<Room>,
    changed: Notify,
}

#[derive(Debug)]
struct Room {
    /// Calls that may be under way now, as a fraction: it grows by parts of one.
    allowed: f64,
    /// Calls at a time whatever is granted.
    most: f64,
    under_way: usize,
    /// How often it was cut. Calls that began before a cut do not cut again: they are of the same burst.
    cuts: u64,
}

/// Leave for one call. Dropping it without a word changes nothing but the room.
#[derive(Debug)]
#[must_use = "say whether the call was granted"]
pub struct Permit<'a> {
    window: &'a Window,
    cuts: u64,
}

impl Window {
    /// Begins with `first` calls at a time and never has more than `most`; both are one at least.
    pub fn new(first: u16, most: u16) -> Self {
        let most = f64::from(most.max(1));
        let allowed = f64::from(first.max(1)).min(most);
        Self { room: Mutex::new(Room { allowed, most, under_way: 0, cuts: 0 }), changed: Notify::new() }
    }

    /// Waits for room.
    pub async fn enter(&self) -> Permit<'_> {
        loop {
            // Made before looking, so that a change in between is not missed.
            let changed = self.changed.notified();
            let entered = self.room().enter();
            if let Some(cuts) = entered {
                return Permit { window: self, cuts };
            }
            changed.await;
        }
    }

    /// Calls that may be under way now.
    pub fn allowed(&self) -> f64 {
        self.room().allowed
    }

    /// A lock whose holder panicked still guards whole numbers: nothing between two of them can panic.
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The call was granted.
    pub fn granted(self) {
        self.window.room().grow();
    }

    /// The call was refused, in whole or in part.
    pub fn refused(self) {
        self.window.room().cut(self.cuts);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut room = self.window.room();
        room.under_way = room.under_way.saturating_sub(1);
        drop(room);
        // All look again: the room may have grown by more than this call's place.
        self.window.changed.notify_waiters();
    }
}

impl Room {
    fn enter(&mut self) -> Option<u64> {
        let next = self.under_way + 1;
        let fits = u32::try_from(next).is_ok_and(|next| f64::from(next) <= self.allowed);
        fits.then(|| {
            self.under_way = next;
            self.cuts
        })
    }

    fn grow(&mut self) {
        self.allowed = (self.allowed + 1.0 / self.allowed).min(self.most);
    }

    fn cut(&mut self, cuts_at_entry: u64) {
        if cuts_at_entry == self.cuts {
            self.allowed = (self.allowed / 2.0).max(1.0);
            self.cuts += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn it_grows_by_one_a_round_up_to_its_bound() {
        let window = Window::new(2, 4);
        for _ in 0..4 {
            let (one, two) = (window.enter().await, window.enter().await);
            one.granted();
            two.granted();
        }
        assert!(window.allowed() > 3.9, "{}", window.allowed());
        for _ in 0..100 {
            window.enter().await.granted();
        }
        assert_eq!(window.allowed(), 4.0);
    }

    #[tokio::test]
    async fn one_burst_of_refusals_cuts_once() {
        let window = Window::new(8, 8);
        let mut burst = Vec::new();
        for _ in 0..8 {
            burst.push(window.enter().await);
        }
        burst.into_iter().for_each(Permit::refused);
        assert_eq!(window.allowed(), 4.0);
        for _ in 0..10 {
            window.enter().await.refused();
        }
        assert_eq!(window.allowed(), 1.0);
    }

    #[tokio::test]
    async fn nobody_enters_a_full_window() {
        let window = Window::new(1, 1);
        let first = window.enter().await;
        let second = window.enter();
        tokio::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        second.await.granted();
    }
}
