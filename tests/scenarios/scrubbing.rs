//! After a scrub no byte of whoever was erased is in the files of the database: not of what told who it was, not of the key.
//!
//! The files are read as they lie on the disk. So that nothing hides in them, the write-ahead log is not compressed here; texts of rows this
//! short never are. Before the scrub the same search finds plenty, else it would prove nothing.

use crate::erasure::has_a_history;
use crate::support::World;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use store::postgres::embedded::{EmbeddedConfig, SUPERUSER, attach};
use store::postgres::scrub::{LEFT, REWRITTEN, unknown_tables};

/// What tells who somebody is, in every field that can hold it; some of it only for a time.
const PLANTED: [&str; 17] = [
    "Zwölfaxing",
    "zwolfaxing",
    "Ñandúquist",
    "nanduquist",
    "Formerlyhight",
    "formerlyhight",
    "zwoelfaxing@example.org",
    "formerlyhight@example.org",
    "+34600987654",
    "+34611987654",
    "ZWREF7788",
    "X1234567L",
    "Zwölfaxingstraße",
    "Quistropolis",
    "zwline2",
    "Quist Ñand SL",
    "zw-allergic",
];

/// A private PostgreSQL that hides nothing in its write-ahead log.
async fn world() -> World {
    let mut world = World::embedded();
    world.end(Signal::SIGTERM);
    let local = world.data().join("postgres/data/local.conf");
    let mut local = fs::File::options().append(true).open(local).expect("local.conf opens");
    local.write_all(b"wal_compression = off\nautovacuum_naptime = '1s'\n").expect("it is written");
    world.serve(&[]);
    world
}

async fn admin(world: &World) -> PgConnection {
    let cluster = attach(&EmbeddedConfig::new(world.data())).await.expect("the lock is read").expect("a server runs");
    PgConnection::connect_with(&cluster.connect_options(SUPERUSER, "clientela")).await.expect("the superuser logs in")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A customer with everything known of it, changed several times.
async fn person(world: &World) -> String {
    let body = json!({
        "name": "Formerlyhight Ñandúquist",
        "company": "Quist Ñand SL",
        "emails": ["formerlyhight@example.org"],
        "phones": ["+34611987654"],
        "documents": [{"kind": "nie", "number": "X1234567L", "country": "ES"}],
        "references": [{"system": "erp", "reference": "ZWREF7788"}],
        "language": "es",
        "loyalty": {"currency": "EUR"},
    });
    let created = world.post("/v1/customers", body).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let id = text(&created.body["customer_id"]);
    let path = format!("/v1/customers/{id}");
    // Read models fold what they find at once: the first name is in no table unless it was there before the change.
    let position = created.position.expect("a position");
    assert_eq!(world.get(&format!("{path}?min_position={position}")).await.status, 200);
    for round in 0..5 {
        let names = json!({
            "name": format!("Zwölfaxing Ñandúquist {round}"),
            "emails": ["zwoelfaxing@example.org"],
            "phones": ["+34600987654"],
        });
        assert_eq!(world.patch(&path, None, names).await.status, 200);
    }
    let address = json!({
        "kind": "shipping", "line1": "Zwölfaxingstraße 9", "line2": "zwline2", "city": "Quistropolis", "country": "ES",
    });
    assert_eq!(world.post(&format!("{path}/addresses"), address).await.status, 201);
    let preferences = json!({"restrictions": ["zw-allergic"], "channels": ["web"]});
    assert_eq!(world.patch(&format!("{path}/preferences"), None, preferences).await.status, 200);
    world.buys(&id, "order-1", "250.00").await;
    id
}

/// How often each of these is in the files below a folder, by where they are.
fn hits(folder: &Path, needles: &[(String, Vec<u8>)]) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => found.extend(hits_in(&path, needles)),
                _ => {}
            }
        }
    }
    found
}

/// A file may go while it is looked for: then there is nothing in it.
fn hits_in(path: &Path, needles: &[(String, Vec<u8>)]) -> Option<(String, Vec<String>)> {
    let bytes = fs::read(path).ok()?;
    let contains = |needle: &[u8]| {
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
            if rest[at..].starts_with(needle) {
                return true;
            }
            rest = &rest[at + 1..];
        }
        false
    };
    let names: Vec<_> = needles.iter().filter(|(_, needle)| contains(needle)).map(|(name, _)| name.clone()).collect();
    (!names.is_empty()).then(|| (path.display().to_string(), names))
}

/// All that must go: the texts, and every form that the person's key has had.
async fn needles(world: &World, id: &str) -> Vec<(String, Vec<u8>)> {
    let mut admin = admin(world).await;
    let key: Vec<u8> = sqlx::query_scalar("select wrapped_key from subject_keys where subject_id = $1::uuid")
        .bind(id)
        .fetch_one(&mut admin)
        .await
        .expect("there is a key");
    let claims: Vec<Vec<u8>> = sqlx::query_scalar("select hash from claims where owner = $1::uuid")
        .bind(id)
        .fetch_all(&mut admin)
        .await
        .expect("there are claims");
    assert!(key.len() > 32 && claims.len() > 2, "{} {}", key.len(), claims.len());
    // Rows that were changed lie in the pages more than once; statistics hold frequent values.
    admin.execute("analyze; checkpoint").await.expect("written");
    let texts = PLANTED.iter().map(|text| ((*text).to_owned(), text.as_bytes().to_vec()));
    let claims = claims.into_iter().map(|hash| ("a claim".to_owned(), hash));
    texts.chain([("the wrapped key".to_owned(), key)]).chain(claims).collect()
}

/// Others, whose data must stay.
async fn others(world: &World) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(world.member(&format!("stays-{number}@example.org")).await);
    }
    ids
}

async fn erase(world: &World, id: &str) -> i64 {
    let erased = world.post(&format!("/v1/customers/{id}/erase"), json!({})).await;
    assert_eq!((erased.status, &erased.body["pending"]), (200, &json!([])), "{}", erased.body);
    erased.position.expect("a position")
}

/// What is still there of the others: all.
async fn assert_all_is_there(world: &World, others: &[String]) {
    for (number, id) in others.iter().enumerate() {
        let seen = world.get(&format!("/v1/customers/{id}")).await.body;
        assert_eq!(seen["email"], json!(format!("stays-{number}@example.org")));
    }
    let found = world.get("/v1/customers?email=stays-7@example.org").await;
    assert_eq!(found.body["items"][0]["customer_id"], json!(others[7]), "{}", found.body);
    let taken = world.post("/v1/customers", json!({"emails": ["stays-3@example.org"]})).await;
    assert_eq!(taken.refusal(), "409 email_taken /emails/0 email_taken");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_scrub_no_byte_of_the_erased_is_in_the_files() {
    let mut world = world().await;
    let others = others(&world).await;
    let id = person(&world).await;
    let needles = needles(&world, &id).await;
    let position = erase(&world, &id).await;
    let orphan = orphan(&world).await;
    let before = hits(&world.data(), &needles);
    let all: Vec<&String> = before.values().flatten().collect();
    for (name, _) in &needles {
        assert!(all.contains(&name), "{name} is nowhere before the scrub, so this proves nothing: {before:#?}");
    }
    assert!(before.keys().any(|file| file.contains("pg_wal")), "{before:#?}");

    let done = world.run_json(&["erase", "--scrub", "--json"]);
    assert_eq!((&done["is_complete"], &done["remains"]), (&json!(true), &json!([])), "{done:#}");
    assert!(done["up_to"].as_i64() >= Some(position) && done["wal_segments"].as_i64() > Some(0), "{done:#}");
    assert_eq!(done["orphaned_files"], 1, "{done:#}");
    println!("{done:#}");
    assert_eq!(hits(&world.data(), &needles), BTreeMap::new(), "while the server runs");
    assert!(!orphan.exists());
    let receipt = world.get(&format!("/v1/customers/{id}/erasure")).await;
    assert_eq!(receipt.body["scrubbed_at"], done["ended_at"], "{}", receipt.body);
    assert_all_is_there(&world, &others).await;
    let recycles: String =
        sqlx::query_scalar("show wal_recycle").fetch_one(&mut admin(&world).await).await.expect("it is told");
    assert_eq!(recycles, "on", "as it was");

    world.end(Signal::SIGTERM);
    assert_eq!(hits(&world.data(), &needles), BTreeMap::new(), "after the server has stopped");
    let again = world.run_json(&["erase", "--scrub", "--json"]);
    assert_eq!(again["is_complete"], true, "without a server: {again:#}");
    world.serve(&[]);
    assert_all_is_there(&world, &others).await;
}

/// What tells who the survivor of a merge is.
const SURVIVES: [&str; 3] = ["Survyvorsson", "survyvorsson@example.org", "+34622987654"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_turned_out_to_be_one_are_scrubbed_together() {
    let world = world().await;
    let others = others(&world).await;
    let duplicate = person(&world).await;
    let mut needles = needles(&world, &duplicate).await;
    let body = json!({
        "name": SURVIVES[0], "emails": [SURVIVES[1]], "phones": [SURVIVES[2]], "loyalty": {"currency": "EUR"},
        "references": [{"system": "erp", "reference": "survyvorsson-1"}],
    });
    let survivor = text(&world.post("/v1/customers", body).await.body["customer_id"]);
    has_a_history(&world, &survivor).await;
    has_a_history(&world, &duplicate).await;
    needles.extend(self::needles(&world, &survivor).await.split_off(PLANTED.len()));
    needles.extend(SURVIVES.map(|text| (text.to_owned(), text.as_bytes().to_vec())));
    let merged = world.post(&format!("/v1/customers/{survivor}/merges"), json!({"duplicate_id": duplicate})).await;
    assert_eq!(merged.status, 201, "{}", merged.body);
    let renamed = world.patch(&format!("/v1/customers/{survivor}"), None, json!({"language": "es"})).await;
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    let told = world.open(None, &format!("/v1/customers/{survivor}/export"), None).await.text().await.expect("a text");
    for planted in [SURVIVES[0], "Zwölfaxing", "X1234567L", "Quistropolis"] {
        assert!(told.contains(planted), "{planted} is told with the other one");
    }

    let erased = world.post(&format!("/v1/customers/{duplicate}/erase"), json!({})).await;
    assert_eq!((erased.status, &erased.body["pending"]), (200, &json!([])), "{}", erased.body);
    let subjects = erased.body["subjects"].to_string();
    assert!(subjects.contains(&survivor) && subjects.contains(&duplicate), "{subjects}");
    let before = hits(&world.data(), &needles);
    let all: Vec<&str> = before.values().flatten().map(String::as_str).collect();
    // What was changed early may be gone from its page by now.
    for name in ["Zwölfaxing", "X1234567L", "Quistropolis", SURVIVES[0], SURVIVES[1], "a claim", "the wrapped key"] {
        assert!(all.contains(&name), "{name} is nowhere before the scrub, so this proves nothing: {before:#?}");
    }
    let done = world.run_json(&["erase", "--scrub", "--json"]);
    assert_eq!(done["is_complete"], true, "{done:#}");
    assert_eq!(hits(&world.data(), &needles), BTreeMap::new());
    assert_all_is_there(&world, &others).await;
}

/// A file as PostgreSQL leaves it when it is killed while a table is loaded.
async fn orphan(world: &World) -> PathBuf {
    let folder: String = sqlx::query_scalar(
        "select current_setting('data_directory') || '/base/' || oid from pg_database where datname = current_database()",
    )
    .fetch_one(&mut admin(world).await)
    .await
    .expect("it is told");
    let path = Path::new(&folder).join("999999");
    let mut file = fs::File::create(&path).expect("it is made");
    file.write_all("Zwölfaxing".as_bytes()).expect("it is written");
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    file.set_modified(long_ago).expect("its time is set");
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_that_is_killed_anywhere_loses_nothing_and_the_next_one_does_it_all() {
    let world = world().await;
    let others = others(&world).await;
    let id = person(&world).await;
    let needles = needles(&world, &id).await;
    erase(&world, &id).await;
    let whole = Instant::now();
    assert_eq!(world.run_json(&["erase", "--scrub", "--json"])["is_complete"], true);
    let whole = whole.elapsed();
    for part in 1..8_u32 {
        let mut scrub = world.command();
        scrub.args(["erase", "--scrub", "--json"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut scrub = scrub.spawn().expect("it starts");
        tokio::time::sleep(whole * part / 8).await;
        scrub.kill().expect("it is killed");
        scrub.wait().expect("it has ended");
        let seen = world.get(&format!("/v1/customers/{}", others[0])).await;
        assert_eq!(seen.body["email"], "stays-0@example.org", "killed after {part} of 8 parts");
    }
    let done = until_nobody_else_scrubs(&world).await;
    assert_eq!(done["is_complete"], true, "{done:#}");
    assert_eq!(hits(&world.data(), &needles), BTreeMap::new());
    assert_all_is_there(&world, &others).await;
}

/// The session of one that was killed ends a moment later.
async fn until_nobody_else_scrubs(world: &World) -> Value {
    for _ in 0..100 {
        let output = world.run(&["erase", "--scrub", "--json"]);
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).expect("JSON");
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("another scrub is under way") || said.contains("is under way already"), "{said}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("a killed scrub keeps others out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_waits_for_who_can_still_see_and_two_at_once_are_refused() {
    let world = world().await;
    let id = person(&world).await;
    let needles = needles(&world, &id).await;
    let mut reader = admin(&world).await;
    reader.execute("begin isolation level repeatable read; select count(*) from subject_keys").await.expect("it reads");
    erase(&world, &id).await;
    let mut command = world.command();
    let first = command.args(["erase", "--scrub", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let first = first.spawn().expect("it starts");
    tokio::time::sleep(Duration::from_secs(12)).await;
    let second = world.run(&["erase", "--scrub"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && said.contains("another scrub is under way"), "{said}");
    reader.execute("commit").await.expect("it ends");
    let done = first.wait_with_output().expect("it ends");
    assert!(done.status.success());
    assert_eq!(hits(&world.data(), &needles), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_uses_the_server_meanwhile_hardly_notices() {
    let world = world().await;
    let others = others(&world).await;
    let id = person(&world).await;
    erase(&world, &id).await;
    let mut command = world.command();
    let scrub = command.args(["erase", "--scrub", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut scrub = scrub.spawn().expect("it starts");
    let (mut longest, mut number) = (Duration::ZERO, 0);
    while scrub.try_wait().expect("its state").is_none() {
        let customer = &others[number % others.len()];
        let begun = Instant::now();
        let bought = world.buys(customer, &format!("meanwhile-{number}"), "1.00").await;
        assert_eq!(bought.status, 201, "{}", bought.body);
        let position = bought.position.expect("a position");
        let seen = world.get(&format!("/v1/customers/{customer}?min_position={position}")).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
        let created = world.post("/v1/customers", json!({"emails": [format!("meanwhile-{number}@example.org")]})).await;
        assert_eq!(created.status, 201, "{}", created.body);
        longest = longest.max(begun.elapsed());
        number += 1;
    }
    println!("{number} rounds of three requests during the scrub; the longest took {longest:?}");
    assert!(number > 10 && longest < Duration::from_secs(5), "{number} rounds, {longest:?}");
    assert!(scrub.wait().expect("it ends").success());
}

/// Whoever adds a table has to say whether it is written anew.
#[tokio::test]
async fn every_table_is_written_anew_or_said_to_hold_nothing_of_the_erased() {
    let world = World::start().await;
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    assert_eq!(unknown_tables(&mut admin).await.expect("asked"), Vec::<String>::new(), "say it in scrub/tables.rs");
    let told: Vec<&str> = REWRITTEN.iter().copied().chain(LEFT.iter().map(|(table, _)| *table)).collect();
    for table in told {
        let exists: bool = sqlx::query_scalar("select to_regclass('public.' || $1) is not null")
            .bind(table)
            .fetch_one(&mut admin)
            .await
            .expect("asked");
        assert!(exists, "{table} is not there any more");
    }
    admin.execute("create table public.notes (of_whom text)").await.expect("made");
    assert_eq!(unknown_tables(&mut admin).await.expect("asked"), ["public.notes"]);
    let left = world.run(&["erase", "--scrub", "--json"]);
    let told: Value = serde_json::from_slice(&left.stdout).expect("JSON");
    assert_eq!((left.status.code(), &told["is_complete"]), (Some(4), &json!(false)), "{told:#}");
    let remains = told["remains"].to_string();
    for what in ["public.notes", "write-ahead log up to segment", "VACUUM FULL pg_catalog.pg_statistic"] {
        assert!(remains.contains(what), "{what}: {remains}");
    }
}
