//! Chance: numbers that a seed fixes for ever, so that a seed found today is the same run next year.

/// A sequence of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// 0 to `end`, without `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The bias is far below what a simulation could notice.
        if end == 0 { 0 } else { self.next() % end }
    }

    /// `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True that many times in a thousand.
    pub(crate) fn per_mille(&mut self, share: u32) -> bool {
        self.below(1_000) < u64::from(share)
    }
}

/// SplitMix64's finishing step.
fn mix(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number that only these parts decide: for faults that must not depend on the order in which things happen.
pub(crate) fn of(parts: &[u64]) -> u64 {
    parts.iter().fold(0x243f_6a88_85a3_08d3, |hash, part| mix(hash.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ mix(*part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_these_numbers_for_ever() {
        let mut chance = Chance::new(42);
        assert_eq!([0; 3].map(|_| chance.below(1_000_000)), [275_413, 892_291, 763_858]);
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
    }

    #[test]
    fn both_ends_of_a_range_are_met() {
        let mut chance = Chance::new(1);
        let all: std::collections::BTreeSet<u64> = (0..200).map(|_| chance.between(3, 6)).collect();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
    }
}
