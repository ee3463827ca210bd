//! T2: a hundred hot accounts and ten hot lines of credit, eight clients, and a history that must be linearizable: no lost
//! update, no overdraft, no credit over the limit, no refusal that names a balance nobody had or is not in the log.

use crate::checks;
use crate::intents::{Deed, History};
use crate::log::{self, LogEvent};
use crate::nodes::Installation;
use crate::random::Random;
use crate::rows;
use crate::scale::Scale;
use crate::server::Server;
use crate::workload::{Ask, Members, Mix, Till, settle};
use std::time::Instant;

const ACCOUNTS: usize = 100;
const LINES: usize = 10;
const CLIENTS: u64 = 8;
/// Each client has so many requests under way.
const LANES: u64 = 4;
/// Nobody new: the accounts stay hot.
const HOT: Mix = Mix { register: 0, purchase: 15, earn: 25, credit: 30 };
/// So many of a hundred deeds are asked for by two clients at the same time.
const TWINS_PERCENT: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_hot_accounts_are_linearizable() {
    let scale = Scale::of("hot accounts, two nodes");
    // Two nodes take turns at the lock of the log, commit by commit: 50,000 took two minutes of a machine with other work.
    let operations = scale.pick(12_000, 1_000_000);
    let installation = Installation::new().await;
    let nodes = [installation.node().await, installation.node().await];
    let (history, members) = (History::begin(), Members::default());
    let tills = tills(&nodes, &history, &members, &scale.random());
    open_accounts(&tills[0], &members).await;
    let began = Instant::now();
    serve(tills, operations).await;
    say("two nodes", &history, began);
    let log = log::read(&installation.superuser()).await;
    let intents = history.intents();
    checks::assert_none(&checks::anomalies(&intents, &log));
    checks::assert_none(&sums(&log));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_on_hot_accounts_is_linearizable() {
    let scale = Scale::of("hot accounts, HTTP");
    let operations = scale.pick(10_000, 100_000);
    let mut server = Server::new();
    server.start().await;
    let caller = server.caller_with_manager();
    let (history, members) = (History::begin(), Members::default());
    let tills = tills(std::slice::from_ref(&caller), &history, &members, &scale.random());
    open_accounts(&tills[0], &members).await;
    let began = Instant::now();
    serve(tills, operations).await;
    say("HTTP", &history, began);
    let superuser = server.superuser().await;
    let log = log::read(&superuser).await;
    checks::assert_none(&caller.faults());
    checks::assert_none(&checks::anomalies(&history.intents(), &log));
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
}

fn tills<A: Ask>(askers: &[A], history: &History, members: &Members, random: &Random) -> Vec<Till<A>> {
    let lanes = (0..CLIENTS * LANES).zip(askers.iter().cycle());
    let till = |(lane, asker): (u64, &A)| {
        Till::new(asker, history, members, (format!("till-{lane}"), random.fork(lane))).with(HOT)
    };
    lanes.map(till).collect()
}

async fn open_accounts<A: Ask>(till: &Till<A>, members: &Members) {
    let mut till = till.clone().opening();
    while members.all().len() < ACCOUNTS {
        till.serve_one().await;
    }
    while members.lines().len() < LINES {
        till.open_line().await;
    }
}

async fn serve<A: Ask>(tills: Vec<Till<A>>, operations: u64) {
    let each = operations / tills.len() as u64;
    let askers: Vec<A> = tills.iter().map(|till| till.asker.clone()).collect();
    let mut serving = tokio::task::JoinSet::new();
    for (till, other) in tills.into_iter().zip(askers.into_iter().cycle().skip(1)) {
        serving.spawn(serve_some(till, other, each));
    }
    while let Some(served) = serving.join_next().await {
        served.expect("no till panics");
    }
}

/// Some deeds are asked for twice at the same time, by way of two nodes, and half of them without a key.
async fn serve_some<A: Ask>(mut till: Till<A>, other: A, deeds: u64) {
    for nth in 0..deeds {
        let deed = till.next_deed();
        let is_new = matches!(deed, Deed::Register { .. });
        let key = (is_new || nth % 2 == 0).then(|| till.key());
        let is_asked_twice = till.roll(100) < TWINS_PERCENT;
        let (history, members) = (till.history.clone(), till.members.clone());
        let once = settle(&till.asker, &history, &members, (deed.clone(), key.clone()));
        if is_asked_twice {
            let twin = settle(&other, &history, &members, (deed, key));
            tokio::join!(once, twin);
        } else {
            once.await;
        }
    }
}

fn say(way: &str, history: &History, began: Instant) {
    let (operations, seconds) = (history.len(), began.elapsed().as_secs_f64());
    let refused = history.intents().iter().filter(|intent| !intent.answer.is_done()).count();
    println!("hot accounts, {way}: {operations} operations in {seconds:.1} s, {refused} refused");
}

/// The last balance of each account is the sum of its movements.
fn sums(log: &[LogEvent]) -> Vec<String> {
    let fold = crate::fold::fold(log);
    let last =
        |account| log.iter().rev().find(|event| event.stream == account && event.payload.get("balance").is_some());
    let wrong = fold.accounts.iter().filter_map(|(account, folded)| {
        let told = last(*account)?.number("balance");
        (told != folded.available).then(|| format!("account {account} says {told}, its movements {}", folded.available))
    });
    wrong.collect()
}
