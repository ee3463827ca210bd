//! Given these events, when this is asked, then that happens: the specification of an aggregate as plain values.

use std::fmt::Debug;

use crate::decider::Decider;

/// What has happened so far.
#[derive(Debug)]
pub struct Given<D>(D);

/// What came of a command.
#[derive(Debug)]
pub struct Decided<D: Decider> {
    state: D,
    outcome: Result<Vec<D::Event>, D::Refusal>,
}

/// Starts from the state after these events.
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given(events.into_iter().fold(D::initial(), |state, event| D::evolve(state, &event)))
}

impl<D> Given<D>
where
    D: Decider<Event: Debug + PartialEq, Refusal: Debug + PartialEq>,
{
    /// Asks, and keeps what comes of it.
    pub fn when(self, command: D::Command) -> Decided<D> {
        let outcome = D::decide(&self.0, command);
        Decided { state: self.0, outcome }
    }

    /// The state, for looking at it.
    pub fn state(self) -> D {
        self.0
    }
}

impl<D> Decided<D>
where
    D: Decider<Event: Debug + PartialEq, Refusal: Debug + PartialEq>,
{
    /// Exactly these events came of it; answers the state after them.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) -> D {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.outcome {
            Ok(events) => {
                assert_eq!(events, expected, "other events than expected");
                D::fold(self.state, &events)
            }
            Err(refusal) => panic!("refused: {refusal:?}\nexpected {expected:?}"),
        }
    }

    /// It was refused, for this reason.
    #[expect(clippy::needless_pass_by_value, reason = "a specification gives plain values, as `then` does")]
    #[track_caller]
    pub fn then_refused(self, expected: D::Refusal) {
        match self.outcome {
            Ok(events) => panic!("not refused: {events:?}\nexpected {expected:?}"),
            Err(refusal) => assert_eq!(refusal, expected, "refused for another reason"),
        }
    }
}
