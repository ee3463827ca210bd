//! What the first start of an installation makes: tenant 1, and an admin key for the command line.
//!
//! Done again at each start, it changes nothing; begun and not finished, it goes on: a key that was made but never reached
//! its file is replaced by a new one.

use crate::config::Settings;
use crate::secrets;
use crate::wiring::Node;
use anyhow::Context;
use commands::access::{CreateKey, CreateTenant, Secret, create_key, create_tenant};
use commands::{CommandError, Scope};
use domain::ids::{Label, TenantId, TimeZoneName};
use std::time::Duration;

/// The tenant that every installation has.
pub(crate) const FIRST_TENANT: i32 = 1;
/// Its name, unless an operator has set it up otherwise.
pub(crate) const FIRST_NAME: &str = "default";

/// How long the start waits until the new key can be used.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sees to it that there is a tenant and an admin key; the key if it is new.
pub(crate) async fn ensure(node: &Node, settings: &Settings) -> anyhow::Result<Option<Secret>> {
    let is_new = ensure_tenant(node).await.context("tenant 1 cannot be set up")?;
    let file = settings.admin_key_file();
    if !is_new && secrets::read(&file)?.is_some_and(|key| !key.trim().is_empty()) {
        return Ok(None);
    }
    let operator = node.operator(store::TenantId(FIRST_TENANT));
    let request = CreateKey { name: Label::parse("admin")?, scopes: vec![Scope::Admin], expires_at: None };
    let created = create_key(&node.commands, &operator, None, request).await.context("no admin key can be made")?;
    let secret = created.secret.context("the admin key was made, but not told")?;
    secrets::replace(&file, &format!("{}\n", secret.reveal()))?;
    let seen = node.projections.wait_for(&["tenants", "api_keys"], created.committed.position, PATIENCE).await;
    if let Err(behind) = seen {
        tracing::warn!(%behind, "the admin key will work in a moment");
    }
    Ok(Some(secret))
}

/// Whether tenant 1 was made just now.
async fn ensure_tenant(node: &Node) -> anyhow::Result<bool> {
    let operator = node.operator(store::TenantId(FIRST_TENANT));
    let request = CreateTenant {
        tenant: TenantId::new(FIRST_TENANT)?,
        name: Label::parse(FIRST_NAME)?,
        time_zone: TimeZoneName::parse("UTC")?,
    };
    match create_tenant(&node.commands, &operator, request).await {
        Ok(committed) => Ok(!committed.repeated && !committed.events.is_empty()),
        // An operator has set it up otherwise.
        Err(CommandError::Refused(refusal)) if refusal.code == "tenant_already_exists" => Ok(false),
        Err(error) => Err(error.into()),
    }
}
