//! `clientela serve`: starts all parts, says where they are, and stops them in order when it is told to.

use crate::announced::{self, Announced};
use crate::config::{CommonFlags, ServerFlags, Settings, effective};
use crate::output::say;
use crate::wiring::Node;
use crate::{first_start, logging};
use anyhow::Context;
use commands::access::Secret;
use metrics_exporter_prometheus::PrometheusBuilder;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// What the kernel holds of answers for one connection, and for all readers of the feed together.
const SEND_BUFFER_BYTES_MAX: usize = 128 * 1024;
const ALL_SEND_BUFFERS_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerFlags,
    /// Bring the schema of the given database up to date first (the private PostgreSQL always is)
    #[arg(long)]
    migrate: bool,
}

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let settings = effective(common, Some(&args.server))?.settings()?;
    logging::start(&settings, logging::SERVER)?;
    // Before anything that counts: figures made earlier would be lost.
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics cannot be kept")?;
    let mail_servers = settings.mail_lookup.mail_servers()?;
    let listener = listen(settings.listen, settings.feed_clients_max)?;
    let address = listener.local_addr().context("the address that is listened on is not known")?;
    let (node, new_key) = started(&settings, args.migrate).await?;
    let api = node.api(&settings, mail_servers, metrics);
    let config = api.config.clone();
    let told_to_stop = told_to_stop()?;
    let announced = announced(&settings, address);
    // The key is in the data folder as well: a screen that cannot be written to is no reason not to serve.
    if let Err(error) = say!("{}", screen(&settings, address, &node, new_key.as_ref())) {
        warn!(%error, "the screen cannot be written to");
    }
    drop(new_key);
    let served = api::serve(listener, api::router(api), &config, told_to_stop).await;
    drop(announced);
    node.stop().await;
    info!("stopped");
    served.context("the server ended")?;
    Ok(ExitCode::SUCCESS)
}

/// The running node, and the admin key if it is new.
async fn started(settings: &Settings, migrate: bool) -> anyhow::Result<(Node, Option<Secret>)> {
    let mut node = Node::of_server(settings, migrate).await?;
    let ready = async {
        node.rebuild_outdated(settings.rebuild_on_start).await?;
        node.keep_erasures().await?;
        let new_key = first_start::ensure(&node, settings).await?;
        node.start_tree(settings)?;
        if settings.background {
            node.start_background(settings);
        }
        Ok(new_key)
    };
    match ready.await {
        Ok(new_key) => Ok((node, new_key)),
        Err(error) => {
            node.stop().await;
            Err(error)
        }
    }
}

/// Tells the command line where the server is. It serves all the same where that cannot be told.
fn announced(settings: &Settings, address: SocketAddr) -> Option<Announced> {
    announced::tell(&settings.data_dir, address).unwrap_or_else(|error| {
        warn!(%error, "the data folder does not say where the server listens: give --url to other commands");
        None
    })
}

fn listen(address: SocketAddr, readers_max: usize) -> anyhow::Result<TcpListener> {
    bound(address, send_buffer(readers_max)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow::anyhow!("{address} is already in use: stop that program, or choose another port with --port")
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

fn send_buffer(readers_max: usize) -> u32 {
    (ALL_SEND_BUFFERS_BYTES_MAX / readers_max.max(1)).min(SEND_BUFFER_BYTES_MAX) as u32
}

fn bound(address: SocketAddr, send_buffer: u32) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Its connections inherit this. Left to itself the kernel takes megabytes for each reader that stands still.
    socket.set_send_buffer_size(send_buffer)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Ready at the first SIGINT or SIGTERM. A second one ends the process at once; its PostgreSQL stops by itself then.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        info!("stopping: what is under way is finished first");
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::warn!("told to stop a second time: ending at once");
            std::process::exit(1);
        });
    })
}

/// What a person sees who started the server.
fn screen(settings: &Settings, address: SocketAddr, node: &Node, new_key: Option<&Secret>) -> String {
    let database = match &settings.database_url {
        Some(url) => crate::config::without_password(url),
        None if node.is_private() => "a private PostgreSQL in the data folder".to_owned(),
        None => String::new(),
    };
    let key_file = settings.admin_key_file();
    let key = match new_key {
        Some(key) => format!("{}\n             shown this once; kept in {}", key.reveal(), key_file.display()),
        None => format!("in {}", key_file.display()),
    };
    let open = if settings.open { "\n  open       requests without a key act as an administrator" } else { "" };
    format!(
        "\nclientela {version}\n\n  address    http://{address}\n  data       {data}\n  database   {database}\n  \
         admin key  {key}{open}\n  started    in {whole:.2} s ({timings})\n\n  Stop it with Ctrl-C.\n",
        version = env!("CARGO_PKG_VERSION"),
        data = settings.data_dir.display(),
        whole = node.timings.whole().as_secs_f64(),
        timings = node.timings,
    )
}
