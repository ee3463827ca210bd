//! The checkers: what callers were told against what the log holds. Each returns the anomalies it found.
//!
//! The log gives the order of all effects, so whether a history is linearizable can be decided exactly and fast: effects
//! must respect real time, and each refusal must fit into one point of that order between its question and its answer.

use crate::feeds::Told;
use crate::fold::fold;
use crate::intents::{Answer, Deed, Intent};
use crate::log::LogEvent;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// What an event is the effect of: the verb, whose, which order or payment.
type Effect = (&'static str, Uuid, String);

/// The effect of an order that did not fit.
const EXCEEDED: &str = "exceeded";

/// All checks of a history that is complete: every intent was answered.
pub(crate) fn anomalies(intents: &[Intent], log: &[LogEvent]) -> Vec<String> {
    let mut found = gaps(log);
    found.extend(fold(log).anomalies);
    found.extend(not_exactly_once(intents, log));
    found.extend(not_linearizable(intents, log));
    found.extend(not_recorded(intents, log));
    found
}

/// Fails with the first anomalies.
#[track_caller]
pub(crate) fn assert_none(found: &[String]) {
    let first: Vec<_> = found.iter().take(10).collect();
    assert!(found.is_empty(), "{} anomalies, such as {first:#?}", found.len());
}

/// Positions are 1, 2, 3 …, and so are the versions of each stream.
pub(crate) fn gaps(log: &[LogEvent]) -> Vec<String> {
    let mut found = Vec::new();
    let mut versions: HashMap<(&str, Uuid), i32> = HashMap::new();
    for (event, expected) in log.iter().zip(1..) {
        if event.position != expected {
            found.push(format!("position {} stands where {expected} should", event.position));
            break;
        }
    }
    for event in log {
        let version = versions.entry((&event.category, event.stream)).or_default();
        *version += 1;
        if event.version != *version {
            found.push(format!("position {}: version {} instead of {version}", event.position, event.version));
        }
    }
    found
}

/// A follower of the feed got these events, each once, whole and in their order.
pub(crate) fn not_the_log(told: &[Told], log: &[LogEvent]) -> Vec<String> {
    let expected = log.iter().map(|event| {
        let id = format!("{}-{}/{}", event.category, event.stream, event.version);
        (event.position, id, event.kind.clone())
    });
    let pairs = told.iter().zip(expected).filter(|(told, expected)| *told != expected);
    let mut found: Vec<_> =
        pairs.take(1).map(|(told, expected)| format!("told {told:?} instead of {expected:?}")).collect();
    if told.len() != log.len() {
        found.push(format!("told {} events of {}", told.len(), log.len()));
    }
    found
}

/// Each intent that was answered "done" has its effects once, each other one none, and nothing happened that nobody wanted.
pub(crate) fn not_exactly_once(intents: &[Intent], log: &[LogEvent]) -> Vec<String> {
    let mut found = Vec::new();
    let mut happened: HashMap<Effect, Vec<i64>> = HashMap::new();
    for event in log {
        if let Some(effect) = effect_of(event).filter(|(verb, ..)| *verb != EXCEEDED) {
            happened.entry(effect).or_default().push(event.position);
        }
    }
    for (deed, told) in by_deed(intents) {
        for effect in effects_of(deed, &told) {
            let positions = happened.remove(&effect).unwrap_or_default();
            let done: Vec<i64> = told.iter().filter_map(|intent| done_at(intent)).collect();
            match (done.is_empty(), positions.as_slice()) {
                (true, []) => {}
                (false, [position]) if done.iter().all(|told| told >= position) => {}
                _ => found.push(format!("{deed:?}: told done at {done:?}, {} happened at {positions:?}", effect.0)),
            }
        }
    }
    found.extend(
        happened.into_iter().map(|(effect, positions)| format!("{effect:?} at {positions:?}: nobody wanted it")),
    );
    found
}

/// No effect is older than one that was acknowledged before it was asked for, and each refusal told a balance that the
/// account had at one moment between question and answer, in an order that all callers could have seen.
pub(crate) fn not_linearizable(intents: &[Intent], log: &[LogEvent]) -> Vec<String> {
    let spans = spans(intents);
    let mut found = against_real_time(log, &spans);
    let mut refusals: BTreeMap<Uuid, Vec<&Intent>> = BTreeMap::new();
    for intent in intents {
        if let (Deed::Redeem { customer, .. }, Answer::Refused { .. }) = (&intent.deed, &intent.answer) {
            refusals.entry(*customer).or_default().push(intent);
        }
    }
    let accounts = accounts(log, &spans);
    for (customer, mut refusals) in refusals {
        refusals.sort_by_key(|intent| intent.answered);
        match accounts.get(&customer) {
            Some(account) => found.extend(account.impossible(&refusals)),
            None => found.push(format!("{customer} was refused without an account")),
        }
    }
    found
}

/// Each refusal for want of credit stands in the log with what it told, as often as it was told at most, and no other does.
pub(crate) fn not_recorded(intents: &[Intent], log: &[LogEvent]) -> Vec<String> {
    let mut found = Vec::new();
    let mut recorded: HashMap<Effect, Vec<i64>> = HashMap::new();
    for event in log {
        if let Some(effect) = effect_of(event).filter(|(verb, ..)| *verb == EXCEEDED) {
            recorded.entry(effect).or_default().push(event.minor("available"));
        }
    }
    for (deed, told) in by_deed(intents) {
        let Deed::Use { line, order, .. } = deed else { continue };
        let refusals = told.iter().filter_map(|intent| match &intent.answer {
            Answer::Refused { code, available } => Some((code.as_str(), *available)),
            Answer::Done { .. } => None,
        });
        let refusals: Vec<_> = refusals.collect();
        let in_log = recorded.remove(&(EXCEEDED, *line, order.clone())).unwrap_or_default();
        let is_in_log = |(code, available): &(&str, Option<i64>)| {
            *code == "credit_limit_exceeded" && available.is_some_and(|available| in_log.contains(&available))
        };
        if !refusals.iter().all(is_in_log) || in_log.len() > refusals.len() {
            found.push(format!("{deed:?}: refused with {refusals:?}, recorded with {in_log:?}"));
        }
    }
    found.extend(recorded.into_iter().map(|(effect, told)| format!("{effect:?} with {told:?}: nobody was refused")));
    found
}

/// When the intent behind each effect was first asked for, and when it was first acknowledged.
fn spans(intents: &[Intent]) -> HashMap<Effect, (u64, u64)> {
    let mut spans = HashMap::new();
    for (deed, told) in by_deed(intents) {
        let invoked = told.iter().map(|intent| intent.invoked).min().unwrap_or(0);
        let done = told.iter().filter(|intent| done_at(intent).is_some());
        let answered = done.map(|intent| intent.answered).min().unwrap_or(u64::MAX);
        for effect in effects_of(deed, &told) {
            spans.insert(effect, (invoked, answered));
        }
        if let Deed::Use { line, order, .. } = deed {
            // Refused more than once, nobody knows which answer belongs to which event: the last one does for all.
            let refused = told.iter().filter(|intent| done_at(intent).is_none());
            let answered = refused.map(|intent| intent.answered).max().unwrap_or(u64::MAX);
            spans.insert((EXCEEDED, *line, order.clone()), (invoked, answered));
        }
    }
    spans
}

fn against_real_time(log: &[LogEvent], spans: &HashMap<Effect, (u64, u64)>) -> Vec<String> {
    let mut found = Vec::new();
    let mut first_answer = (u64::MAX, 0);
    for event in log.iter().rev() {
        let Some((invoked, answered)) = effect_of(event).and_then(|effect| spans.get(&effect)) else { continue };
        if first_answer.0 < *invoked {
            let (position, later) = (event.position, first_answer.1);
            found.push(format!(
                "{position} stands before {later}, which was acknowledged before {position} was asked for"
            ));
        }
        first_answer = first_answer.min((*answered, event.position));
    }
    found
}

/// The balances an account had, one after the other, with the limits that the callers' clocks set.
#[derive(Debug)]
struct Balances {
    /// Index 0 is the new account.
    indexes: HashMap<i64, Vec<usize>>,
    /// By index: the latest time at which it or one before it was asked for.
    invoked: Vec<u64>,
    /// By index: the earliest time at which it or one after it was acknowledged.
    answered: Vec<u64>,
}

fn accounts(log: &[LogEvent], spans: &HashMap<Effect, (u64, u64)>) -> HashMap<Uuid, Balances> {
    let mut changes: HashMap<Uuid, Vec<(i64, u64, u64)>> = HashMap::new();
    for event in log.iter().filter(|event| event.category == "loyalty") {
        let span = effect_of(event).and_then(|effect| spans.get(&effect).copied());
        match event.payload.get("balance").and_then(serde_json::Value::as_i64) {
            Some(balance) => {
                let (invoked, answered) = span.unwrap_or((0, u64::MAX));
                changes.entry(event.stream).or_insert_with(|| vec![(0, 0, 0)]).push((balance, invoked, answered));
            }
            None if event.kind == "loyalty.account.enrolled" => {
                changes.entry(event.stream).or_insert_with(|| vec![(0, 0, 0)]);
            }
            None => {}
        }
    }
    changes.into_iter().map(|(account, changes)| (account, Balances::of(&changes))).collect()
}

impl Balances {
    fn of(changes: &[(i64, u64, u64)]) -> Self {
        let mut indexes: HashMap<i64, Vec<usize>> = HashMap::new();
        for (index, (balance, ..)) in changes.iter().enumerate() {
            indexes.entry(*balance).or_default().push(index);
        }
        let later = |latest: &mut u64, invoked: u64| {
            *latest = (*latest).max(invoked);
            Some(*latest)
        };
        let invoked = changes.iter().map(|change| change.1).scan(0, later).collect();
        let mut earliest = u64::MAX;
        let mut answered: Vec<u64> = changes
            .iter()
            .rev()
            .map(|change| {
                earliest = earliest.min(change.2);
                earliest
            })
            .collect();
        answered.reverse();
        Self { indexes, invoked, answered }
    }

    /// Gives each refusal, in the order of the answers, the earliest moment that fits; whoever gets none is impossible.
    fn impossible(&self, refusals: &[&Intent]) -> Vec<String> {
        let mut found = Vec::new();
        let mut placed: Vec<(u64, usize)> = Vec::new();
        for refusal in refusals {
            let Answer::Refused { code, available } = &refusal.answer else { continue };
            let Deed::Redeem { points, .. } = refusal.deed else { continue };
            let (Some(available), "insufficient_points") = (*available, code.as_str()) else {
                found.push(format!("refused for a strange reason: {refusal:?}"));
                continue;
            };
            let acknowledged = self.answered.partition_point(|answered| *answered < refusal.invoked).saturating_sub(1);
            let before = placed.partition_point(|(answered, _)| *answered < refusal.invoked);
            let seen = before.checked_sub(1).map_or(0, |last| placed[last].1);
            let from = acknowledged.max(seen);
            let until = self.invoked.partition_point(|invoked| *invoked <= refusal.answered);
            let indexes = self.indexes.get(&available).map_or(&[][..], Vec::as_slice);
            let index = indexes.get(indexes.partition_point(|index| *index < from)).filter(|index| **index < until);
            match index {
                Some(index) if available < points => {
                    let latest = placed.last().map_or(*index, |(_, latest)| (*latest).max(*index));
                    placed.push((refusal.answered, latest));
                }
                _ => found.push(format!("no moment fits this refusal: {refusal:?}")),
            }
        }
        found
    }
}

fn by_deed(intents: &[Intent]) -> BTreeMap<&Deed, Vec<&Intent>> {
    let mut grouped: BTreeMap<&Deed, Vec<&Intent>> = BTreeMap::new();
    intents.iter().for_each(|intent| grouped.entry(&intent.deed).or_default().push(intent));
    grouped
}

fn done_at(intent: &Intent) -> Option<i64> {
    match intent.answer {
        Answer::Done { position, .. } => Some(position),
        Answer::Refused { .. } => None,
    }
}

fn effects_of(deed: &Deed, told: &[&Intent]) -> Vec<Effect> {
    match deed {
        Deed::Grant { .. } => made(told).into_iter().map(|line| ("approved", line, String::new())).collect(),
        Deed::Use { line, order, .. } => vec![("used", *line, order.clone())],
        Deed::Pay { line, payment, .. } => vec![("paid", *line, payment.clone())],
        Deed::Register { .. } | Deed::Trade { .. } => {
            made(told).into_iter().map(|customer| ("created", customer, String::new())).collect()
        }
        Deed::Purchase { customer, order, .. } => {
            vec![("purchased", *customer, order.clone()), ("earned", *customer, order.clone())]
        }
        Deed::Earn { customer, order, .. } => vec![("earned", *customer, order.clone())],
        Deed::Redeem { customer, order, .. } => vec![("redeemed", *customer, order.clone())],
    }
}

/// What came of it. Told two different ones, one of them is missing or both happened: either way it shows.
fn made(told: &[&Intent]) -> Vec<Uuid> {
    let ids = told.iter().filter_map(|intent| match intent.answer {
        Answer::Done { made, .. } => made,
        Answer::Refused { .. } => None,
    });
    let mut ids: Vec<Uuid> = ids.collect();
    ids.dedup();
    ids
}

fn effect_of(event: &LogEvent) -> Option<Effect> {
    let verb = match event.kind.as_str() {
        "customer.created" => "created",
        "customer.purchase.recorded" => "purchased",
        "loyalty.points.earned" => "earned",
        "loyalty.points.redeemed" => "redeemed",
        "credit.approved" => "approved",
        "credit.used" => "used",
        "credit.limit.exceeded" => EXCEEDED,
        "credit.payment.applied" => "paid",
        _ => return None,
    };
    let of = if verb == "paid" { "payment" } else { "order" };
    Some((verb, event.stream, event.text(of).to_owned()))
}

#[cfg(test)]
pub(crate) mod tests;
