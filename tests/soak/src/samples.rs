//! Samples: what the host kept over time, and how fast that grows.

use crate::host::Size;

/// Memory may grow by this much an hour: what an allocator needs to settle. A leak of one small string a message at 400
/// messages a second would be eighty times as much.
pub(crate) const MEMORY_PER_HOUR: f64 = 4.0 * 1024.0 * 1024.0;
/// Files may grow by this much a message: journal, decisions and indexes of an input that wakes several rules.
pub(crate) const FILES_PER_MESSAGE: f64 = 4.0 * 1024.0;

/// A stretch in which the host ran without a break.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    /// Seconds since the soak began, and what the host kept.
    pub(crate) samples: Vec<(f64, Size)>,
}

impl Stretch {
    /// Bytes of memory an hour, by least squares over the later half: caches fill in the first.
    pub(crate) fn memory_per_hour(&self) -> Option<f64> {
        let later = &self.samples[self.samples.len() / 2..];
        Some(slope(later.iter().map(|(at, size)| (*at, size.memory as f64)))? * 3_600.0)
    }

    pub(crate) fn memory(&self) -> Option<(u64, u64)> {
        Some((self.samples.first()?.1.memory, self.samples.last()?.1.memory))
    }
}

/// The slope of the line through the points; none for fewer than three.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let count = points.clone().count() as f64;
    if count < 3.0 {
        return None;
    }
    let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / count, y + b / count));
    let (over, under) = points.fold((0.0, 0.0), |(o, u), (a, b)| (o + (a - x) * (b - y), u + (a - x) * (a - x)));
    (under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_later_half() {
        let size = |memory: u64| Size { memory, files: 0 };
        let mut stretch = Stretch::default();
        stretch.samples.extend((0..10).map(|at| (f64::from(at), size(1_000 * at as u64))));
        stretch.samples.extend((10..20).map(|at| (f64::from(at), size(10_000 + 2 * (at as u64 - 10)))));
        let growth = stretch.memory_per_hour().expect("enough samples");
        assert!((growth - 7_200.0).abs() < 1e-6, "{growth}");
    }

    #[test]
    fn two_samples_say_nothing() {
        let sample = Size { memory: 1, files: 1 };
        assert_eq!(Stretch { samples: vec![(0.0, sample), (1.0, sample)] }.memory_per_hour(), None);
    }
}
