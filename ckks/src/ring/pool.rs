//! A pool of limb buffers: steady-state operations reuse pages instead of faulting in fresh ones.

use aligned_vec::AVec;
use std::collections::{BTreeMap, TryReserveError};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Words the pool keeps at most (2 GiB); the lengths used least recently are given up first.
const MAX_POOLED_WORDS: usize = 1 << 28;

/// Free buffers of one length.
#[derive(Default)]
struct Shelf {
    buffers: Vec<AVec<u64>>,
    /// Value of [`Free::clock`] at the last take.
    used: u64,
}

#[derive(Default)]
struct Free {
    by_len: BTreeMap<usize, Shelf>,
    words: usize,
    clock: u64,
}

impl Free {
    /// The shortest buffer of at least `len` words that wastes no more than half of them: levels differ by
    /// a limb, and exact lengths alone would keep a stock for each.
    fn take(&mut self, len: usize) -> Option<AVec<u64>> {
        self.clock += 1;
        let fitting = self.by_len.range_mut(len..=len + len / 2);
        let (length, shelf) = fitting.into_iter().find(|(_, shelf)| !shelf.buffers.is_empty())?;
        shelf.used = self.clock;
        self.words -= length;
        shelf.buffers.pop()
    }

    /// Keeps `buffer`; returns the buffers given up for it, so that they are freed outside the lock.
    fn give(&mut self, buffer: AVec<u64>, limit: usize) -> Vec<AVec<u64>> {
        self.words += buffer.len();
        self.by_len.entry(buffer.len()).or_default().buffers.push(buffer);
        let mut dropped = Vec::new();
        while self.words > limit {
            let stocked = self.by_len.values_mut().filter(|s| !s.buffers.is_empty());
            let Some(buffer) = stocked.min_by_key(|s| s.used).and_then(|s| s.buffers.pop()) else { break };
            self.words -= buffer.len();
            dropped.push(buffer);
        }
        dropped
    }
}

/// Fails if the system would not give so many bytes now.
pub(crate) fn probe(bytes: usize) -> Result<(), TryReserveError> {
    let mut probed = Vec::<u8>::new();
    let result = probed.try_reserve_exact(bytes);
    // The request is made though nobody uses what it gives.
    std::hint::black_box(&mut probed);
    result
}

/// Free lists by length. Shared by all polynomials of a ring.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Free>);

impl Pool {
    /// A buffer of `len` words with unspecified contents (zero or left by an earlier user); the
    /// caller overwrites all of it.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let reused = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(len);
        let words = reused.unwrap_or_else(|| {
            let mut fresh = AVec::with_capacity(64, len);
            fresh.resize(len, 0);
            fresh
        });
        Buffer { words, len, pool: Some(Arc::clone(self)) }
    }

    /// As [`Pool::take`], failing where the system has no such memory: for lengths that a file asks for.
    pub(crate) fn try_take(self: &Arc<Self>, len: usize) -> Result<Buffer, TryReserveError> {
        probe(len.saturating_mul(size_of::<u64>()))?;
        Ok(self.take(len))
    }

    fn give(&self, words: AVec<u64>) {
        let dropped = self.0.lock().unwrap_or_else(PoisonError::into_inner).give(words, MAX_POOLED_WORDS);
        drop(dropped);
    }
}

/// A 64-byte aligned word buffer that returns to its pool on drop.
pub(crate) struct Buffer {
    /// At least `len` words.
    words: AVec<u64>,
    len: usize,
    pool: Option<Arc<Pool>>,
}

impl Buffer {
    /// Keeps this buffer out of the pool: for secrets, which are wiped and freed instead.
    #[cfg(feature = "client")]
    pub(crate) fn detach(&mut self) {
        self.pool = None;
    }

    /// The pool this buffer came from.
    pub(crate) fn pool(&self) -> Arc<Pool> {
        self.pool.clone().unwrap_or_default()
    }
}

impl Deref for Buffer {
    type Target = [u64];
    fn deref(&self) -> &[u64] {
        &self.words[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.words[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give(std::mem::replace(&mut self.words, AVec::new(64)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(len: usize) -> AVec<u64> {
        AVec::from_iter(64, (0..len).map(|_| 0))
    }

    #[test]
    fn lengths_out_of_use_are_given_up_first() {
        let mut free = Free::default();
        for len in [10, 20, 40] {
            assert!(free.give(buffer(len), 70).is_empty());
        }
        for len in [40, 20, 10] {
            let taken = free.take(len).unwrap();
            assert_eq!(taken.len(), len);
            assert!(free.give(taken, 70).is_empty());
        }
        let dropped = free.give(buffer(11), 70);
        assert!(dropped.iter().map(|b| b.len()).eq([11]), "a length nobody took yet goes first");
        let dropped = free.give(buffer(10), 70);
        assert!(dropped.iter().map(|b| b.len()).eq([40]), "then the one taken longest ago");
        assert_eq!(free.words, 40);
        assert!(free.take(40).is_none());
    }

    #[test]
    fn a_buffer_serves_lengths_down_to_two_thirds_of_its_own() {
        let pool = Arc::new(Pool::default());
        pool.give(buffer(30));
        assert!(pool.take(19).words.len() == 19, "too short to waste 30 words on");
        let taken = pool.take(20);
        assert_eq!((taken.len(), taken.words.len()), (20, 30));
        drop(taken);
        assert_eq!(pool.take(30).len(), 30);
    }
}
