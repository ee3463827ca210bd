//! Who calls: a key of the API, looked up by its digest and remembered for a short time.
//!
//! Keys have 256 random bits, so a plain digest is enough and no slow hash stands in the way of a request. What a key
//! may do is asked later, by the operation. Nothing here reads the tenant from anything but the key.

use crate::Api;
use crate::config::Config;
use crate::headers::Occasion;
use crate::limits::Limits;
use crate::problem::Problem;
use async_trait::async_trait;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::{Caller, Door, Scope};
use domain::access::settings::TenantSettings;
use moka::future::Cache;
use projections::access::{api_keys, tenants};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use store::postgres::Pools;
use store::{BoxError, TenantId};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// The tenant that an open server acts for.
const OPEN_TENANT: TenantId = commands::INSTALLATION;
const KEY_LENGTH_MAX: usize = 256;
const KEY_TTL_MAX: Duration = Duration::from_secs(60);
const CHALLENGE: &str = r#"Bearer realm="clientela""#;
const CHALLENGE_INVALID: &str = r#"Bearer realm="clientela", error="invalid_token""#;

/// A key as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its id.
    pub id: Uuid,
    /// For whom it acts.
    pub tenant: TenantId,
    /// Where that tenant is, and what it decided for itself.
    pub rules: TenantRules,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ceases to work.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// What is to be known of a tenant with each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantRules {
    /// Its time zone.
    pub zone: Tz,
    /// What it decided for itself.
    pub settings: TenantSettings,
}

/// Of a tenant that nothing is known of.
impl Default for TenantRules {
    fn default() -> Self {
        Self { zone: Tz::UTC, settings: TenantSettings::default() }
    }
}

/// Where keys are found.
#[async_trait]
pub trait KeyDirectory: Send + Sync + 'static {
    /// The key with this digest, revoked and expired ones included.
    async fn find(&self, digest: &[u8; 32]) -> Result<Option<KnownKey>, BoxError>;

    /// Time zone and settings of a tenant; none when the tenant does not exist.
    async fn rules(&self, tenant: TenantId) -> Result<Option<TenantRules>, BoxError>;
}

/// The directory that is made from history: the tables `api_keys` and `tenants`.
#[derive(Debug, Clone)]
pub struct ProjectedKeys(pub Pools);

#[async_trait]
impl KeyDirectory for ProjectedKeys {
    async fn find(&self, digest: &[u8; 32]) -> Result<Option<KnownKey>, BoxError> {
        let Some(row) = api_keys::find_key(&self.0, digest).await? else { return Ok(None) };
        let rules = self.rules(row.tenant).await?.unwrap_or_default();
        Ok(Some(KnownKey {
            id: row.key,
            tenant: row.tenant,
            rules,
            scopes: row.known_scopes().collect(),
            expires_at: row.expires_at,
            revoked: row.revoked_at.is_some(),
            digest: row.digest.try_into().map_err(|_| "a digest of api_keys has not 32 bytes")?,
        }))
    }

    async fn rules(&self, tenant: TenantId) -> Result<Option<TenantRules>, BoxError> {
        let Some(row) = tenants::find(&self.0, tenant).await? else { return Ok(None) };
        Ok(Some(TenantRules { zone: row.value.time_zone.parse()?, settings: row.value.settings }))
    }
}

/// The keys seen of late, with the rules of their tenants. A key that is revoked works on for at most its time to live, and what a tenant
/// decides holds on all nodes within the same time.
pub struct Keys {
    directory: Arc<dyn KeyDirectory>,
    known: Cache<[u8; 32], Arc<KnownKey>>,
    // A cache of its own, so that a flood of made-up keys does not push out the real ones.
    unknown: Cache<[u8; 32], ()>,
    // Whose digests the directory has known once: they are no guesses, however many strangers share their address. What such a
    // key may do now is asked for all the same.
    seen: Cache<[u8; 32], ()>,
    limits: Limits,
}

/// Why the directory gave no key.
#[derive(Debug)]
enum Miss {
    Unknown,
    Failed(BoxError),
}

impl Keys {
    /// An empty memory in front of a directory.
    #[must_use]
    pub fn new(directory: Arc<dyn KeyDirectory>, config: &Config) -> Self {
        let cache = || Cache::builder().max_capacity(config.keys_max);
        Self {
            directory,
            known: cache().time_to_live(config.key_ttl.min(KEY_TTL_MAX)).build(),
            unknown: Cache::builder()
                .max_capacity(config.keys_max)
                .time_to_live(config.unknown_key_ttl.min(KEY_TTL_MAX))
                .build(),
            seen: Cache::new(config.keys_max),
            limits: Limits::new(config),
        }
    }

    /// Forgets a key, so that its revocation holds at once on this node.
    pub async fn forget(&self, digest: &[u8; 32]) {
        self.known.invalidate(digest).await;
        self.unknown.invalidate(digest).await;
    }

    /// Forgets the keys of a tenant, so that what it decided holds at once on this node.
    pub(crate) async fn forget_all_of(&self, tenant: TenantId) {
        for (digest, key) in &self.known {
            if key.tenant == tenant {
                self.known.invalidate(digest.as_ref()).await;
            }
        }
    }

    /// Whoever guesses gets the directory asked only so often.
    async fn find(&self, digest: [u8; 32], address: Option<IpAddr>) -> Result<Option<Arc<KnownKey>>, Problem> {
        if let Some(key) = self.known.get(&digest).await {
            return Ok(Some(key));
        }
        if self.unknown.contains_key(&digest) {
            return Ok(None);
        }
        if self.seen.get(&digest).await.is_none() {
            self.limits.stranger(address)?;
        }
        match self.known.try_get_with(digest, self.ask(digest)).await {
            Ok(key) => {
                self.seen.insert(digest, ()).await;
                Ok(Some(key))
            }
            Err(miss) => match miss.as_ref() {
                Miss::Unknown => {
                    self.seen.invalidate(&digest).await;
                    self.unknown.insert(digest, ()).await;
                    Ok(None)
                }
                Miss::Failed(error) => Err(Problem::unavailable("keys cannot be checked at the moment")
                    .because(format!("the key directory failed: {error}"))),
            },
        }
    }

    async fn ask(&self, digest: [u8; 32]) -> Result<Arc<KnownKey>, Miss> {
        let found = self.directory.find(&digest).await.map_err(Miss::Failed)?;
        match found {
            Some(key) if bool::from(key.digest.ct_eq(&digest)) => Ok(Arc::new(key)),
            Some(_) | None => Err(Miss::Unknown),
        }
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let occasion = parts.extensions.get::<Occasion>().cloned().unwrap_or_default();
        authenticate(api, &parts.headers, &occasion).await
    }
}

/// The caller of a request, by its key; on an open server an administrator when there is none. Who has none that works is counted.
pub(crate) async fn authenticate(api: &Api, headers: &HeaderMap, occasion: &Occasion) -> Result<Caller, Problem> {
    counted(api, occasion, identify(api, headers, occasion).await)
}

/// The caller of an operation that tells strangers less: none who has no key that works. Who sends none does not guess; who sends
/// wrong ones is counted.
pub(crate) async fn caller_or_stranger(
    api: &Api,
    headers: &HeaderMap,
    occasion: &Occasion,
) -> Result<Option<Caller>, Problem> {
    let found = match given_key(headers) {
        Some(_) => authenticate(api, headers, occasion).await,
        None => identify(api, headers, occasion).await,
    };
    match found {
        Ok(caller) => Ok(Some(caller)),
        Err(problem) if problem.status() == StatusCode::TOO_MANY_REQUESTS => Err(problem),
        Err(_) => Ok(None),
    }
}

/// Counts a stranger: whoever is one too often is told so instead.
pub(crate) fn counted<T>(api: &Api, occasion: &Occasion, found: Result<T, Problem>) -> Result<T, Problem> {
    match found {
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            api.keys.limits.failed(occasion.address)?;
            Err(problem)
        }
        found => found,
    }
}

/// The caller of a request, who is not counted as a stranger.
async fn identify(api: &Api, headers: &HeaderMap, occasion: &Occasion) -> Result<Caller, Problem> {
    let Some(text) = given_key(headers) else {
        return match api.config.open && is_for_loopback(headers) {
            true => open_caller(api, occasion).await,
            false => Err(Problem::unauthorized("key_missing", "this operation needs a key", CHALLENGE)),
        };
    };
    if text.len() > KEY_LENGTH_MAX {
        return Err(unknown_key());
    }
    caller_with(api, digest_of(text), occasion).await
}

/// The caller whose key has this digest, if it works now.
pub(crate) async fn caller_with(api: &Api, digest: [u8; 32], occasion: &Occasion) -> Result<Caller, Problem> {
    let now = api.clock.now();
    let key = valid_key(api, digest, occasion.address, now).await?;
    api.keys.limits.request(key.id)?;
    Ok(Caller {
        tenant: key.tenant,
        actor: format!("key:{}", key.id),
        scopes: key.scopes.clone(),
        now,
        zone: key.rules.zone,
        settings: key.rules.settings,
        request_id: request_id(occasion),
        correlation_id: occasion.trace_id().map(str::to_owned),
        via: Door::Http,
    })
}

/// The key with this digest, if it works now.
async fn valid_key(
    api: &Api,
    digest: [u8; 32],
    address: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Result<Arc<KnownKey>, Problem> {
    let key = api.keys.find(digest, address).await?.ok_or_else(unknown_key)?;
    if key.revoked {
        return Err(Problem::unauthorized("key_revoked", "the key was revoked", CHALLENGE_INVALID));
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(Problem::unauthorized("key_expired", "the key has expired", CHALLENGE_INVALID));
    }
    Ok(key)
}

fn unknown_key() -> Problem {
    Problem::unauthorized("key_unknown", "the key is not known", CHALLENGE_INVALID)
}

/// 401 for a ticket that was one.
pub(crate) fn ticket_expired() -> Problem {
    Problem::unauthorized("ticket_expired", "the ticket has expired; ask for another one", CHALLENGE_INVALID)
}

/// 401 for a ticket that never was one, or is another installation's.
pub(crate) fn ticket_unknown() -> Problem {
    Problem::unauthorized("ticket_unknown", "the ticket is not one of this installation", CHALLENGE_INVALID)
}

fn digest_of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// What an answer without an end keeps of its caller, so that it can ask again whether the caller still may have it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// None: the caller of an open server, who may do all.
    pub(crate) digest: Option<[u8; 32]>,
    /// When it ends whatever becomes of the key.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl Standing {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { digest: given_key(headers).map(digest_of), expires_at: None }
    }

    /// Whether the key still works and has these scopes. Looks past what is remembered, so that a revocation holds.
    pub(crate) async fn confirm(&self, api: &Api, scopes: &[Scope]) -> Result<(), Problem> {
        let Some(digest) = self.digest else { return Ok(()) };
        if self.expires_at.is_some_and(|end| end <= api.clock.now()) {
            return Err(ticket_expired());
        }
        api.keys.forget(&digest).await;
        let key = valid_key(api, digest, None, api.clock.now()).await?;
        let is_held = |wanted: &Scope| key.scopes.iter().any(|held| held.grants(*wanted));
        match scopes.iter().find(|wanted| !is_held(wanted)) {
            Some(missing) => Err(Problem::scope_missing(missing.as_str())),
            None => Ok(()),
        }
    }
}

async fn open_caller(api: &Api, occasion: &Occasion) -> Result<Caller, Problem> {
    let failed = |error| Problem::unavailable("the tenant cannot be read at the moment").because(error);
    let rules = api.keys.directory.rules(OPEN_TENANT).await.map_err(failed)?.unwrap_or_default();
    Ok(Caller {
        tenant: OPEN_TENANT,
        actor: "open".to_owned(),
        scopes: vec![Scope::Admin],
        now: api.clock.now(),
        zone: rules.zone,
        settings: rules.settings,
        request_id: request_id(occasion),
        correlation_id: occasion.trace_id().map(str::to_owned),
        via: Door::Http,
    })
}

fn request_id(occasion: &Occasion) -> Option<String> {
    (!occasion.request_id.is_empty()).then(|| occasion.request_id.to_string())
}

fn given_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = || headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::trim);
    bearer.or_else(plain).filter(|key| !key.is_empty())
}

/// Whether the request names this machine: a page of another origin that resolves its own name to it does not.
fn is_for_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let host = host.to_str().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
