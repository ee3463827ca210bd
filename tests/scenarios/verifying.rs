//! What operators do to prove that nobody changed the log: heads outside, and `clientela verify`.

use crate::support::World;
use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::fs;
use std::time::Duration;

#[tokio::test]
async fn heads_are_kept_in_a_file_and_a_change_below_them_is_found() {
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    let kept = world.folder().join("kept-heads");
    let configured = format!("heads_file = {kept:?}\nhead_every_seconds = 1\n");
    fs::write(world.data().join("clientela.toml"), configured).expect("written");
    world.serve(&[]);
    let member = world.member("kept@example.com").await;
    let position = world.buys(&member, "order-1", "10.00").await.position.expect("a position");
    let head = world.get(&format!("/v1/audit/proof?position={position}")).await.body;
    let head = head["proof"].as_str().expect("a proof").split_once("\n\n").expect("a head").1.to_owned();
    // The health tells it once it has reached the disk.
    let told = async || world.get("/health").await.body["components"]["tree"]["published"]["file"]["head"].as_i64();
    let published = async {
        while told().await < Some(position) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), published).await.expect("it is published in time");
    assert!(fs::read_to_string(&kept).expect("the heads").contains(&head));

    // Beside the server, and without its secrets.
    let (kept, folder) = (kept.display().to_string(), world.folder().join("empty").display().to_string());
    let verify = ["verify", "--data-dir", &folder, "--head", &kept];
    let report = world.run_json(&[&verify[..], &["--json"]].concat());
    assert_eq!((&report["found"], report["events"].as_i64() >= Some(position)), (&0.into(), true), "{report}");
    assert!(!fs::exists(&folder).expect("known"), "nothing was made");

    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    admin.execute("set session_replication_role = replica").await.expect("nothing is forbidden");
    let change = format!("update events set payload = payload || ' ' where position = {position}");
    admin.execute(AssertSqlSafe(change)).await.expect("it is changed");
    let output = world.run(&verify);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("position {position}: the event is not what its leaf hash was made of")), "{said}");
    assert!(said.ends_with("THE LOG IS NOT WHAT WAS WRITTEN\n"), "{said}");
}

#[tokio::test]
async fn a_log_that_was_changed_while_the_server_was_away_is_told_by_the_heads_in_its_file() {
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    let kept = world.folder().join("kept-heads");
    fs::write(world.data().join("clientela.toml"), format!("heads_file = {kept:?}\n")).expect("written");
    world.serve(&[]);
    let member = world.member("away@example.com").await;
    let position = world.buys(&member, "order-1", "10.00").await.position.expect("a position");
    world.get(&format!("/v1/audit/proof?position={position}")).await;
    let published = async {
        while !fs::read_to_string(&kept).is_ok_and(|heads| heads.lines().any(|line| line.parse() == Ok(position))) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), published).await.expect("it is published in time");
    world.end(Signal::SIGTERM);
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    admin.execute("set session_replication_role = replica").await.expect("nothing is forbidden");
    admin.execute("delete from tree_heads").await.expect("nobody in the database knows");
    let change = format!("update events set leaf_hash = sha256(leaf_hash) where position = {position}");
    admin.execute(AssertSqlSafe(change)).await.expect("it is changed");
    world.serve(&[]);
    let told = async {
        loop {
            let health = world.get("/health").await.body;
            if let Some(error) = health["components"]["tree"]["published"]["file"]["error"].as_str() {
                break (error.to_owned(), health["status"].clone());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (error, status) = tokio::time::timeout(Duration::from_secs(20), told).await.expect("it is told in time");
    assert!(error.starts_with("the last head in the file does not fit the log"), "{error}");
    assert_eq!(status, "degraded");
}

#[test]
fn where_there_is_no_log_nothing_is_verified() {
    let world = World::empty(None);
    let said = |words: &[&str]| {
        let output = world.run(words);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&["verify"]).contains("there is no data in"), "{}", said(&["verify"]));
    fs::write(world.folder().join("none"), "nothing").expect("written");
    assert!(said(&["verify", "--head", "none"]).contains("none holds no signed heads"));
    assert!(said(&["verify", "--head", "missing"]).contains("missing cannot be read"));
    assert!(said(&["verify", "--key", "x"]).contains("x is wrong: this is no key for signed notes"));
}
