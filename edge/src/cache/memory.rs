//! A cache in this isolate's memory, bounded by bytes.
//!
//! Eviction is the clock algorithm: entries wait in a queue, and one that was read since it was last looked at goes to the
//! end once more. A hit therefore costs a look-up and a flag.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// What an entry costs besides its body, at the least: its key, twice, and the tables around it; and, outside of our own
/// memory but inside the isolate's, a `Headers` of a dozen names and values, two `ResponseInit`, the `Uint8Array` with its
/// buffer, and their slots in the table of references. Estimated on the high side: were it too low, many small entries would
/// take more than the isolate has.
const OVERHEAD_BYTES: usize = 4_096;

/// Values by key.
#[derive(Debug)]
pub struct Memory<V> {
    slots: HashMap<Rc<str>, Slot<V>>,
    /// Keys in the order of their next examination; one that was removed is skipped.
    queue: VecDeque<Rc<str>>,
    bytes: usize,
    limit_bytes: usize,
    entry_limit_bytes: usize,
}

#[derive(Debug)]
struct Slot<V> {
    value: Rc<V>,
    bytes: usize,
    read: Cell<bool>,
}

impl<V> Memory<V> {
    /// An empty cache that holds `limit_bytes` in all and no entry above `entry_limit_bytes`.
    pub fn new(limit_bytes: usize, entry_limit_bytes: usize) -> Self {
        Self { slots: HashMap::new(), queue: VecDeque::new(), bytes: 0, limit_bytes, entry_limit_bytes }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Rc<V>> {
        let slot = self.slots.get(key)?;
        slot.read.set(true);
        Some(Rc::clone(&slot.value))
    }

    /// Keeps a value of `bytes` bytes, in place of the one before. One that is too large only removes that.
    pub fn insert(&mut self, key: &str, value: Rc<V>, bytes: usize) {
        let queued = self.slots.contains_key(key);
        self.take(key);
        let bytes = bytes + OVERHEAD_BYTES;
        if bytes > self.entry_limit_bytes {
            if queued {
                self.queue.retain(|other| &**other != key);
            }
            return;
        }
        let key: Rc<str> = key.into();
        if !queued {
            self.queue.push_back(Rc::clone(&key));
        }
        self.slots.insert(Rc::clone(&key), Slot { value, bytes, read: Cell::new(false) });
        self.bytes += bytes;
        self.evict(&key);
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &str) {
        if self.take(key) {
            self.queue.retain(|other| &**other != key);
        }
    }

    fn take(&mut self, key: &str) -> bool {
        let slot = self.slots.remove(key);
        self.bytes -= slot.as_ref().map_or(0, |slot| slot.bytes);
        slot.is_some()
    }

    /// Makes room for what was just inserted, which stays itself: the others may all have been read, and it cannot have been.
    fn evict(&mut self, inserted: &str) {
        while self.bytes > self.limit_bytes && self.slots.len() > 1 {
            let Some(key) = self.queue.pop_front() else { return };
            match self.slots.get(&key) {
                Some(slot) if &*key == inserted || slot.read.replace(false) => self.queue.push_back(key),
                _ => {
                    self.take(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const ENTRY_BYTES: usize = 10_000 - OVERHEAD_BYTES;

    fn memory() -> Memory<u32> {
        Memory::new(100_000, 20_000)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_bytes_are_bounded_whatever_is_put_in() {
        let mut memory = memory();
        for n in 0..1_000 {
            memory.insert(&format!("key {n}"), Rc::new(n), ENTRY_BYTES);
            assert!(memory.bytes <= 100_000);
            assert_eq!(memory.queue.len(), memory.slots.len());
        }
        assert_eq!(memory.slots.len(), 10);
        assert_eq!(memory.get("key 999").as_deref(), Some(&999));
        assert_eq!(memory.get("key 0"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_read_outlives_what_is_not() {
        let mut memory = memory();
        memory.insert("popular", Rc::new(1), ENTRY_BYTES);
        for n in 0..100 {
            memory.insert(&format!("key {n}"), Rc::new(n), ENTRY_BYTES);
            assert!(memory.get("popular").is_some(), "{n}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_was_just_inserted_stays_although_all_others_were_read() {
        let mut memory = memory();
        let read_all = |memory: &Memory<u32>| (0..10).filter(|n| memory.get(&format!("key {n}")).is_some()).count();
        for n in 0..10 {
            memory.insert(&format!("key {n}"), Rc::new(n), ENTRY_BYTES);
        }
        assert_eq!(read_all(&memory), 10);
        memory.insert("new", Rc::new(10), ENTRY_BYTES);
        assert_eq!((memory.get("new").as_deref(), read_all(&memory)), (Some(&10), 9));
        // One that is replaced has an old place in the queue, perhaps the first.
        memory.insert("key 5", Rc::new(11), 2 * ENTRY_BYTES);
        assert_eq!(memory.get("key 5").as_deref(), Some(&11));
        assert!(memory.bytes <= 100_000);
        assert_eq!(memory.queue.len(), memory.slots.len());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_value_replaced_or_removed_gives_its_bytes_back() {
        let mut memory = memory();
        for n in 0..100 {
            memory.insert("key", Rc::new(n), ENTRY_BYTES);
        }
        assert_eq!((memory.bytes, memory.queue.len()), (10_000, 1));
        memory.remove("key");
        assert_eq!((memory.bytes, memory.queue.len()), (0, 0));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_value_that_is_too_large_is_not_kept() {
        let mut memory = memory();
        memory.insert("key", Rc::new(1), ENTRY_BYTES);
        memory.insert("key", Rc::new(2), 20_000);
        assert_eq!((memory.get("key"), memory.bytes, memory.queue.len()), (None, 0, 0));
    }
}
