//! A pool of limb buffers: steady-state operations reuse pages instead of faulting in fresh ones.

use aligned_vec::AVec;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Words the pool keeps at most (2 GiB); buffers beyond that go back to the allocator.
const MAX_POOLED_WORDS: usize = 1 << 28;

#[derive(Default)]
struct Free {
    by_len: HashMap<usize, Vec<AVec<u64>>>,
    words: usize,
}

/// Free lists by length. Shared by all polynomials of a ring.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Free>);

impl Pool {
    /// A buffer of `len` words with unspecified contents (zero or left by an earlier user); the
    /// caller overwrites all of it.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let reused = {
            let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = free.by_len.get_mut(&len).and_then(Vec::pop);
            if found.is_some() {
                free.words -= len;
            }
            found
        };
        let words = reused.unwrap_or_else(|| {
            let mut fresh = AVec::with_capacity(64, len);
            fresh.resize(len, 0);
            fresh
        });
        Buffer { words, pool: Some(Arc::clone(self)) }
    }

    fn give(&self, words: AVec<u64>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.words + words.len() <= MAX_POOLED_WORDS {
            free.words += words.len();
            free.by_len.entry(words.len()).or_default().push(words);
        }
    }
}

/// A 64-byte aligned word buffer that returns to its pool on drop.
pub(crate) struct Buffer {
    words: AVec<u64>,
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
        &self.words
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give(std::mem::replace(&mut self.words, AVec::new(64)));
        }
    }
}
