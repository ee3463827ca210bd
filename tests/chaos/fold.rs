//! What the events make of accounts, lines of credit and customers, computed from the JSON of their payloads alone.
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

/// A line of credit; amounts in the smallest unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) limit: i64,
    pub(crate) unapplied: i64,
    /// Each order that is not paid, with what is left of it.
    pub(crate) open: BTreeMap<String, i64>,
    /// What all movements come to: what is to be paid, less what came in and paid nothing yet.
    pub(crate) balance: i64,
    pub(crate) position: i64,
    pub(crate) version: i32,
}

/// All of them, and what contradicts itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold {
    pub(crate) accounts: BTreeMap<Uuid, Account>,
    pub(crate) persons: BTreeMap<Uuid, Person>,
    pub(crate) lines: BTreeMap<Uuid, Line>,
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
            "credit" => self.line(event),
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

    fn line(&mut self, event: &LogEvent) {
        let line = self.lines.entry(event.stream).or_default();
        let wrong = line.after(event);
        (line.position, line.version) = (event.position, event.version);
        self.anomalies.extend(wrong.map(|wrong| format!("line {} at {}: {wrong}", event.stream, event.position)));
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

impl Line {
    /// What contradicts what was before, if anything.
    fn after(&mut self, event: &LogEvent) -> Option<String> {
        let (amount, order) = (event.minor("amount"), event.text("order"));
        let available = self.limit - self.balance;
        match event.kind.as_str() {
            "credit.requested" => None,
            "credit.approved" => {
                self.limit = event.minor("limit");
                None
            }
            "credit.used" => {
                self.balance += amount;
                let before = self.open.insert(order.to_owned(), amount);
                let is_wrong = amount > available || before.is_some();
                is_wrong.then(|| format!("{order} uses {amount} of {available}; {before:?} was open"))
            }
            "credit.limit.exceeded" => {
                let told = event.minor("available");
                let is_wrong = told != available || amount <= available;
                is_wrong.then(|| format!("{amount} was refused with {told} available; it was {available}"))
            }
            "credit.payment.applied" => {
                self.balance -= amount;
                self.unapplied += amount;
                None
            }
            "credit.released" => self.paid(order, amount, event.minor("outstanding")),
            unknown => Some(format!("{unknown} is not known here")),
        }
    }

    /// An order is paid with what came in and paid nothing yet.
    fn paid(&mut self, order: &str, amount: i64, told: i64) -> Option<String> {
        self.unapplied -= amount;
        let left = self.open.remove(order).unwrap_or(0) - amount;
        if left > 0 {
            self.open.insert(order.to_owned(), left);
        }
        let is_wrong = left != told || left < 0 || self.unapplied < 0;
        is_wrong.then(|| format!("{order} has {left} left, told {told}; {} is unapplied", self.unapplied))
    }
}

#[cfg(test)]
mod tests {
    use super::fold;
    use crate::checks::tests::{earned, enrolled, on_credit, redeemed};
    use crate::log::LogEvent;
    use serde_json::json;
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

    /// A limit of 100, of which 70 are used and 30 paid; 20 more that came in pay it, too.
    fn on_line(mut more: Vec<LogEvent>) -> Vec<String> {
        let euros = |amount: &str| json!({"amount": amount, "currency": "EUR"});
        let mut log = vec![
            on_credit(1, "credit.approved", json!({"limit": euros("100.00")})),
            on_credit(2, "credit.used", json!({"order": "o-1", "amount": euros("70.00")})),
            on_credit(3, "credit.payment.applied", json!({"payment": "p-1", "amount": euros("30.00")})),
            on_credit(
                4,
                "credit.released",
                json!({"order": "o-1", "amount": euros("30.00"), "outstanding": euros("40.00")}),
            ),
        ];
        log.append(&mut more);
        let fold = fold(&log);
        let line = fold.lines.values().next().expect("a line");
        assert_eq!(line.balance, line.open.values().sum::<i64>() - line.unapplied);
        fold.anomalies
    }

    #[test]
    fn the_fold_of_a_line_sees_what_is_over_the_limit_paid_twice_or_refused_for_nothing() {
        let euros = |amount: &str| json!({"amount": amount, "currency": "EUR"});
        let uses = |amount: &str| vec![on_credit(5, "credit.used", json!({"order": "o-2", "amount": euros(amount)}))];
        let refused = |amount: &str, available: &str| {
            let payload = json!({"order": "o-2", "amount": euros(amount), "available": euros(available)});
            vec![on_credit(5, "credit.limit.exceeded", payload)]
        };
        let paid = |amount: &str, left: &str| {
            let payload = json!({"order": "o-1", "amount": euros(amount), "outstanding": euros(left)});
            vec![on_credit(5, "credit.released", payload)]
        };
        assert_eq!(on_line(vec![]), Vec::<String>::new());
        assert_eq!(on_line(uses("60.00")), Vec::<String>::new());
        assert_eq!(on_line(uses("60.01")).len(), 1, "over the limit");
        assert_eq!(on_line(refused("60.01", "60.00")), Vec::<String>::new());
        assert_eq!(on_line(refused("60.00", "60.00")).len(), 1, "it would have fitted");
        assert_eq!(on_line(refused("60.01", "59.00")).len(), 1, "another balance");
        assert_eq!(on_line(paid("10.00", "30.00")).len(), 1, "money that never came");
    }
}
