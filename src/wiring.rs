//! The only place that picks engines and puts the layers together: database, log, commands, projections, doors.

use crate::config::{Settings, without_password};
use crate::erase::Opened;
use crate::erase::keeping::{self, Keeping};
use crate::facts::ReadModels;
use crate::heads::Publishing;
use crate::open_files;
use crate::scrubbing::{Site, nightly};
use crate::secrets::{Secrets, make_data_folder};
use anyhow::{Context, anyhow, bail};
use commands::ids::new_id;
use commands::job::{self, Jobs};
use commands::reactor::{self, Reactors};
use commands::{Caller, Clock, Commands, Door, Scope, SystemClock};
use domain::access::settings::TenantSettings;
use metrics_exporter_prometheus::PrometheusHandle;
use projections::Projections;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::consumer::parked;
use store::personal_data::{Keys, TicketKey};
use store::postgres::embedded::{self, Cluster, EmbeddedConfig, SUPERUSER};
use store::postgres::{Database, DatabaseError, Pools, PostgresStore, TreePace, keys};
use store::signed_note::LogKey;
use store::{EventStore, Position, TenantId};
use tokio::task::JoinHandle;

/// Database of the private cluster.
const DATABASE: &str = "clientela";
/// A part that does not end by itself at shutdown is left behind.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the data is.
pub(crate) struct Ground {
    cluster: Option<Cluster>,
    pub(crate) database: Database,
}

/// One running node of an installation, without doors.
pub(crate) struct Node {
    ground: Ground,
    pub(crate) pools: Pools,
    pub(crate) store: Arc<PostgresStore>,
    pub(crate) commands: Commands,
    pub(crate) projections: Arc<Projections>,
    reactors: Arc<Reactors>,
    jobs: Arc<Jobs>,
    pub(crate) clock: Arc<dyn Clock>,
    ticket_key: TicketKey,
    log_key: LogKey,
    pub(crate) timings: Timings,
    rebuilding: Option<JoinHandle<()>>,
    scrubbing: Option<JoinHandle<()>>,
    publishing: Publishing,
    list: Option<Opened>,
    keeping: Option<Keeping>,
}

/// The database and the log, for tools that make read models again beside a server that may be running.
pub(crate) struct Workshop {
    ground: Ground,
    pub(crate) database: Database,
    pub(crate) store: Arc<PostgresStore>,
    pub(crate) keys: Keys,
    pub(crate) pools: Pools,
}

/// How long the parts took to start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timings(Vec<(&'static str, Duration)>);

impl Ground {
    /// The ground of the server: a private cluster of its own, or the given database.
    pub(crate) async fn of_server(settings: &Settings) -> anyhow::Result<Self> {
        match &settings.database_url {
            Some(url) => Self::at(url),
            None => {
                let cluster = embedded::start(EmbeddedConfig::new(&settings.data_dir)).await?;
                Self::on(Cluster::Own(cluster)).await
            }
        }
    }

    /// The ground of a tool: the running server's cluster, or one of its own for as long as it is needed.
    pub(crate) async fn of_tool(settings: &Settings) -> anyhow::Result<Self> {
        match &settings.database_url {
            Some(url) => Self::at(url),
            None => Self::on(embedded::attach_or_start(EmbeddedConfig::new(&settings.data_dir)).await?).await,
        }
    }

    fn at(url: &str) -> anyhow::Result<Self> {
        let database = Database::from_url(url)
            .with_context(|| format!("the database address {} cannot be read", without_password(url)))?;
        Ok(Self { cluster: None, database })
    }

    async fn on(cluster: Cluster) -> anyhow::Result<Self> {
        let admin = cluster.connect_options(SUPERUSER, "postgres");
        make_database(&admin).await.context("the database in the private PostgreSQL cannot be made")?;
        let database = Database::with_role_logins(cluster.connect_options(SUPERUSER, DATABASE));
        Ok(Self { cluster: Some(cluster), database })
    }

    /// Whether this process runs the database's cluster.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.cluster, Some(Cluster::Own(_)))
    }

    /// Whether it is a private cluster, whoever runs it.
    pub(crate) fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Stops a cluster of our own.
    pub(crate) async fn stop(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

impl Workshop {
    /// Has a reactor begin again behind a position of the log.
    pub(crate) async fn restart_reactor(&self, reactor: &reactor::Reactor, after: Position) -> anyhow::Result<()> {
        let head = self.store.head().await?;
        anyhow::ensure!(after <= head, "the log ends at position {head}");
        let was_there = parked::restart(&self.pools.engine, reactor.actor, after).await?;
        anyhow::ensure!(was_there, "{} has not begun yet", reactor.name);
        Ok(())
    }

    /// On the running server's cluster, the given database, or a cluster of its own.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        require_data(settings)?;
        let secrets = Secrets::load_or_make(settings)?;
        let ground = compared(Ground::of_tool(settings).await?, &secrets).await?;
        if ground.is_own() {
            migrated(&ground.database).await?;
        }
        let (database, pools) = (ground.database.clone(), Pools::new(&ground.database));
        match PostgresStore::open(&database, pools.engine.clone(), secrets.keys.clone()).await {
            Ok(store) => Ok(Self { ground, database, store: Arc::new(store), keys: secrets.keys, pools }),
            Err(error) => Err(unopened(error, &secrets)),
        }
    }

    /// Whether the database is a private cluster, whoever runs it.
    pub(crate) fn is_private(&self) -> bool {
        self.ground.is_private()
    }

    /// Has read models follow the log for as long as this works, unless a server is there to do it.
    pub(crate) fn follow_if_alone(&self) -> Option<Projections> {
        self.ground.is_own().then(|| Projections::start(&self.pools, self.store.clone(), new_id()))
    }

    /// Lets go of everything.
    pub(crate) async fn stop(self) {
        in_time("the event store", self.store.close()).await;
        in_time("the sessions of the database", self.pools.engine.close()).await;
        self.ground.stop().await;
    }
}

impl Node {
    /// The node of a server. A private cluster is migrated at each start, a given database only when asked to.
    pub(crate) async fn of_server(settings: &Settings, migrate: bool) -> anyhow::Result<Self> {
        make_data_folder(&settings.data_dir)?;
        // Before the cluster, so that where there is a cluster there are keys.
        let secrets = Secrets::load_or_make(settings)?;
        let mut timings = Timings::default();
        let ground = timings.of("database", Ground::of_server(settings)).await?;
        let ground = compared(ground, &secrets).await?;
        // Before anything is written, too: who brings a list that is not believed leaves no trace.
        let list = match timings.of("erasure list", keeping::open(settings, &ground.database, &secrets.keys.log)).await
        {
            Ok(list) => list,
            Err(error) => {
                ground.stop().await;
                secrets.forget_made();
                return Err(error);
            }
        };
        if ground.is_private() || migrate {
            timings.of("migrations", migrated(&ground.database)).await?;
        }
        let node = Self::on(ground, &secrets, timings).await?;
        Ok(Self { list: Some(list), ..node })
    }

    /// The node of a tool, beside a server that may be running.
    pub(crate) async fn of_tool(settings: &Settings) -> anyhow::Result<Self> {
        require_data(settings)?;
        make_data_folder(&settings.data_dir)?;
        let secrets = Secrets::load_or_make(settings)?;
        let ground = compared(Ground::of_tool(settings).await?, &secrets).await?;
        if ground.is_own() {
            migrated(&ground.database).await?;
        }
        Self::on(ground, &secrets, Timings::default()).await
    }

    async fn on(ground: Ground, secrets: &Secrets, mut timings: Timings) -> anyhow::Result<Self> {
        let pools = Pools::new(&ground.database);
        let opening = PostgresStore::open(&ground.database, pools.engine.clone(), secrets.keys.clone());
        let store = match timings.of("event store", opening).await {
            Ok(store) => Arc::new(store),
            Err(error) => return Err(unopened(error, secrets)),
        };
        if ground.is_own() {
            free_leases(&pools).await.context("the leases of an earlier run cannot be ended")?;
        }
        let commands = Commands::start(store.clone(), commands::Config::default());
        let projections = Arc::new(Projections::start(&pools, store.clone(), new_id()));
        let parts = reactor::Parts { pools: pools.clone(), store: store.clone() };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let facts = Arc::new(ReadModels(pools.clone()));
        let job_parts = job::Parts { pools: pools.clone(), clock: clock.clone(), facts };
        Ok(Self {
            ground,
            pools,
            reactors: Arc::new(Reactors::new(reactor::reactors(), parts)),
            jobs: Arc::new(Jobs::new(job::jobs(), job_parts)),
            store,
            commands,
            projections,
            clock,
            ticket_key: secrets.keys.master.ticket_key(),
            log_key: secrets.keys.log.clone(),
            timings,
            rebuilding: None,
            scrubbing: None,
            publishing: Publishing::default(),
            list: None,
            keeping: None,
        })
    }

    /// Makes read models of an older version of this program again, beside the rows that are served meanwhile.
    pub(crate) async fn rebuild_outdated(&mut self, is_allowed: bool) -> anyhow::Result<()> {
        let outdated =
            projections::outdated(&self.ground.database).await.context("the read models cannot be looked at")?;
        if outdated.is_empty() {
            return Ok(());
        }
        let names = outdated.iter().map(|projector| projector.name).collect::<Vec<_>>().join(" ");
        if !is_allowed {
            bail!(
                "an older version of this program made {names}: run `clientela rebuild {names}`, or allow rebuild_on_start"
            );
        }
        let (database, store) = (self.ground.database.clone(), self.store.clone());
        self.rebuilding = Some(tokio::spawn(crate::rebuild::whatever_is_outdated(database, store)));
        Ok(())
    }

    /// Erases again whoever an older backup has brought back, and keeps the erasure list from now on.
    pub(crate) async fn keep_erasures(&mut self) -> anyhow::Result<()> {
        let Some(list) = self.list.take() else { return Ok(()) };
        let begun = Instant::now();
        self.keeping = Some(keeping::before_doors(self, list).await?.start());
        self.timings.0.push(("erasing again", begun.elapsed()));
        Ok(())
    }

    /// Builds the tree over the log behind the append, signs its heads and publishes them.
    pub(crate) fn start_tree(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let head_every = Duration::from_secs(settings.head_every_seconds.max(1).into());
        let tree = self.store.tree();
        self.publishing = Publishing::start(&tree, settings)?;
        tree.start(new_id(), TreePace { head_every });
        Ok(())
    }

    /// Starts what works without being asked. Only a server does: a tool is gone before it would be of use.
    pub(crate) fn start_background(&mut self, settings: &Settings) {
        self.reactors.start(&self.commands, new_id(), reactor::Pace::default());
        self.jobs.start(&self.commands, new_id(), job::Pace::default());
        let site = Site {
            database: self.ground.database.clone(),
            pools: self.pools.clone(),
            store: self.store.clone(),
            is_private: self.ground.is_private(),
        };
        self.scrubbing = Some(tokio::spawn(nightly(site, settings.scrub_at)));
    }

    /// The operator of the installation, acting for a tenant from the command line.
    pub(crate) fn operator(&self, tenant: TenantId) -> Caller {
        Caller {
            tenant,
            actor: "cli".to_owned(),
            scopes: vec![Scope::Admin],
            now: self.clock.now(),
            zone: chrono_tz::Tz::UTC,
            settings: TenantSettings::default(),
            request_id: None,
            correlation_id: None,
            via: Door::Cli,
        }
    }

    /// Erases customers and writes receipts.
    pub(crate) fn eraser(&self) -> api::Eraser {
        api::Eraser {
            commands: self.commands.clone(),
            projections: self.projections.clone(),
            pools: self.pools.clone(),
            store: self.store.clone(),
            log_key: self.log_key.clone(),
            receipts: api::ReceiptsApart::default(),
        }
    }

    /// Signs for the log.
    pub(crate) fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// The doors of this node.
    pub(crate) fn api(
        &self,
        settings: &Settings,
        mail_servers: api::KnownMailServers,
        metrics: PrometheusHandle,
    ) -> api::Api {
        let mut config = api::Config {
            open: settings.open,
            cors_origins: settings.cors_origins.clone(),
            feed_clients_max: settings.feed_clients_max,
            feed_clients_per_key_max: settings.feed_clients_per_key_max,
            feed_recheck: Duration::from_secs(settings.feed_recheck_seconds.max(1).into()),
            requests_per_key: settings.requests_per_key,
            failures_per_address: settings.failures_per_address,
            drain_timeout: Duration::from_secs(settings.drain_seconds.into()),
            ..api::Config::default()
        };
        open_files::make_room(&mut config);
        let directory = Arc::new(api::ProjectedKeys(self.pools.clone()));
        api::Api::new(api::Parts {
            commands: self.commands.clone(),
            projections: self.projections.clone(),
            reactors: self.reactors.clone(),
            jobs: self.jobs.clone(),
            pools: self.pools.clone(),
            store: self.store.clone(),
            tree: self.store.tree(),
            clock: self.clock.clone(),
            keys: api::Keys::new(directory, &config),
            mail_servers,
            log_key: self.log_key.clone(),
            receipts: self.keeping.as_ref().map(Keeping::receipts).unwrap_or_default(),
            ticket_key: self.ticket_key.clone(),
            metrics,
            config,
        })
    }

    /// The database, for what is done with logins.
    pub(crate) fn database(&self) -> &Database {
        &self.ground.database
    }

    /// Whether the node runs a private cluster.
    pub(crate) fn is_private(&self) -> bool {
        self.ground.is_private()
    }

    /// Lets everything under way finish, then stops part after part, the private cluster last.
    pub(crate) async fn stop(self) {
        let Self {
            ground,
            pools,
            store,
            commands,
            projections,
            reactors,
            jobs,
            rebuilding,
            scrubbing,
            publishing,
            keeping,
            ..
        } = self;
        // What is interrupted goes on at the next start.
        rebuilding.iter().chain(&scrubbing).for_each(JoinHandle::abort);
        publishing.stop();
        if let Some(keeping) = keeping {
            keeping.stop().await;
        }
        in_time("the jobs", jobs.stop()).await;
        in_time("the reactors", reactors.stop()).await;
        drop(commands);
        in_time("the projectors", projections.stop()).await;
        in_time("the event store", store.close()).await;
        in_time("the sessions of the database", pools.engine.close()).await;
        drop(pools);
        ground.stop().await;
    }
}

impl Timings {
    async fn of<T>(&mut self, part: &'static str, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.0.push((part, begun.elapsed()));
        done
    }

    /// All of it together.
    pub(crate) fn whole(&self) -> Duration {
        self.0.iter().map(|(_, time)| *time).sum()
    }
}

impl std::fmt::Display for Timings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.0.iter().map(|(part, time)| format!("{part} {:.2} s", time.as_secs_f64()));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// Only a server, or who migrates, begins an installation: another command has come to the wrong folder.
pub(crate) fn require_data(settings: &Settings) -> anyhow::Result<()> {
    if settings.database_url.is_some() || is_begun(&settings.data_dir) {
        return Ok(());
    }
    bail!(
        "there is no data in {}: name the right folder with --data-dir, or begin there with `clientela serve`",
        settings.data_dir.display()
    )
}

/// A folder that cannot be looked into has its own error later.
fn is_begun(data_dir: &Path) -> bool {
    data_dir.join("postgres/data/PG_VERSION").try_exists().unwrap_or(true)
}

/// Creates the roles where they are missing and brings the schema up to date.
pub(crate) async fn migrated(database: &Database) -> anyhow::Result<()> {
    database.migrate().await.context("the schema cannot be brought up to date")?;
    let projectors = projections::projectors();
    projections::prepare(database, &projectors).await.context("the tables of the read models cannot be made")
}

async fn make_database(admin: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(admin).await?;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(DATABASE)
        .fetch_one(&mut connection)
        .await?;
    if !exists {
        connection.execute("create database clientela").await?;
    }
    connection.close().await
}

/// Ends the leases of whoever ran this private cluster before: it cannot live any more, so nobody need wait for them to run out.
async fn free_leases(pools: &Pools) -> Result<(), sqlx::Error> {
    sqlx::query("update leases set expires_at = '-infinity'").execute(&pools.engine).await.map(|_| ())
}

/// Says what to do about keys that do not fit.
fn unopened(error: DatabaseError, secrets: &Secrets) -> anyhow::Error {
    let (purpose, version) = match &error {
        DatabaseError::WrongKey { purpose, version } | DatabaseError::MissingKey { purpose, version } => {
            (*purpose, *version)
        }
        DatabaseError::LostSubjectKeys => {
            secrets.forget_made();
            return anyhow!(
                "{error}: put the table back from a backup of the database; `clientela secrets accept-loss` counts \
                 what is lost, and with --yes goes on without it when there is no backup"
            );
        }
        _ => return anyhow!(error),
    };
    let made_log_key = secrets.made_log_key().filter(|_| purpose == "log").map(|file| file.display().to_string());
    secrets.forget_made();
    let variable = match purpose {
        "master" => "CLIENTELA_MASTER_KEY",
        "claims" => "CLIENTELA_CLAIM_KEY",
        _ => "CLIENTELA_LOG_KEY",
    };
    if let Some(shown) = made_log_key {
        return anyhow!(
            "{shown} is missing, but the log was signed with it: put the file back from your backup or another node, or set {variable}"
        );
    }
    let among = if version > 1 { format!(" (with `{version}:` before the key)") } else { String::new() };
    anyhow!(
        "{error}: set {variable}{among}, or put the right key into the folder `secrets` of the data folder, from a backup or another node"
    )
}

/// Refuses keys that are not this database's before anything is done to it.
pub(crate) async fn compared(ground: Ground, secrets: &Secrets) -> anyhow::Result<Ground> {
    match keys::compare(&ground.database, &secrets.keys).await {
        Ok(()) => Ok(ground),
        Err(error) => {
            ground.stop().await;
            Err(unopened(error, secrets))
        }
    }
}

async fn in_time(part: &str, work: impl Future<Output = ()>) {
    if tokio::time::timeout(PATIENCE, work).await.is_err() {
        tracing::warn!("{part} did not stop in time and are left behind");
    }
}
