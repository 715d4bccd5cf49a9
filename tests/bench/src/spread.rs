//! The median of some samples, with its quartiles.

use std::fmt;

#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
    pub samples: usize,
}

impl Spread {
    /// # Panics
    /// When there are no samples.
    #[must_use]
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let quartile = |part: usize| samples[(samples.len() - 1) * part / 4];
        Self { low: quartile(1), median: quartile(2), high: quartile(3), samples: samples.len() }
    }

    /// For values that are large enough without fractions.
    #[must_use]
    pub fn whole(self) -> String {
        format!("{:.0} ({:.0} to {:.0})", self.median, self.low, self.high)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2}, {} pairs)", self.median, self.low, self.high, self.samples)
    }
}
