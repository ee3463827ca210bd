//! `clientela key`: makes, lists and revokes the keys of the API. Works on the database, with or without a running server.

use crate::config::{CommonFlags, settings};
use crate::logging;
use crate::output::{hand_over, hand_over_json, print_json, say, table};
use crate::tenant::until_seen;
use crate::wiring::Node;
use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use commands::Scope;
use commands::access::{CreateKey, create_key, revoke_key};
use domain::ids::Label;
use projections::access::{api_keys, tenants};
use serde_json::{Value, json};
use std::process::ExitCode;
use store::{EventStore, TenantId};
use uuid::Uuid;

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key; it is shown this once
    Create(Create),
    /// List the keys of a tenant
    List {
        /// Whose keys
        #[arg(long, default_value_t = 1)]
        tenant: i32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key cease to work, within a minute
    Revoke {
        /// Id of the key, as `key list` shows it
        key: Uuid,
        /// Whose key
        #[arg(long, default_value_t = 1)]
        tenant: i32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What `key create` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Short name: lower-case letters, digits, dots, dashes
    #[arg(default_value = "key", value_parser = Label::parse)]
    name: Label,
    /// What the key may do, such as customers:read; several with commas; `admin` is all
    #[arg(long, required = true, value_delimiter = ',', value_parser = scope)]
    scope: Vec<Scope>,
    /// When it ceases to work: a date, a time of RFC 3339, or in so many days, such as 90d
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Whose key
    #[arg(long, default_value_t = 1)]
    tenant: i32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn scope(text: &str) -> Result<Scope, String> {
    let known = || Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    Scope::parse(text).map_err(|error| format!("{error}; the scopes are {}", known()))
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    logging::start(&settings, logging::TOOL)?;
    let node = Node::of_tool(&settings).await?;
    let done = match command {
        Command::Create(create) => make(&node, create).await,
        Command::List { tenant, json } => list(&node, TenantId(tenant), json).await,
        Command::Revoke { key, tenant, json } => revoke(&node, TenantId(tenant), key, json).await,
    };
    node.stop().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn make(node: &Node, create: Create) -> anyhow::Result<()> {
    let tenant = TenantId(create.tenant);
    require_tenant(node, tenant).await?;
    let operator = node.operator(tenant);
    let expires_at = create.expires.as_deref().map(|text| moment(text, operator.now)).transpose()?;
    if expires_at.is_some_and(|end| end <= operator.now) {
        bail!("--expires lies in the past: the key would never work");
    }
    let request = CreateKey { name: create.name.clone(), scopes: create.scope.clone(), expires_at };
    let created = create_key(&node.commands, &operator, None, request).await.context("the key cannot be made")?;
    let secret = created.secret.context("the key was made, but not told")?;
    until_seen(node, "api_keys", created.committed.position).await;
    let scopes: Vec<_> = create.scope.iter().map(|scope| scope.as_str()).collect();
    if create.json {
        let (id, secret) = (created.key, secret.reveal());
        let (name, tenant) = (create.name, tenant.0);
        return hand_over_json(&json!({
            "id": id, "key": secret, "tenant": tenant, "name": name, "scopes": scopes, "expires_at": expires_at
        }));
    }
    hand_over(secret.reveal())?;
    eprintln!("Shown this once. Key {} `{}` of tenant {tenant} may: {}.", created.key, create.name, scopes.join(", "));
    Ok(())
}

/// A key of a tenant that does not exist would be of no use.
async fn require_tenant(node: &Node, tenant: TenantId) -> anyhow::Result<()> {
    until_seen(node, "tenants", node.store.head().await?).await;
    match tenants::find(&node.pools, tenant).await? {
        Some(_) => Ok(()),
        None => bail!("there is no tenant {tenant}: see `clientela tenant list`"),
    }
}

/// A date, a time, or so many days from now.
fn moment(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()).and_then(TimeDelta::try_days);
    let in_days = days.and_then(|days| now.checked_add_signed(days));
    let date = || text.parse::<NaiveDate>().ok().map(|date| date.and_time(chrono::NaiveTime::MIN).and_utc());
    let time = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    in_days.or_else(date).or_else(time).with_context(|| {
        format!("--expires {text} is no date (2027-01-31), no time (2027-01-31T12:00:00Z), and no number of days (90d)")
    })
}

async fn list(node: &Node, tenant: TenantId, json: bool) -> anyhow::Result<()> {
    until_seen(node, "api_keys", node.store.head().await?).await;
    let rows = api_keys::list(&node.pools, tenant).await?;
    if json {
        let view = |row: &api_keys::ApiKeyRow| {
            json!({
                "id": row.key, "name": row.name, "scopes": row.scopes, "created_at": row.created_at,
                "expires_at": row.expires_at, "revoked_at": row.revoked_at,
            })
        };
        return print_json(&rows.iter().map(view).collect::<Vec<Value>>());
    }
    let now = node.clock.now();
    let header = ["ID", "NAME", "STATE", "CREATED", "MAY"].map(str::to_owned).to_vec();
    let lines = rows.iter().map(|row| {
        let created = row.created_at.format("%Y-%m-%d %H:%M").to_string();
        vec![row.key.to_string(), row.name.clone(), state(row, now), created, row.scopes.join(", ")]
    });
    say!("{}", table(&[header].into_iter().chain(lines).collect::<Vec<_>>()))?;
    Ok(())
}

fn state(row: &api_keys::ApiKeyRow, now: DateTime<Utc>) -> String {
    match (row.revoked_at, row.expires_at) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(end)) if end <= now => "expired".to_owned(),
        (None, Some(end)) => format!("until {}", end.format("%Y-%m-%d")),
        (None, None) => "works".to_owned(),
    }
}

async fn revoke(node: &Node, tenant: TenantId, key: Uuid, json: bool) -> anyhow::Result<()> {
    let operator = node.operator(tenant);
    let committed = revoke_key(&node.commands, &operator, None, key).await.context("the key cannot be revoked")?;
    until_seen(node, "api_keys", committed.position).await;
    match json {
        true => print_json(&json!({ "id": key, "revoked": true })),
        false => {
            say!("key {key} is revoked; running servers forget it within a minute")?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn an_end_is_a_date_a_time_or_a_number_of_days() {
        let now = "2026-01-01T10:00:00Z".parse().unwrap();
        let read = |text| moment(text, now).map(|end| end.to_rfc3339()).unwrap_or_else(|error| error.to_string());
        assert_eq!(read("2027-01-31"), "2027-01-31T00:00:00+00:00");
        assert_eq!(read("2027-01-31T12:00:00+02:00"), "2027-01-31T10:00:00+00:00");
        assert_eq!(read("90d"), "2026-04-01T10:00:00+00:00");
        assert!(read("tomorrow").starts_with("--expires tomorrow is no date"));
        assert!(read("99999999999999d").starts_with("--expires"));
    }
}
