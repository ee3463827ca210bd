//! The program as an operator meets it: start, stop, crash, wrong keys, wrong logins, wrong flags.

use crate::support::World;
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use store::signed_note::LogKey;

/// Standard error of a subcommand that fails, without this test's folder.
fn told(world: &World, words: &[&str]) -> String {
    let output = world.run(words);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = text.lines().filter(|line| line.starts_with("clientela: "));
    lines.collect::<Vec<_>>().join("\n").replace(&world.folder().display().to_string(), "")
}

#[tokio::test]
async fn a_first_start_makes_all_that_is_needed_and_a_kill_loses_nothing() {
    let mut world = World::embedded();
    let mode = |name: &str| world.data().join(name).metadata().expect(name).permissions().mode() & 0o777;
    assert_eq!(
        [
            mode("secrets"),
            mode("secrets/master.key"),
            mode("secrets/claims.key"),
            mode("secrets/log.key"),
            mode("admin.key")
        ],
        [0o700, 0o600, 0o600, 0o600, 0o600]
    );
    let customer = world.member("first@example.com").await;
    let bought = world.buys(&customer, "order-1", "10.00").await;

    world.end(Signal::SIGKILL);
    world.serve(&[]);
    assert_eq!(world.loyalty_at(&customer, bought.position).await["balance"], 10);

    assert!(world.end(Signal::SIGTERM).success(), "{}", world.log());
    assert!(!world.data().join("postgres/data/postmaster.pid").exists(), "PostgreSQL was stopped");
    // Without a server the tools run the database themselves, for as long as they need it.
    assert_eq!(world.run_json(&["key", "list", "--json"]).as_array().map(Vec::len), Some(1));
    let extra = world.run_json(&["key", "create", "extra", "--scope", "customers:read,loyalty:read", "--json"]);
    fs::remove_file(world.data().join("admin.key")).expect("removed");
    world.serve(&[]);
    assert_eq!(world.loyalty_at(&customer, bought.position).await["balance"], 10, "a new admin key was made");
    let key = extra["key"].as_str();
    let path = format!("/v1/customers/{customer}");
    assert_eq!(world.ask_as(key, reqwest::Method::GET, &path, None).await.status, 200);
    assert_eq!(world.run_json(&["status", "--json"])["status"], "ok");
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_or_port_is_refused() {
    let world = World::embedded();
    let second = told(&world, &["serve", "--port", "0"]);
    assert!(second.contains("is already in use by process"), "{second}");
    let same_port = told(&world, &["serve", "--data-dir", "other"]);
    assert!(same_port.ends_with("stop that program, or choose another port with --port"), "{same_port}");
}

#[tokio::test]
async fn data_without_its_keys_is_refused_with_what_to_do() {
    let mut world = World::embedded();
    world.end(Signal::SIGTERM);
    let master = world.data().join("secrets/master.key");
    let key = fs::read_to_string(&master).expect("the key");
    fs::write(&master, format!("{}\n", "0".repeat(64))).expect("another key");
    insta::assert_snapshot!(told(&world, &["serve", "--port", "0"]), @"clientela: the master key is not the one this database was written with: set CLIENTELA_MASTER_KEY, or put the right key into the folder `secrets` of the data folder, from a backup or another node");
    fs::remove_file(&master).expect("removed");
    insta::assert_snapshot!(told(&world, &["serve", "--port", "0"]), @"clientela: /data/secrets/master.key is missing, but there is data written with it: put the file back from your backup, or set CLIENTELA_MASTER_KEY");
    assert!(!master.exists(), "no key is made in place of one that is missing");
    fs::write(&master, key).expect("put back");
    let log = world.data().join("secrets/log.key");
    let key = fs::read_to_string(&log).expect("the key");
    fs::write(&log, LogKey::random().secret_text()).expect("another key");
    insta::assert_snapshot!(told(&world, &["serve", "--port", "0"]), @"clientela: the log key is not the one this database was written with: set CLIENTELA_LOG_KEY, or put the right key into the folder `secrets` of the data folder, from a backup or another node");
    fs::remove_file(&log).expect("removed");
    insta::assert_snapshot!(told(&world, &["serve", "--port", "0"]), @"clientela: /data/secrets/log.key is missing, but the log was signed with it: put the file back from your backup or another node, or set CLIENTELA_LOG_KEY");
    assert!(!log.exists(), "no key is left in place of one that is missing");
    fs::write(&log, key).expect("put back");
    world.serve(&[]);
}

#[tokio::test]
async fn an_installation_from_before_there_were_log_keys_gets_one() {
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    let log = world.data().join("secrets/log.key");
    fs::remove_file(&log).expect("removed");
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    admin.execute("delete from key_checks where purpose = 'log'").await.expect("none is known");
    world.serve(&[]);
    assert!(LogKey::parse(&fs::read_to_string(&log).expect("made")).is_ok());
}

#[tokio::test]
async fn a_login_that_passes_the_walls_between_tenants_is_refused() {
    let world = World::start().await;
    let url = world.database_url("postgres");
    let refused = told(&world, &["serve", "--port", "0", "--database-url", &url]);
    insta::assert_snapshot!(refused, @"clientela: role postgres is superuser or has BYPASSRLS: tenants would not be walled off; use another login");
}

#[tokio::test]
async fn a_database_of_ones_own_is_migrated_by_one_login_and_served_by_another() {
    let mut world = World::with_an_empty_database().await;
    insta::assert_snapshot!(told(&world, &["serve", "--port", "0"]), @"clientela: the database has not been migrated: run `clientela migrate`");
    let url = world.database_url("postgres");
    assert!(world.run_json(&["migrate", "--database-url", &url, "--json"])["schema"].is_string());
    world.serve(&[]);
    assert_eq!(world.run_json(&["status", "--json"])["status"], "ok");
}

#[tokio::test]
async fn no_log_line_says_who_anybody_is() {
    let mut world = World::empty(None);
    world.serve(&["--log-level", "debug", "--log-format", "json"]);
    let customer = world.member("planted-address@example.com").await;
    world.buys(&customer, "order-1", "10.00").await;
    world.post("/v1/customers", json!({"name": "Planted Name", "emails": ["planted-address@example.com"]})).await;
    world.post("/v1/customers", json!({"name": "Planted Name", "emails": ["planted-address"]})).await;
    world.get("/v1/customers?email=planted-address@example.com").await;
    assert!(world.end(Signal::SIGTERM).success());
    let log = world.log().to_lowercase();
    assert!(log.lines().all(|line| line.starts_with('{')), "each line is JSON");
    assert!(!log.contains("planted") && !log.contains("torres") && !log.contains("clk_"), "{log}");
}

#[tokio::test]
async fn an_open_server_listens_to_this_machine_only() {
    let world = World::empty(None);
    insta::assert_snapshot!(told(&world, &["serve", "--listen", "0.0.0.0:0", "--open"]), @"clientela: open is allowed only on a loopback address, not on 0.0.0.0:0");
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    world.serve(&["--open"]);
    let path = "/v1/customers?email=nobody@example.com";
    assert_eq!(world.ask_as(None, reqwest::Method::GET, path, None).await.status, 200);
}

#[tokio::test]
async fn the_configuration_says_what_is_wrong_with_it() {
    let world = World::empty(None);
    fs::write(world.folder().join("a.toml"), "listn = \"127.0.0.1:1\"\n").expect("written");
    insta::assert_snapshot!(told(&world, &["config", "--config", "a.toml"]), @"clientela: a.toml has the unknown key `listn`; known are data_dir, listen, database_url, master_key, claim_key, log_key, log_format, log_level, open, cors_origins, feed_clients_max, feed_clients_per_key_max, feed_recheck_seconds, requests_per_key, failures_per_address, drain_seconds, rebuild_on_start, background, scrub_at, head_every_seconds, heads_file, heads_url, heads_token, heads_ca_file, erasures_file, mail_lookup");
    fs::write(world.folder().join("a.toml"), "listen = 7\n").expect("written");
    insta::assert_snapshot!(told(&world, &["serve", "--config", "a.toml"]), @"clientela: listen (file a.toml) is wrong: invalid type: integer `7`, expected socket address");
    let output = world.run(&["config", "--database-url", "postgres://ana:secret@db/x"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("postgres://ana:****@db/x") && !shown.contains("secret@"), "{shown}");
}

#[tokio::test]
async fn who_has_seen_enough_may_close_the_pipe() {
    let world = World::empty(None);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = world.command().arg("config").stdout(writer).output().expect("it starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_tool_without_a_server_or_a_key_says_so() {
    let world = World::empty(None);
    insta::assert_snapshot!(told(&world, &["status"]), @"clientela: there is no key in /data/admin.key: start the server once, or give one with --key or CLIENTELA_KEY");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let away = told(&world, &["status", "--key", "clk_x", "--url", &format!("http://{free}")]);
    assert!(away.contains("no server answers at") && away.contains("Connection refused"), "{away}");
}

#[tokio::test]
async fn the_command_line_finds_the_server_of_its_data_folder_on_any_port() {
    let mut world = World::start().await;
    let status = |world: &World| {
        let output = world.command().env_remove("CLIENTELA_LISTEN").args(["status"]).output().expect("it runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let here = format!("http://{}", world.host());
    assert!(status(&world).starts_with(&format!("{here}: ok")), "{}", status(&world));
    let elsewhere = world.command().args(["status", "--url", "http://127.0.0.1:1"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("no server answers at http://127.0.0.1:1"));

    world.end(Signal::SIGKILL);
    assert!(world.data().join("address").exists(), "it could not take it away");
    assert!(!status(&world).contains(&here), "nobody believes it: {}", status(&world));
    world.serve(&[]);
    assert!(status(&world).starts_with(&format!("{here}: ok")), "{}", status(&world));
    world.end(Signal::SIGTERM);
    assert!(!world.data().join("address").exists());
}

#[tokio::test]
async fn a_key_that_the_server_does_not_know_is_told_with_where_it_is_from() {
    let world = World::start().await;
    let other = world.folder().join("other");
    fs::create_dir(&other).expect("a folder");
    fs::write(other.join("admin.key"), "clk_of_another_server\n").expect("a key");
    let here = |text: String| text.replace(world.host(), "HERE").replace(&world.folder().display().to_string(), "");
    insta::assert_snapshot!(here(told(&world, &["programme", "show", "--data-dir", "other"])), @"clientela: the server at http://HERE does not know the key in other/admin.key. Is it the server of this data folder? (--url, --data-dir) Only if its database was exchanged for another: remove the file and start the server again (401 key_unknown)");
    insta::assert_snapshot!(here(told(&world, &["programme", "show", "--key", "clk_x"])), @"clientela: the server at http://HERE does not know this key (401 key_unknown)");
    let status = world.run(&["status", "--data-dir", "other"]);
    assert!(status.status.success(), "the server is well: {}", String::from_utf8_lossy(&status.stderr));
    insta::assert_snapshot!(here(String::from_utf8_lossy(&status.stdout).into_owned()), @r"
    http://HERE: ok
    (the server at http://HERE does not know the key in other/admin.key. Is it the server of this data folder? (--url, --data-dir) Only if its database was exchanged for another: remove the file and start the server again (401 key_unknown))
    ");
    let reader = world.run_json(&["key", "create", "reader", "--scope", "customers:read", "--json"]);
    let status = world.run(&["status", "--key", reader["key"].as_str().expect("a key")]);
    insta::assert_snapshot!(here(String::from_utf8_lossy(&status.stdout).into_owned()), @r"
    http://HERE: ok
    (no more is told without a key for operations)
    ");
}

#[tokio::test]
async fn what_is_called_otherwise_is_told_with_what_there_is() {
    let world = World::start().await;
    let no_job = told(&world, &["jobs", "run", "nobody"]);
    assert!(no_job.contains("404 job_not_found: no job has this name; the jobs are: loyalty_"), "{no_job}");
    let no_reactor = told(&world, &["reactors", "parked", "nobody"]);
    assert!(no_reactor.contains("no reactor has this name; the reactors are: "), "{no_reactor}");
    let misused = |words: &[&str]| {
        let output = world.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let no_id = misused(&["export", "foo"]);
    assert!(no_id.contains("not the id of a customer (a UUID); the lists are `customers` and `ledger`"), "{no_id}");
    for words in [&["erase", "foo", "--yes"][..], &["feed", "tail", "--customer", "foo"]] {
        assert!(misused(words).contains("not the id of a customer (a UUID)"), "{words:?}");
    }
    assert!(misused(&["rebuild"]).contains("clientela rebuild <NAME|--all>"), "{}", misused(&["rebuild"]));
}

#[tokio::test]
async fn only_a_server_begins_an_installation() {
    let world = World::empty(None);
    for words in [
        &["key", "create", "--scope", "admin"][..],
        &["tenant", "list"],
        &["rebuild", "--all"],
        &["check", "--all"],
        &["verify"],
        &["secrets", "list"],
        &["secrets", "accept-loss"],
        &["erase", "--list"],
        &["erase", "--scrub"],
        &["reactors", "restart", "customer_lifecycle"],
    ] {
        let nothing = "clientela: there is no data in /data: name the right folder with --data-dir, or begin there with `clientela serve`";
        assert_eq!(told(&world, words), nothing, "{words:?}");
        assert!(!world.data().exists(), "{words:?}");
    }
}

#[tokio::test]
async fn invented_customers_are_the_same_each_time() {
    let world = World::start().await;
    let words = ["demo", "--customers", "12", "--seed", "7", "--until", "2026-03-01", "--json"];
    let first = world.run_json(&words);
    let head = world.head().await;
    let again = world.run_json(&words);
    for count in ["customers", "purchases", "refunds", "redemptions"] {
        assert_eq!(first[count], again[count], "{count}");
    }
    assert_eq!(first["customers"], 12);
    assert_eq!(world.head().await, head, "made again, it changes nothing");
    let old = world.run_json(&["demo", "--customers", "30", "--until", "2020-01-01", "--json"]);
    assert_eq!((&old["customers"], &old["refunds"]), (&json!(30), &json!(0)), "nothing so old is given back");
}

#[tokio::test]
async fn the_doctor_finds_a_running_server_well() {
    let world = World::start().await;
    let findings = world.run_json(&["doctor", "--json"]);
    let failed: Vec<_> = findings.as_array().expect("findings").iter().filter(|one| one["state"] == "fail").collect();
    assert!(failed.is_empty(), "{failed:?}");
    let parts: Vec<_> = findings.as_array().expect("findings").iter().map(|one| one["part"].clone()).collect();
    assert!(parts.contains(&json!("roles")) && parts.contains(&json!("server")), "{parts:?}");
}
