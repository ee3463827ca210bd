//! T8: all read models are made again while tills serve and people ask, and the rebuild is killed in the middle once. Nobody
//! who asks sees an error or an older balance, and what comes out is what the events say.

use crate::checks;
use crate::client::Caller;
use crate::crash::Shift;
use crate::import::{finish, importer, purchases};
use crate::intents::History;
use crate::log::{self, LogEvent};
use crate::rows;
use crate::scale::Scale;
use crate::server::{Server, command};
use crate::workload::Members;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Between two questions: 50 a second.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// The bar for the median of the swaps: one of them may meet a machine that does something else just then.
const SWAP_MAX_MS: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_models_are_made_again_under_load_and_nobody_notices() {
    let scale = Scale::of("rebuild");
    // A purchase makes two events, and a new customer two more: 100,000 events, or a million.
    let (rows, mut random) = (scale.pick(50_000, 480_000), scale.random());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("purchases.csv");
    fs::write(&file, purchases(rows, &mut random)).expect("the file is written");
    let mut server = Server::new();
    server.start().await;
    finish(importer(&server, &file, &[])).await;
    let caller = server.caller_with_manager();
    let (history, members) = (History::begin(), Members::default());
    let shift = Shift::begin(&caller, &history, &members, &random).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (began, before) = (Instant::now(), history.len());
    let asking = tokio::spawn(ask_until(caller.clone(), members.all(), Arc::clone(&stop)));
    kill_in_the_middle(&server).await;
    let rebuilt = run(&server, &["rebuild", "--all", "--json"]).await;
    stop.store(true, Ordering::Relaxed);
    let (seconds, carried_out) = (began.elapsed().as_secs_f64(), history.len() - before);
    let (asked, errors) = asking.await.expect("it does not panic");
    shift.end().await;
    let (mut swaps, went_on_from) = outcome(&rebuilt);
    println!(
        "rebuild: {:.0} commands/s and {:.0} questions/s for {seconds:.1} s; held for the swaps: {swaps:?} ms; \
         went on from {went_on_from}",
        carried_out as f64 / seconds,
        asked as f64 / seconds
    );
    checks::assert_none(&errors);
    checks::assert_none(&caller.faults());
    assert!(went_on_from > 0, "it began anew");
    swaps.sort_by(f64::total_cmp);
    assert!(swaps[swaps.len() / 2] <= SWAP_MAX_MS, "{swaps:?}");
    let superuser = server.superuser().await;
    let log = log::read(&superuser).await;
    println!("rebuild: {} events", log.len());
    checks::assert_none(&checks::gaps(&log));
    checks::assert_none(&broken_chains(&log));
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
    let checked = run(&server, &["check", "--all", "--json"]).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Asks for balances; says how often, and what was not answered as it should be: with an error, or older than before.
async fn ask_until(caller: Caller, members: Vec<Uuid>, stop: Arc<AtomicBool>) -> (u64, Vec<String>) {
    let (mut asked, mut errors, mut pace) = (0, Vec::new(), tokio::time::interval(ASK_EVERY));
    let mut newest = 0;
    for member in members.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
        match caller.balance_as_of(*member).await {
            None => errors.push(format!("no balance of {member}")),
            Some(position) if position < newest => errors.push(format!("{member}: as of {position} after {newest}")),
            Some(position) => newest = position,
        }
        asked += 1;
        pace.tick().await;
    }
    (asked, errors)
}

/// Kills a rebuild when it has written some of its rows, and not all.
async fn kill_in_the_middle(server: &Server) {
    let mut database = PgConnection::connect_with(&server.superuser().await).await.expect("the superuser logs in");
    let mut rebuild = tool(server, &["rebuild", "--all"]).stdout(Stdio::null()).spawn().expect("it starts");
    let is_half_way = "select exists (select from projection_generations g \
                       join projection_checkpoints c on c.projector = g.projector and c.generation = g.generation \
                       where not g.live and g.ready_at is null \
                       and c.position between 1 and (select 3 * max(position) / 4 from events))";
    let began = Instant::now();
    while !sqlx::query_scalar::<_, bool>(is_half_way).fetch_one(&mut database).await.expect("the generations") {
        assert!(began.elapsed() < PATIENCE, "no rebuild is half-way");
        assert!(rebuild.try_wait().expect("its state").is_none(), "it is done already");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    rebuild.kill().expect("it is killed");
    rebuild.wait().expect("it has ended");
}

fn tool(server: &Server, words: &[&str]) -> std::process::Command {
    let mut command = command();
    command.args(words).arg("--data-dir").arg(server.data());
    command
}

/// Runs a tool to its end; for a moment the database still holds the lock of one that was killed.
async fn run(server: &Server, words: &[&str]) -> Output {
    let began = Instant::now();
    loop {
        let mut tool = tool(server, words);
        let output = tokio::task::spawn_blocking(move || tool.output()).await.expect("no panic").expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() || !said.contains("under way already") {
            return output;
        }
        assert!(began.elapsed() < PATIENCE, "{said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reactions that do not follow from the one before: a rebuild that reacted again would have made some.
fn broken_chains(log: &[LogEvent]) -> Vec<String> {
    let (mut stages, mut found) = (BTreeMap::new(), Vec::new());
    for event in log.iter().filter(|event| event.kind == "customer.lifecycle.changed") {
        let before = stages.insert(event.stream, event.text("to").to_owned());
        if event.text("from") == event.text("to") || before.is_some_and(|before| before != event.text("from")) {
            found.push(format!("{}: {} at {}", event.stream, event.payload, event.position));
        }
    }
    found
}

/// For how long each projector was held, in milliseconds, and from where one went on that had been interrupted; all must have
/// been swapped without any difference.
fn outcome(rebuilt: &Output) -> (Vec<f64>, i64) {
    let said = String::from_utf8_lossy(&rebuilt.stderr);
    let all: Vec<Value> = serde_json::from_slice(&rebuilt.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let differs = |difference: &Value| ["added", "gone", "changed"].iter().any(|kind| difference[kind] != 0);
    for one in &all {
        assert!(!one["differences"].as_array().expect("a list").iter().any(differs), "{one:#}");
    }
    let swaps = all.iter().map(|one| one["swap_ms"].as_f64().expect("it was swapped")).collect();
    (swaps, all.iter().filter_map(|one| one["resumed_from"].as_i64()).max().unwrap_or_default())
}
