//! Chance for the simulator: a sequence of numbers that its seed fixes.

/// SplitMix64: small, and good enough for the noise of sensors.
#[derive(Debug, Clone)]
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to 1, without 1.
    fn share(&mut self) -> f64 {
        // The upper 53 bits are what a double holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About zero, and seldom farther from it than three times `spread`: the noise of a sensor.
    pub(super) fn noise(&mut self, spread: f64) -> f64 {
        // Four uniform numbers are near enough to a bell.
        let sum: f64 = (0..4).map(|_| self.share()).sum();
        (sum - 2.0) * spread * 1.732
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_noise_and_another_gives_another() {
        let take = |seed| {
            let mut chance = Chance::new(seed);
            (0..8).map(|_| chance.noise(1.0)).collect::<Vec<_>>()
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn noise_is_about_zero_and_bounded() {
        let mut chance = Chance::new(1);
        let all: Vec<f64> = (0..10_000).map(|_| chance.noise(2.0)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!(mean.abs() < 0.1, "{mean}");
        assert!(all.iter().all(|one| one.abs() < 7.0));
    }
}
