//! A PostgreSQL for tests: one throw-away cluster for all test processes, one database for each test.
//!
//! A test runner starts a process for each test, so no process owns the cluster. The first one that
//! needs it makes and starts it; each holds a shared lock on the file `in-use` for as long as it
//! lives; a small shell loop beside PostgreSQL stops it some seconds after the last one has ended.
//! `CLIENTELA_TEST_CLUSTER` (a socket folder) names a running cluster to use instead.
//!
//! This cluster, and no other, runs without `fsync`: nothing in it is kept. What must survive a crash
//! is tested on clusters with the settings of production.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::future::Future;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::database::Database;
use super::embedded::{self, EmbeddedConfig, EmbeddedError, SUPERUSER};

/// The first start on a busy machine makes a cluster, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs PostgreSQL until nobody has held the file at its standard input locked for a quarter of a minute.
const RUN_WHILE_IN_USE: &str = r#"
exec 9<&0 </dev/null
"$1" -D "$2" 9<&- &
idle=0
while kill -0 $! 2>/dev/null; do
    sleep 5
    if flock --nonblock --exclusive 9; then idle=$((idle + 1)); else idle=0; fi
    if [ $idle -ge 3 ]; then
        kill -INT $!
        wait $!
        exit
    fi
    flock --unlock 9
done
"#;

/// The cluster that the tests share.
#[derive(Debug, Clone)]
pub struct TestServer {
    socket_dir: PathBuf,
}

impl TestServer {
    /// How to connect as superuser to the database `postgres`.
    pub fn admin_options(&self) -> PgConnectOptions {
        self.connect_options(SUPERUSER, "postgres")
    }

    /// How to connect as `role` to `database`.
    pub fn connect_options(&self, role: &str, database: &str) -> PgConnectOptions {
        embedded::connect_options(&self.socket_dir, role, database)
    }

    /// Folder of the Unix socket; the port is 5432.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Runs one statement as superuser in the database `postgres`.
    async fn execute(&self, statement: String) -> Result<(), sqlx::Error> {
        let mut admin = PgConnection::connect_with(&self.admin_options()).await?;
        admin.execute(AssertSqlSafe(statement)).await?;
        admin.close().await
    }
}

/// A database of one test. Dropped with its value, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    server: TestServer,
    name: String,
}

impl TestDatabase {
    /// How to connect to it as `role`.
    pub fn connect_options(&self, role: &str) -> PgConnectOptions {
        self.server.connect_options(role, &self.name)
    }

    /// How to connect to it as superuser.
    pub fn admin_options(&self) -> PgConnectOptions {
        self.connect_options(SUPERUSER)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is in.
    pub fn server(&self) -> &TestServer {
        &self.server
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A runtime of its own: this one may be ending, and must not be blocked on itself.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(server.execute(statement)))
        });
        // What stays is gone with the cluster.
        let _dropped = dropping.join();
    }
}

/// The shared cluster, started if need be.
///
/// # Panics
/// When PostgreSQL cannot be started: no test that asks for it can go on.
pub async fn test_server() -> TestServer {
    static SERVER: OnceLock<TestServer> = OnceLock::new();
    if let Some(server) = SERVER.get() {
        return server.clone();
    }
    let given = std::env::var_os("CLIENTELA_TEST_CLUSTER").filter(|folder| !folder.is_empty());
    let server = match given {
        Some(socket_dir) => TestServer { socket_dir: socket_dir.into() },
        None => {
            let joining = tokio::task::spawn_blocking(join_or_start).await;
            joining.expect("the thread does not panic").expect("the PostgreSQL of the tests starts")
        }
    };
    wait_until_it_answers(&server).await;
    SERVER.get_or_init(|| server).clone()
}

/// A new database, empty or a copy of `template`.
///
/// # Panics
/// When it cannot be made.
pub async fn create_database(template: Option<&str>) -> TestDatabase {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = test_server().await;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{number}", std::process::id());
    let template = template.unwrap_or("template1");
    assert_plain(template);
    // Left by an earlier process of the same pid.
    let leftover = server.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    leftover.expect("a leftover database is dropped");
    // Twice as fast as the default way where no checkpoint has to reach the disk.
    let created = server.execute(format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")).await;
    created.expect("a database is made");
    TestDatabase { server, name }
}

/// Makes the template `name` unless the cluster has it: the first process builds it, the others wait.
/// The name should change with what `build` does, for instance by a hash of the migrations.
///
/// # Panics
/// When it cannot be made.
pub async fn ensure_template<F, B>(name: &str, build: F)
where
    F: FnOnce(PgConnectOptions) -> B,
    B: Future<Output = ()>,
{
    assert_plain(name);
    let server = test_server().await;
    let mut admin = PgConnection::connect_with(&server.admin_options()).await.expect("a connection");
    let lock = sqlx::query("SELECT pg_advisory_lock(hashtext($1))").bind(name);
    lock.execute(&mut admin).await.expect("the lock on the template");
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
    let exists: bool = query.fetch_one(&mut admin).await.expect("whether the template exists");
    if !exists {
        build_template(&mut admin, &server, name, build).await.expect("the template is made");
    }
    admin.close().await.expect("a clean end, which releases the lock");
}

/// A database of its own for one test, migrated and analysed.
///
/// # Panics
/// When it cannot be made.
pub async fn migrated_database() -> (TestDatabase, Database) {
    let template = format!("clientela_{}", Database::schema_fingerprint());
    ensure_template(&template, |options| async move {
        Database::with_role_logins(options.clone()).migrate().await.expect("the migrations run");
        let mut admin = PgConnection::connect_with(&options).await.expect("a connection");
        admin.execute("analyze").await.expect("analysed");
        admin.close().await.expect("a clean end");
    })
    .await;
    let test = create_database(Some(&template)).await;
    let database = Database::with_role_logins(test.admin_options());
    (test, database)
}

/// Builds under another name, so that a killed process leaves no half template behind.
async fn build_template<F, B>(
    admin: &mut PgConnection,
    server: &TestServer,
    name: &str,
    build: F,
) -> Result<(), sqlx::Error>
where
    F: FnOnce(PgConnectOptions) -> B,
    B: Future<Output = ()>,
{
    let unfinished = format!("{name}_unfinished");
    admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"))).await?;
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {unfinished}"))).await?;
    build(server.connect_options(SUPERUSER, &unfinished)).await;
    let sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    sqlx::query(sessions).bind(&unfinished).execute(&mut *admin).await?;
    admin.execute(AssertSqlSafe(format!("ALTER DATABASE {unfinished} ALLOW_CONNECTIONS false"))).await?;
    admin.execute(AssertSqlSafe(format!("ALTER DATABASE {unfinished} RENAME TO {name}"))).await?;
    Ok(())
}

/// Names are put into statements as they are.
fn assert_plain(name: &str) {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    assert!(name.len() <= 50 && name.bytes().all(is_plain), "{name:?} is no plain database name");
}

/// Uses the running cluster, or starts one; either way it stays up as long as this process.
fn join_or_start() -> Result<TestServer, EmbeddedError> {
    static IN_USE: OnceLock<File> = OnceLock::new();
    let folder = cluster_folder();
    let in_use = open(&folder.join("in-use"));
    in_use.lock_shared().expect("a shared lock on the test cluster"); // waits while it is being stopped
    IN_USE.get_or_init(|| in_use);
    let starting = open(&folder.join("starting"));
    starting.lock().expect("the lock on starting the test cluster");
    let socket_dir = folder.join("postgres/run");
    if UnixStream::connect(embedded::socket_file(&socket_dir)).is_err() {
        start(&folder)?;
    }
    Ok(TestServer { socket_dir })
}

/// Makes a new cluster each time: the last one ran without `fsync` and may have crashed.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process, which is its purpose")]
fn start(folder: &Path) -> Result<(), EmbeddedError> {
    let mut config = EmbeddedConfig::new(folder);
    let disposable = embedded::DISPOSABLE.iter();
    config.settings = disposable.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let blueprint = embedded::Blueprint::fresh(&config)?;
    let mut command = blueprint.companion("/bin/sh")?;
    command.args(["-c", RUN_WHILE_IN_USE, "sh"]).arg(blueprint.postgres()).arg(blueprint.folders.cluster());
    command.stdin(open(&folder.join("in-use"))).spawn().expect("a shell starts");
    let socket = embedded::socket_file(&blueprint.socket_dir);
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        assert!(begun.elapsed() < PATIENCE, "the test cluster does not start: {}", blueprint.log_since(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// PostgreSQL listens a moment before it lets anybody in.
async fn wait_until_it_answers(server: &TestServer) {
    let begun = Instant::now();
    while let Err(error) = server.execute("SELECT 1".to_owned()).await {
        assert!(begun.elapsed() < PATIENCE, "the test cluster does not answer: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One for each user and working copy, in a place that is short and open to the service user.
fn cluster_folder() -> PathBuf {
    let user = nix::unistd::geteuid();
    let working_copy = hex::encode(&Sha256::digest(env!("CARGO_MANIFEST_DIR"))[..4]);
    let folder = Path::new("/tmp").join(format!("clientela-tests-{user}-{working_copy}"));
    // An existing one is looked at below.
    let _made = DirBuilder::new().mode(0o711).create(&folder);
    let owner = fs::symlink_metadata(&folder).map(|found| (found.is_dir(), found.uid()));
    assert_eq!(owner.ok(), Some((true, user.as_raw())), "{} is not ours", folder.display());
    folder
}

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).expect("a file beside the test cluster")
}
