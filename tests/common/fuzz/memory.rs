//! An allocator that counts, to see what a damaged file makes its reader allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator with a tally. It gives no more than [`LIMIT`] in all: a reader that believes a hostile length
/// aborts the process instead of taking the machine down.
struct Counting;

/// Most bytes there may be at a time.
const LIMIT: usize = 6 << 30;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: memory comes from and goes back to `System` unchanged; the counters do not touch it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed).saturating_add(layout.size());
        PEAK.fetch_max(live, Relaxed);
        if live > LIMIT {
            LIVE.fetch_sub(layout.size(), Relaxed);
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: `pointer` came from `System` in `alloc` with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated now; [`growth`] counts from here.
pub(super) fn baseline() -> usize {
    let live = LIVE.load(Relaxed);
    PEAK.store(live, Relaxed);
    live
}

/// Most bytes there were above `baseline` since it was taken.
pub(super) fn growth(baseline: usize) -> usize {
    PEAK.load(Relaxed).saturating_sub(baseline)
}
