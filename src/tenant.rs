//! `clientela tenant`: sets tenants up and lists them. Works on the database, with or without a running server.

use crate::config::{CommonFlags, settings};
use crate::first_start::FIRST_NAME;
use crate::logging;
use crate::output::{hand_over, hand_over_json, print_json, say, table};
use crate::wiring::Node;
use anyhow::Context;
use commands::access::{ChangeSettings, CreateTenant, change_settings, create_tenant};
use domain::access::settings::TenantSettings;
use domain::ids::{Label, TenantId, TimeZoneName};
use projections::access::tenants::{self, TenantRow};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgConnectOptions;
use std::process::ExitCode;
use std::time::Duration;
use store::{EventStore, Position};

/// How long a list waits until what was just made is in it.
const PATIENCE: Duration = Duration::from_secs(8);

/// What can be done with tenants.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Set a tenant up
    Create {
        /// Short name: lower-case letters, digits, dots, dashes
        #[arg(value_parser = Label::parse)]
        name: Label,
        /// Number; the next free one if not given
        #[arg(long, value_parser = number)]
        number: Option<TenantId>,
        /// Where the business day begins and ends, such as Europe/Madrid
        #[arg(long, default_value = "UTC", value_parser = TimeZoneName::parse)]
        time_zone: TimeZoneName,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give the tenant's analysts a login to the database, for SQL on the read models; the password is shown this once
    Analyst(Analyst),
    /// Show what a tenant decided for itself, or change it; a running server follows within half a minute
    Settings(Settings),
    /// List the tenants
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What `tenant settings` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Name of the tenant
    #[arg(default_value = FIRST_NAME, value_parser = Label::parse)]
    name: Label,
    /// Refuse documents of Spain with a wrong control character (on), or take them with a warning (off)
    #[arg(long, value_name = "on|off", value_parser = switch)]
    strict_documents: Option<bool>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// What `tenant analyst` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Analyst {
    /// Name of the tenant
    #[arg(value_parser = Label::parse)]
    name: Label,
    /// Remove the login
    #[arg(long, conflicts_with = "rotate")]
    remove: bool,
    /// Give the login another password
    #[arg(long)]
    rotate: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn number(text: &str) -> Result<TenantId, String> {
    let number: i32 = text.parse().map_err(|_| "must be a whole number".to_owned())?;
    TenantId::new(number).map_err(|error| error.to_string())
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    logging::start(&settings, logging::TOOL)?;
    let node = Node::of_tool(&settings).await?;
    let done = carry_out(&node, command).await;
    node.stop().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn carry_out(node: &Node, command: Command) -> anyhow::Result<()> {
    let head = node.store.head().await?;
    until_seen(node, "tenants", head).await;
    match command {
        Command::Create { name, number, time_zone, json } => {
            let tenant = match number {
                Some(number) => number,
                None => number_of(node, &name).await?,
            };
            create(node, CreateTenant { tenant, name, time_zone }, json).await
        }
        Command::Analyst(asked) => analyst(node, asked).await,
        Command::Settings(asked) => show_settings(node, asked).await,
        Command::List { json } => list(node, json).await,
    }
}

async fn create(node: &Node, request: CreateTenant, json: bool) -> anyhow::Result<()> {
    let (tenant, name, zone) = (request.tenant, request.name.clone(), request.time_zone.clone());
    let operator = node.operator(store::TenantId(tenant.get()));
    let committed = create_tenant(&node.commands, &operator, request).await.context("the tenant cannot be set up")?;
    until_seen(node, "tenants", committed.position).await;
    let is_new = !committed.repeated && !committed.events.is_empty();
    match json {
        true => print_json(&json!({"tenant": tenant.get(), "name": name, "time_zone": zone, "is_new": is_new}))?,
        false if is_new => say!("tenant {tenant} `{name}` is set up ({zone})")?,
        false => say!("tenant {tenant} `{name}` was there already")?,
    }
    Ok(())
}

/// The number of the tenant that has this name, else the next free one.
async fn number_of(node: &Node, name: &Label) -> anyhow::Result<TenantId> {
    let known = tenants::all(&node.pools).await?;
    if let Some(row) = known.iter().find(|row| row.name == name.as_str()) {
        return Ok(TenantId::new(row.tenant.0)?);
    }
    // Tenant 1 is the one that the first start of the server makes.
    let highest = known.iter().map(|row| row.tenant.0).max().unwrap_or(crate::first_start::FIRST_TENANT);
    Ok(TenantId::new(highest.checked_add(1).context("no number is free")?)?)
}

async fn analyst(node: &Node, asked: Analyst) -> anyhow::Result<()> {
    let found = named(node, &asked.name).await?;
    let (database, tenant) = (node.database(), found.tenant);
    if asked.remove {
        let login = database.remove_analyst(tenant).await?;
        return match asked.json {
            true => print_json(&json!({"tenant": tenant.0, "login": login, "removed": true})),
            false => {
                say!("the login {login} is removed")?;
                Ok(())
            }
        };
    }
    let made = match asked.rotate {
        true => database.renew_analyst(tenant).await?,
        false => database.add_analyst(tenant).await?,
    };
    let (login, password) = (&made.login, made.password());
    let command = psql(&database.admin_options(), login);
    if asked.json {
        return hand_over_json(&json!({"tenant": tenant.0, "login": login, "password": password, "psql": command}));
    }
    hand_over(password)?;
    eprintln!(
        "Shown this once: the password of {login}, which reads the rows of {}. Log in with\n  {command}",
        asked.name
    );
    Ok(())
}

async fn named(node: &Node, name: &Label) -> anyhow::Result<TenantRow> {
    let mut known = tenants::all(&node.pools).await?;
    let place = known.iter().position(|row| row.name == name.as_str()).with_context(|| {
        let names: Vec<&str> = known.iter().map(|row| row.name.as_str()).collect();
        format!("there is no tenant {name}; the tenants are: {}", names.join(", "))
    })?;
    Ok(known.swap_remove(place))
}

async fn show_settings(node: &Node, asked: Settings) -> anyhow::Result<()> {
    let mut row = named(node, &asked.name).await?;
    if let Some(strict_documents) = asked.strict_documents {
        let request = ChangeSettings { strict_documents: Some(strict_documents), risk_weights: None };
        let changed = change_settings(&node.commands, &node.operator(row.tenant), None, request).await;
        until_seen(node, "tenants", changed.context("the settings cannot be changed")?.position).await;
        row = named(node, &asked.name).await?;
    }
    let TenantSettings { strict_documents, risk_weights } = row.settings;
    let weights: Map<String, Value> =
        risk_weights.all().map(|(factor, weight)| (factor.as_str().to_owned(), weight.into())).collect();
    if asked.json {
        return print_json(&json!({
            "tenant": row.tenant.0, "name": row.name, "strict_documents": strict_documents, "risk_weights": weights,
        }));
    }
    let shown = if strict_documents { "on" } else { "off" };
    let weights = weights.iter().map(|(name, weight)| vec![format!("risk weight {name}"), weight.to_string()]);
    let lines = [vec!["strict documents".to_owned(), shown.to_owned()]].into_iter().chain(weights);
    say!("{}", table(&lines.collect::<Vec<_>>()))?;
    Ok(())
}

/// How the analyst logs in, as this machine reaches the database.
fn psql(options: &PgConnectOptions, login: &str) -> String {
    let host =
        options.get_socket().map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
    let (port, database) = (options.get_port(), options.get_database().unwrap_or(login));
    format!("psql \"host='{host}' port={port} dbname='{database}' user={login}\"")
}

async fn list(node: &Node, json: bool) -> anyhow::Result<()> {
    let rows = tenants::all(&node.pools).await?;
    if json {
        let view = |row: &TenantRow| json!({"tenant": row.tenant.0, "name": row.name, "time_zone": row.time_zone, "created_at": row.created_at});
        return print_json(&rows.iter().map(view).collect::<Vec<Value>>());
    }
    let header = ["TENANT", "NAME", "TIME ZONE", "CREATED"].map(str::to_owned).to_vec();
    let lines = rows.iter().map(|row| {
        let created = row.created_at.format("%Y-%m-%d %H:%M").to_string();
        vec![row.tenant.to_string(), row.name.clone(), row.time_zone.clone(), created]
    });
    say!("{}", table(&[header].into_iter().chain(lines).collect::<Vec<_>>()))?;
    Ok(())
}

/// Waits for a projector; who has run it before may take some seconds to let go after a crash.
pub(crate) async fn until_seen(node: &Node, projector: &str, position: Position) {
    if let Err(behind) = node.projections.wait_for(&[projector], position, PATIENCE).await {
        eprintln!("clientela: what follows may be older than the last change: {behind}");
    }
}
