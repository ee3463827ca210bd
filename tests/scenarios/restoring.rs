//! An older backup of the database is restored: who was erased since stays erased, by the signed list that every server keeps apart.

use crate::support::feed::Reader;
use crate::support::{World, http};
use commands::customers::{Erase, erase};
use commands::{Caller, Scope};
use domain::customers::events::ErasureGround;
use domain::ids::CustomerId;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use store::contract::fresh_id;
use uuid::Uuid;

const LOGIN: &str = "scenario_login";
const PATIENCE: Duration = Duration::from_secs(60);

/// A copy of a world's database from some time ago, and where it is.
struct Backup {
    admin: PgConnectOptions,
    of: String,
    name: String,
}

impl Backup {
    /// Of a world whose server has stopped.
    async fn take(world: &World) -> Self {
        let options: PgConnectOptions = world.database_url("postgres").parse().expect("an address");
        let of = options.get_database().expect("a name").to_owned();
        let (name, admin) = (format!("{of}_backup"), options.database("postgres"));
        let backup = Self { admin, of, name };
        backup.copy(&backup.of, &backup.name).await;
        backup
    }

    /// Puts it in the place of the database.
    async fn restore(&self) {
        self.copy(&self.name, &self.of).await;
    }

    async fn copy(&self, from: &str, to: &str) {
        // Sessions that were let go a moment ago may not be gone yet.
        let sql = format!(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{from}'; \
             drop database if exists {to} with (force); create database {to} template {from} strategy file_copy; \
             grant create on database {to} to clientela_rebuild; revoke temporary on database {to} from public"
        );
        let mut admin = PgConnection::connect_with(&self.admin).await.expect("the superuser logs in");
        for sql in sql.split("; ") {
            admin.execute(AssertSqlSafe(sql.to_owned())).await.expect("copied");
        }
        admin.close().await.expect("a clean end");
    }

    async fn forget(self) {
        let mut admin = PgConnection::connect_with(&self.admin).await.expect("the superuser logs in");
        let sql = format!("drop database if exists {} with (force)", self.name);
        admin.execute(AssertSqlSafe(sql)).await.expect("dropped");
        admin.close().await.expect("a clean end");
    }
}

/// A customer, by what tells who it is.
#[derive(Debug, Clone)]
struct Person {
    id: String,
    word: &'static str,
}

impl Person {
    async fn register(world: &World, word: &'static str, phone: u32) -> Self {
        let body = json!({
            "name": format!("Planted {word}"), "emails": [format!("{word}@planted.example")],
            "phones": [format!("+3460098{phone:04}")], "currency": "EUR", "loyalty": true,
        });
        let registered = world.post("/v1/customers", body).await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        let id = registered.body["customer_id"].as_str().expect("an id").to_owned();
        assert_eq!(world.buys(&id, "order-1", "12.00").await.status, 201);
        Self { id, word }
    }

    async fn erase(&self, world: &World) -> Value {
        let erased = world.post(&format!("/v1/customers/{}/erase", self.id), json!({})).await;
        assert_eq!(erased.status, 200, "{}", erased.body);
        erased.body
    }

    fn uuid(&self) -> Uuid {
        self.id.parse().expect("an id")
    }

    /// Nobody in every answer, and what it had claimed is free.
    async fn assert_erased(&self, world: &World) {
        let customer = world.get(&format!("/v1/customers/{}", self.id)).await.body;
        assert_eq!((&customer["status"], &customer["name"]), (&json!("erased"), &Value::Null), "{customer}");
        for search in [format!("email={}@planted.example", self.word), format!("name={}", self.word)] {
            let found = world.get(&format!("/v1/customers?{search}")).await;
            assert!(found.status == 404 || found.body["items"] == json!([]), "{search}: {}", found.body);
        }
        let export = world.get(&format!("/v1/customers/{}/export", self.id)).await;
        assert_eq!((export.status, &export.body["code"]), (410, &json!("erased")));
        let history = world.get(&format!("/v1/customers/{}/events", self.id)).await.body.to_string();
        assert!(!history.contains(self.word), "{history}");
        let emails = json!([format!("{}@planted.example", self.word)]);
        let other = world.post("/v1/customers", json!({"emails": emails})).await;
        assert_eq!(other.status, 201, "{}", other.body);
    }
}

fn list_of(world: &World) -> PathBuf {
    world.data().join("erasures")
}

/// Until a server's list names all of them.
async fn listed(world: &World, persons: &[&Person]) {
    let read = || fs::read_to_string(list_of(world)).unwrap_or_default();
    let named = |list: &str| persons.iter().all(|person| list.contains(&format!("\"customer_id\":\"{}\"", person.id)));
    let waited = async {
        while !named(&read()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("not all are listed: {}", read()));
}

async fn admin(world: &World) -> PgConnection {
    PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in")
}

/// Two customers turn out to be one person, who was somebody before, too: of that one there is a key, and no customer.
async fn become_one(world: &World, one: &Person, other: &Person) -> Uuid {
    let (before, mut admin) = (fresh_id(), admin(world).await);
    let key = "insert into subject_keys (tenant, subject_id, wrapped_key, master_version) values (1, $1, '\\x07', 1)";
    sqlx::query(key).bind(before).execute(&mut admin).await.expect("a key");
    for (one, other) in [(one.uuid(), other.uuid()), (other.uuid(), before)] {
        let sql = "insert into subject_links (tenant, subject_id, other_id) values (1, $1, $2), (1, $2, $1)";
        sqlx::query(sql).bind(one).bind(other).execute(&mut admin).await.expect("linked");
    }
    admin.close().await.expect("a clean end");
    before
}

/// What the first answer of a server says that is only being started.
fn first_answer(world: &World, person: &Person) -> tokio::task::JoinHandle<Value> {
    let http = http().timeout(PATIENCE).build().expect("a client");
    let request = http.get(format!("http://{}/v1/customers/{}", world.host(), person.id)).bearer_auth(world.key());
    tokio::spawn(async move {
        loop {
            if let Ok(answer) = request.try_clone().expect("no body").send().await {
                return answer.json().await.expect("JSON");
            }
        }
    })
}

/// All that a reader of the feed is told of the past, with the right to see persons.
async fn told_by_the_feed(world: &World) -> String {
    let (messages, _) = Reader::open(world, None, "?from=0", None).await.until("caught-up").await;
    messages.iter().map(|message| format!("{} {}\n", message.event, message.data)).collect()
}

/// Who was erased once more is told the first receipt, and that it was done again; who is not in the backup, the receipt alone.
async fn assert_first_receipts(world: &World, ana: &Person, of_ana: &Value, late: &Person, of_late: &Value) {
    let head = world.head().await;
    let receipt = world.get(&format!("/v1/customers/{}/erasure", ana.id)).await.body;
    assert_eq!(receipt["receipt"], of_ana["receipt"], "the first receipt stays");
    assert_eq!((&receipt["ground"], of_ana["again"].is_null()), (&json!("request"), true));
    let again = &receipt["again"];
    assert!(again["position"].as_i64().is_some_and(|position| position <= head), "{receipt}");
    let note = again["receipt"].as_str().expect("a receipt");
    assert!(note.contains("\"ground\":\"restored\"") && note.contains("\"actor\":\"system:restore\""), "{note}");
    let unknown = world.get(&format!("/v1/customers/{}", late.id)).await;
    let receipt = world.get(&format!("/v1/customers/{}/erasure", late.id)).await;
    assert_eq!((unknown.status, &receipt.body["receipt"]), (404, &of_late["receipt"]), "{}", receipt.body);
}

async fn assert_no_keys(world: &World, gone: &[Uuid]) {
    let keys = "select count(*) from subject_keys where subject_id = any($1) and wrapped_key is not null";
    let mut admin = admin(world).await;
    let left: i64 = sqlx::query_scalar(keys).bind(gone).fetch_one(&mut admin).await.expect("counted");
    assert_eq!(left, 0, "keys came back");
    admin.close().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_erased_stay_erased_when_an_older_backup_is_restored() {
    let mut world = World::start().await;
    let [ana, ben, cleo, dan, eva] = [
        Person::register(&world, "anaxagoras", 1).await,
        Person::register(&world, "benedicta", 2).await,
        Person::register(&world, "cleopatra", 3).await,
        Person::register(&world, "dantesque", 4).await,
        Person::register(&world, "evangeline", 5).await,
    ];
    let before = become_one(&world, &cleo, &dan).await;
    world.end(Signal::SIGTERM);
    let backup = Backup::take(&world).await;
    world.serve(&[]);
    let mut second = world.beside(&world.database_url(LOGIN));
    second.serve(&[]);
    let first_receipt = ana.erase(&world).await;
    ben.erase(&second).await;
    let of_cleo = cleo.erase(&world).await;
    assert_eq!(of_cleo["subjects"].as_array().map(Vec::len), Some(3), "{of_cleo}");
    let late = Person::register(&world, "latecomer", 6).await;
    let of_late = late.erase(&second).await;
    for server in [&world, &second] {
        listed(server, &[&ana, &ben, &cleo, &late]).await;
    }
    drop(second);
    world.end(Signal::SIGTERM);

    backup.restore().await;
    let asked = first_answer(&world, &ana);
    world.serve(&[]);
    let first = asked.await.expect("it asks");
    assert_eq!(first["status"], "erased", "a door was open before: {first}");
    let told = told_by_the_feed(&world).await;
    for person in [&ana, &ben, &cleo, &dan] {
        person.assert_erased(&world).await;
        assert!(!told.contains(person.word), "the feed tells of {}", person.word);
    }
    assert!(told.contains(eva.word) && told.contains("customer.erased"), "{told}");
    let kept = world.get(&format!("/v1/customers/{}", eva.id)).await.body;
    assert_eq!(kept["name"], "Planted evangeline");
    assert_first_receipts(&world, &ana, &first_receipt, &late, &of_late).await;
    assert_no_keys(&world, &[ana.uuid(), ben.uuid(), cleo.uuid(), dan.uuid(), before]).await;
    let log = world.log();
    assert!(log.contains("are erased again, before any door was open") && log.contains("count=5"), "{log}");
    assert!(!log.contains("lanted"), "{log}");
    for words in [&["check", "--all"][..], &["check", "claims"], &["verify"]] {
        let output = world.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    }

    let head = world.head().await;
    world.end(Signal::SIGTERM);
    world.serve(&[]);
    assert_eq!(world.head().await, head, "a second start does nothing");
    let repeated = ana.erase(&world).await;
    assert_eq!((&repeated["repeated"], &repeated["receipt"]), (&json!(true), &first_receipt["receipt"]));
    backup.forget().await;
}

/// A stopped server, a person whom it erased, and a backup from before.
async fn erased_after_a_backup() -> (World, Person, Backup) {
    let mut world = World::start().await;
    let ana = Person::register(&world, "anaxagoras", 1).await;
    world.end(Signal::SIGTERM);
    let backup = Backup::take(&world).await;
    world.serve(&[]);
    ana.erase(&world).await;
    listed(&world, &[&ana]).await;
    world.end(Signal::SIGTERM);
    (world, ana, backup)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_not_the_logs_stops_the_start_and_half_an_entry_does_not() {
    let (mut world, ana, backup) = erased_after_a_backup().await;
    backup.restore().await;
    let whole = fs::read_to_string(list_of(&world)).expect("the list");
    let other = Uuid::from_u128(7).to_string();
    fs::write(list_of(&world), whole.replace(&ana.id, &other)).expect("forged");
    let mut admin = admin(&world).await;
    let rows = async |admin: &mut PgConnection| -> (i64, i64) {
        let sql = "select (select count(*) from events), (select count(*) from erasures)";
        sqlx::query_as(sql).fetch_one(admin).await.expect("counted")
    };
    let before = rows(&mut admin).await;
    let refused = world.run(&["serve", "--port", "0"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("is not believed: entry 1 (line 1) was changed"), "{said}");
    assert!(said.contains("the signature of clientela/") && said.contains("nothing was touched"), "{said}");
    assert_eq!(rows(&mut admin).await, before);
    admin.close().await.expect("a clean end");

    fs::write(list_of(&world), format!("{whole}clientela/erasure/v1\n{{\"tenant\":1,\"cust")).expect("torn");
    world.serve(&[]);
    ana.assert_erased(&world).await;
    assert_eq!(fs::read_to_string(list_of(&world)).expect("the list").trim_end(), whole.trim_end());
    backup.forget().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_list_is_made_again_of_the_table_and_told_when_the_table_knows_less() {
    let (mut world, ana, backup) = erased_after_a_backup().await;
    fs::remove_file(list_of(&world)).expect("lost");
    world.serve(&[]);
    listed(&world, &[&ana]).await;
    assert!(!world.log().contains("has lost"), "{}", world.log());
    world.end(Signal::SIGTERM);
    let whole = fs::read(list_of(&world)).expect("the list");
    fs::remove_file(list_of(&world)).expect("lost");
    backup.restore().await;
    world.serve(&[]);
    assert!(world.log().contains("the erasure list has lost 1 receipts"), "{}", world.log());
    let back = world.get(&format!("/v1/customers/{}", ana.id)).await.body;
    assert_eq!(back["name"], "Planted anaxagoras", "nobody knew that it had been erased");
    world.end(Signal::SIGTERM);
    fs::write(list_of(&world), whole).expect("found");
    world.serve(&[]);
    ana.assert_erased(&world).await;
    backup.forget().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_applied_to_a_copy_on_another_machine() {
    let mut world = World::start().await;
    let [ana, eva] = [Person::register(&world, "anaxagoras", 1).await, Person::register(&world, "evangeline", 5).await];
    world.end(Signal::SIGTERM);
    let backup = Backup::take(&world).await;
    world.serve(&[]);
    let erased = ana.erase(&world).await;
    let exported = world.folder().join("exported");
    let exported = exported.to_str().expect("a path");
    let listed = world.run(&["erase", "--list", "--receipt", exported]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let list = world.run_json(&["erase", "--list", "--json"]);
    assert_eq!((&list[0]["customer_id"], &list[0]["receipt"]), (&json!(ana.id), &erased["receipt"]), "{list}");
    let since = world.run_json(&["erase", "--list", "--json", "--since", "2999-01-01"]);
    assert_eq!(since, json!([]));
    let shown = String::from_utf8(world.run(&["erase", "--list"]).stdout).expect("text");
    assert!(shown.lines().count() == 2 && shown.contains(&ana.id), "{shown}");

    let url = world.database_url(LOGIN).replace(&backup.of, &backup.name);
    let mut other = world.beside(&url);
    let unasked = other.run(&["erase", "--apply", exported]);
    let said = String::from_utf8_lossy(&unasked.stderr);
    assert!(!unasked.status.success() && said.contains("say --yes"), "{said}");
    let forged = world.folder().join("forged");
    let whole = fs::read_to_string(exported).expect("the list");
    fs::write(&forged, whole.replace(&ana.id, &eva.id)).expect("forged");
    let refused = other.run(&["erase", "--apply", forged.to_str().expect("a path"), "--yes"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("entry 1 (line 1) was changed"), "{said}");
    let applied = other.run_json(&["erase", "--apply", exported, "--yes", "--json"]);
    assert_eq!((&applied["alive"], &applied["erased"], &applied["failed"]), (&json!(1), &json!(1), &json!([])));
    let again = other.run_json(&["erase", "--apply", exported, "--yes", "--json"]);
    assert_eq!((&again["alive"], &again["erased"]), (&json!(0), &json!(0)));
    fs::write(&forged, format!("{whole}clientela/era")).expect("torn");
    let torn = other.run(&["erase", "--apply", forged.to_str().expect("a path"), "--yes"]);
    assert_eq!(torn.status.code(), Some(1), "{}", String::from_utf8_lossy(&torn.stderr));
    other.serve(&[]);
    ana.assert_erased(&other).await;
    self::listed(&other, &[&ana]).await;
    let receipt = other.get(&format!("/v1/customers/{}/erasure", ana.id)).await.body;
    assert_eq!(receipt["receipt"], erased["receipt"]);
    assert!(receipt["again"]["receipt"].as_str().is_some_and(|note| note.contains("\"actor\":\"cli\"")), "{receipt}");
    assert_eq!(other.get(&format!("/v1/customers/{}", eva.id)).await.body["name"], "Planted evangeline");
    drop(other);
    backup.forget().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_was_never_written_is_and_a_key_that_came_back_alone_goes_again() {
    let mut world = World::start().await;
    let ana = Person::register(&world, "anaxagoras", 1).await;
    let mut admin = admin(&world).await;
    let read = "select wrapped_key from subject_keys where subject_id = $1";
    let key: Option<Vec<u8>> =
        sqlx::query_scalar(read).bind(ana.uuid()).fetch_one(&mut admin).await.expect("a row of it");
    // A node that ends before it comes to the receipt.
    let (commands, caller) = world.till_ago(0).await;
    let caller = Caller { scopes: vec![Scope::CustomersErase], ..caller };
    let request = Erase { customer: CustomerId::new(ana.uuid()), ground: ErasureGround::Request };
    erase(&commands, &caller, None, request).await.expect("erased");
    drop(commands);
    assert!(!fs::read_to_string(list_of(&world)).expect("the list").contains(&ana.id));
    world.end(Signal::SIGTERM);
    world.serve(&[]);
    listed(&world, &[&ana]).await;
    world.end(Signal::SIGTERM);

    admin.execute("set session_replication_role = replica").await.expect("nothing is forbidden");
    let back = "update subject_keys set wrapped_key = $2, erased_at = null where subject_id = $1";
    sqlx::query(back).bind(ana.uuid()).bind(key).execute(&mut admin).await.expect("it came back");
    world.serve(&[]);
    let left: Option<Vec<u8>> = sqlx::query_scalar(read).bind(ana.uuid()).fetch_one(&mut admin).await.expect("a row");
    assert_eq!(left, None);
    ana.assert_erased(&world).await;
    let receipt = world.get(&format!("/v1/customers/{}/erasure", ana.id)).await.body;
    assert_eq!((&receipt["ground"], receipt["again"].is_object()), (&json!("request"), true), "{receipt}");
    admin.close().await.expect("a clean end");
}
