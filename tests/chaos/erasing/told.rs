//! What was told while persons were erased, and what there is to say against it.

use super::load::{Seen, Served, Sight, Traffic};
use super::persons::{Clerk, Command, Person, settled};
use crate::client::Caller;
use chrono::{DateTime, Utc};
use commands::{Clock, SystemClock};
use reqwest::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The node that erased tells nothing from the moment of its answer; another one not longer than until it looked at the log.
const AT_THE_OTHER_MAX: Duration = Duration::from_secs(2);
/// What was on its way to a reader of the feed when the answer was given.
const ON_ITS_WAY_MAX: Duration = Duration::from_millis(500);

/// An erasure as it was answered.
#[derive(Debug)]
pub(crate) struct Erasure {
    person: usize,
    node: usize,
    answered: Instant,
    recorded: Instant,
    pub(crate) position: i64,
    receipt: String,
    is_repeated: bool,
}

/// Warms both nodes up, lets commands and questions begin, erases; some persons at both nodes at once.
pub(crate) async fn erase(nodes: &[Caller; 2], person: &Person, sight: &Sight) -> (Vec<Erasure>, Vec<Command>) {
    let mut clerk = Clerk::new(nodes, &format!("{}-warm", person.signs.of(person.n, "")));
    for (round, node) in nodes.iter().enumerate() {
        let name = json!({"name": person.signs.of(person.n, &format!(" Calidus {round}"))});
        clerk.does(Method::PATCH, &person.path(""), name).await;
        for path in ["", "/events", "/loyalty"] {
            node.text(&person.path(path)).await;
        }
    }
    let traffic = Traffic::begin(nodes, person, sight);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let at = |node: usize| erase_at(&nodes[node], node, person);
    let erased = match person.n % 4 {
        0 => {
            let (one, other) = tokio::join!(at(0), at(1));
            vec![one, other]
        }
        n => vec![at(n % 2).await],
    };
    let mut commands = traffic.end().await;
    commands.extend(clerk.commands);
    (erased, commands)
}

async fn erase_at(caller: &Caller, node: usize, person: &Person) -> Erasure {
    let key = format!("erase-{}-{node}", person.n);
    let reply = settled(caller, (&Method::POST, &person.path("/erase"), &json!({})), &key).await;
    assert_eq!(reply.status, 200, "person {}: {}", person.n, reply.text);
    let (answered, told) = (Instant::now(), reply.body());
    let erased_at: DateTime<Utc> = told["erased_at"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    let since = SystemClock.now() - erased_at;
    assert_eq!(told["pending"], json!([]), "{told}");
    Erasure {
        person: person.n,
        node,
        answered,
        recorded: answered - since.to_std().unwrap_or_default(),
        position: told["position"].as_i64().expect("a position"),
        receipt: told["receipt"].to_string(),
        is_repeated: told["repeated"] == true,
    }
}

/// All that was told.
pub(crate) struct Told {
    pub(crate) erasures: Vec<Erasure>,
    pub(crate) commands: Vec<Command>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) served: Vec<Served>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

impl Told {
    pub(crate) fn erasures_of(&self, person: &Person) -> impl Iterator<Item = &Erasure> {
        self.erasures.iter().filter(|erasure| erasure.person == person.n)
    }

    /// How long after an erasure was answered something of the person was still told, at this node or at another.
    fn lags(&self, is_same: bool, is_fed: bool) -> Vec<(Duration, &Seen)> {
        let mut lags = Vec::new();
        for seen in self.seen.iter().filter(|seen| seen.tells && seen.is_fed == is_fed) {
            let own = self.erasures.iter().filter(|erasure| erasure.person == seen.person);
            let (same, other): (Vec<_>, Vec<_>) = own.partition(|erasure| erasure.node == seen.node);
            let answered = match (same.first(), other.first(), is_same) {
                (Some(same), _, true) => same.answered,
                (None, Some(other), false) => other.answered,
                _ => continue,
            };
            lags.extend((seen.at > answered).then(|| (seen.at - answered, seen)));
        }
        lags.sort_by_key(|lag| std::cmp::Reverse(lag.0));
        lags
    }

    /// How long after an erasure was recorded something of the person was still asked for and told, where it was erased or elsewhere.
    fn longest_since_recorded(&self, is_same: bool) -> Option<(Duration, &str)> {
        let since = |seen: &'_ Seen| {
            let own = || self.erasures.iter().filter(|erasure| erasure.person == seen.person);
            let recorded = own().next().filter(|_| own().any(|erasure| erasure.node == seen.node) == is_same)?.recorded;
            (seen.tells && seen.at > recorded).then(|| seen.at - recorded)
        };
        let told = self.seen.iter().filter_map(|seen| Some((since(seen)?, seen.what.as_str())));
        told.max_by_key(|(lag, _)| *lag)
    }

    /// The commands of others, before and while persons were erased.
    fn took(&self, is_before: bool) -> Vec<Duration> {
        let own = self.served.iter().filter(|served| (served.at < self.began) == is_before && served.at < self.ended);
        let mut took: Vec<_> = own.map(|served| served.took).collect();
        took.sort_unstable();
        took
    }

    pub(crate) fn figures(&self) -> String {
        let longest = |is_same, is_fed| self.lags(is_same, is_fed).first().map(|(lag, seen)| (*lag, seen.what.clone()));
        let refused = self.commands.iter().filter(|command| command.reply.status >= 400).count();
        format!(
            "{} erasures in {:?}, {} commands for the erased ({refused} refused), {} answers and messages looked at; told after the answer: \
             same node {:?}, its feed {:?}; other node {:?}, its feed {:?}; told after it was recorded: same node {:?}, other node {:?}; others' commands: before {} with {}, meanwhile {} with {}",
            self.erasures.len(),
            self.ended - self.began,
            self.commands.len(),
            self.seen.len(),
            longest(true, false),
            longest(true, true),
            longest(false, false),
            longest(false, true),
            self.longest_since_recorded(true),
            self.longest_since_recorded(false),
            self.took(true).len(),
            percentiles(&self.took(true)),
            self.took(false).len(),
            percentiles(&self.took(false)),
        )
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = self.wrong_answers();
        let limits = [
            (true, false, Duration::ZERO),
            (true, true, ON_ITS_WAY_MAX),
            (false, false, AT_THE_OTHER_MAX),
            (false, true, AT_THE_OTHER_MAX),
        ];
        for (is_same, is_fed, limit) in limits {
            let late = self.lags(is_same, is_fed).into_iter().filter(|(lag, _)| *lag > limit);
            wrong.extend(late.map(|(lag, seen)| format!("told {lag:?} after the answer: {seen:?}")));
        }
        let last =
            |took: &[Duration], percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
        let (before, meanwhile) = (self.took(true), self.took(false));
        let bound = 5 * last(&before, 50) + Duration::from_millis(50);
        wrong.extend((last(&meanwhile, 50) > bound).then(|| format!("others wait: {}", percentiles(&meanwhile))));
        wrong
    }

    fn wrong_answers(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for command in &self.commands {
            let (status, code) = (command.reply.status, command.reply.code());
            let is_gone = status == 409 && ["customer_erased", "account_closed"].contains(&code.as_str());
            let is_poor = status == 422 && code == "insufficient_points";
            if !(status < 300 || is_gone || is_poor) {
                wrong.push(format!("{} {}: {status} {}", command.method, command.path, command.reply.text));
            }
        }
        let faults = self.seen.iter().filter(|seen| seen.status >= 500);
        wrong.extend(faults.map(|seen| format!("an answer about somebody who is erased: {seen:?}")));
        let refused = self.served.iter().filter(|served| served.status != 201);
        wrong.extend(refused.map(|served| format!("others are refused: {served:?}")));
        let mut first: BTreeMap<usize, &Erasure> = BTreeMap::new();
        for erasure in &self.erasures {
            let other = first.entry(erasure.person).or_insert(erasure);
            let is_same = (other.position, &other.receipt) == (erasure.position, &erasure.receipt);
            wrong.extend((!is_same).then(|| format!("two receipts: {other:?}, {erasure:?}")));
        }
        for person in first.keys() {
            let own = self.erasures.iter().filter(|erasure| erasure.person == *person);
            let anew = own.filter(|erasure| !erasure.is_repeated).count();
            wrong.extend((anew != 1).then(|| format!("person {person} was erased {anew} times anew")));
        }
        wrong
    }
}

/// The orders of which a purchase is there without its points.
pub(crate) fn halves(events: &[(i64, String, bool, String)]) -> Vec<String> {
    let of = |kind: &str| -> BTreeSet<String> {
        let own = events.iter().filter(|event| event.1 == kind && event.3.starts_with("late-"));
        own.map(|event| event.3.clone()).collect()
    };
    let (bought, earned) = (of("customer.purchase.recorded"), of("loyalty.points.earned"));
    bought.difference(&earned).cloned().collect()
}

fn percentiles(took: &[Duration]) -> String {
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}
