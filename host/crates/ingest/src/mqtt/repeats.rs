//! Repeats: which packet identifiers a message that is marked as sent again may repeat.
//!
//! A broker marks every message that it sends once more, also one whose first copy was lost on the way and that nobody
//! has seen. Where its identifier and content equal those of an older message, it would be taken for that one. So an
//! identifier is settled once its broker has certainly heard the acknowledgement: it answered a ping that was written
//! behind it. What comes again under a settled identifier is new.

/// What this process knows of the last message with each packet identifier.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// By packet identifier, as far as any was seen.
    states: Vec<State>,
    /// Of those that were not seen.
    unseen: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// It may come again: it was not acknowledged, the acknowledgement may be lost, or an earlier process took it.
    #[default]
    Open,
    /// Its acknowledgement was written to the connection.
    Written,
    /// A ping was written behind it.
    Pinged,
    /// Its broker has answered that ping.
    Settled,
}

impl Repeats {
    /// A session that knows nothing of the one before: none of its messages comes again.
    pub(super) fn begin_session(&mut self) {
        self.states.clear();
        self.unseen = State::Settled;
    }

    /// What was not settled on the old connection may come again on the next.
    pub(super) fn renew(&mut self) {
        self.change(State::Written, State::Open);
        self.change(State::Pinged, State::Open);
    }

    /// Takes a message; whether it may be one that came before.
    pub(super) fn take(&mut self, packet: u16) -> bool {
        std::mem::replace(self.state(packet), State::Open) != State::Settled
    }

    pub(super) fn acknowledged(&mut self, packet: u16) {
        *self.state(packet) = State::Written;
    }

    pub(super) fn pinged(&mut self) {
        self.change(State::Written, State::Pinged);
    }

    pub(super) fn answered(&mut self) {
        self.change(State::Pinged, State::Settled);
    }

    fn change(&mut self, from: State, to: State) {
        self.states.iter_mut().filter(|state| **state == from).for_each(|state| *state = to);
    }

    fn state(&mut self, packet: u16) -> &mut State {
        let index = usize::from(packet);
        if self.states.len() <= index {
            self.states.resize(index + 1, self.unseen);
        }
        &mut self.states[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a message and acknowledges it.
    fn done(repeats: &mut Repeats, packet: u16) {
        repeats.take(packet);
        repeats.acknowledged(packet);
    }

    #[test]
    fn an_answered_ping_settles_what_was_acknowledged_before_it() {
        let mut repeats = Repeats::default();
        done(&mut repeats, 1);
        repeats.pinged();
        done(&mut repeats, 2);
        repeats.take(3);
        repeats.answered();
        repeats.renew();
        assert!(!repeats.take(1), "settled");
        assert!(repeats.take(2), "acknowledged behind the ping");
        assert!(repeats.take(3), "not acknowledged");
    }

    #[test]
    fn an_acknowledgement_of_an_ended_connection_is_settled_by_no_later_ping() {
        let mut repeats = Repeats::default();
        done(&mut repeats, 1);
        done(&mut repeats, 2);
        repeats.pinged();
        repeats.renew();
        repeats.pinged();
        repeats.answered();
        assert!(repeats.take(1) && repeats.take(2));
    }

    #[test]
    fn a_later_message_with_the_same_identifier_may_come_again() {
        let mut repeats = Repeats::default();
        done(&mut repeats, 1);
        repeats.pinged();
        repeats.take(1);
        repeats.answered();
        assert!(repeats.take(1));
    }

    #[test]
    fn what_an_earlier_process_took_may_come_again_and_nothing_in_a_new_session() {
        let mut repeats = Repeats::default();
        assert!(repeats.take(u16::MAX) && repeats.take(0));
        repeats.begin_session();
        assert!(!repeats.take(u16::MAX) && !repeats.take(0));
        assert!(repeats.take(0), "it was taken in this session");
    }
}
