//! A world for one test: the real program, its own data folder and database, and calls over HTTP.

use super::described::Described;
use super::http;
use chrono::TimeDelta;
use commands::{Caller, Clock, Commands, Config, Door, Scope, SystemClock};
use domain::access::settings::TenantSettings;
use projections::testing::prepared_database;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use store::TenantId;
use store::key_versions::{ClaimKeys, KeyVersions, MasterKeys};
use store::personal_data::{Keys, SecretKey};
use store::postgres::testing::{TestDatabase, create_database};
use store::postgres::{Database, Pools, PostgresStore};
use store::signed_note::LogKey;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A first start on a busy machine makes a cluster, too.
const PATIENCE: Duration = Duration::from_secs(60);
/// Member of the four roles, and nothing else.
const LOGIN: &str = "scenario_login";

/// A server and all that belongs to it.
pub(crate) struct World {
    process: Option<Child>,
    url: String,
    key: String,
    http: Client,
    described: OnceCell<Described>,
    folder: TempDir,
    /// None: a private cluster in the data folder.
    database: Option<TestDatabase>,
    /// Whether reactors and jobs run: then the log grows by itself, and no test can count on positions.
    background: bool,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) position: Option<i64>,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl World {
    /// A server on a database of its own in the shared cluster of the tests.
    pub(crate) async fn start() -> Self {
        let (database, _) = prepared_database().await;
        make_login(&database).await;
        let mut world = Self::empty(Some(database));
        world.serve(&[]);
        world
    }

    /// The same, with reactors and jobs.
    pub(crate) async fn with_background() -> Self {
        let (database, _) = prepared_database().await;
        make_login(&database).await;
        let mut world = Self::empty(Some(database));
        world.background = true;
        world.serve(&[]);
        world
    }

    /// A data folder and an empty database in the shared cluster of the tests, without a server.
    pub(crate) async fn with_an_empty_database() -> Self {
        // The login is a member of roles that the first migration of the cluster makes.
        let (_, database) = (prepared_database().await, create_database(None).await);
        make_login(&database).await;
        Self::empty(Some(database))
    }

    /// A data folder for another server of the same installation, on this database, without a server.
    pub(crate) fn beside(&self, database_url: &str) -> Self {
        let world = Self::empty(None);
        let secrets = world.data().join("secrets");
        fs::create_dir_all(&secrets).expect("a folder");
        fs::set_permissions(&secrets, Permissions::from_mode(0o700)).expect("its mode");
        for file in ["admin.key", "secrets/master.key", "secrets/claims.key", "secrets/log.key"] {
            fs::copy(self.data().join(file), world.data().join(file)).expect(file);
        }
        let configured = format!("database_url = {database_url:?}\n");
        fs::write(world.data().join("clientela.toml"), configured).expect("its configuration");
        world
    }

    /// A server on a private PostgreSQL of its own.
    pub(crate) fn embedded() -> Self {
        let mut world = Self::empty(None);
        world.serve(&[]);
        world
    }

    /// A data folder without a server.
    pub(crate) fn empty(database: Option<TestDatabase>) -> Self {
        let folder = tempfile::Builder::new().prefix("scenario-").tempdir().expect("a folder");
        // The user that runs PostgreSQL must be able to walk through it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("its mode");
        let http = http().pool_max_idle_per_host(0).timeout(PATIENCE).build().expect("a client");
        let described = OnceCell::new();
        let (process, url, key, background) = (None, String::new(), String::new(), false);
        Self { process, url, key, http, described, folder, database, background }
    }

    /// Starts the server and waits until it is ready. A second time it listens on the same port.
    pub(crate) fn serve(&mut self, flags: &[&str]) {
        let port = self.url.rsplit(':').next().filter(|port| !port.is_empty()).unwrap_or("0").to_owned();
        let mut command = self.command();
        command.args(["serve", "--port", &port]).args(flags).stdout(Stdio::piped());
        let log = fs::File::options().create(true).append(true).open(self.log_file()).expect("the log opens");
        let mut process = command.stderr(log).spawn().expect("the server starts");
        let screen = BufReader::new(process.stdout.take().expect("it is piped"));
        self.process = Some(process);
        self.url = self.address_on(screen);
        self.key = fs::read_to_string(self.data().join("admin.key")).expect("an admin key").trim().to_owned();
    }

    /// Reads what a starting server says, to the end, for the address in it.
    fn address_on(&self, screen: BufReader<impl std::io::Read + Send + 'static>) -> String {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in screen.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("address    ") {
                    let _gone = tell.send(address.to_owned());
                }
            }
        });
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the server does not start:\n{}", self.log()))
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// The server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Folder for files of the test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> i32 {
        let process = self.process.as_ref().expect("the server runs");
        i32::try_from(process.id()).expect("a pid")
    }

    /// Sends the server a signal and waits for its end.
    pub(crate) fn end(&mut self, signal: nix::sys::signal::Signal) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.pid());
        nix::sys::signal::kill(pid, signal).expect("the signal is sent");
        self.process.take().expect("the server runs").wait().expect("it ends")
    }

    /// The program with this world's data folder and database, and nothing else of this process's configuration.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clientela"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CLIENTELA_")) {
            if !name.starts_with("CLIENTELA_POSTGRES_") {
                command.env_remove(name);
            }
        }
        command.env_remove("DATABASE_URL").env_remove("POSTGRES_URL");
        command.env("CLIENTELA_BACKGROUND", self.background.to_string());
        command.env("CLIENTELA_DATA", self.data()).current_dir(self.folder.path());
        if let Some(address) = self.url.strip_prefix("http://") {
            command.env("CLIENTELA_LISTEN", address);
        }
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", url_of(database, LOGIN));
        }
        command
    }

    /// Runs a subcommand to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command().args(words).output().expect("the program runs")
    }

    /// Runs a subcommand that succeeds and prints JSON.
    pub(crate) fn run_json(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The address of the database for another login.
    pub(crate) fn database_url(&self, login: &str) -> String {
        url_of(self.database.as_ref().expect("a database of the shared cluster"), login)
    }

    /// The same server, asked with another key.
    pub(crate) async fn ask_as(&self, key: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let request = if let Some(key) = key { request.bearer_auth(key) } else { request };
        let request = if let Some(body) = body { request.json(&body) } else { request };
        self.answer(request).await
    }

    /// Sends, and compares the answer with what is said of the operation.
    async fn answer(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("the request is well-formed");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Answer::of(self.http.execute(request).await.expect("an answer")).await;
        let described = self.described.get_or_init(|| async {
            let document = self.http.get(format!("{}/openapi.json", self.url)).send().await.expect("an answer");
            Described::new(Answer::of(document).await.body)
        });
        described.await.check(method.as_str(), &path, &answer);
        answer
    }

    /// Opens an answer that is read as it comes, with another key or the admin key.
    pub(crate) async fn open(&self, key: Option<&str>, path: &str, last_event_id: Option<&str>) -> reqwest::Response {
        let http = http().build().expect("a client");
        let request = http.get(format!("{}{path}", self.url)).bearer_auth(key.unwrap_or(&self.key));
        let request = if let Some(id) = last_event_id { request.header("Last-Event-ID", id) } else { request };
        request.send().await.expect("an answer")
    }

    /// Asks with the admin key for the headers of an answer only.
    pub(crate) async fn look(&self, path: &str) -> reqwest::Response {
        self.http.head(format!("{}{path}", self.url)).bearer_auth(&self.key).send().await.expect("an answer")
    }

    /// Another node on the same database, without doors, with the first version of each key.
    pub(crate) async fn node(&self) -> PostgresStore {
        let test = self.database.as_ref().expect("a database of the shared cluster");
        let database = Database::with_role_logins(test.admin_options());
        PostgresStore::open(&database, Pools::new(&database).engine, self.keys()).await.expect("opens")
    }

    /// Another node on the same database, and a till that calls it as it would have done some minutes ago.
    pub(crate) async fn till_ago(&self, minutes: i64) -> (Commands, Caller) {
        let store = self.node().await;
        let caller = Caller {
            tenant: TenantId(1),
            actor: "till".to_owned(),
            scopes: vec![Scope::LoyaltyWrite],
            now: SystemClock.now() - TimeDelta::minutes(minutes),
            zone: chrono_tz::UTC,
            settings: TenantSettings::default(),
            request_id: None,
            correlation_id: None,
            via: Door::Http,
        };
        (Commands::start(Arc::new(store), Config::default()), caller)
    }

    /// The keys that the server has made.
    fn keys(&self) -> Keys {
        let text = |file: &str| fs::read_to_string(self.data().join("secrets").join(file)).expect("a key");
        let key = |file| SecretKey::new(hex::decode(text(file).trim()).expect("hex").try_into().expect("32 bytes"));
        Keys {
            master: MasterKeys(KeyVersions::new(1, key("master.key"))),
            claims: ClaimKeys(KeyVersions::new(1, key("claims.key"))),
            log: LogKey::parse(&text("log.key")).expect("a log key"),
        }
    }

    /// The host and port of the server.
    pub(crate) fn host(&self) -> &str {
        self.url.strip_prefix("http://").expect("an address")
    }

    /// The admin key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Reads with the admin key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask_as(Some(&self.key), Method::GET, path, None).await
    }

    /// Sends with the admin key.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask_as(Some(&self.key), Method::POST, path, Some(body)).await
    }

    /// Sends with the admin key, under a name of the request.
    pub(crate) async fn post_keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        self.answer(request.header("Idempotency-Key", key).json(&body)).await
    }

    /// Sends with the admin key, as a part of a trace.
    pub(crate) async fn traced(&self, trace: &str, path: &str, body: Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        self.answer(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).json(&body)).await
    }

    /// Changes with the admin key; if asked, only what has this `ETag`.
    pub(crate) async fn patch(&self, path: &str, etag: Option<&str>, body: Value) -> Answer {
        let request = self.http.patch(format!("{}{path}", self.url)).bearer_auth(&self.key).json(&body);
        let request = if let Some(etag) = etag { request.header("If-Match", etag) } else { request };
        self.answer(request.header("Content-Type", "application/merge-patch+json")).await
    }

    /// Puts with the admin key; if asked, only what has this `ETag`.
    pub(crate) async fn put(&self, path: &str, etag: Option<&str>, body: Value) -> Answer {
        let request = self.http.put(format!("{}{path}", self.url)).bearer_auth(&self.key).json(&body);
        let request = if let Some(etag) = etag { request.header("If-Match", etag) } else { request };
        self.answer(request).await
    }

    /// Sends any bytes as JSON.
    pub(crate) async fn post_bytes(&self, path: &str, body: &[u8]) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        self.answer(request.header("Content-Type", "application/json").body(body.to_vec())).await
    }

    /// A member who earns in euros.
    pub(crate) async fn member(&self, email: &str) -> String {
        let body = json!({"name": "Ana Torres", "emails": [email], "currency": "EUR", "loyalty": true});
        let registered = self.post("/v1/customers", body).await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        registered.body["customer_id"].as_str().expect("an id").to_owned()
    }

    /// Records a purchase in euros.
    pub(crate) async fn buys(&self, customer: &str, order: &str, total: &str) -> Answer {
        let body = json!({"order_id": order, "total": total, "currency": "EUR"});
        self.post(&format!("/v1/customers/{customer}/purchases"), body).await
    }

    /// The loyalty account, once it reflects a position.
    pub(crate) async fn loyalty_at(&self, customer: &str, position: Option<i64>) -> Value {
        let position = position.expect("a command answers with its position");
        let seen = self.get(&format!("/v1/customers/{customer}/loyalty?min_position={position}")).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
        seen.body
    }

    /// The last position of the log.
    pub(crate) async fn head(&self) -> i64 {
        self.known_head().await.expect("the head")
    }

    /// The last position of the log, unless the database is away.
    pub(crate) async fn known_head(&self) -> Option<i64> {
        let health = self.get("/health").await;
        health.body["components"]["event_store"]["head"].as_i64()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        if let Some(mut process) = self.process.take() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(process.id()).unwrap_or_default());
            let _sent = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ended = process.wait();
        }
    }
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let position = headers.get("x-position").and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await.expect("the whole answer");
        let is_lines = headers.get("content-type").is_some_and(|kind| kind == "application/x-ndjson");
        let body = match is_lines {
            true => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            false => serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        };
        Self { status, body, position, headers }
    }

    /// The version that it is about.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.headers.get("etag").and_then(|value| value.to_str().ok())
    }

    /// Status, code and places of the errors, as one line.
    pub(crate) fn refusal(&self) -> String {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: &Value| {
            ["pointer", "parameter", "header"].iter().find_map(|kind| error[*kind].as_str()).unwrap_or("?").to_owned()
        };
        let places: Vec<_> =
            errors.iter().map(|error| format!(" {} {}", place(error), error["code"].as_str().unwrap_or("?"))).collect();
        format!("{} {}{}", self.status, self.body["code"].as_str().unwrap_or("?"), places.join(","))
    }
}

/// The shared cluster has the login once it was needed.
async fn make_login(database: &TestDatabase) {
    let mut admin = PgConnection::connect_with(&database.server().admin_options()).await.expect("a connection");
    let sql = format!(
        "select pg_advisory_lock(hashtext('{LOGIN}')); \
         do $$ begin if not exists (select from pg_roles where rolname = '{LOGIN}') then \
           create role {LOGIN} login nosuperuser nobypassrls \
             in role clientela_owner, clientela_request, clientela_engine, clientela_rebuild; \
         end if; end $$"
    );
    admin.execute(AssertSqlSafe(sql)).await.expect("the login is made");
    admin.close().await.expect("a clean end");
}

fn url_of(database: &TestDatabase, login: &str) -> String {
    let socket = database.server().socket_dir().display().to_string().replace('/', "%2F");
    format!("postgres://{login}@localhost/{}?host={socket}&port=5432&sslmode=disable", database.name())
}
