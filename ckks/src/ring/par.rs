//! Parallelism over limbs and columns, taken only inside a multi-threaded rayon pool.
//!
//! Called from an ordinary thread everything runs serially; `ThreadPool::install` turns it on.
//!
//! Threads meet at the end of every call. Waking one takes as long as half a limb's transform, so work on several
//! polynomials is better shared by polynomial ([`join`], [`map`]), each call on limbs within being shared again by
//! who has nothing left to do; and every limb can be taken over on its own.

use rayon::prelude::*;

/// Below this ring degree a limb is too little work to share.
const MIN_PARALLEL_N: usize = 1 << 12;

/// Whether to share work on limbs of `n` words.
pub(crate) fn parallel(n: usize) -> bool {
    n >= MIN_PARALLEL_N && rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1
}

/// Threads that share work on limbs of `n` words.
pub(crate) fn threads(n: usize) -> usize {
    if parallel(n) { rayon::current_num_threads() } else { 1 }
}

/// Pieces to cut a limb of `n` words into, so that threads get equal shares.
pub(crate) fn pieces(n: usize) -> usize {
    if parallel(n) { 4 * rayon::current_num_threads() } else { 1 }
}

/// Runs both, in parallel where it pays.
pub(crate) fn join<A: Send, B: Send>(
    n: usize,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if parallel(n) { rayon::join(a, b) } else { (a(), b()) }
}

/// `f` of every item in order, in parallel where it pays.
pub(crate) fn map<T: Send, U: Send>(n: usize, items: Vec<T>, f: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    if parallel(n) && items.len() > 1 {
        items.into_par_iter().with_max_len(1).map(f).collect()
    } else {
        items.into_iter().map(f).collect()
    }
}

/// Runs `f(i)` for every item, in parallel where it pays.
pub(crate) fn for_each<T: Send>(n: usize, items: Vec<T>, f: impl Fn(usize, T) + Sync + Send) {
    if parallel(n) && items.len() > 1 {
        items.into_par_iter().with_max_len(1).enumerate().for_each(|(i, t)| f(i, t));
    } else {
        items.into_iter().enumerate().for_each(|(i, t)| f(i, t));
    }
}

/// Runs `f(i, limb_i)` over the `n`-word limbs of `words`.
pub(crate) fn for_limbs(n: usize, words: &mut [u64], f: impl Fn(usize, &mut [u64]) + Sync + Send) {
    if parallel(n) && words.len() > n {
        words.par_chunks_mut(n).with_max_len(1).enumerate().for_each(|(i, limb)| f(i, limb));
    } else {
        words.chunks_mut(n).enumerate().for_each(|(i, limb)| f(i, limb));
    }
}

/// Runs `f(i, a_i, b_i)` over the limbs of two equally long buffers.
pub(crate) fn for_limbs2(
    n: usize,
    a: &mut [u64],
    b: &mut [u64],
    f: impl Fn(usize, &mut [u64], &mut [u64]) + Sync + Send,
) {
    if parallel(n) && a.len() > n {
        let limbs = a.par_chunks_mut(n).zip(b.par_chunks_mut(n)).with_max_len(1);
        limbs.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        a.chunks_mut(n).zip(b.chunks_mut(n)).enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}
