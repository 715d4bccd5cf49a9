//! Caps the memory and the tables of one instance, over all of its core modules together.

use model::limits;
use wasmtime::ResourceLimiter;

/// Core modules of one instance: Python with native packages has 34.
const CORE_INSTANCES: usize = 128;
/// Tables and memories of one instance; each core module may bring one of each.
const PARTS: usize = 128;

/// What one instance may still take.
pub(crate) struct Limiter {
    memory_max: usize,
    memory: usize,
    /// The last growth that was granted, in case the operating system refuses it.
    granted: usize,
    table: usize,
    refused: bool,
}

impl Limiter {
    /// `memory_max` bytes over all memories of the instance.
    pub(crate) fn new(memory_max: usize) -> Self {
        Self { memory_max, memory: 0, granted: 0, table: 0, refused: false }
    }

    /// Whether a growth has been refused since the last call of this function.
    pub(crate) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    pub(crate) fn memory_max(&self) -> usize {
        self.memory_max
    }
}

/// A refusal is an ordinary answer to the guest: garbage collectors react to it. One that cannot go on traps, and
/// the refusal on record tells why.
impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let fits = self.memory.checked_add(more).is_some_and(|sum| sum <= self.memory_max);
        if fits {
            self.memory += more;
            self.granted = more;
        } else {
            self.refused = true;
        }
        Ok(fits)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory -= std::mem::take(&mut self.granted);
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let fits = self.table.checked_add(more).is_some_and(|sum| sum <= limits::INSTANCE_TABLE);
        if fits {
            self.table += more;
        } else {
            self.refused = true;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together_up_to_the_limit() {
        let mut limiter = Limiter::new(200);
        assert!(limiter.memory_growing(0, 100, None).expect("an answer"));
        assert!(limiter.memory_growing(0, 100, None).expect("an answer"), "a second memory up to the limit");
        assert!(!limiter.take_refused());
        assert!(!limiter.memory_growing(100, 101, None).expect("an answer"), "one byte past it");
        assert!(limiter.take_refused());
        assert!(!limiter.take_refused(), "a refusal is reported once");
    }

    #[test]
    fn tables_stop_one_past_the_limit() {
        let mut limiter = Limiter::new(0);
        assert!(limiter.table_growing(0, limits::INSTANCE_TABLE, None).expect("an answer"));
        assert!(!limiter.table_growing(0, 1, None).expect("an answer"));
    }

    #[test]
    fn growth_that_the_system_refuses_is_given_back() {
        let mut limiter = Limiter::new(200);
        assert!(limiter.memory_growing(0, 200, None).expect("an answer"));
        limiter.memory_grow_failed(wasmtime::Error::msg("no memory")).expect("an answer");
        assert_eq!(limiter.memory, 0);
        assert!(limiter.take_refused());
    }
}
