//! A database of its own for each test, and events that read as words.

use chrono::{DateTime, NaiveDate, Utc};
use domain::access::events::{AccessEvent, KeyDigest};
use domain::access::scope::Scope;
use domain::country::Country;
use domain::customers::address::{Address, AddressKind};
use domain::customers::events::{Contact, CustomerEvent, CustomerField, CustomerKind, ExternalReference, LinkedUser};
use domain::customers::preferences::{PersonalPreferences, Preferences};
use domain::document::{Document, DocumentKind};
use domain::email::Email;
use domain::ids::{ExternalSystem, HoldId, Label, OrderId};
use domain::loyalty::events::{LotPoints, LoyaltyEvent};
use domain::loyalty::programme::Tier;
use domain::phone::Phone;
use domain::text::{PersonName, ReferenceText};
use domain::{Currency, Event, Moment, Money};
use projections::runner::Pace;
use projections::testing::prepared_database;
use projections::{Projections, Projector, ProjectorState, ProjectorStatus, projectors};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::contract::fresh_id;
use store::personal_data::Keys;
use store::postgres::testing::TestDatabase;
use store::postgres::{Database, Pools, PostgresStore, Role};
use store::{
    AppendError, AppendRequest, EventStore, Expected, Identity, Metadata, NewEvent, Position, StreamAppend, StreamId,
    TenantId,
};
use uuid::Uuid;

pub(crate) const SHOP: TenantId = TenantId(7);
pub(crate) const OTHER_SHOP: TenantId = TenantId(8);
/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) pools: Pools,
    pub(crate) store: Arc<PostgresStore>,
    keys: Keys,
    test: TestDatabase,
}

/// Another server on the same database.
pub(crate) struct Node {
    pub(crate) id: Uuid,
    pub(crate) pools: Pools,
    pub(crate) projections: Projections,
}

impl World {
    pub(crate) async fn start() -> Self {
        let (test, database) = prepared_database().await;
        let (keys, pools) = (Keys::random(), Pools::new(&database));
        let store = PostgresStore::open(&database, pools.engine.clone(), keys.clone()).await.unwrap();
        Self { database, pools, store: Arc::new(store), keys, test }
    }

    /// A server of its own: pools, store, projectors.
    pub(crate) async fn node(&self) -> Node {
        self.node_with(&projectors(), Pace::default()).await
    }

    pub(crate) async fn node_with(&self, projectors: &[Projector], pace: Pace) -> Node {
        projections::prepare(&self.database, projectors).await.unwrap();
        let pools = Pools::new(&self.database);
        let store = PostgresStore::open(&self.database, pools.engine.clone(), self.keys.clone()).await.unwrap();
        let id = fresh_id();
        let projections = Projections::start_with(projectors, &pools, Arc::new(store), id, pace);
        Node { id, pools, projections }
    }

    /// Appends to one stream; the position of the last event.
    pub(crate) async fn append(&self, tenant: TenantId, id: Uuid, events: impl IntoIterator<Item = Event>) -> Position {
        let events: Vec<Event> = events.into_iter().collect();
        let category = events[0].category();
        let events = events.iter().map(|event| stored(id, event)).collect();
        self.append_stored(tenant, StreamId { category, id }, events).await
    }

    pub(crate) async fn append_stored(&self, tenant: TenantId, stream: StreamId, events: Vec<NewEvent>) -> Position {
        self.try_append(tenant, stream, events).await.unwrap()
    }

    pub(crate) async fn try_append(
        &self,
        tenant: TenantId,
        stream: StreamId,
        events: Vec<NewEvent>,
    ) -> Result<Position, AppendError> {
        let request = AppendRequest {
            tenant,
            metadata: Metadata { actor: "test".to_owned(), ..Metadata::default() },
            identity: Identity::default(),
            other_names: vec![],
            streams: vec![StreamAppend { stream, expected: Expected::Any, events }],
            claims: vec![],
            subjects: store::SubjectChanges::default(),
            outcome: None,
            rests_on: vec![],
        };
        Ok(self.store.append(request).await?.last)
    }

    pub(crate) async fn as_role(&self, role: Role) -> PgConnection {
        PgConnection::connect_with(&self.database.options(role)).await.unwrap()
    }

    pub(crate) fn admin_options(&self) -> PgConnectOptions {
        self.test.admin_options()
    }

    pub(crate) async fn as_admin(&self) -> PgConnection {
        PgConnection::connect_with(&self.test.admin_options()).await.unwrap()
    }
}

impl Node {
    /// Waits for the rows of a projector.
    pub(crate) async fn sees(&self, projector: &str, position: Position) {
        self.projections.wait_for(&[projector], position, PATIENCE).await.unwrap();
    }

    pub(crate) async fn status_of(&self, projector: &str) -> ProjectorStatus {
        self.projections.status().await.into_iter().find(|status| status.name == projector).unwrap()
    }

    /// Waits until a projector is in a state.
    pub(crate) async fn is(&self, projector: &str, state: ProjectorState) -> ProjectorStatus {
        let begun = Instant::now();
        loop {
            let status = self.status_of(projector).await;
            if status.state == state {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{projector} does not become {state:?}: {status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An impatient pace, so that failing takes no time.
pub(crate) fn hasty() -> Pace {
    let short = Duration::from_millis(5);
    Pace { retry_first: short, retry_longest: short, failed_retry: Duration::from_millis(50), ..Pace::default() }
}

pub(crate) fn stored(id: Uuid, event: &Event) -> NewEvent {
    let encoded = event.encode();
    NewEvent {
        event_type: encoded.event_type,
        schema_version: encoded.schema_version,
        occurred_at: at(1_800_000_000),
        once_id: None,
        subject_id: encoded.personal.as_ref().map(|_| id),
        customer_id: Some(id),
        payload: String::from_utf8(encoded.payload).unwrap(),
        personal: encoded.personal,
    }
}

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn noon(date: &str) -> Moment {
    let today = day(date);
    Moment { at: today.and_hms_opt(12, 0, 0).unwrap().and_utc(), today }
}

fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

fn order(number: u32) -> OrderId {
    OrderId::parse(&format!("order-{number}")).unwrap()
}

pub(crate) fn registered(name: &str, phone: &str) -> Event {
    let stripe = ExternalReference {
        system: ExternalSystem::parse("stripe").unwrap(),
        reference: ReferenceText::parse(&format!("cus_{name}")).unwrap(),
    };
    let contact = Contact {
        name: Some(PersonName::parse(name).unwrap()),
        company: None,
        emails: vec![Email::parse(&format!("{name}@Example.com")).unwrap()],
        phones: vec![Phone::parse(phone, None).unwrap()],
        references: vec![stripe],
        ..Contact::default()
    };
    let registered = CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: Some(usd()),
        source: None,
        registered_on: day("2026-01-10"),
        personal: contact.into(),
    };
    registered.into()
}

pub(crate) fn bought(number: u32) -> Event {
    let total = Money::from_minor(24_50, usd()).unwrap();
    let on = day("2026-02-09");
    CustomerEvent::PurchaseRecorded { order: order(number), channel: None, lines: vec![], total, on }.into()
}

/// An address for shipping that becomes the default.
pub(crate) fn address_added(address: Uuid, line1: &str) -> Event {
    let personal = Address {
        name: None,
        line1: line1.parse().unwrap(),
        line2: None,
        city: None,
        region: None,
        postal_code: None,
        country: Country::ES,
        phone: None,
        instructions: None,
    };
    let kind = AddressKind::Shipping;
    CustomerEvent::AddressAdded { address, kind, is_default: true, personal: personal.into() }.into()
}

pub(crate) fn address_removed(address: Uuid, new_default: Option<Uuid>) -> Event {
    CustomerEvent::AddressRemoved { address, kind: AddressKind::Shipping, new_default }.into()
}

pub(crate) fn documented(number: &str) -> Event {
    let documents = vec![Document::parse(DocumentKind::Dni, number, Country::ES).unwrap()];
    let personal = Contact { documents, ..Contact::default() }.into();
    let changed = vec![CustomerField::Documents];
    CustomerEvent::Updated { changed, language: None, currency: None, time_zone: None, kind: None, personal }.into()
}

pub(crate) fn preferring(channel: &str, restriction: &str) -> Event {
    let preferences = Preferences { channels: vec![channel.parse().unwrap()], ..Preferences::default() };
    let personal = PersonalPreferences { restrictions: vec![restriction.parse().unwrap()], favourite_orders: vec![] };
    CustomerEvent::PreferencesChanged { preferences, personal: personal.into() }.into()
}

pub(crate) fn tagged(tag: &str) -> Event {
    CustomerEvent::Tagged { tags: vec![tag.parse().unwrap()] }.into()
}

pub(crate) fn logging_in(user: &str) -> Event {
    let personal = LinkedUser { user: user.parse().unwrap() }.into();
    CustomerEvent::UserLinked { besides: false, personal }.into()
}

pub(crate) fn enrolled() -> Event {
    LoyaltyEvent::Enrolled { currency: usd(), on: day("2026-01-10") }.into()
}

/// 24 points in lot `number`, on top of those before.
pub(crate) fn earned(number: u32) -> Event {
    let earned = LoyaltyEvent::PointsEarned {
        order: order(number),
        total: Money::from_minor(24_50, usd()).unwrap(),
        programme: None,
        tier: Tier::Bronze,
        base_points: 24,
        multiplier_percent: 100,
        points: 24,
        lot: number,
        earned_on: day("2026-02-09"),
        expires_on: day("2028-02-09"),
        paid_debt: 0,
        campaigns: Vec::new(),
        capped: 0,
        pending_since: None,
        balance: 24 * i64::from(number),
    };
    earned.into()
}

/// 50 points that vest on a day, or when somebody says so.
pub(crate) fn pending(number: u32, vests_on: Option<&str>) -> Event {
    let pending = LoyaltyEvent::PointsPending {
        order: order(number),
        total: Money::from_minor(50_00, usd()).unwrap(),
        programme: None,
        tier: Tier::Bronze,
        base_points: 50,
        multiplier_percent: 100,
        points: 50,
        lot: number,
        pending_on: day("2026-02-09"),
        vests_on: vests_on.map(day),
        expires_on: vests_on.map(|_| day("2028-04-01")),
        campaigns: Vec::new(),
        capped: 0,
        pending: 50,
        balance: 0,
    };
    pending.into()
}

/// All points of the first lot are held.
pub(crate) fn held(lapses_at: DateTime<Utc>) -> Event {
    let placed = LoyaltyEvent::HoldPlaced {
        hold: HoldId::new(fresh_id()),
        order: order(100),
        points: 24,
        discount: Money::from_minor(24, usd()).unwrap(),
        from: vec![LotPoints { lot: 1, points: 24 }],
        placed_on: day("2026-03-01"),
        lapses_at,
        lapses_on: lapses_at.date_naive(),
        balance: 0,
    };
    placed.into()
}

pub(crate) fn upgraded(on: &str) -> Event {
    let (from, to) = (Tier::Bronze, Tier::Silver);
    LoyaltyEvent::TierUpgraded { from, to, earned_12_months: 1_000, on: day(on) }.into()
}

pub(crate) fn key_created(key: Uuid, digest: [u8; 32]) -> Event {
    let name = Label::parse("till").unwrap();
    let scopes = vec![Scope::LoyaltyRead, Scope::LoyaltyWrite];
    AccessEvent::KeyCreated { key, name, digest: KeyDigest::new(digest), scopes, expires_at: None }.into()
}

pub(crate) fn key_revoked(key: Uuid) -> Event {
    AccessEvent::KeyRevoked { key }.into()
}

/// An event that nobody can decode.
pub(crate) fn nonsense(event_type: &'static str) -> NewEvent {
    NewEvent {
        event_type,
        schema_version: 1,
        occurred_at: at(1_800_000_000),
        once_id: None,
        subject_id: None,
        customer_id: None,
        payload: r#"{"nonsense":true}"#.to_owned(),
        personal: None,
    }
}
