//! Ratios that survive a noisy machine: two variants measured in turn, many times, and the median of their ratios.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::time::{Duration, Instant};

use crate::spread::Spread;

/// Pairs a ratio is the median of.
pub const PAIRS: usize = 31;
/// Shortest measurement of one variant in one pair.
const SAMPLE: Duration = Duration::from_millis(10);

/// Prints how many times the time of `base` the variant takes. `work` is the number of operations of one call of each.
pub fn print(label: &str, variant: (&mut dyn FnMut(), usize), base: (&mut dyn FnMut(), usize)) {
    let variant = &mut Side::new(variant.0, variant.1);
    let base = &mut Side::new(base.0, base.1);
    let mut ratios = Vec::with_capacity(PAIRS);
    let (mut of_variant, mut of_base) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Whichever goes first may find the caches colder, so they take turns.
        let (v, b) = if pair % 2 == 0 {
            let first = variant.measure();
            (first, base.measure())
        } else {
            let first = base.measure();
            (variant.measure(), first)
        };
        ratios.push(v / b);
        of_variant.push(v);
        of_base.push(b);
    }
    let (v, b) = (Spread::of(of_variant).median * 1e9, Spread::of(of_base).median * 1e9);
    println!("{label}: {} ({v:.0} ns against {b:.0} ns)", Spread::of(ratios));
}

/// Whether this run measures, or only lists the benchmarks or tries each of them once.
#[must_use]
pub fn wanted() -> bool {
    let given = |word: &str| std::env::args().any(|argument| argument == word);
    given("--bench") && !given("--list") && !given("--test")
}

struct Side<'a> {
    run: &'a mut dyn FnMut(),
    work: usize,
    rounds: usize,
}

impl<'a> Side<'a> {
    /// Finds out how many rounds one measurement needs.
    fn new(run: &'a mut dyn FnMut(), work: usize) -> Self {
        let start = Instant::now();
        let mut rounds = 0;
        while start.elapsed() < SAMPLE {
            run();
            rounds += 1;
        }
        Self { run, work, rounds }
    }

    /// Seconds for one operation.
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
    fn measure(&mut self) -> f64 {
        let start = Instant::now();
        (0..self.rounds).for_each(|_| (self.run)());
        start.elapsed().as_secs_f64() / (self.rounds * self.work) as f64
    }
}
