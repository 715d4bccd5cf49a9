//! The allocator: the standard library's for this target in a newer version, which begins with the memory that an
//! instance has from the start.
//!
//! An instance lives for one turn. To make its memory larger at the first allocation has the host change the protection
//! of pages, and change it back at the end: nearly half of what an instance costs. `pointsman rule build` has the linker
//! leave room.

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;
