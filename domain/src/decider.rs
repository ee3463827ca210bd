//! The shape of every aggregate: a state folded from events, and pure decisions on it.
//!
//! After J. Chassaing, "Functional Event Sourcing Decider" (2021). It knows nothing of streams, stores or retries.

/// An aggregate as three pure functions.
pub trait Decider: Sized {
    /// What may be asked.
    type Command;
    /// What can have happened.
    type Event;
    /// Why a command may be turned down.
    type Refusal;

    /// The state before anything happened.
    fn initial() -> Self;

    /// What happens because of a command. The same command decided again on the resulting state yields no event.
    ///
    /// # Errors
    /// The refusal, with the facts it rests on; nothing has happened then.
    fn decide(state: &Self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// The state after an event. Never fails and never checks rules: what was stored has happened.
    fn evolve(state: Self, event: &Self::Event) -> Self;

    /// The state after several events, in their order.
    fn fold<'e>(state: Self, events: impl IntoIterator<Item = &'e Self::Event>) -> Self
    where
        Self::Event: 'e,
    {
        events.into_iter().fold(state, Self::evolve)
    }
}
