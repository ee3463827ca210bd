//! Table `customers` with its children `customer_references`, `customer_users`, `customer_tags` and `customer_words`: one row per
//! customer, for the till's search and the profile.
//!
//! It holds personal data in plain, because people search for it; what was erased is blank. Uniqueness is not kept here:
//! claims of the log keep it.

use crate::customers::customer_profiles::CustomerProfiles;
use crate::customers::customer_profiles::contacts::ContactKind;
use crate::loyalty::loyalty_balances::LoyaltyBalances;
use crate::query::{AsOf, Page, as_of, failed, get, lowest_position, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use crate::time_travel::{TimeTravelError, Until, row_of};
use chrono::{DateTime, NaiveDate, Utc};
use domain::Event;
use domain::aggregate::Category;
use domain::birth_date::BirthDate;
use domain::customers::events::{Contact, CustomerEvent, CustomerField, CustomerKind, LifecycleStage};
use domain::email::Email;
use domain::event::Personal;
use domain::loyalty::programme::Tier;
use domain::phone::Phone;
use domain::segment::Segment;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use standing::Standing;
use std::collections::BTreeSet;
use store::postgres::Pools;
use store::{EventStore, Position, StoreError, StreamId, TenantId, Version};
use uuid::Uuid;

pub mod by_name;
mod links;
pub mod merges;
pub mod standing;
pub mod tags;
mod words;

/// The system whose reference stands in the column `stripe_customer_id`.
const STRIPE: &str = "stripe";

/// What a customer's standing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerStatus {
    /// As usual.
    Active,
    /// May spend no points.
    Blocked,
    /// Another customer has taken over.
    Merged,
    /// Deleted, history kept.
    Deleted,
    /// Forgotten.
    Erased,
}

impl CustomerStatus {
    const ALL: [Self; 5] = [Self::Active, Self::Blocked, Self::Merged, Self::Deleted, Self::Erased];

    /// The word in the table and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Merged => "merged",
            Self::Deleted => "deleted",
            Self::Erased => "erased",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What another system calls a customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomerReference {
    /// The system.
    pub system: String,
    /// Its name for the customer.
    pub reference: String,
}

/// A row of `customers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerRow {
    /// Id of the customer.
    pub id: Uuid,
    /// Whose customer.
    pub tenant: TenantId,
    /// A person or a company.
    pub kind: CustomerKind,
    /// Its standing.
    pub status: CustomerStatus,
    /// The person's name.
    pub name: Option<String>,
    /// The company's name.
    pub company: Option<String>,
    /// The primary e-mail, normalised.
    pub email: Option<String>,
    /// The primary phone, E.164.
    pub phone: Option<String>,
    /// The user of the authentication service.
    pub user_id: Option<String>,
    /// Users whom its duplicates logged in as.
    pub other_user_ids: Vec<String>,
    /// The customer of Stripe.
    pub stripe_customer_id: Option<String>,
    /// When the person was born.
    pub birth_date: Option<NaiveDate>,
    /// Language to write in.
    pub language: Option<String>,
    /// Preferred currency.
    pub currency: Option<String>,
    /// Where the customer came from.
    pub source: Option<String>,
    /// The customer that sent it.
    pub referrer: Option<Uuid>,
    /// Purchases recorded, those given back later included.
    pub purchase_count: i64,
    /// Business date of the first purchase.
    pub first_purchase_on: Option<NaiveDate>,
    /// Business date of the last purchase.
    pub last_purchase_on: Option<NaiveDate>,
    /// Business date of the registration.
    pub registered_on: NaiveDate,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When something happened to it last.
    pub updated_at: DateTime<Utc>,
    /// Position of its first event.
    pub created_position: Position,
    /// Position of its last event.
    pub position: Position,
    /// Version of its stream.
    pub version: Version,
    /// How far it has come with us.
    pub lifecycle: LifecycleStage,
    /// Business date since which it is so; none for a prospect.
    pub lifecycle_since: Option<NaiveDate>,
    /// What other systems call it.
    pub references: BTreeSet<CustomerReference>,
    /// What we file it under.
    pub tags: BTreeSet<String>,
    /// Who looks after it.
    pub rep: Option<String>,
    /// The round on which it is visited or supplied.
    pub route: Option<String>,
    /// Where its clocks are.
    pub time_zone: Option<String>,
    /// How it stands with us otherwise.
    pub standing: Standing,
    /// The customer that it turned out to be.
    pub merged_into: Option<Uuid>,
    /// Position of the event that says so, the last one when there are several.
    pub merged_position: Option<Position>,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct Customers;

impl ReadModel for Customers {
    const NAME: &'static str = "customers";
    const VERSION: i32 = 14;
    const TABLES: &'static [&'static str] =
        &["customers", "customer_references", "customer_users", "customer_tags", "customer_words"];
    const TABLES_SQL: &'static str = include_str!("customers/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("customers/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[
        "name",
        "company",
        "email",
        "phone",
        "user_id",
        "other_user_ids",
        "stripe_customer_id",
        "birth_date",
        "reference",
        "word",
        "block_note",
        "metadata",
    ];
    const HANDLES: &'static [&'static str] = &["customer.*"];
    const REVEALS: bool = true;

    type Key = Uuid;
    type Row = CustomerRow;

    fn keys(recorded: &Recorded) -> Vec<Uuid> {
        match &recorded.event {
            Event::Customer(_) => vec![recorded.stream.id],
            Event::Loyalty(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                vec![]
            }
        }
    }

    fn apply(_: &Uuid, row: Option<CustomerRow>, recorded: &Recorded) -> Option<CustomerRow> {
        match &recorded.event {
            Event::Customer(event) => apply(row, event, recorded),
            Event::Loyalty(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                row
            }
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[Uuid]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = concat!(include_str!("customers/columns.sql"), "from customers c where c.id = any($1)");
        let rows = sqlx::query(sql).bind(keys).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| (row.id, row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await?;
        replace_references(writer, changes).await?;
        links::replace_users(writer, changes).await?;
        tags::replace(writer, changes).await?;
        words::replace(writer, changes).await
    }
}

/// What one event makes of a customer's row.
fn apply(row: Option<CustomerRow>, event: &CustomerEvent, recorded: &Recorded) -> Option<CustomerRow> {
    let row = match (row, event) {
        (_, CustomerEvent::Created { .. }) => created(event, recorded)?,
        (row, event) => changed(row?, event),
    };
    // Who was told of changed nothing about the customer, so it is no later than before; only its stream has grown.
    let is_change = !matches!(event, CustomerEvent::Exported { .. });
    let updated_at = if is_change { row.updated_at.max(recorded.occurred_at) } else { row.updated_at };
    let is_merge = matches!(event, CustomerEvent::Merged { .. });
    let merged_position = if is_merge { Some(recorded.position) } else { row.merged_position };
    let (position, version) = (recorded.position, recorded.version);
    Some(CustomerRow { updated_at, merged_position, position, version, ..row })
}

fn changed(row: CustomerRow, event: &CustomerEvent) -> CustomerRow {
    use CustomerEvent as E;
    match event {
        E::Updated { .. } => updated(row, event),
        E::PurchaseRecorded { on, .. } => CustomerRow {
            purchase_count: row.purchase_count + 1,
            first_purchase_on: Some(row.first_purchase_on.map_or(*on, |first| first.min(*on))),
            last_purchase_on: Some(row.last_purchase_on.map_or(*on, |last| last.max(*on))),
            ..row
        },
        E::LifecycleChanged { to, on, .. } => {
            CustomerRow { lifecycle: *to, lifecycle_since: Some(*on), standing: row.standing.reached(*to, *on), ..row }
        }
        E::PortalGranted { .. }
        | E::PortalRevoked {}
        | E::Blocked { .. }
        | E::Unblocked { .. }
        | E::TermsChanged { .. }
        | E::MetadataChanged { .. }
        | E::SegmentChanged { .. } => standing::applied(row, event),
        E::ReferenceLinked { .. } | E::ReferenceUnlinked { .. } | E::UserLinked { .. } | E::UserUnlinked {} => {
            links::applied(row, event)
        }
        E::Referred { by, .. } => CustomerRow { referrer: Some(by.as_uuid()), ..row },
        E::Tagged { tags } => tags::added(row, tags),
        E::Untagged { tags } => tags::removed(row, tags),
        E::Assigned { rep, route } => {
            let (rep, route) = (rep.as_ref().map(ToString::to_string), route.as_ref().map(ToString::to_string));
            CustomerRow { rep, route, ..row }
        }
        E::Merged { into, .. } => merges::merged(row, *into),
        E::DuplicateAbsorbed { .. } => merges::absorbed(row, event),
        E::Deleted { .. } => CustomerRow { status: CustomerStatus::Deleted, ..row },
        E::Restored { .. } => merges::restored(row),
        E::Erased { .. } => blank(row),
        E::Created { .. }
        | E::AddressAdded { .. }
        | E::AddressChanged { .. }
        | E::AddressRemoved { .. }
        | E::PreferencesChanged { .. }
        | E::PurchaseRefunded { .. }
        | E::Exported { .. } => row,
    }
}

fn created(event: &CustomerEvent, recorded: &Recorded) -> Option<CustomerRow> {
    let CustomerEvent::Created { kind, language, currency, source, registered_on, personal } = event else {
        return None;
    };
    let row = CustomerRow {
        id: recorded.stream.id,
        tenant: recorded.tenant,
        kind: *kind,
        status: CustomerStatus::Active,
        name: None,
        company: None,
        email: None,
        phone: None,
        user_id: None,
        other_user_ids: Vec::new(),
        stripe_customer_id: None,
        birth_date: None,
        language: language.as_ref().map(|language| language.as_str().to_owned()),
        currency: currency.map(|currency| currency.code().to_owned()),
        source: source.as_ref().map(|source| source.as_str().to_owned()),
        referrer: None,
        purchase_count: 0,
        first_purchase_on: None,
        last_purchase_on: None,
        registered_on: *registered_on,
        created_at: recorded.occurred_at,
        updated_at: recorded.occurred_at,
        created_position: recorded.position,
        position: recorded.position,
        version: recorded.version,
        lifecycle: LifecycleStage::Prospect,
        lifecycle_since: None,
        references: BTreeSet::new(),
        tags: BTreeSet::new(),
        rep: None,
        route: None,
        time_zone: None,
        standing: Standing::default(),
        merged_into: None,
        merged_position: None,
    };
    Some(match personal {
        Personal::Known(contact) => with_contact(row, contact),
        Personal::Erased => CustomerRow { status: CustomerStatus::Erased, ..row },
    })
}

/// What does not tell who it was stays: sums and lists still add up. What it was filed under may have told, and whom it knew.
fn blank(row: CustomerRow) -> CustomerRow {
    CustomerRow {
        status: CustomerStatus::Erased,
        name: None,
        company: None,
        email: None,
        phone: None,
        user_id: None,
        other_user_ids: Vec::new(),
        stripe_customer_id: None,
        birth_date: None,
        referrer: None,
        references: BTreeSet::new(),
        tags: BTreeSet::new(),
        standing: row.standing.blank(),
        ..row
    }
}

/// What is named and has no value, or none that is still known, is blank.
fn updated(mut row: CustomerRow, event: &CustomerEvent) -> CustomerRow {
    let CustomerEvent::Updated { changed, language, currency, time_zone, kind, personal } = event else { return row };
    let contact = personal.known().cloned().unwrap_or_default();
    for field in changed {
        match field {
            CustomerField::Name => row.name = contact.name.as_ref().map(|name| name.as_str().to_owned()),
            CustomerField::Company => row.company = contact.company.as_ref().map(|name| name.as_str().to_owned()),
            CustomerField::Emails => row.email = contact.emails.first().map(Email::normalized),
            CustomerField::Phones => row.phone = contact.phones.first().map(|phone| phone.as_str().to_owned()),
            CustomerField::BirthDate => row.birth_date = contact.birth_date.map(BirthDate::date),
            CustomerField::Documents => {}
            CustomerField::Language => row.language = language.as_ref().map(|language| language.as_str().to_owned()),
            CustomerField::Currency => row.currency = currency.map(|currency| currency.code().to_owned()),
            CustomerField::TimeZone => row.time_zone = time_zone.as_ref().map(ToString::to_string),
            CustomerField::Kind => row.kind = kind.unwrap_or(row.kind),
        }
    }
    row
}

fn with_contact(row: CustomerRow, contact: &Contact) -> CustomerRow {
    let mut references = contact.references.iter().map(|reference| CustomerReference {
        system: reference.system.as_str().to_owned(),
        reference: reference.reference.as_str().to_owned(),
    });
    let stripe = references.clone().find(|reference| reference.system == STRIPE);
    CustomerRow {
        name: contact.name.as_ref().map(|name| name.as_str().to_owned()),
        company: contact.company.as_ref().map(|company| company.as_str().to_owned()),
        email: contact.emails.first().map(Email::normalized),
        phone: contact.phones.first().map(|phone| phone.as_str().to_owned()),
        stripe_customer_id: stripe.map(|reference| reference.reference),
        birth_date: contact.birth_date.map(BirthDate::date),
        references: references.by_ref().collect(),
        ..row
    }
}

fn read(row: &PgRow) -> Result<CustomerRow, sqlx::Error> {
    let systems: Vec<String> = get(row, "systems")?;
    let names: Vec<String> = get(row, "names")?;
    let references = systems.into_iter().zip(names);
    Ok(CustomerRow {
        id: get(row, "id")?,
        tenant: TenantId(get(row, "tenant")?),
        kind: word(row, "kind", kind)?,
        status: word(row, "status", CustomerStatus::parse)?,
        name: get(row, "name")?,
        company: get(row, "company")?,
        email: get(row, "email")?,
        phone: get(row, "phone")?,
        user_id: get(row, "user_id")?,
        other_user_ids: get(row, "other_user_ids")?,
        stripe_customer_id: get(row, "stripe_customer_id")?,
        birth_date: get(row, "birth_date")?,
        language: get(row, "language")?,
        currency: get(row, "currency")?,
        source: get(row, "source")?,
        referrer: get(row, "referrer_id")?,
        purchase_count: get(row, "purchase_count")?,
        first_purchase_on: get(row, "first_purchase_on")?,
        last_purchase_on: get(row, "last_purchase_on")?,
        registered_on: get(row, "registered_on")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
        created_position: Position(get(row, "created_position")?),
        position: Position(get(row, "position")?),
        version: get(row, "version")?,
        lifecycle: word(row, "lifecycle", stage)?,
        lifecycle_since: get(row, "lifecycle_since")?,
        references: references.map(|(system, reference)| CustomerReference { system, reference }).collect(),
        tags: get::<Vec<String>>(row, "tags")?.into_iter().collect(),
        rep: get(row, "rep")?,
        route: get(row, "route")?,
        time_zone: get(row, "time_zone")?,
        standing: standing::read(row)?,
        merged_into: get(row, "merged_into")?,
        merged_position: get::<Option<i64>>(row, "merged_position")?.map(Position),
    })
}

fn kind(text: &str) -> Option<CustomerKind> {
    [CustomerKind::Individual, CustomerKind::Business].into_iter().find(|kind| kind.as_str() == text)
}

fn stage(text: &str) -> Option<LifecycleStage> {
    LifecycleStage::ALL.into_iter().find(|stage| stage.as_str() == text)
}

impl TableRow for CustomerRow {
    const TABLE: &'static str = "customers";

    fn put(&self, to: &mut Columns) {
        to.put("id", self.id)
            .put("tenant", self.tenant.0)
            .put("kind", self.kind.as_str())
            .put("status", self.status.as_str())
            .put("name", self.name.as_deref())
            .put("company", self.company.as_deref())
            .put("email", self.email.as_deref())
            .put("phone", self.phone.as_deref())
            .put("user_id", self.user_id.as_deref())
            .put_list("other_user_ids", &self.other_user_ids)
            .put("stripe_customer_id", self.stripe_customer_id.as_deref())
            .put("birth_date", self.birth_date)
            .put("language", self.language.as_deref())
            .put("currency", self.currency.as_deref())
            .put("source", self.source.as_deref())
            .put("referrer_id", self.referrer)
            .put("purchase_count", self.purchase_count)
            .put("first_purchase_on", self.first_purchase_on)
            .put("last_purchase_on", self.last_purchase_on)
            .put("registered_on", self.registered_on)
            .put("created_at", self.created_at)
            .put("updated_at", self.updated_at)
            .put("created_position", self.created_position.0)
            .put("position", self.position.0)
            .put("version", self.version)
            .put("lifecycle", self.lifecycle.as_str())
            .put("lifecycle_since", self.lifecycle_since)
            .put_list("tags", &self.tags.iter().cloned().collect::<Vec<_>>())
            .put("rep", self.rep.as_deref())
            .put("route", self.route.as_deref())
            .put("time_zone", self.time_zone.as_deref())
            .put("merged_into", self.merged_into)
            .put("merged_position", self.merged_position.map(|position| position.0));
        self.standing.put(to);
    }
}

/// References change rarely: only customers whose references did are touched.
async fn replace_references(writer: &mut Writer<'_>, changes: &[ChangeOf<Customers>]) -> Result<(), sqlx::Error> {
    fn references(row: Option<&CustomerRow>) -> impl Iterator<Item = &CustomerReference> {
        row.into_iter().flat_map(|row| &row.references)
    }
    let is_changed =
        |change: &&ChangeOf<Customers>| references(change.before.as_ref()).ne(references(change.after.as_ref()));
    let changed = || changes.iter().filter(is_changed);
    let of = |row| move |reference| Reference { row, reference };
    let rows = changed().filter_map(|change| change.after.as_ref());
    writer.replace(changed().filter_map(owner), rows.flat_map(|row| row.references.iter().map(of(row)))).await
}

/// Whose the row is that a change makes or removes.
fn owner(change: &ChangeOf<Customers>) -> Option<(TenantId, Uuid)> {
    change.after.as_ref().or(change.before.as_ref()).map(|row| (row.tenant, row.id))
}

/// A row of `customer_references`.
struct Reference<'a> {
    row: &'a CustomerRow,
    reference: &'a CustomerReference,
}

impl TableRow for Reference<'_> {
    const TABLE: &'static str = "customer_references";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.row.tenant.0)
            .put("customer_id", self.row.id)
            .put("system", self.reference.system.as_str())
            .put("reference", self.reference.reference.as_str());
    }
}

/// A customer by id, whatever its standing.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find(pools: &Pools, tenant: TenantId, id: Uuid) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/as_of.sql"), "where c.id = $1");
    one(pools, tenant, sqlx::query(sql).bind(id)).await
}

/// A customer as it was, from its events.
///
/// # Errors
/// As [`TimeTravelError`] says.
pub async fn find_past(
    store: &dyn EventStore,
    tenant: TenantId,
    id: Uuid,
    until: Until,
) -> Result<CustomerRow, TimeTravelError> {
    let stream = StreamId { category: Category::Customer.as_str(), id };
    row_of::<Customers>(store, tenant, stream, until, |recorded, _| recorded).await
}

/// The customer of whose phones this is one.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_phone(
    pools: &Pools,
    tenant: TenantId,
    phone: &Phone,
) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
    by_contact(pools, tenant, ContactKind::Phone, phone.as_str()).await
}

/// The customer of whose e-mails this is one, however it is spelt.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_email(
    pools: &Pools,
    tenant: TenantId,
    email: &Email,
) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
    by_contact(pools, tenant, ContactKind::Email, &email.mailbox()).await
}

async fn by_contact(
    pools: &Pools,
    tenant: TenantId,
    kind: ContactKind,
    normalized: &str,
) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/by_contact.sql"));
    one(pools, tenant, sqlx::query(sql).bind(kind.as_str()).bind(normalized)).await
}

/// The customer whom another system calls so.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_reference(
    pools: &Pools,
    tenant: TenantId,
    system: &str,
    reference: &str,
) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
    let sql = concat!(
        include_str!("customers/columns.sql"),
        include_str!("customers/as_of.sql"),
        "join customer_references f on f.customer_id = c.id ",
        "where f.system = $1 and f.reference = $2 and c.status in ('active', 'blocked') ",
        "order by c.created_position limit 1"
    );
    one(pools, tenant, sqlx::query(sql).bind(system).bind(reference)).await
}

/// The customer who logs in as this user, be it as one whom a duplicate logged in as.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_user(
    pools: &Pools,
    tenant: TenantId,
    user: &str,
) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
    let sql = concat!(
        include_str!("customers/columns.sql"),
        include_str!("customers/as_of.sql"),
        "where c.id = any(array(select u.customer_id from customer_users u where u.user_id = $1)) ",
        "and c.status in ('active', 'blocked') order by c.created_position limit 1"
    );
    one(pools, tenant, sqlx::query(sql).bind(user)).await
}

/// All customers whatever their standing, the oldest first, behind a place in the list of registrations.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/all.sql"));
    registered_after(pools, tenant, (&[Customers::NAME], sqlx::query(sql)), after, limit).await
}

/// The customers whom somebody looks after, the oldest first, behind a place in the list of registrations.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_rep(
    pools: &Pools,
    tenant: TenantId,
    rep: &str,
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/by_rep.sql"));
    registered_after(pools, tenant, (&[Customers::NAME], sqlx::query(sql).bind(rep)), after, limit).await
}

/// The customers filed under a tag, the oldest first, behind a place in the list of registrations.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_tag(
    pools: &Pools,
    tenant: TenantId,
    tag: &str,
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/by_tag.sql"));
    registered_after(pools, tenant, (&[Customers::NAME], sqlx::query(sql).bind(tag)), after, limit).await
}

/// The customers of a segment, the oldest first, behind a place in the list of registrations.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_segment(
    pools: &Pools,
    tenant: TenantId,
    segment: Segment,
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/by_segment.sql"));
    registered_after(pools, tenant, (&[Customers::NAME], sqlx::query(sql).bind(segment.as_str())), after, limit).await
}

/// The few customers for whom most is done, the oldest first, behind a place in the list of registrations.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_vips(
    pools: &Pools,
    tenant: TenantId,
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/vips.sql"));
    registered_after(pools, tenant, (&[Customers::NAME], sqlx::query(sql)), after, limit).await
}

/// The members of a tier, the oldest customers first, behind one of them.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_tier(
    pools: &Pools,
    tenant: TenantId,
    tier: Tier,
    after: Uuid,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow, Uuid>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/by_tier.sql"));
    let query = (&[Customers::NAME, LoyaltyBalances::NAME][..], sqlx::query(sql).bind(tier.as_str()).bind(after));
    page(pools, tenant, query, limit, |row| row.id).await
}

/// The customers with an identity document of one of these numbers, the oldest first, behind a place in the list of registrations:
/// documents of two countries may have one number.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_document(
    pools: &Pools,
    tenant: TenantId,
    numbers: &[String],
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
    let sql = concat!(include_str!("customers/columns.sql"), include_str!("customers/by_document.sql"));
    let query = (&[Customers::NAME, CustomerProfiles::NAME][..], sqlx::query(sql).bind(numbers));
    registered_after(pools, tenant, query, after, limit).await
}

/// A page of customers in the order of their registrations. The query still needs the place behind which they stand, and how many.
async fn registered_after(
    pools: &Pools,
    tenant: TenantId,
    (projectors, query): (&[&'static str], Query<'_, Postgres, PgArguments>),
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
    page(pools, tenant, (projectors, query.bind(after.0)), limit, |row| row.created_position).await
}

/// A page of customers. The query still needs how many they may be.
async fn page<N>(
    pools: &Pools,
    tenant: TenantId,
    (projectors, query): (&[&'static str], Query<'_, Postgres, PgArguments>),
    limit: usize,
    place: impl Fn(&CustomerRow) -> N,
) -> Result<AsOf<Page<CustomerRow, N>>, StoreError> {
    // An answer says what it reflects, also when it is empty; so the position is read before.
    let position = lowest_position(pools, tenant, projectors).await?;
    let query = query.bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("customers"))?;
    let shown = found.iter().take(limit).map(read).collect::<Result<Vec<_>, _>>();
    let rows = shown.map_err(failed("customers"))?;
    let next = rows.last().filter(|_| found.len() > rows.len()).map(place);
    Ok(AsOf { value: Page { rows, next }, position })
}

async fn one(
    pools: &Pools,
    tenant: TenantId,
    query: Query<'_, Postgres, PgArguments>,
) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
    let found = pools.request.fetch_optional(tenant, query).await.map_err(failed("customers"))?;
    found.map(|row| read(&row).and_then(|value| as_of(&row, value))).transpose().map_err(failed("customers"))
}

#[cfg(test)]
mod tests;
