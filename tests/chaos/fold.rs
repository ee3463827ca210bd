//! What the events make of accounts and customers, computed from the JSON of their payloads alone.
//!
//! Written from the specification, with nothing of the domain: two implementations must agree.

use crate::log::LogEvent;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A loyalty account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) available: i64,
    pub(crate) earned: i64,
    pub(crate) redeemed: i64,
    pub(crate) reversed: i64,
    pub(crate) expired: i64,
    pub(crate) tier: String,
    pub(crate) position: i64,
    pub(crate) version: i32,
}

/// A customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) purchases: i64,
    pub(crate) first_purchase_on: Option<String>,
    pub(crate) last_purchase_on: Option<String>,
    pub(crate) position: i64,
    pub(crate) version: i32,
}

/// All of both, and what contradicts itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold {
    pub(crate) accounts: BTreeMap<Uuid, Account>,
    pub(crate) persons: BTreeMap<Uuid, Person>,
    pub(crate) anomalies: Vec<String>,
}

/// Folds a log.
pub(crate) fn fold(log: &[LogEvent]) -> Fold {
    log.iter().fold(Fold::default(), Fold::after)
}

impl Fold {
    fn after(mut self, event: &LogEvent) -> Self {
        match event.category.as_str() {
            "loyalty" => self.account(event),
            "customer" => self.person(event),
            _ => {}
        }
        self
    }

    fn account(&mut self, event: &LogEvent) {
        if event.kind == "loyalty.account.enrolled" {
            let opened = Account { tier: "bronze".to_owned(), ..Account::default() };
            if self.accounts.insert(event.stream, opened).is_some() {
                self.anomalies.push(format!("account {} is enrolled twice, at {}", event.stream, event.position));
            }
        }
        let Some(account) = self.accounts.get_mut(&event.stream) else {
            self.anomalies.push(format!("{} at {} is on no account", event.kind, event.position));
            return;
        };
        let points = event.number("points");
        match event.kind.as_str() {
            "loyalty.points.earned" => account.earned += points,
            "loyalty.points.redeemed" => account.redeemed += points,
            "loyalty.points.reversed" => account.reversed += points,
            "loyalty.points.expired" => account.expired += points,
            "loyalty.tier.upgraded" => event.text("to").clone_into(&mut account.tier),
            "loyalty.account.enrolled" => {}
            unknown => self.anomalies.push(format!("{unknown} at {} is not known here", event.position)),
        }
        account.available = account.earned - account.redeemed - account.reversed - account.expired;
        account.position = event.position;
        account.version = event.version;
        let told = event.payload.get("balance").and_then(serde_json::Value::as_i64);
        if let Some(told) = told.filter(|told| *told != account.available) {
            let (available, position) = (account.available, event.position);
            self.anomalies.push(format!("position {position} says balance {told}, the events before it {available}"));
        }
        if event.kind == "loyalty.points.redeemed" && account.available < 0 {
            self.anomalies.push(format!("account {} is overdrawn at {}", event.stream, event.position));
        }
    }

    fn person(&mut self, event: &LogEvent) {
        let person = self.persons.entry(event.stream).or_default();
        if event.kind == "customer.purchase.recorded" {
            let on = event.text("on").to_owned();
            person.purchases += 1;
            let first = person.first_purchase_on.get_or_insert_with(|| on.clone());
            if on < *first {
                on.clone_into(first);
            }
            let last = person.last_purchase_on.get_or_insert_with(|| on.clone());
            if on > *last {
                *last = on;
            }
        }
        person.position = event.position;
        person.version = event.version;
    }
}

#[cfg(test)]
mod tests {
    use super::fold;
    use crate::checks::tests::{earned, enrolled, redeemed};
    use uuid::Uuid;

    #[test]
    fn the_fold_adds_up() {
        let account = Uuid::from_u128(7);
        let log = [enrolled(1, account, 1), earned(2, account, 2, 300, 300), redeemed(3, account, 3, 200, 100)];
        let fold = fold(&log);
        assert_eq!(fold.accounts[&account].available, 100);
        assert_eq!(fold.anomalies, Vec::<String>::new());
    }

    #[test]
    fn the_fold_sees_a_balance_that_was_decided_on_a_lost_state() {
        let account = Uuid::from_u128(7);
        let log = [enrolled(1, account, 1), earned(2, account, 2, 300, 300), earned(3, account, 3, 100, 100)];
        assert_eq!(fold(&log).anomalies, ["position 3 says balance 100, the events before it 400"]);
    }

    #[test]
    fn the_fold_sees_an_overdraft() {
        let account = Uuid::from_u128(7);
        let log = [enrolled(1, account, 1), earned(2, account, 2, 100, 100), redeemed(3, account, 3, 200, -100)];
        assert_eq!(fold(&log).anomalies, [format!("account {account} is overdrawn at 3")]);
    }
}
