//! A node on a store in memory, and how its answers are looked at.

use super::fake_store::FakeStore;
use crate::caller::{Caller, Door, Scope};
use crate::encoding::decode;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Config};
use crate::loyalty::account_stream;
use domain::access::settings::TenantSettings;
use domain::ids::CustomerId;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::{Decider, Event};
use std::sync::Arc;
use store::TenantId;

/// A node and its store.
pub(crate) struct Node {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) commands: Commands,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::on(FakeStore::new())
    }

    /// Another node on the same store.
    pub(crate) fn another(&self) -> Self {
        Self::on(Arc::clone(&self.store))
    }

    fn on(store: Arc<FakeStore>) -> Self {
        Self { commands: Commands::start(store.clone(), Config::default()), store }
    }

    /// Points that the log says a member has.
    pub(crate) fn available(&self, customer: CustomerId) -> i64 {
        let recorded = self.store.events_of(account_stream(customer));
        let events = recorded.iter().map(|recorded| decode(recorded).unwrap());
        let state = events.fold(LoyaltyAccount::initial(), |state, event| match event {
            Event::Loyalty(event) => LoyaltyAccount::evolve(state, &event),
            Event::Customer(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                state
            }
        });
        state.member().unwrap().available()
    }
}

/// An administrator of tenant 1, at a moment that does not move.
pub(crate) fn caller() -> Caller {
    Caller {
        tenant: TenantId(1),
        actor: "cli".to_owned(),
        scopes: vec![Scope::Admin],
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
        zone: chrono_tz::UTC,
        settings: TenantSettings::default(),
        request_id: None,
        correlation_id: None,
        via: Door::Http,
    }
}

pub(crate) fn event_types(committed: &Committed) -> Vec<&'static str> {
    committed.events.iter().map(|recorded| recorded.event.event_type()).collect()
}

/// The code of the refusal, or what else came of it.
pub(crate) fn refusal_code<T>(answer: &Result<T, CommandError>) -> &str {
    match answer {
        Ok(_) => "done",
        Err(error) => error.refusal().map_or(error.kind(), |refusal| &refusal.code),
    }
}
