//! Two nodes on one cluster, and what they are asked before and after.

use super::load::{Others, Sight};
use super::persons::{Clerk, Command, ERASED, Person, STAYING, is_imported, plant, settled};
use super::places::{self, Found};
use super::scrubbed::hide_nothing;
use super::told::{Told, erase, halves};
use crate::client::Caller;
use crate::import::{finish, importer};
use crate::server::{Server, command};
use clientela_verify::{Key, event};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Persons who are erased at the same time.
const AT_ONCE: usize = 3;

/// Two nodes on one cluster, with those who are to be erased, those who stay, and customers who go on buying.
pub(crate) struct Scene {
    /// The second one has its PostgreSQL from the first, and so goes first.
    pub(super) second: Server,
    pub(super) first: Server,
    pub(crate) nodes: [Caller; 2],
    superuser: PgConnectOptions,
    pub(super) persons: Vec<Person>,
    staying: Vec<Person>,
    others: Vec<Uuid>,
    planted: Vec<Command>,
}

impl Scene {
    pub(crate) async fn set(count: usize, staying: usize) -> Self {
        let mut first = Server::new();
        first.start().await;
        hide_nothing(&mut first).await;
        let superuser = first.superuser().await;
        let mut second = Server::with(environment_beside(&first, &superuser).await);
        fs::create_dir_all(second.data()).expect("its data folder");
        second.start().await;
        let nodes = [first.caller(), first.caller().through(second.port())];
        import(&first, count).await;
        let mut clerk = Clerk::new(&nodes, &format!("{}-planted", ERASED.of(0, "")));
        let mut persons = Vec::new();
        for n in 0..count {
            persons.push(plant(&mut clerk, ERASED, n).await);
        }
        let planted = std::mem::take(&mut clerk.commands);
        let mut clerk = Clerk::new(&nodes, "staying");
        let mut stay = Vec::new();
        for n in (0..).filter(|n| !is_imported(*n)).take(staying) {
            stay.push(plant(&mut clerk, STAYING, n).await);
        }
        let mut others = Vec::new();
        for n in 0..6 {
            let body = json!({"emails": [format!("other-{n}@example.org")], "loyalty": {"currency": "EUR"}});
            let registered = clerk.does(Method::POST, "/v1/customers", body).await;
            others.push(registered["customer_id"].as_str().and_then(|id| id.parse().ok()).expect("an id"));
        }
        let scene = Self { second, first, nodes, superuser, persons, staying: stay, others, planted };
        scene.until_all_is_read().await;
        // As PostgreSQL does by itself: what the planner knows of columns is made of their values, and pages come to the disk.
        let mut session = PgConnection::connect_with(&scene.superuser).await.expect("the superuser logs in");
        session.execute("analyze; checkpoint").await.expect("written");
        session.close().await.expect("a clean end");
        scene
    }

    /// Waits until every read model has come to the end of the log.
    async fn until_all_is_read(&self) {
        let began = Instant::now();
        loop {
            let told: Value = serde_json::from_str(&self.nodes[0].text("/v1/projections").await.1).unwrap_or_default();
            let items = told["items"].as_array().cloned().unwrap_or_default();
            if !items.is_empty() && items.iter().all(|item| item["position"].as_i64() >= told["head"].as_i64()) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{told}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All places, and how often something of those to be erased stands there.
    pub(crate) async fn found_anywhere(&self) -> Found {
        let mut found = places::tables(&self.superuser).await;
        found.insert("the dump".to_owned(), places::dump(&self.superuser).await);
        let below = places::paths(&self.nodes[0]).await;
        for (n, node) in self.nodes.iter().enumerate() {
            found.insert(format!("the feed of node {n}"), places::hits(&places::feed(node, "").await));
            found.insert(format!("the metrics of node {n}"), places::hits(&node.text("/metrics").await.1));
            let mut fed = 0;
            for person in &self.persons {
                fed += places::hits(&places::feed(node, &format!("&customer={}", person.id)).await);
                fed += places::hits(&places::feed(node, &format!("&stream=customer:{}", person.id)).await);
                for (place, count) in places::answers(node, &below, person).await {
                    *found.entry(format!("{place} of node {n}")).or_default() += count;
                }
            }
            found.insert(format!("the feeds of persons of node {n}"), fed);
        }
        for server in [&self.first, &self.second] {
            found.extend(places::files(server.folder()));
        }
        found.extend(places::postgres_files(&self.first.data(), false));
        found
    }

    /// What is told of those who stay, without what every new event moves.
    pub(crate) async fn answers_of_those_who_stay(&self) -> BTreeMap<String, Value> {
        let below = places::paths(&self.nodes[0]).await;
        let mut answers = BTreeMap::new();
        for person in &self.staying {
            for path in &below {
                let (_, text) = self.nodes[0].text(&person.path(path)).await;
                let mut answer: Value = serde_json::from_str(&text).unwrap_or_default();
                for moving in ["request_id", "position"] {
                    answer.as_object_mut().and_then(|members| members.remove(moving));
                }
                answers.insert(person.path(path), answer);
            }
        }
        answers
    }

    /// Erases all, some at a time, with all that goes on meanwhile.
    pub(crate) async fn erase_all(&self) -> Told {
        let others = Others::begin(&self.nodes, &self.others);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (sight, began) = (Sight::default(), Instant::now());
        let (mut erasures, mut commands) = (Vec::new(), Vec::new());
        for some in self.persons.chunks(AT_ONCE) {
            let erasing = some.iter().map(|person| erase(&self.nodes, person, &sight));
            for (erased, late) in futures::future::join_all(erasing).await {
                erasures.extend(erased);
                commands.extend(late);
            }
        }
        let ended = Instant::now();
        let served = others.end().await;
        Told { erasures, commands, seen: sight.all(), served, began, ended }
    }

    /// What the log says against the erasures.
    pub(crate) async fn wrong_in_the_log(&self, told: &Told) -> Vec<String> {
        let mut session = PgConnection::connect_with(&self.superuser).await.expect("the superuser logs in");
        let mut wrong = Vec::new();
        for person in &self.persons {
            let sql = "select e.position, t.name, e.personal is not null, coalesce(e.payload::jsonb->>'order', '') \
                       from events e join event_names t on t.code = e.type where e.customer_id = $1 order by e.position";
            let events: Vec<(i64, String, bool, String)> =
                sqlx::query_as(sql).bind(person.id).fetch_all(&mut session).await.expect("its events");
            let erased: Vec<i64> =
                events.iter().filter(|event| event.1 == "customer.erased").map(|event| event.0).collect();
            let told: BTreeSet<i64> = told.erasures_of(person).map(|erasure| erasure.position).collect();
            if erased.len() != 1 || told != BTreeSet::from_iter(erased.iter().copied()) {
                wrong.push(format!("person {} was erased at {erased:?}, and told at {told:?}", person.n));
                continue;
            }
            let late = events.iter().filter(|(position, ..)| *position > erased[0]);
            wrong.extend(late.map(|event| format!("person {}: {event:?} behind {}", person.n, erased[0])));
            wrong.extend(halves(&events).into_iter().map(|order| format!("person {}: half of {order}", person.n)));
        }
        session.close().await.expect("a clean end");
        wrong
    }

    /// Sends all again that was ever sent of the erased, each at the other node: nothing happens, and nothing is told.
    pub(crate) async fn sent_again(&self, told: &Told) -> Vec<String> {
        let events = self.events_of_persons().await;
        let mut wrong = Vec::new();
        for (nth, was) in self.planted.iter().chain(&told.commands).enumerate() {
            for node in [nth % 2, (nth + 1) % 2] {
                let reply = settled(&self.nodes[node], (&was.method, &was.path, &was.body), &was.key).await;
                // What needed nothing done is answered at the head of the log.
                let is_same = reply.position == was.reply.position || was.reply.body()["repeated"] == true;
                let is_repeat = was.reply.status < 300 && reply.status < 300 && is_same;
                let is_refused = reply.status == was.reply.status && reply.status >= 400;
                let is_gone = reply.status == 410 || (reply.status == 409 && reply.code() == "customer_erased");
                let tells = reply.status < 400 && places::hits(&reply.text) > 0;
                if tells || !(is_repeat || is_refused || is_gone) {
                    let (status, text) = (was.reply.status, &reply.text);
                    wrong.push(format!("{} {}: {status}, then {} {text}", was.method, was.path, reply.status));
                }
            }
        }
        let now = self.events_of_persons().await;
        wrong.extend((now != events).then(|| format!("there were {events} events of the erased, and are {now}")));
        wrong
    }

    /// How many events the log has of the erased.
    async fn events_of_persons(&self) -> i64 {
        let mut session = PgConnection::connect_with(&self.superuser).await.expect("the superuser logs in");
        let of_persons = "select count(*) from events where customer_id = any($1)";
        let ids: Vec<Uuid> = self.persons.iter().map(|person| person.id).collect();
        let count = sqlx::query_scalar(of_persons).bind(ids).fetch_one(&mut session).await.expect("a count");
        session.close().await.expect("a clean end");
        count
    }

    /// The events of the erased that cannot be proven any more.
    pub(crate) async fn unproven(&self, keys: &[Key]) -> Vec<String> {
        let mut session = PgConnection::connect_with(&self.superuser).await.expect("the superuser logs in");
        let ids: Vec<Uuid> = self.persons.iter().map(|person| person.id).collect();
        let of_persons = "select position from events where subject_id = any($1) order by position";
        let positions: Vec<i64> =
            sqlx::query_scalar(of_persons).bind(ids).fetch_all(&mut session).await.expect("positions");
        session.close().await.expect("a clean end");
        assert!(positions.len() > 4 * self.persons.len(), "{} events", positions.len());
        let mut wrong = Vec::new();
        for position in &positions {
            let (status, proof) = self.nodes[0].text(&format!("/v1/audit/proof?position={position}")).await;
            let checked = event(proof.as_bytes(), keys);
            let is_proven = checked.as_ref().is_ok_and(|checked| checked.event.position == *position);
            wrong.extend((!is_proven).then(|| format!("{position}: {status} {checked:?}")));
        }
        println!("erasing: {} events of the erased proven", positions.len());
        wrong
    }

    pub(crate) fn tool(&self, words: &[&str]) -> Output {
        let mut tool = command();
        tool.args(words).arg("--data-dir").arg(self.first.data());
        tool.env("CLIENTELA_LISTEN", format!("127.0.0.1:{}", self.first.port()));
        tool.output().expect("it runs")
    }

    pub(crate) fn end(self) {
        drop(self.second);
        drop(self.first);
    }
}

/// The environment of a second server on the cluster of the first: a login that is a member of the roles, and the same secrets.
async fn environment_beside(first: &Server, superuser: &PgConnectOptions) -> Vec<(String, String)> {
    let mut admin = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
    let roles = "clientela_owner, clientela_request, clientela_engine, clientela_rebuild";
    let login = AssertSqlSafe(format!("create role second login in role {roles}"));
    admin.execute(login).await.expect("a login");
    admin.close().await.expect("a clean end");
    let socket = superuser.get_socket().expect("it listens on a socket").display().to_string();
    let name = superuser.get_database().expect("it has a name");
    let url =
        format!("postgres://second@localhost/{name}?host={}&port=5432&sslmode=disable", socket.replace('/', "%2F"));
    let secret = |file: &str| {
        let text = fs::read_to_string(first.data().join("secrets").join(file)).expect("a secret");
        text.trim().to_owned()
    };
    let secrets = [
        ("CLIENTELA_MASTER_KEY", "master.key"),
        ("CLIENTELA_CLAIM_KEY", "claims.key"),
        ("CLIENTELA_LOG_KEY", "log.key"),
    ];
    let secrets = secrets.map(|(variable, file)| (variable.to_owned(), secret(file)));
    [("DATABASE_URL".to_owned(), url)].into_iter().chain(secrets).collect()
}

/// Persons who come by a file; some of them with so long a history that snapshots are taken.
async fn import(server: &Server, count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("purchases.csv");
    let mut text = String::from("customer_id,date,value\n");
    for n in (0..count).filter(|n| is_imported(*n)) {
        let rows = if n == 3 { 150 } else { 2 };
        for row in 0..rows {
            let reference = ERASED.reference(n);
            writeln!(text, "{reference},1998-01-{:02},{}.00", 1 + row % 28, 10 + row).expect("memory");
        }
    }
    fs::write(&file, text).expect("the file is written");
    finish(importer(server, &file, &["--currency", "EUR"])).await;
}
