//! Partitions whose restored state already holds what comes.

use super::*;

#[test]
fn what_restored_state_holds_is_not_taken_again() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), tell)]);
    bench.engine.knows_until(0, minute(10));
    bench.live(9, 5.0).live(10, 5.0);
    bench.check(&[]);
    bench.live(11, 5.0);
    bench.check(&[("observation", 11)]);
}
