//! T14: PostgreSQL is restored to an older point. Who is ahead of the log then, be it a reader outside with its cursor or a projector with
//! its checkpoint, is refused with words that say why, and never told or shown a mixture of two histories.

use crate::checks;
use crate::client::http;
use crate::crash::Shift;
use crate::intents::History;
use crate::log::{self, LogEvent};
use crate::nodes::Installation;
use crate::random::Random;
use crate::rows;
use crate::scale::Scale;
use crate::server::{Server, command};
use crate::two_servers::{environment, forget_login};
use crate::workload::Members;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
const SHIFT: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_ahead_of_a_restored_log_are_refused() {
    let scale = Scale::of("restore");
    let random = scale.random();
    let mut server = Server::new();
    server.start().await;
    serve_for_a_while(&server, &random.fork(1)).await;
    let older = log::read(&server.superuser().await).await.len();
    server.stop();
    let (cluster, backup) = (server.data().join("postgres/data"), server.data().join("backup"));
    run(Command::new("cp").arg("-a").arg(&cluster).arg(&backup));
    server.start().await;
    serve_for_a_while(&server, &random.fork(2)).await;
    let newer = log::read(&server.superuser().await).await.len();
    assert!(newer > older, "{newer} events, then {older}");
    server.stop();
    fs::remove_dir_all(&cluster).expect("the cluster is lost");
    run(Command::new("cp").arg("-a").arg(&backup).arg(&cluster));
    server.start().await;

    let key = server.key();
    let ask = async |path: &str, cursor: Option<usize>| {
        let client = http().build().expect("a client");
        let request = client.get(format!("http://127.0.0.1:{}{path}", server.port())).bearer_auth(&key);
        let request =
            cursor.map_or(request.try_clone().expect("no body"), |last| request.header("Last-Event-ID", last));
        request.send().await.expect("an answer")
    };
    let refused = ask("/v1/feed", Some(newer)).await;
    let (status, problem) = (refused.status().as_u16(), refused.json::<Value>().await.expect("a problem"));
    assert_eq!((status, &problem["code"], &problem["head"]), (409, &"position_beyond_head".into(), &older.into()));
    let refused = ask(&format!("/v1/audit/events?min_position={newer}"), None).await;
    let (status, problem) = (refused.status().as_u16(), refused.json::<Value>().await.expect("a problem"));
    assert_eq!((status, &problem["code"], &problem["head"]), (400, &"position_beyond_head".into(), &older.into()));
    assert_eq!(ask("/v1/feed", Some(older)).await.status(), 200, "who is not ahead goes on");

    serve_for_a_while(&server, &random.fork(3)).await;
    let superuser = server.superuser().await;
    let log = log::read(&superuser).await;
    println!("restore: from {newer} events to {older}, then on to {}", log.len());
    checks::assert_none(&checks::gaps(&log));
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projectors_ahead_of_a_restored_log_stop_until_they_are_rebuilt() {
    let scale = Scale::of("restore");
    let mut random = scale.random();
    let installation = Installation::new().await;
    let environment = environment(&installation, &mut random).await;
    let superuser = installation.superuser();
    let mut server = Server::with(environment.clone());
    fs::create_dir_all(server.data()).expect("its data folder");
    server.start().await;
    serve_for_a_while(&server, &random).await;
    let whole = log::read(&superuser).await;
    rows::anomalies(&superuser, &whole).await;
    server.kill();
    let older = i64::try_from(whole.len() / 2).expect("few");
    cut_off(&superuser, older).await;
    // As the operator's handbook says of reactors; of projectors it is tried what happens when nobody does anything.
    for reactor in ["customer_lifecycle", "referral_bonus"] {
        let restarted = tool(&server, &environment, &["reactors", "restart", reactor]);
        assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
    }

    server.launch();
    let ahead = until_all_have_failed(&server, &environment).await;
    for item in &ahead {
        let reason = item["error"]["reason"].as_str().unwrap_or_default();
        let says =
            format!("is beyond the head of the log, {older}: the log was restored to an older point; rebuild it");
        assert!(reason.ends_with(&says), "{item}");
    }
    let log = log::read(&superuser).await;
    // Had they gone on from there, the rows would be of no history at all: the comparison sees it.
    let mixed = rows::anomalies(&superuser, &log).await;
    assert!(!mixed.is_empty(), "rows of a lost history were not found out");
    let rebuilt = tool(&server, &environment, &["rebuild", "--all", "--json"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    // The server itself had seen events that are gone; it begins anew, as an operator's would.
    server.kill();
    server.start().await;
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
    serve_for_a_while(&server, &random.fork(2)).await;
    let log = log::read(&superuser).await;
    checks::assert_none(&checks::gaps(&log));
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
    checks::assert_none(&without_reaction(&log));
    drop(server);
    forget_login(&installation).await;
}

/// The customers who have bought and whose lifecycle has not followed: of some the cut took the reaction and left the cause.
fn without_reaction(log: &[LogEvent]) -> Vec<String> {
    let of = |kind: &'static str| log.iter().filter(move |event| event.kind == kind).map(|event| event.stream);
    let moved: BTreeSet<Uuid> = of("customer.lifecycle.changed").collect();
    let bought: BTreeSet<Uuid> = of("customer.purchase.recorded").collect();
    bought.difference(&moved).map(|customer| format!("nothing followed for {customer}")).collect()
}

async fn serve_for_a_while(server: &Server, random: &Random) {
    let shift = Shift::begin(&server.caller(), &History::begin(), &Members::default(), random).await;
    tokio::time::sleep(SHIFT).await;
    shift.end().await;
}

/// Takes the newest events away, as a restore of the log alone would.
async fn cut_off(superuser: &PgConnectOptions, last: i64) {
    let mut admin = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
    admin.execute("set session_replication_role = replica").await.expect("set");
    for sql in [
        format!(
            "delete from claims where owner in (select stream from events where position > {last} and version = 1)"
        ),
        format!("delete from events where position > {last}"),
    ] {
        admin.execute(AssertSqlSafe(sql)).await.expect("cut off");
    }
    admin.close().await.expect("a clean end");
}

/// How the projections are, once all that had come further than the log say so.
async fn until_all_have_failed(server: &Server, environment: &[(String, String)]) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let list = tool(server, environment, &["projections", "list", "--json"]);
        let list: Value = serde_json::from_slice(&list.stdout).unwrap_or_default();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let head = list["head"].as_i64().unwrap_or_default();
        let ahead: Vec<_> = items.into_iter().filter(|item| item["position"].as_i64() > Some(head)).collect();
        if !ahead.is_empty() && ahead.iter().all(|item| item["state"] == "failed") {
            return ahead;
        }
        assert!(began.elapsed() < PATIENCE, "{list}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn tool(server: &Server, environment: &[(String, String)], words: &[&str]) -> Output {
    let mut tool = command();
    tool.args(words).arg("--data-dir").arg(server.data());
    tool.envs(environment.iter().map(|(name, value)| (name, value)));
    tool.env("CLIENTELA_LISTEN", format!("127.0.0.1:{}", server.port()));
    tool.output().expect("it runs")
}

fn run(command: &mut Command) {
    assert!(command.status().expect("it runs").success(), "{command:?}");
}
