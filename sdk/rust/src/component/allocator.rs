//! The allocator: Rust's own for this target, which begins with memory that every instance has from the start.
//!
//! The standard library's asks for more memory at the first allocation. An instance lives for one turn, and making its
//! memory larger has the host change the protection of pages, and change it back at its end: a quarter of what an
//! instance costs.

#![expect(unsafe_code, reason = "an allocator deals in addresses")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

use dlmalloc::Dlmalloc;

/// Memory of an instance from the start: all that most rules need for a turn. The allocator asks for as much at once,
/// or for a multiple of it.
const FIRST: usize = 64 * 1024;
const PAGE: usize = 64 * 1024;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(Dlmalloc::new_with_allocator(Memory)));

static FIRST_MEMORY: First = First(UnsafeCell::new([0; FIRST]));

#[repr(align(16))]
struct First(UnsafeCell<[u8; FIRST]>);

// SAFETY: it is handed to the allocator once, and an instance has one thread.
unsafe impl Sync for First {}

struct Allocator(UnsafeCell<Dlmalloc<Memory>>);

// SAFETY: an instance has one thread.
unsafe impl Sync for Allocator {}

// SAFETY: each call is passed on as it is; an instance has one thread, and the allocator does not call itself.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { (*self.0.get()).free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { (*self.0.get()).realloc(block, layout.size(), layout.align(), size) }
    }
}

/// Where the allocator has its memory from: first [`FIRST_MEMORY`], then the instance's own, made larger.
struct Memory;

// SAFETY: what is given was given to nobody else, holds zeros, and is never taken back.
unsafe impl dlmalloc::Allocator for Memory {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        static FIRST_IS_TAKEN: Once = Once(UnsafeCell::new(false));
        // SAFETY: an instance has one thread.
        if size <= FIRST && !unsafe { ptr::replace(FIRST_IS_TAKEN.0.get(), true) } {
            return (FIRST_MEMORY.0.get().cast(), FIRST, 0);
        }
        let pages = size.div_ceil(PAGE);
        match core::arch::wasm32::memory_grow(0, pages) {
            usize::MAX => (ptr::null_mut(), 0, 0),
            before => (ptr::with_exposed_provenance_mut(before * PAGE), pages * PAGE, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

struct Once(UnsafeCell<bool>);

// SAFETY: an instance has one thread.
unsafe impl Sync for Once {}
