//! Memory for the big tables: on huge pages where the system lends them, touched before use, and
//! fetched ahead of need. It never grows and never shrinks.
//!
//! Why: a table of ten million buyers is touched at random. On 4 KiB pages each touch misses the
//! TLB as well as the cache; `benches/sale.rs` shows what both measures bring.

#![allow(unsafe_code)]

use bytemuck::Zeroable;

/// A table of `len` zeroed entries, every page of it touched.
pub(super) fn table<T: Zeroable + Copy>(len: usize) -> Box<[T]> {
    table_with_spare(len, 0)
}

/// The same, and behind it so many more entries that take no memory before they are used.
pub(super) fn table_with_spare<T: Zeroable + Copy>(len: usize, spare: usize) -> Box<[T]> {
    const PAGE_BYTES: usize = 4096;
    // Fresh pages come zeroed from the system; writing a zero to each makes it come now.
    let mut table: Box<[T]> = bytemuck::zeroed_slice_box(len + spare);
    let touched = &mut table[..len];
    advise_huge_pages(touched.as_mut_ptr().cast(), size_of_val(touched));
    for entry in touched.iter_mut().step_by((PAGE_BYTES / size_of::<T>()).max(1)) {
        *std::hint::black_box(entry) = T::zeroed();
    }
    table
}

/// A table of `len` zeroed entries that take no memory before they are used: for what not every
/// sale needs.
pub(super) fn untouched_table<T: Zeroable + Copy>(len: usize) -> Box<[T]> {
    bytemuck::zeroed_slice_box(len)
}

#[cfg(target_os = "linux")]
fn advise_huge_pages(start: *mut core::ffi::c_void, bytes: usize) {
    const HUGE_PAGE_BYTES: usize = 2 << 20;
    let skipped = start.align_offset(HUGE_PAGE_BYTES);
    if bytes < skipped + HUGE_PAGE_BYTES {
        return;
    }
    let length = (bytes - skipped) & !(HUGE_PAGE_BYTES - 1);
    // SAFETY: the range lies inside one live allocation of `bytes` bytes at `start`, and this
    // advice changes no contents. Where it is refused, small pages serve as well, only slower.
    let _ = unsafe {
        rustix::mm::madvise(start.byte_add(skipped), length, rustix::mm::Advice::LinuxHugepage)
    };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: *mut core::ffi::c_void, _bytes: usize) {}

/// Asks the cache for `table[index]`, which will soon be written.
#[inline(always)]
pub(super) fn prefetch<T>(table: &[T], index: usize) {
    debug_assert!(index < table.len());
    hint(table.as_ptr().wrapping_add(index));
}

/// Asks the cache for what lies some entries behind `table[index]`, where entries are written one
/// after another. The processor does so by itself only up to the end of a small page, which is 64
/// orders away.
#[inline(always)]
pub(super) fn prefetch_behind<T>(table: &[T], index: usize) {
    const AHEAD_BYTES: usize = 16 * 64;
    hint(table.as_ptr().wrapping_add(index + AHEAD_BYTES / size_of::<T>()));
}

#[inline(always)]
fn hint<T>(_at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address has no effect but on speed.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(_at.cast());
    }
}
