//! Failures at each of the writer's steps: a commit is written once, told once, and in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::{Faults, Medium, Step};

/// Fails once at each of these steps, in this order.
#[derive(Debug)]
struct Once(Mutex<VecDeque<Step>>);

impl Faults for Once {
    fn reached(&self, step: Step) -> Result<(), String> {
        let mut left = self.0.lock().expect("no panic");
        match left.pop_front_if(|next| *next == step) {
            Some(_) => Err(format!("at {step:?}")),
            None => Ok(()),
        }
    }

    fn pause(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn a_failure_at_any_step_writes_each_commit_once_and_in_order() {
    for first in [Step::Taken, Step::Written, Step::Committed, Step::Told] {
        for second in [Step::Taken, Step::Written, Step::Committed, Step::Told] {
            let folder = folder();
            let faults = Arc::new(Once(Mutex::new(VecDeque::from([first, second]))));
            let medium = Medium { faults: Some(faults.clone()), ..Medium::default() };
            let (writer, reader) = Store::open_on(folder.path(), &OPTIONS, medium).expect("opens").into_writer();
            let (sender, done) = sync_channel(8);
            for sequence in 1..=3 {
                let told = sender.clone();
                let told = Box::new(move || told.send(sequence).expect("the test waits"));
                writer.submit(vec![counting(0, sequence)], told).expect("runs");
            }
            assert_eq!([done.recv(), done.recv(), done.recv()], [Ok(1), Ok(2), Ok(3)], "{first:?}, {second:?}");
            writer.stop().expect("stops");
            assert!(faults.0.lock().expect("no panic").len() < 2, "{first:?} was reached");
            assert_eq!(reader.verify(0).expect("reads").present, 3, "{first:?}, {second:?}");
        }
    }
}
