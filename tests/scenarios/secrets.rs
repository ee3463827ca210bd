//! Keys are put in the place of others while servers work; keys that are wrong, missing or open to all are refused.

use crate::support::{World, http};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use store::contract::{fresh_id, fresh_stream, happened, to};
use store::{EventStore, Expected, NewEvent};

const PATIENCE: Duration = Duration::from_secs(60);
const OLDER: &str = "select count(*) from subject_keys where master_version < 2";

/// A second server on the same database, with a data folder of its own into which copies of the first one's secrets were put.
struct Second {
    process: Child,
    url: String,
    secrets: PathBuf,
    key: String,
}

impl Second {
    fn start(world: &World) -> Self {
        let data = world.folder().join("second");
        let secrets = data.join("secrets");
        fs::create_dir_all(&secrets).expect("a folder");
        fs::set_permissions(&secrets, Permissions::from_mode(0o700)).expect("its mode");
        for file in ["admin.key", "secrets/master.key", "secrets/claims.key", "secrets/log.key"] {
            fs::copy(world.data().join(file), data.join(file)).expect(file);
        }
        let mut command = world.command();
        command.env("CLIENTELA_DATA", &data).env_remove("CLIENTELA_LISTEN").args(["serve", "--port", "0"]);
        let log = fs::File::create(world.folder().join("second.log")).expect("a log");
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().expect("it starts");
        let screen = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut lines = screen.lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("address    ")?.1.to_owned()));
        Self { process, url: address.expect("the second server starts"), secrets, key: world.key().to_owned() }
    }

    async fn renames(&self, customer: &str, name: &str) -> (u16, Value) {
        let http = http().timeout(PATIENCE).build().expect("a client");
        let request = http.patch(format!("{}/v1/customers/{customer}", self.url)).bearer_auth(&self.key);
        let request = request.header("Content-Type", "application/merge-patch+json");
        let answer = request.body(json!({"name": name}).to_string()).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default())
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap_or_default());
        let _sent = nix::sys::signal::kill(pid, Signal::SIGTERM);
        let _ended = self.process.wait();
    }
}

async fn number(world: &World, sql: &str) -> i64 {
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut admin).await.expect(sql)
}

/// Persons of whom no read model knows, so that a rotation takes its time.
async fn crowd(world: &World, count: usize) {
    let node = world.node().await;
    let person = |_| NewEvent { subject_id: Some(fresh_id()), personal: Some(b"Ana".to_vec()), ..happened(1) };
    for _ in 0..count / 5_000 {
        let persons = (0..5_000).map(person).collect();
        node.append(to(fresh_stream("contract"), Expected::NoStream, persons)).await.expect("kept");
    }
    node.close().await;
}

/// What a subcommand that fails says.
fn told(world: &World, words: &[&str]) -> String {
    let output = world.run(words);
    assert!(!output.status.success(), "{words:?} succeeds");
    String::from_utf8_lossy(&output.stderr).replace(&*world.folder().to_string_lossy(), "").trim().to_owned()
}

#[tokio::test]
async fn a_master_key_is_rotated_under_two_servers_killed_half_way_and_rotated_to_the_end() {
    let mut world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    crowd(&world, 30_000).await;
    let second = Second::start(&world);
    let mut rotation = world.command();
    rotation.args(["secrets", "rotate-master"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut rotation = rotation.spawn().expect("it starts");
    let begun = Instant::now();
    while number(&world, OLDER).await > 29_000 {
        assert!(begun.elapsed() < PATIENCE, "the rotation does not begin");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    rotation.kill().expect("killed");
    rotation.wait().expect("it ends");
    assert!(number(&world, OLDER).await > 0, "it was killed half-way");
    let states = world.run_json(&["secrets", "list", "--json"]);
    assert_eq!(states[0], json!({"key": "master", "version": 2, "state": "in use"}));
    assert_eq!(states[1]["state"], "still needed: a rotation is unfinished");
    // The server whose folder has the new key goes on by itself.
    let path = format!("/v1/customers/{ana}");
    assert_eq!(world.patch(&path, None, json!({"name": "Ana Half"})).await.status, 200);
    world.member("zoe@example.com").await;
    let rotated = world.run_json(&["secrets", "rotate-master", "--json"]);
    assert_eq!((&rotated["version"], &rotated["resumed"]), (&json!(2), &json!(true)));
    assert_eq!(number(&world, OLDER).await, 0);
    assert_eq!(world.patch(&path, None, json!({"name": "Ana Whole"})).await.status, 200);
    // The second one lacks it, and says so until it is given.
    let (status, body) = second.renames(&eva, "Eva").await;
    assert_eq!(status, 503, "{body}");
    fs::copy(world.data().join("secrets/master-2.key"), second.secrets.join("master-2.key")).expect("given");
    tokio::time::sleep(Duration::from_millis(1_100)).await; // it looks again after a second
    let (status, body) = second.renames(&eva, "Eva").await;
    assert_eq!(status, 200, "{body}");
    drop(second);
    let forgotten = world.run_json(&["secrets", "forget-old", "--json"]);
    assert!(forgotten["forgotten"][0].as_str().expect("a file").ends_with("master.key"), "{forgotten}");
    world.end(Signal::SIGTERM);
    world.serve(&[]);
    assert_eq!(world.patch(&path, None, json!({"name": "Ana Later"})).await.status, 200);
    let again = world.run_json(&["secrets", "rotate-master", "--json"]);
    assert_eq!((&again["version"], &again["resumed"]), (&json!(3), &json!(false)));
}

#[tokio::test]
async fn keys_from_the_environment_are_rotated_by_giving_both() {
    let world = World::start().await;
    let ana = world.member("ana@example.com").await;
    let read = |file: &str| fs::read_to_string(world.data().join(file)).expect("a key").trim().to_owned();
    let (old, new) = (read("secrets/master.key"), "2f".repeat(32));
    let run = |keys: &str| {
        let mut command = world.command();
        command.env("CLIENTELA_MASTER_KEY", keys).args(["secrets", "rotate-master", "--json"]);
        let output = command.output().expect("the program runs");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (_, _, error) = run(&old);
    assert!(error.contains("put a new one behind those there, as in CLIENTELA_MASTER_KEY=1:…,2:…"), "{error}");
    let (is_done, result, error) = run(&format!("1:{old},2:{new}"));
    assert!(is_done, "{error}");
    assert_eq!(serde_json::from_str::<Value>(&result).expect("JSON")["version"], 2);
    let (_, _, error) = run(&format!("1:{new}"));
    assert!(error.contains("the master key is not the one this database was written with"), "{error}");
    // The running server has only the file of the first one: who is in its memory goes on, new persons are refused.
    let refused = world.post("/v1/customers", json!({"name": "Eva", "emails": ["eva@example.com"]})).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    fs::write(world.data().join("secrets/master-2.key"), new).expect("given as a file");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    world.member("eva@example.com").await;
    assert_eq!(world.patch(&format!("/v1/customers/{ana}"), None, json!({"name": "Ana"})).await.status, 200);
}

#[tokio::test]
async fn keys_that_make_no_sense_are_refused_and_touch_nothing() {
    let mut world = World::start().await;
    world.member("ana@example.com").await;
    world.end(Signal::SIGTERM);
    let secrets = world.data().join("secrets");
    let master = secrets.join("master.key");
    let whole = async || {
        let sums = ["key_checks", "subject_keys", "events", "claims"]
            .map(|table| format!("(select coalesce(sum(hashtext(t::text)::int8), 0)::int8 from {table} t)"));
        let mut files: Vec<_> =
            fs::read_dir(&secrets).expect("a folder").flatten().map(|file| file.file_name()).collect();
        files.sort();
        (number(&world, &format!("select {}", sums.join(" + "))).await, files)
    };
    let before = whole().await;
    let key = fs::read_to_string(&master).expect("the key");
    let told = |words: &[&str]| told(&world, words);
    fs::write(&master, "secret\n").expect("written");
    insta::assert_snapshot!(told(&["serve", "--port", "0"]), @"clientela: /data/secrets/master.key is wrong: a key is 64 hexadecimal digits");
    fs::write(&master, &key).expect("put back");
    let mode = |path: &PathBuf, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
    mode(&master, 0o644);
    mode(&secrets, 0o755);
    insta::assert_snapshot!(told(&["serve", "--port", "0"]), @"clientela: /data/secrets/master.key is open to every user of this machine: run `chmod o= /data/secrets/master.key`, and think of who may have read it");
    mode(&secrets, 0o700);
    mode(&master, 0o600);
    fs::rename(&master, secrets.join("hidden")).expect("hidden");
    insta::assert_snapshot!(told(&["serve", "--port", "0"]), @"clientela: the master key is not the one this database was written with: set CLIENTELA_MASTER_KEY, or put the right key into the folder `secrets` of the data folder, from a backup or another node");
    fs::rename(secrets.join("hidden"), &master).expect("put back");
    let claims = secrets.join("claims.key");
    let claim_key = fs::read_to_string(&claims).expect("the key");
    fs::write(&claims, "0".repeat(64)).expect("another key");
    insta::assert_snapshot!(told(&["serve", "--port", "0"]), @"clientela: the claims key is not the one this database was written with: set CLIENTELA_CLAIM_KEY, or put the right key into the folder `secrets` of the data folder, from a backup or another node");
    fs::write(&claims, claim_key).expect("put back");
    assert_eq!(whole().await, before);
    world.serve(&[]);
}

#[tokio::test]
async fn a_claim_key_is_rotated_and_everything_stays_whose_it_was() {
    let world = World::start().await;
    let ana = world.member("ana@example.com").await;
    let eva = json!({"name": "Eva", "emails": ["eva@example.com"], "phones": ["+34600100200"]});
    let first = world.post_keyed("/v1/customers", "eva-1", eva.clone()).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let before = number(&world, "select count(*) from claims").await;
    let rotated = world.run_json(&["secrets", "rotate-claims", "--json"]);
    assert_eq!((&rotated["version"], &rotated["rewritten"]), (&json!(2), &json!(before)));
    assert_eq!(number(&world, "select count(*) from claims where key_version = 2").await, before);
    let again = world.post_keyed("/v1/customers", "eva-1", eva).await;
    assert_eq!((again.status, &again.body["customer_id"]), (200, &first.body["customer_id"]), "told, not done again");
    let taken = world.post("/v1/customers", json!({"name": "Zoe", "emails": ["ana@example.com"]})).await;
    assert_eq!(taken.status, 409, "{}", taken.body);
    let path = format!("/v1/customers/{ana}");
    assert_eq!(world.patch(&path, None, json!({"emails": ["ana@example.org"]})).await.status, 200);
    world.member("ana@example.com").await;
    assert!(world.run(&["check", "claims"]).status.success());
    let both = world.run_json(&["secrets", "list", "--json"]);
    assert_eq!(both[2], json!({"key": "claims", "version": 1, "state": "retired"}));
}

#[tokio::test]
async fn check_finds_claims_that_are_not_what_the_events_say() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    let well = world.run(&["check", "claims"]);
    assert!(well.status.success());
    let text = String::from_utf8_lossy(&well.stdout).into_owned();
    assert!(text.ends_with("the table is what the events say\n"), "{text}");
    number(
        &world,
        &format!("with gone as (delete from claims where owner = '{ana}' returning 1) select count(*) from gone"),
    )
    .await;
    let wrong = world.run(&["check", "claims"]);
    assert_eq!(wrong.status.code(), Some(4));
    let text = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert!(text.contains(&format!("  email of {ana} (tenant 1) is missing\n  1 difference in all")), "{text}");
    let made_up = "insert into claims select tenant, 'phone', hash, key_version, owner from claims where owner = ";
    number(&world, &format!("with new as ({made_up} '{eva}' returning 1) select count(*) from new")).await;
    let all = world.run(&["check", "--all", "--json"]);
    assert_eq!(all.status.code(), Some(4));
    let all: Value = serde_json::from_slice(&all.stdout).expect("JSON");
    let claims = all.as_array().and_then(|all| all.last()).expect("claims come last");
    assert_eq!(claims["differences"][1], json!({"tenant": 1, "kind": "phone", "owner": eva, "wrong": "surplus"}));
}

#[tokio::test]
async fn a_lost_table_of_keys_stops_the_start_and_is_told_by_doctor() {
    let mut world = World::start().await;
    world.member("ana@example.com").await;
    world.end(Signal::SIGTERM);
    number(&world, "with gone as (delete from subject_keys returning 1) select count(*) from gone").await;
    let before = number(&world, "select count(*) from events").await;
    insta::assert_snapshot!(told(&world, &["serve", "--port", "0"]), @"clientela: the table subject_keys is empty, but the log holds personal data, which nobody can read without it: put the table back from a backup of the database; `clientela secrets accept-loss` counts what is lost, and with --yes goes on without it when there is no backup");
    assert_eq!(number(&world, "select count(*) from events").await, before);
    assert_eq!(number(&world, "select count(*) from subject_keys").await, 0);
    let doctor = world.run(&["doctor"]);
    let says = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(says.contains("FAIL  lost keys    the keys of 1 person are lost (1 of tenant 1)"), "{says}");
    assert!(says.contains("ok    keys         in use are master 1, claims 1"), "{says}");
    assert_eq!(world.run_json(&["secrets", "accept-loss", "--json"])["accepted"], false);
    assert_eq!(number(&world, "select count(*) from subject_keys").await, 0);
    let accepted = world.run_json(&["secrets", "accept-loss", "--yes", "--json"]);
    assert_eq!(accepted["lost"], json!([{"tenant": 1, "persons": 1}]));
    world.serve(&[]);
}
