//! What holds for the state of any aggregate: it is what its stored events make of it, also across a snapshot.

use proptest::prelude::*;

use super::*;
use crate::access::events::AccessEvent;
use crate::credit::tests as credit;
use crate::event::{Event, Sealed};
use crate::loyalty::tests::{any_command, enrolled};

#[test]
fn categories_are_read_as_they_are_written() {
    for category in Category::ALL {
        assert_eq!(Category::parse(category.as_str()), Some(*category));
        assert_eq!(serde_json::to_value(category).unwrap(), category.as_str());
        assert_eq!(AggregateState::initial(*category).category(), *category);
    }
    assert_eq!(Category::parse("leads"), None);
}

#[test]
fn initial_states_survive_their_snapshots() {
    for category in Category::ALL {
        let state = AggregateState::initial(*category);
        assert_eq!(AggregateState::from_snapshot(*category, &state.snapshot()).unwrap(), state);
    }
}

#[test]
fn a_damaged_snapshot_is_an_error_that_names_its_category() {
    let error = AggregateState::from_snapshot(Category::Loyalty, b"{").unwrap_err();
    assert_eq!(error.to_string(), "snapshot of a loyalty stream cannot be read");
}

#[test]
fn an_event_of_another_aggregate_changes_nothing() {
    let loyalty: Event = enrolled().into();
    let access: Event = AccessEvent::KeyRevoked { key: uuid::Uuid::nil() }.into();
    for category in [Category::Customer, Category::Tenant, Category::ApiKey, Category::Projection] {
        let state = AggregateState::initial(category);
        assert_eq!(state.clone().evolve(&loyalty), state);
        assert_eq!(state.clone().evolve(&access), state);
    }
}

#[test]
fn the_typed_state_is_found_under_its_category_only() {
    let state = AggregateState::initial(LoyaltyAccount::CATEGORY);
    assert_eq!(LoyaltyAccount::of(&state), Some(&LoyaltyAccount::NotEnrolled));
    assert_eq!(Customer::of(&state), None);
}

#[test]
fn an_event_names_the_category_of_its_aggregate() {
    let (loyalty, key): (Event, Event) = (enrolled().into(), AccessEvent::KeyRevoked { key: uuid::Uuid::nil() }.into());
    assert_eq!((loyalty.category(), key.category()), (LoyaltyAccount::CATEGORY.as_str(), ApiKey::CATEGORY.as_str()));
}

proptest! {
    #[test]
    fn stored_events_and_snapshots_make_the_same_state(commands in prop::collection::vec(any_command(), 0..60)) {
        let history = decided::<LoyaltyAccount>(vec![enrolled()], commands);
        is_the_same_stored(Category::Loyalty, history)?;
    }

    #[test]
    fn so_do_those_of_a_line_of_credit(commands in prop::collection::vec(credit::any_command(), 0..60)) {
        is_the_same_stored(Category::Credit, decided::<CreditLine>(credit::open("1000.00"), commands))?;
    }
}

/// The state after a history, that after its stored events are read again, and that of its snapshots must be the same.
fn is_the_same_stored(category: Category, history: Vec<impl Into<Event>>) -> Result<(), TestCaseError> {
    let mut live = AggregateState::initial(category);
    let mut replayed = live.clone();
    for event in history {
        let event: Event = event.into();
        let stored = event.encode();
        let personal = stored.personal.as_deref().map_or(Sealed::Absent, Sealed::Opened);
        let read = Event::decode(stored.event_type, stored.schema_version, &stored.payload, personal).unwrap();
        prop_assert_eq!(&read, &event);
        replayed = AggregateState::from_snapshot(category, &replayed.evolve(&read).snapshot()).unwrap();
        live = live.evolve(&event);
    }
    prop_assert_eq!(replayed, live);
    Ok(())
}

fn decided<A: Aggregate<Event: Clone>>(mut history: Vec<A::Event>, commands: Vec<A::Command>) -> Vec<A::Event> {
    let mut state = A::fold(A::initial(), &history);
    for command in commands {
        let events = A::decide(&state, command).unwrap_or_default();
        state = A::fold(state, &events);
        history.extend(events);
    }
    history
}
