//! What tenants and keys may do, as given / when / then.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::access::api_key::ApiKey;
use crate::access::commands::{AccessError, ApiKeyCommand, ProjectionCommand, TenantCommand};
use crate::access::events::{AccessEvent, KeyDigest, SkipReason};
use crate::access::projection::Projection;
use crate::access::scope::Scope;
use crate::access::tenant::Tenant;
use crate::ids::{Label, TenantId, TimeZoneName};
use crate::refusal::{Refusal, RefusalKind};
use crate::testing::given;
use crate::text::ReasonText;
use crate::validators::risk::RiskWeights;

#[test]
fn a_tenant_is_created_once() {
    given::<Tenant>([]).when(create_tenant("shop")).then([tenant_created("shop")]);
    given::<Tenant>([tenant_created("shop")]).when(create_tenant("shop")).then([]);
    given::<Tenant>([tenant_created("shop")]).when(create_tenant("cafe")).then_refused(AccessError::TenantExists);
}

#[test]
fn a_tenant_decides_otherwise_and_the_same_again_is_no_event() {
    let made = || tenant_created("shop");
    let strict = || settings_changed(true, RiskWeights::default());
    let weights = RiskWeights::default().with("blocked", 100).unwrap();
    given::<Tenant>([made()]).when(change(Some(true), None)).then([strict()]);
    given::<Tenant>([made()]).when(change(Some(false), Some(RiskWeights::default()))).then([]);
    given::<Tenant>([made(), strict()]).when(change(Some(true), None)).then([]);
    let kept = given::<Tenant>([made(), strict()]).when(change(None, Some(weights)));
    kept.then([settings_changed(true, weights)]);
    let both = [made(), settings_changed(true, weights)];
    given::<Tenant>(both).when(change(Some(false), None)).then([settings_changed(false, weights)]);
}

#[test]
fn settings_are_of_a_tenant_that_there_is_and_do_not_stand_in_the_way_of_its_creation_asked_again() {
    given::<Tenant>([]).when(change(Some(true), None)).then_refused(AccessError::TenantNotFound);
    let changed = || [tenant_created("shop"), settings_changed(true, RiskWeights::default())];
    given::<Tenant>(changed()).when(create_tenant("shop")).then([]);
    given::<Tenant>(changed()).when(create_tenant("cafe")).then_refused(AccessError::TenantExists);
}

#[test]
fn a_key_is_created_once() {
    given::<ApiKey>([]).when(create_key(vec![Scope::Admin])).then([key_created(vec![Scope::Admin])]);
    given::<ApiKey>([key_created(vec![Scope::Admin])]).when(create_key(vec![Scope::Admin])).then([]);
    given::<ApiKey>([key_created(vec![Scope::Admin])])
        .when(create_key(vec![Scope::FeedRead]))
        .then_refused(AccessError::KeyExists);
}

#[test]
fn a_key_that_may_do_nothing_is_refused() {
    given::<ApiKey>([]).when(create_key(vec![])).then_refused(AccessError::ScopeRequired);
}

#[test]
fn a_key_is_revoked_once_and_for_good() {
    let revoked = || AccessEvent::KeyRevoked { key: Uuid::from_u128(7) };
    let made = || key_created(vec![Scope::Admin]);
    let state = given::<ApiKey>([made()]).when(ApiKeyCommand::Revoke).then([revoked()]);
    assert!(matches!(state, ApiKey::Revoked(_)));
    given::<ApiKey>([made(), revoked()]).when(ApiKeyCommand::Revoke).then([]);
    given::<ApiKey>([made(), revoked()]).when(create_key(vec![Scope::Admin])).then_refused(AccessError::KeyExists);
}

#[test]
fn a_key_that_was_never_made_is_not_revoked() {
    given::<ApiKey>([]).when(ApiKeyCommand::Revoke).then_refused(AccessError::KeyNotFound);
    assert_eq!(Refusal::from(AccessError::KeyNotFound).kind, RefusalKind::NotFound);
}

#[test]
fn an_event_is_skipped_once() {
    let skip = |position| ProjectionCommand::Skip {
        projector: Label::parse("loyalty_balances").unwrap(),
        position,
        reason: ReasonText::parse("written by a broken till").unwrap(),
    };
    let skipped = |position| AccessEvent::ProjectionSkipped {
        projector: Label::parse("loyalty_balances").unwrap(),
        position,
        personal: SkipReason { reason: ReasonText::parse("written by a broken till").unwrap() }.into(),
    };
    given::<Projection>([]).when(skip(7)).then([skipped(7)]);
    given::<Projection>([skipped(7)]).when(skip(7)).then([]);
    given::<Projection>([skipped(7)]).when(skip(8)).then([skipped(8)]);
}

#[test]
fn admin_grants_all_and_every_other_scope_only_itself() {
    assert!(Scope::ALL.iter().all(|wanted| Scope::Admin.grants(*wanted)));
    for scope in Scope::ALL.iter().filter(|scope| **scope != Scope::Admin) {
        let granted: Vec<_> = Scope::ALL.iter().filter(|wanted| scope.grants(**wanted)).collect();
        assert_eq!(granted, [scope]);
    }
}

#[test]
fn a_scope_is_read_as_it_is_written() {
    for scope in Scope::ALL {
        assert_eq!(Scope::parse(scope.as_str()), Ok(*scope));
        assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
    }
    assert!(Scope::parse("customers").is_err());
}

#[test]
fn a_digest_is_64_hexadecimal_digits() {
    let digest = KeyDigest::parse(&"aB".repeat(32)).unwrap();
    assert_eq!((digest.as_bytes(), digest.to_string()), (&[0xAB; 32], "ab".repeat(32)));
    for text in ["", &"a".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
        assert!(KeyDigest::parse(text).is_err(), "{text}");
    }
}

fn change(strict_documents: Option<bool>, risk_weights: Option<RiskWeights>) -> TenantCommand {
    TenantCommand::ChangeSettings { strict_documents, risk_weights }
}

fn settings_changed(strict_documents: bool, risk_weights: RiskWeights) -> AccessEvent {
    AccessEvent::SettingsChanged { strict_documents, risk_weights }
}

fn create_tenant(name: &str) -> TenantCommand {
    let (tenant, name, time_zone) = tenant(name);
    TenantCommand::Create { tenant, name, time_zone }
}

fn tenant_created(name: &str) -> AccessEvent {
    let (tenant, name, time_zone) = tenant(name);
    AccessEvent::TenantCreated { tenant, name, time_zone }
}

fn tenant(name: &str) -> (TenantId, Label, TimeZoneName) {
    (TenantId::new(7).unwrap(), Label::parse(name).unwrap(), TimeZoneName::parse("Europe/Madrid").unwrap())
}

fn create_key(scopes: Vec<Scope>) -> ApiKeyCommand {
    let (key, name, digest, expires_at) = key();
    ApiKeyCommand::Create { key, name, digest, scopes, expires_at }
}

fn key_created(scopes: Vec<Scope>) -> AccessEvent {
    let (key, name, digest, expires_at) = key();
    AccessEvent::KeyCreated { key, name, digest, scopes, expires_at }
}

fn key() -> (Uuid, Label, KeyDigest, Option<DateTime<Utc>>) {
    let expires_at = "2027-01-10T00:00:00Z".parse().unwrap();
    (Uuid::from_u128(7), Label::parse("till-1").unwrap(), KeyDigest::new([7; 32]), Some(expires_at))
}
