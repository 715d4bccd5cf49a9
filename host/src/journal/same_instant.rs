//! What was taken at one instant: an input that several partitions took is one, and they took it at one instant.

use std::collections::HashSet;

use model::{Input, Instant, Name};

/// Remembers the inputs of one instant, however long the journal is.
#[derive(Default)]
pub(crate) struct SameInstant {
    at: Instant,
    inputs: HashSet<(Name, Name)>,
}

impl SameInstant {
    /// Whether another partition took this input at this instant. Instants never go back.
    pub(crate) fn took(&mut self, at: Instant, input: &Input) -> bool {
        if self.at != at {
            self.at = at;
            self.inputs.clear();
        }
        !self.inputs.insert((input.source.clone(), input.id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use model::input::Body;

    use super::*;

    fn input(id: &str) -> Input {
        Input {
            id: id.into(),
            source: "test".into(),
            own_id: false,
            redelivery: None,
            occurred_at: None,
            body: Body::Advance,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn an_input_is_one_at_its_instant_and_nothing_is_kept_of_instants_that_are_past() {
        let mut same = SameInstant::default();
        assert!(!same.took(Instant(1), &input("a")) && !same.took(Instant(1), &input("b")));
        assert!(same.took(Instant(1), &input("a")));
        for at in 2..1_000 {
            assert!(!same.took(Instant(at), &input("a")));
            assert_eq!(same.inputs.len(), 1);
        }
    }
}
