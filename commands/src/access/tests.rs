//! Tenants and keys through the whole pipeline.

use super::{
    ChangeSettings, CreateKey, CreateTenant, SkipEvent, change_settings, create_key, create_tenant, digest_of,
    key_stream, projection_stream, revoke_key, skip_event, tenant_stream,
};
use crate::testing::node::{Node, caller, event_types, refusal_code};
use crate::{Caller, CommandError, Scope};
use domain::Event;
use domain::access::events::AccessEvent;
use domain::ids::{Label, TenantId};

fn tenant(number: i32, name: &str) -> CreateTenant {
    let time_zone = "Europe/Madrid".parse().unwrap();
    CreateTenant { tenant: TenantId::new(number).unwrap(), name: Label::parse(name).unwrap(), time_zone }
}

fn key_named(name: &str) -> CreateKey {
    CreateKey { name: Label::parse(name).unwrap(), scopes: vec![Scope::LoyaltyWrite], expires_at: None }
}

#[tokio::test]
async fn a_tenant_is_set_up_once_in_its_own_part_of_the_log() {
    let node = Node::start();
    let committed = create_tenant(&node.commands, &caller(), tenant(7, "acme")).await.unwrap();
    assert_eq!(event_types(&committed), ["access.tenant.created"]);
    let events = node.store.events_of(tenant_stream(TenantId::new(7).unwrap()));
    assert_eq!((events.len(), events[0].tenant), (1, store::TenantId(7)));
    assert_eq!((events[0].subject_id, events[0].customer_id), (None, None));
    let again = create_tenant(&node.commands, &caller(), tenant(7, "acme")).await.unwrap();
    assert_eq!(event_types(&again), [""; 0]);
}

#[tokio::test]
async fn a_tenants_name_is_no_other_tenants() {
    let node = Node::start();
    create_tenant(&node.commands, &caller(), tenant(7, "acme")).await.unwrap();
    assert_eq!(refusal_code(&create_tenant(&node.commands, &caller(), tenant(8, "acme")).await), "tenant_name_taken");
    let renamed = create_tenant(&node.commands, &caller(), tenant(7, "globex")).await;
    assert_eq!(refusal_code(&renamed), "tenant_already_exists");
    create_tenant(&node.commands, &caller(), tenant(8, "globex")).await.unwrap();
}

#[tokio::test]
async fn a_tenant_changes_its_own_settings_and_no_others() {
    let node = Node::start();
    for (number, name) in [(7, "acme"), (8, "globex")] {
        create_tenant(&node.commands, &caller(), tenant(number, name)).await.unwrap();
    }
    let acme = Caller { tenant: store::TenantId(7), ..caller() };
    let strict = ChangeSettings { strict_documents: Some(true), risk_weights: None };
    let changed = change_settings(&node.commands, &acme, None, strict).await.unwrap();
    assert_eq!(event_types(&changed), ["access.tenant.settings.changed"]);
    let of = |number| node.store.events_of(tenant_stream(TenantId::new(number).unwrap())).len();
    assert_eq!((of(7), of(8)), (2, 1));
    let again = change_settings(&node.commands, &acme, None, strict).await.unwrap();
    assert_eq!(event_types(&again), [""; 0]);
    let nobody = Caller { tenant: store::TenantId(9), ..caller() };
    assert_eq!(refusal_code(&change_settings(&node.commands, &nobody, None, strict).await), "tenant_not_found");
    let operator = Caller { scopes: vec![Scope::Operations], ..acme };
    let refused = change_settings(&node.commands, &operator, None, strict).await;
    assert!(matches!(refused, Err(CommandError::Forbidden { scope: Scope::Admin })), "{refused:?}");
}

#[tokio::test]
async fn a_time_zone_exists() {
    let node = Node::start();
    let request = CreateTenant { time_zone: "Europe/Atlantis".parse().unwrap(), ..tenant(7, "acme") };
    assert_eq!(refusal_code(&create_tenant(&node.commands, &caller(), request).await), "unknown_time_zone");
}

#[tokio::test]
async fn a_key_is_told_once_and_kept_as_its_digest() {
    let node = Node::start();
    let name = || Some("k-1".try_into().unwrap());
    let made = create_key(&node.commands, &caller(), name(), key_named("till-1")).await.unwrap();
    let secret = made.secret.as_ref().unwrap();
    assert!(secret.reveal().starts_with("clk_") && secret.reveal().len() == 68);
    assert!(!format!("{made:?}").contains(secret.reveal()));
    let Event::Access(AccessEvent::KeyCreated { digest, key, .. }) = &made.committed.events[0].event else {
        panic!("{made:?}");
    };
    assert_eq!((*digest, *key), (digest_of(secret.reveal()), made.key));
    assert!(!node.store.events()[0].payload.contains(secret.reveal()));

    let again = create_key(&node.commands, &caller(), name(), key_named("till-1")).await.unwrap();
    assert_eq!((again.key, again.secret), (made.key, None));
    assert_eq!(node.store.events_of(key_stream(made.key)).len(), 1);
}

#[tokio::test]
async fn a_key_is_revoked_for_good() {
    let node = Node::start();
    let made = create_key(&node.commands, &caller(), None, key_named("till-1")).await.unwrap();
    let revoked = revoke_key(&node.commands, &caller(), None, made.key).await.unwrap();
    assert_eq!(event_types(&revoked), ["access.key.revoked"]);
    assert_eq!(event_types(&revoke_key(&node.commands, &caller(), None, made.key).await.unwrap()), [""; 0]);
    let unknown = revoke_key(&node.commands, &caller(), None, uuid::Uuid::nil()).await;
    assert_eq!(refusal_code(&unknown), "key_not_found");
}

#[tokio::test]
async fn another_tenants_key_is_not_known() {
    let node = Node::start();
    let made = create_key(&node.commands, &caller(), None, key_named("till-1")).await.unwrap();
    let stranger = Caller { tenant: store::TenantId(2), ..caller() };
    assert_eq!(refusal_code(&revoke_key(&node.commands, &stranger, None, made.key).await), "key_not_found");
}

#[tokio::test]
async fn only_an_administrator_makes_keys() {
    let node = Node::start();
    let till = Caller { scopes: vec![Scope::LoyaltyWrite], ..caller() };
    let refused = create_key(&node.commands, &till, None, key_named("till-1")).await;
    assert!(matches!(refused, Err(CommandError::Forbidden { scope: Scope::Admin })));
}

#[tokio::test]
async fn an_event_is_skipped_once_and_the_reason_is_sealed() {
    let node = Node::start();
    let projector = Label::parse("customers").unwrap();
    let reason = "the till at gate 7 wrote it twice".parse().unwrap();
    let skip = SkipEvent { projector: projector.clone(), position: 7, reason };
    let skipped = skip_event(&node.commands, &caller(), None, skip.clone()).await.unwrap();
    assert_eq!(event_types(&skipped), ["access.projection.skipped"]);
    let stream = projection_stream(caller().tenant, &projector);
    let events = node.store.events_of(stream);
    assert_eq!((events[0].subject_id, events[0].customer_id), (Some(stream.id), None));
    assert!(!events[0].payload.contains("gate"), "{}", events[0].payload);
    assert_eq!(event_types(&skip_event(&node.commands, &caller(), None, skip.clone()).await.unwrap()), [""; 0]);

    let reader = Caller { scopes: vec![Scope::AuditRead], ..caller() };
    let refused = skip_event(&node.commands, &reader, None, skip).await;
    assert!(matches!(refused, Err(CommandError::Forbidden { scope: Scope::Operations })));
}
