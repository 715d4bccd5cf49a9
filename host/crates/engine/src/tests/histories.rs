//! Histories of rules: every reading that arrives counts, in whatever order.

use model::deployment::History;

use super::*;

/// Answers with the count and the greatest of the last hour, in its state.
fn sum(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    if let Cause::Observation(_) = &event.cause {
        let summary =
            host.summarise("fridge", "temperature", Span::from_hours(1)).expect("declared").expect("a reading");
        host.set("count", Value::Integer(summary.count as i64), None).expect("room");
        host.set("max", Value::Number(summary.max), None).expect("room");
    }
    Ok(Vec::new())
}

#[test]
fn readings_count_in_the_order_of_arrival_over_a_restart() {
    let deployments = || {
        let mut spec = deployment("d", vec![each_reading()]);
        let window = Span::from_hours(1);
        spec.histories =
            vec![History { role: "probe".into(), capability: capability("temperature"), window, buckets: 60 }];
        vec![(spec, sum as Rule)]
    };
    let mut bench = Bench::new(1, deployments());
    bench.live(30, 5.0).read(31, 25, 40.0).read(32, 10, 50.0);
    assert_eq!((bench.engine.accounts().out_of_order, bench.engine.accounts().late), (1, 1));
    bench.crash(1, deployments());
    bench.live(33, 5.0);
    assert_eq!(bench.engine.state("d", "fridge", "count"), Some(&Value::Integer(4)));
    assert_eq!(bench.engine.state("d", "fridge", "max"), Some(&Value::Number(50.0)));
}
