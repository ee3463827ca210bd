//! A server in this process: the real router and the real accept loop, on a port of its own, with members who can redeem.

use crate::Settings;
use crate::cluster::{BenchDatabase, Cluster};
use crate::load::{Ids, STREAMS};
use crate::members::{Members, caller};
use anyhow::Context;
use api::{Api, Keys, Parts, ProjectedKeys};
use commands::access::CreateKey;
use commands::{Jobs, Reactors, Scope, SystemClock, job, reactor};
use domain::ids::{CustomerId, Label};
use metrics_exporter_prometheus::PrometheusBuilder;
use projections::Projections;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::postgres::{Pools, PostgresStore};
use tokio::net::{TcpListener, TcpSocket};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// As in production.
const SEND_BUFFER_BYTES: u32 = 128 * 1024;

/// The running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) projections: Arc<Projections>,
    pub(crate) key: Arc<str>,
    pub(crate) customers: Arc<[CustomerId]>,
    pub(crate) members: Members,
    pub(crate) store: Arc<PostgresStore>,
    pub(crate) log: BenchDatabase,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Starts one on a database of this name, with all projectors up to date.
    pub(crate) async fn start(cluster: &Cluster, settings: Settings, database: &str) -> anyhow::Result<Self> {
        let log = cluster.database(database).await?;
        let store = log.store().await?;
        let pools = Pools::new(&log.database);
        let members =
            Members::enrolled(Arc::clone(&store), if settings.smoke { STREAMS / 10 } else { STREAMS }).await?;
        let projections = Arc::new(Projections::start(&pools, Arc::clone(&store) as _, Ids::new().id()));
        let created = CreateKey {
            name: Label::parse("bench")?,
            scopes: vec![
                Scope::LoyaltyWrite,
                Scope::LoyaltyRead,
                Scope::CreditRead,
                Scope::FeedRead,
                Scope::CustomersPii,
            ],
            expires_at: None,
        };
        let created = commands::access::create_key(&members.commands, &caller(), None, created).await?;
        let all: Vec<&str> = projections::projectors().iter().map(|projector| projector.name).collect();
        projections.wait_for(&all, created.committed.position, PATIENCE).await?;
        // What the server can do is measured, not what it allows one key.
        let config = api::Config { feed_clients_per_key_max: 2_000, requests_per_key: 0, ..api::Config::default() };
        let api = Api::new(Parts {
            commands: members.commands.clone(),
            projections: Arc::clone(&projections),
            reactors: Arc::new(Reactors::new(
                Vec::new(),
                reactor::Parts { pools: pools.clone(), store: Arc::clone(&store) as _ },
            )),
            jobs: Arc::new(Jobs::new(
                Vec::new(),
                job::Parts { pools: pools.clone(), clock: Arc::new(SystemClock), facts: Arc::new(()) },
            )),
            pools: pools.clone(),
            store: Arc::clone(&store) as _,
            tree: store.tree(),
            clock: Arc::new(SystemClock),
            keys: Keys::new(Arc::new(ProjectedKeys(pools)), &config),
            mail_servers: api::KnownMailServers::default(),
            log_key: store::signed_note::LogKey::random(),
            receipts: api::ReceiptsApart::default(),
            ticket_key: store::personal_data::Keys::random().master.ticket_key(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            config: config.clone(),
        });
        let listener = listen()?;
        let address = listener.local_addr()?;
        let router = api::router(api);
        let serving = tokio::spawn(async move { api::serve(listener, router, &config, std::future::pending()).await });
        let secret = created.secret.context("a new key has a secret")?;
        let (key, customers) = (secret.reveal().into(), Arc::clone(&members.customers));
        Ok(Self { address, projections, key, customers, members, store, log, serving })
    }

    pub(crate) async fn stop(self) {
        self.serving.abort();
        self.projections.stop().await;
        self.store.close().await;
    }
}

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    socket.listen(1_024)
}
