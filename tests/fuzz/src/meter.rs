//! How much memory a reader takes at its peak. The whole process is counted, so a target does
//! nothing beside what it measures.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Does some work that may have so many bytes of memory at once, beyond what was there before.
///
/// # Panics
/// If it took more.
pub fn within<T>(bound: usize, what: &str, work: impl FnOnce() -> T) -> T {
    let (value, taken) = taken(work);
    assert!(taken <= bound, "{what}: {taken} bytes of memory at once, {bound} are allowed");
    value
}

/// Does some work. Returns what it took at its peak, bytes.
pub fn taken<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let value = work();
    (value, MEMORY.peak_usage().saturating_sub(before))
}
