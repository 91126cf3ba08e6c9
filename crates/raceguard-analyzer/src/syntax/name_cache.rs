//! Names seen lately, so that the parser seldom asks the interner that all threads share.

use std::cell::RefCell;

use super::name::Name;

/// Number of slots: half a MiB of them, which a core's own cache holds.
const SLOTS: usize = 1 << 14;

/// The longest text that its [`Key`] holds whole.
const WHOLE: usize = 16;

/// The first and last bytes of a text: all, but for those in the middle of a long one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    head: u64,
    tail: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: Key,
    name: Option<Name>,
}

thread_local! {
    static FREE: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
}

/// A table with one name a slot, found by a cheap hash. Each thread has one, lent to the parse that runs.
#[derive(Debug)]
pub(super) struct NameCache {
    slots: Vec<Slot>,
}

impl NameCache {
    /// The thread's table, or a new one while that is lent.
    pub(super) fn borrow() -> Self {
        let mut slots = FREE.take();
        if slots.is_empty() {
            slots = vec![Slot { key: Key { head: 0, tail: 0 }, name: None }; SLOTS];
        }
        Self { slots }
    }

    /// The name with these bytes; what isn't UTF-8 is replaced.
    pub(super) fn name(&mut self, text: &[u8]) -> Name {
        let key = Key::of(text);
        let slot = &mut self.slots[key.slot(text.len())];
        match slot.name {
            Some(name) if slot.key == key && is_text(name, text) => name,
            _ => {
                let name = Name::new(&String::from_utf8_lossy(text));
                *slot = Slot { key, name: Some(name) };
                name
            }
        }
    }
}

impl Drop for NameCache {
    fn drop(&mut self) {
        FREE.set(std::mem::take(&mut self.slots));
    }
}

/// Whether a name whose key is that of `text` is `text`.
fn is_text(name: Name, text: &[u8]) -> bool {
    let name = name.as_str().as_bytes();
    name.len() == text.len() && (text.len() <= WHOLE || name == text)
}

impl Key {
    fn of(text: &[u8]) -> Self {
        if let (Some(head), Some(tail)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            return Self { head: u64::from_le_bytes(*head), tail: u64::from_le_bytes(*tail) };
        }
        if let (Some(head), Some(tail)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
            return Self { head: u32::from_le_bytes(*head).into(), tail: u32::from_le_bytes(*tail).into() };
        }
        let byte = |at: usize| u64::from(text.get(at).copied().unwrap_or(0));
        Self { head: byte(0) | byte(1) << 8 | byte(2) << 16, tail: 0 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the shift leaves as many bits as there are slots")]
    const fn slot(self, length: usize) -> usize {
        let mixed = self.head ^ self.tail.rotate_left(29) ^ (length as u64).rotate_left(57);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOTS.trailing_zeros())) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_interner() {
        let mut cache = NameCache::borrow();
        for text in ["x", "ab", "abc", "abcd", "abcdefgh", "abcdefghi", "averylongidentifierindeed", "größe"]
        {
            assert_eq!(cache.name(text.as_bytes()), Name::new(text));
            assert_eq!(cache.name(text.as_bytes()), Name::new(text));
        }
    }

    #[test]
    fn names_that_share_a_slot_displace_each_other() {
        let mut cache = NameCache::borrow();
        let same = ["prefix__1__suffix__", "prefix__2__suffix__"];
        assert_eq!(Key::of(same[0].as_bytes()), Key::of(same[1].as_bytes()));
        for text in [same[0], same[1], same[0]] {
            assert_eq!(cache.name(text.as_bytes()).as_str(), text);
        }
    }
}
