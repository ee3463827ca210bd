//! T3: answers are lost: a proxy cuts the connection after the request went through. Callers ask again with the same key;
//! as many intents, so many effects. One proxy stands before the server, another between two nodes and PostgreSQL, where
//! the answer that is lost is that of a commit.

use crate::checks;
use crate::cutting_socket::CuttingSocket;
use crate::intents::History;
use crate::log;
use crate::nodes::{Installation, Node};
use crate::rows;
use crate::scale::Scale;
use crate::server::Server;
use crate::workload::{Ask, Members, Till};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::postgres::Database;
use store::postgres::embedded::SUPERUSER;

#[path = "../../store/tests/support/cutting_proxy.rs"]
mod cutting_proxy;
use cutting_proxy::{Cut, CuttingProxy};

const TILLS: u64 = 8;
const MEMBERS: usize = 20;
/// Of so many requests one is cut.
const ONE_IN: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_the_server_double_nothing() {
    let scale = Scale::of("lost answers of the server");
    let cuts = scale.pick(500, 10_000);
    let mut server = Server::new();
    server.start().await;
    let proxy = CuttingSocket::start(server.port(), ONE_IN).await;
    let caller = server.caller().through(proxy.port());
    let (history, members) = (History::begin(), Members::default());
    let tills = tills(&caller, &history, &members, scale).await;
    let stop = Arc::new(AtomicBool::new(false));
    let serving = spawn(tills, &stop);
    while proxy.cuts() < cuts {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.rest();
    finish(serving, &stop).await;
    println!("lost answers of the server: {} cuts, {} intents", proxy.cuts(), history.len());
    let superuser = server.superuser().await;
    let log = log::read(&superuser).await;
    checks::assert_none(&caller.faults());
    checks::assert_none(&checks::anomalies(&history.intents(), &log));
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_the_database_double_nothing() {
    let scale = Scale::of("lost answers of the database");
    let (cuts, mut random) = (scale.pick(300, 10_000), scale.random());
    let installation = Installation::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = CuttingProxy::start(folder.path(), installation.test().server().socket_dir());
    let through = installation.test().connect_options(SUPERUSER).socket(proxy.folder());
    let cut: Node = installation.node_through(&Database::with_role_logins(through)).await;
    let other = installation.node().await;
    let (history, members) = (History::begin(), Members::default());
    let mut both = tills(&cut, &history, &members, scale).await;
    let more = both.iter().take(2).map(|till| till.at(&other));
    let more: Vec<_> = more.collect();
    both.extend(more);
    let stop = Arc::new(AtomicBool::new(false));
    let serving = spawn(both, &stop);
    while proxy.cuts() < cuts {
        let cut = if random.chance(50) { Cut::BeforeTheCommit } else { Cut::BeforeTheAnswer };
        let before = proxy.cuts();
        proxy.arm(cut);
        while proxy.cuts() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    finish(serving, &stop).await;
    println!("lost answers of the database: {} cuts, {} intents", proxy.cuts(), history.len());
    let log = log::read(&installation.superuser()).await;
    checks::assert_none(&checks::anomalies(&history.intents(), &log));
}

/// Tills that have members to serve.
async fn tills<A: Ask>(asker: &A, history: &History, members: &Members, scale: Scale) -> Vec<Till<A>> {
    let till = |nth| Till::new(asker, history, members, (format!("till-{nth}"), scale.random().fork(nth)));
    let mut first = till(TILLS).opening();
    while members.all().len() < MEMBERS {
        first.serve_one().await;
    }
    (0..TILLS).map(till).collect()
}

fn spawn<A: Ask>(tills: Vec<Till<A>>, stop: &Arc<AtomicBool>) -> tokio::task::JoinSet<()> {
    tills.into_iter().map(|till| till.serve_until(Arc::clone(stop))).collect()
}

async fn finish(mut serving: tokio::task::JoinSet<()>, stop: &AtomicBool) {
    stop.store(true, Ordering::Relaxed);
    while let Some(served) = serving.join_next().await {
        served.expect("no till panics");
    }
}
