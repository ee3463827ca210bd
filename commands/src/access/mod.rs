//! Commands on tenants, keys of the API and projectors. The rules are the domain's; secrets are made here and told once.

#[cfg(test)]
mod tests;

use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::{self, IdempotencyKey};
use crate::ids::{new_id, random_bytes};
use crate::refusals;
use crate::states::{States, stream_of};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::access::api_key::ApiKey;
use domain::access::commands::{ApiKeyCommand, ProjectionCommand, TenantCommand};
use domain::access::events::{AccessEvent, KeyDigest};
use domain::access::projection::Projection;
use domain::access::tenant::Tenant;
use domain::ids::{Label, TenantId, TimeZoneName};
use domain::text::ReasonText;
use domain::validators::risk::RiskWeights;
use domain::{Decider, Event, Refusal};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;
use store::{ClaimKey, StreamId};
use uuid::Uuid;

/// A tenant to be set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreateTenant {
    /// Its number.
    pub tenant: TenantId,
    /// Its short name; no other tenant has it.
    pub name: Label,
    /// Where its business day begins and ends.
    pub time_zone: TimeZoneName,
}

/// What a tenant decides otherwise; what is not told stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChangeSettings {
    /// Whether a document with a wrong control character is refused.
    pub strict_documents: Option<bool>,
    /// How much each suspicious thing counts.
    pub risk_weights: Option<RiskWeights>,
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreateKey {
    /// Its short name.
    pub name: Label,
    /// What it may do; at least one.
    pub scopes: Vec<Scope>,
    /// When it ceases to work; never when absent.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An event to be left out by a projector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkipEvent {
    /// Name of the projector.
    pub projector: Label,
    /// Position of the event.
    pub position: i64,
    /// Why.
    pub reason: ReasonText,
}

/// A key that was made.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its id.
    pub key: Uuid,
    /// The key itself, told this once. A repeated request is not told again.
    pub secret: Option<Secret>,
    /// What happened.
    pub committed: Committed,
}

/// A text that must not be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, to be shown or sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Sets a tenant up. Its events are its own; that its name is unique is a claim of tenant 0, taken first: a failure in
/// between leaves the name with this tenant, and the same request made again goes on from there.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn create_tenant(
    commands: &Commands,
    caller: &Caller,
    request: CreateTenant,
) -> Result<Committed, CommandError> {
    caller.require(Scope::Operations)?;
    require_zone(&request.time_zone)?;
    let within = Caller { tenant: store::TenantId(request.tenant.get()), ..caller.clone() };
    let create =
        TenantCommand::Create { tenant: request.tenant, name: request.name.clone(), time_zone: request.time_zone };
    commands.execute(&within, creation(caller.now, request.tenant, create.clone(), false)).await?;
    take_name(commands, caller, request.tenant, &request.name).await?;
    commands.execute(&within, creation(caller.now, request.tenant, create, true)).await
}

/// Changes the settings of the caller's tenant.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_settings(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangeSettings,
) -> Result<Committed, CommandError> {
    caller.require(Scope::Admin)?;
    let tenant = TenantId::new(caller.tenant.0).map_err(CommandError::internal)?;
    let stream = tenant_stream(tenant);
    let ChangeSettings { strict_documents, risk_weights } = request;
    let decide = move |states: &States<'_>| {
        let change = TenantCommand::ChangeSettings { strict_documents, risk_weights };
        Ok(Changes::of(stream, Tenant::decide(states.get::<Tenant>(stream.id), change)?))
    };
    let change = Request::new("access.change_settings", caller.now, [stream], decide);
    commands.execute(caller, change.content(content_of(&request)).keyed(key)).await
}

/// Makes a key of the caller's tenant.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn create_key(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: CreateKey,
) -> Result<CreatedKey, CommandError> {
    caller.require(Scope::Admin)?;
    let secret = new_secret()?;
    let (id, content) = (new_id(), content_of(&request));
    let CreateKey { name, scopes, expires_at } = request;
    let create = ApiKeyCommand::Create { key: id, name, digest: digest_of(secret.reveal()), scopes, expires_at };
    let creation = on_key("access.create_key", caller.now, id, create).creating([key_stream(id)]);
    let committed = commands.execute(caller, creation.content(content).keyed(key)).await?;
    Ok(CreatedKey {
        key: key_made(&committed).unwrap_or(id),
        secret: (!committed.repeated).then_some(secret),
        committed,
    })
}

/// Makes a key cease to work.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn revoke_key(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    revoked: Uuid,
) -> Result<Committed, CommandError> {
    caller.require(Scope::Admin)?;
    let revocation = on_key("access.revoke_key", caller.now, revoked, ApiKeyCommand::Revoke);
    commands.execute(caller, revocation.content(content_of(&revoked)).keyed(key)).await
}

/// Lets a projector leave out an event that it cannot digest. Whether it has failed there is not known here: ask before, and
/// hold the projector meanwhile.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn skip_event(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: SkipEvent,
) -> Result<Committed, CommandError> {
    caller.require(Scope::Operations)?;
    let (stream, content) = (projection_stream(caller.tenant, &request.projector), content_of(&request));
    let SkipEvent { projector, position, reason } = request;
    let skip = ProjectionCommand::Skip { projector, position, reason };
    let decide = move |states: &States<'_>| {
        let events = Projection::decide(states.get::<Projection>(stream.id), skip.clone())?;
        Ok(Changes::of(stream, events))
    };
    let request = Request::new("access.skip_event", caller.now, [stream], decide);
    commands.execute(caller, request.content(content).keyed(key)).await
}

/// What a key is known by: SHA-256 of its text. Keys are random, so nothing slower is needed.
#[must_use]
pub fn digest_of(secret: &str) -> KeyDigest {
    KeyDigest::new(Sha256::digest(secret.as_bytes()).into())
}

/// The stream of a tenant: its id is the tenant's number.
#[must_use]
pub fn tenant_stream(tenant: TenantId) -> StreamId {
    stream_of::<Tenant>(Uuid::from_u128(u128::from(tenant.get().unsigned_abs())))
}

/// The stream of a key.
#[must_use]
pub fn key_stream(key: Uuid) -> StreamId {
    stream_of::<ApiKey>(key)
}

/// The stream of a projector, as a tenant's operators see it.
#[must_use]
pub fn projection_stream(tenant: store::TenantId, projector: &Label) -> StreamId {
    let id = identity::hash("clientela/projection/v1", &[&tenant.to_string(), projector.as_str()]);
    stream_of::<Projection>(Uuid::from_bytes(id))
}

/// The claim of a tenant's name, in tenant 0.
#[must_use]
pub fn tenant_name_claim(name: &Label) -> ClaimKey {
    ClaimKey { kind: "tenant_name".to_owned(), value: name.as_str().to_owned() }
}

pub(crate) fn require_zone(zone: &TimeZoneName) -> Result<(), Refusal> {
    match zone.as_str().parse::<Tz>() {
        Ok(_) => Ok(()),
        Err(_) => Err(refusals::unknown_time_zone()),
    }
}

/// The creation of a tenant, or the question whether it is possible.
fn creation(now: DateTime<Utc>, tenant: TenantId, create: TenantCommand, carry_out: bool) -> Request {
    let stream = tenant_stream(tenant);
    let decide = move |states: &States<'_>| {
        let events = Tenant::decide(states.get::<Tenant>(stream.id), create.clone())?;
        Ok(if carry_out { Changes::of(stream, events) } else { Changes::none() })
    };
    Request::new("access.create_tenant", now, [stream], decide)
}

async fn take_name(
    commands: &Commands,
    caller: &Caller,
    tenant: TenantId,
    name: &Label,
) -> Result<Committed, CommandError> {
    let (claim, owner) = (tenant_name_claim(name), tenant_stream(tenant).id);
    let decide = move |_: &States<'_>| {
        let mut changes = Changes::none();
        changes.take(claim.clone(), owner);
        Ok(changes)
    };
    let everywhere = Caller { tenant: store::TenantId(0), ..caller.clone() };
    commands.execute(&everywhere, Request::new("access.take_tenant_name", caller.now, [], decide)).await
}

fn on_key(verb: &'static str, now: DateTime<Utc>, key: Uuid, command: ApiKeyCommand) -> Request {
    let decide = move |states: &States<'_>| {
        let events = ApiKey::decide(states.get::<ApiKey>(key), command.clone())?;
        Ok(Changes::of(key_stream(key), events))
    };
    Request::new(verb, now, [key_stream(key)], decide)
}

fn key_made(committed: &Committed) -> Option<Uuid> {
    committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Access(AccessEvent::KeyCreated { key, .. }) => Some(*key),
        Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_)
        | Event::Customer(_)
        | Event::Loyalty(_)
        | Event::Programme(_) => None,
    })
}

/// `clk_` and 64 hexadecimal digits.
fn new_secret() -> Result<Secret, CommandError> {
    let bytes = random_bytes().map_err(CommandError::internal)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret(format!("clk_{digits}")))
}
