//! What goes on at both nodes while persons are erased: commands for them, questions about them, feeds, and commands for others.

use super::persons::{Command, Person, asks_again, settled};
use crate::client::Caller;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

const PAUSE: Duration = Duration::from_millis(3);
/// Who was told so often that the person is gone asks no more.
const REFUSALS_MAX: usize = 3;
/// How long it is still looked for the person after the erasure was answered.
const LOOKING_ON: Duration = Duration::from_millis(1_500);

/// An answer, or a message of a feed, that was looked at for something of a person.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) person: usize,
    pub(crate) node: usize,
    pub(crate) what: String,
    /// When it was asked for; of a feed: when it came.
    pub(crate) at: Instant,
    pub(crate) tells: bool,
    pub(crate) status: u16,
    pub(crate) is_fed: bool,
}

/// What was seen, by all who look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight(Arc<Mutex<Vec<Seen>>>);

impl Sight {
    fn add(&self, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The traffic about one person at one node.
#[derive(Debug)]
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    commands: JoinSet<Vec<Command>>,
    looking: JoinSet<()>,
}

impl Traffic {
    pub(crate) fn begin(nodes: &[Caller; 2], person: &Person, sight: &Sight) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut commands, mut looking) = (JoinSet::new(), JoinSet::new());
        for (node, caller) in nodes.iter().enumerate() {
            commands.spawn(command(caller.clone(), node, person.clone(), Arc::clone(&stop)));
            looking.spawn(look((caller.clone(), node), person.clone(), (sight.clone(), Arc::clone(&stop))));
            looking.spawn(follow((caller.clone(), node), person.clone(), (sight.clone(), Arc::clone(&stop))));
        }
        Self { stop, commands, looking }
    }

    /// Looks on for a while, and ends; the commands that were carried out or refused.
    pub(crate) async fn end(self) -> Vec<Command> {
        tokio::time::sleep(LOOKING_ON).await;
        self.stop.store(true, Ordering::Relaxed);
        let commands = self.commands.join_all().await;
        self.looking.join_all().await;
        commands.into_iter().flatten().collect()
    }
}

/// One command after the other, until the person is gone.
async fn command(caller: Caller, node: usize, person: Person, stop: Arc<AtomicBool>) -> Vec<Command> {
    let (mut done, mut refusals) = (Vec::new(), 0);
    for nth in 0.. {
        if stop.load(Ordering::Relaxed) || refusals >= REFUSALS_MAX {
            break;
        }
        let (method, path, body) = next_command(&person, node, nth);
        let key = format!("{}-late-{node}-{nth}", person.signs.of(person.n, ""));
        let reply = settled(&caller, (&method, &path, &body), &key).await;
        refusals += usize::from(reply.status >= 400);
        done.push(Command { method, path, body, key, reply });
        tokio::time::sleep(PAUSE).await;
    }
    done
}

/// No two of them ask for the same.
fn next_command(person: &Person, node: usize, nth: usize) -> (Method, String, Value) {
    let word = person.signs.of(person.n, &format!(" Serus {node} {nth}"));
    let order = format!("late-{}-{node}-{nth}", person.n);
    match nth % 6 {
        0 => (Method::PATCH, person.path(""), json!({"name": word})),
        1 => {
            let bought = json!({"order_id": order, "total": "12.00", "currency": "EUR"});
            (Method::POST, person.path("/purchases"), bought)
        }
        2 => (Method::PATCH, person.path("/preferences"), json!({"restrictions": [word]})),
        3 => {
            let earned = json!({"order_id": order, "total": "5.00", "currency": "EUR"});
            (Method::POST, person.path("/loyalty/earn"), earned)
        }
        4 => {
            let address = json!({"kind": "shipping", "line1": word, "country": "ES"});
            (Method::POST, person.path("/addresses"), address)
        }
        _ => {
            let held = json!({"order_id": order, "points": 100});
            (Method::POST, person.path("/loyalty/holds"), held)
        }
    }
}

/// Asks for the person in all ways, one after the other.
async fn look((caller, node): (Caller, usize), person: Person, (sight, stop): (Sight, Arc<AtomicBool>)) {
    let below = ["", "/events", "/contacts", "?at_version=1", "/addresses", "/documents", "/preferences", "/overview"];
    let own = below.map(|below| person.path(below)).to_vec();
    let searches = person.searches().into_iter().map(|search| format!("/v1/customers?{search}"));
    let questions: Vec<String> = own.into_iter().chain(searches).collect();
    for path in questions.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let at = Instant::now();
        let (status, text) = caller.text(path).await;
        let status = status.as_u16();
        let tells = status == 200 && person.is_told_in(&text);
        let what = path.replace(&person.id.to_string(), "ID");
        sight.add(Seen { person: person.n, node, what, at, tells, status, is_fed: false });
        tokio::time::sleep(PAUSE).await;
    }
}

/// Follows what is told of the person.
async fn follow((caller, node): (Caller, usize), person: Person, (sight, stop): (Sight, Arc<AtomicBool>)) {
    let mut answer = caller.open(&format!("/v1/feed?from=now&customer={}", person.id)).await;
    let status = answer.status().as_u16();
    while !stop.load(Ordering::Relaxed) {
        let waiting = tokio::time::timeout(Duration::from_millis(100), answer.chunk());
        let Ok(Ok(Some(part))) = waiting.await else { continue };
        let tells = person.is_told_in(&String::from_utf8_lossy(&part));
        let (at, what) = (Instant::now(), "the feed".to_owned());
        sight.add(Seen { person: person.n, node, what, at, tells, status, is_fed: true });
    }
}

/// How long a command of somebody else took, and whether it was done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) status: u16,
}

/// Customers whom nobody erases, and who go on buying.
#[derive(Debug)]
pub(crate) struct Others {
    stop: Arc<AtomicBool>,
    tills: JoinSet<Vec<Served>>,
}

impl Others {
    pub(crate) fn begin(nodes: &[Caller; 2], customers: &[Uuid]) -> Self {
        let (stop, mut tills) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for (till, customer) in customers.iter().enumerate() {
            tills.spawn(serve(nodes[till % 2].clone(), *customer, Arc::clone(&stop)));
        }
        Self { stop, tills }
    }

    pub(crate) async fn end(self) -> Vec<Served> {
        self.stop.store(true, Ordering::Relaxed);
        self.tills.join_all().await.into_iter().flatten().collect()
    }
}

async fn serve(caller: Caller, customer: Uuid, stop: Arc<AtomicBool>) -> Vec<Served> {
    let mut served = Vec::new();
    for nth in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let order = format!("other-{nth}");
        let body = json!({"order_id": order, "total": "2.00", "currency": "EUR"});
        let (path, at) = (format!("/v1/customers/{customer}/purchases"), Instant::now());
        let reply = caller.send(Method::POST, &path, Some(&body), Some(&format!("{customer}-{nth}"))).await;
        let status = reply.as_ref().map_or(0, |reply| if asks_again(reply) { 503 } else { reply.status });
        served.push(Served { at, took: at.elapsed(), status });
        tokio::time::sleep(PAUSE).await;
    }
    served
}
