//! What happens to a customer, stored for ever.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::birth_date::BirthDate;
use crate::customers::address::{Address, AddressKind};
use crate::customers::blocking::{BlockNote, BlockReason};
use crate::customers::merging::AbsorbedOrder;
use crate::customers::metadata::Metadata;
use crate::customers::portal::PortalPermission;
use crate::customers::preferences::{PersonalPreferences, Preferences};
use crate::customers::terms::Terms;
use crate::document::Document;
use crate::email::Email;
use crate::event::upcast::Upcaster;
use crate::event::{Clear, Personal, events};
use crate::ids::{
    Channel, CustomerId, ExternalSystem, Language, OrderId, ReasonCode, RefundId, RepCode, RouteCode, Source, Tag,
    TimeZoneName,
};
use crate::money::{Currency, Money};
use crate::phone::Phone;
use crate::segment::{Scores, Segment};
use crate::text::{CompanyName, PersonName, ReferenceText, UserId};

pub use crate::purchase::{PurchaseLine, RefundedLine};

events! {
    /// An event of a customer.
    pub enum CustomerEvent {
        /// The customer became known.
        #[serde(rename = "customer.created")]
        Created {
            /// A person or a company.
            kind: CustomerKind,
            /// The language to write in.
            language: Option<Language>,
            /// The currency the customer prefers; what is bought in others is recorded all the same.
            currency: Option<Currency>,
            /// Where the customer came from.
            source: Option<Source>,
            /// The business date.
            registered_on: NaiveDate,
            /// Who it is.
            personal: Personal<Contact>,
        },
        /// What is known of the customer changed.
        #[serde(rename = "customer.updated")]
        Updated {
            /// What changed, each once: a field that has no value below was taken away.
            changed: Vec<CustomerField>,
            /// The language to write in.
            language: Option<Language>,
            /// The currency the customer prefers.
            currency: Option<Currency>,
            /// Where its clocks are. Since version 2.
            time_zone: Option<TimeZoneName>,
            /// A person or a company. Since version 4.
            kind: Option<CustomerKind>,
            /// Who it is, as far as that changed.
            personal: Personal<Contact>,
        },
        /// An address was added.
        #[serde(rename = "customer.address.added")]
        AddressAdded {
            /// The address.
            address: Uuid,
            /// What it is for.
            kind: AddressKind,
            /// Whether it is the default of its kind; then no other is any more.
            is_default: bool,
            /// Where it is.
            personal: Personal<Address>,
        },
        /// An address changed.
        #[serde(rename = "customer.address.changed")]
        AddressChanged {
            /// The address.
            address: Uuid,
            /// What it is for.
            kind: AddressKind,
            /// Whether it is the default of its kind now; then no other is any more.
            is_default: bool,
            /// Where it is now.
            personal: Personal<Address>,
        },
        /// An address was removed.
        #[serde(rename = "customer.address.removed")]
        AddressRemoved {
            /// The address.
            address: Uuid,
            /// What it was for.
            kind: AddressKind,
            /// The address that is the default of its kind instead.
            new_default: Option<Uuid>,
        },
        /// The preferences changed.
        #[serde(rename = "customer.preferences.changed")]
        PreferencesChanged {
            /// All that they are now and may be known without knowing whose.
            preferences: Preferences,
            /// The rest of what they are now.
            personal: Personal<PersonalPreferences>,
        },
        /// The customer bought something.
        #[serde(rename = "customer.purchase.recorded")]
        PurchaseRecorded {
            /// The order.
            order: OrderId,
            /// Where it was sold.
            channel: Option<Channel>,
            /// What was bought. Need not add up to the total, which discounts lower.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            lines: Vec<PurchaseLine>,
            /// What was paid.
            total: Money,
            /// The business date.
            on: NaiveDate,
        },
        /// A purchase was given back, whole or in part.
        #[serde(rename = "customer.purchase.refunded")]
        PurchaseRefunded {
            /// The order.
            order: OrderId,
            /// The refund.
            refund: RefundId,
            /// What this refund gave back.
            amount: Money,
            /// What all refunds of the order have given back, this one included.
            refunded: Money,
            /// What of the total has not been given back.
            remaining: Money,
            /// The lines that were given back; none when it was said by an amount only. The first version does not tell them.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            lines: Vec<RefundedLine>,
            /// The business date.
            on: NaiveDate,
        },
        /// The customer came to another stage.
        #[serde(rename = "customer.lifecycle.changed")]
        LifecycleChanged {
            /// The stage before.
            from: LifecycleStage,
            /// The stage now.
            to: LifecycleStage,
            /// The business date.
            on: NaiveDate,
        },
        /// What another system calls the customer became known.
        #[serde(rename = "customer.reference.linked")]
        ReferenceLinked {
            /// The other system.
            system: ExternalSystem,
            /// Its name for the customer.
            personal: Personal<LinkedReference>,
        },
        /// Another system calls the customer nothing any more.
        #[serde(rename = "customer.reference.unlinked")]
        ReferenceUnlinked {
            /// The other system: all its names for the customer are gone.
            system: ExternalSystem,
        },
        /// The customer logs in as this user, instead of the one before, or besides.
        #[serde(rename = "customer.user.linked")]
        UserLinked {
            /// Whether it is a login beside the customer's own: one that a duplicate had. Since version 2.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            besides: bool,
            /// The user.
            personal: Personal<LinkedUser>,
        },
        /// The customer logs in as nobody any more: all its logins are gone.
        #[serde(rename = "customer.user.unlinked")]
        UserUnlinked {},
        /// The customer was filed under something.
        #[serde(rename = "customer.tagged")]
        Tagged {
            /// What is new.
            tags: Vec<Tag>,
        },
        /// The customer is not filed under something any more.
        #[serde(rename = "customer.untagged")]
        Untagged {
            /// What is gone.
            tags: Vec<Tag>,
        },
        /// Others look after the customer.
        #[serde(rename = "customer.assigned")]
        Assigned {
            /// Who does now.
            rep: Option<RepCode>,
            /// On which round.
            route: Option<RouteCode>,
        },
        /// The customer may see and do this for itself, and nothing else any more.
        #[serde(rename = "customer.portal.granted")]
        PortalGranted {
            /// All that it may now.
            permissions: Vec<PortalPermission>,
        },
        /// The customer may see and do nothing for itself any more.
        #[serde(rename = "customer.portal.revoked")]
        PortalRevoked {},
        /// Another customer had sent this one.
        #[serde(rename = "customer.referred")]
        Referred {
            /// The other customer.
            by: CustomerId,
            /// Whether the two may have been one person, by what was known of them.
            looks_alike: bool,
            /// The business date.
            on: NaiveDate,
        },
        /// The customer is another kind of buyer.
        #[serde(rename = "customer.segment.changed")]
        SegmentChanged {
            /// The segment before, if it was in any.
            from: Option<Segment>,
            /// The segment now, if it is in any.
            to: Option<Segment>,
            /// Whether it is one of the few for whom most is done; perhaps only that changed.
            is_vip: bool,
            /// What that follows from, if it was told.
            scores: Option<Scores>,
            /// The business date.
            on: NaiveDate,
        },
        /// The customer may not spend points any more.
        #[serde(rename = "customer.blocked")]
        Blocked {
            /// Why.
            reason: BlockReason,
            /// The business date.
            on: NaiveDate,
            /// The same in words.
            personal: Personal<BlockNote>,
        },
        /// The customer may do what others may.
        #[serde(rename = "customer.unblocked")]
        Unblocked {
            /// The business date.
            on: NaiveDate,
        },
        /// The terms of a business changed.
        #[serde(rename = "customer.terms.changed")]
        TermsChanged {
            /// All that they are now.
            terms: Terms,
        },
        /// Others' notes about the customer changed.
        #[serde(rename = "customer.metadata.changed")]
        MetadataChanged {
            /// All that they are now.
            personal: Personal<Metadata>,
        },
        /// The customer turned out to be another one, who took over what it had. Nothing happens to it again but that it is handed out,
        /// merged on with that one, or erased.
        #[serde(rename = "customer.merged")]
        Merged {
            /// The one that it is.
            into: CustomerId,
            /// The business date.
            on: NaiveDate,
        },
        /// Another customer turned out to be this one: a part of what that one had.
        #[serde(rename = "customer.duplicate.absorbed")]
        DuplicateAbsorbed {
            /// The other customer.
            duplicate: CustomerId,
            /// Which part, from one; all are of one append.
            part: u32,
            /// How many parts.
            parts: u32,
            /// Who had turned out to be the other customer before; in the first part.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            duplicates: Vec<CustomerId>,
            /// How often the other customer had bought; in the first part, none in the others.
            purchases: i64,
            /// Since when the other customer had been one; in the first part. Since version 2.
            registered_on: Option<NaiveDate>,
            /// The business date of its first purchase.
            first_purchase_on: Option<NaiveDate>,
            /// The business date of its last purchase.
            last_purchase_on: Option<NaiveDate>,
            /// Its orders that can still be given back.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            orders: Vec<AbsorbedOrder>,
            /// The business date.
            on: NaiveDate,
        },
        /// The customer was deleted: it is kept, and nothing happens to it until it is restored.
        #[serde(rename = "customer.deleted")]
        Deleted {
            /// Why.
            reason: Option<ReasonCode>,
            /// The business date.
            on: NaiveDate,
        },
        /// A customer that was deleted is one again.
        #[serde(rename = "customer.restored")]
        Restored {
            /// The business date.
            on: NaiveDate,
        },
        /// All that is known of the customer was handed out. Changes nothing: it is there for whoever asks who saw what.
        #[serde(rename = "customer.exported")]
        Exported {
            /// In which form.
            format: ExportFormat,
            /// How many events had happened to the customer by then.
            events: i64,
        },
        /// Who the customer was is forgotten for good: the key of its personal data was destroyed with this event.
        #[serde(rename = "customer.erased")]
        Erased {
            /// Why.
            ground: ErasureGround,
            /// All subjects that were this person and were erased together, this customer among them.
            subjects: Vec<Uuid>,
            /// The business date.
            on: NaiveDate,
        },
    }
}

/// The upcasters of old versions.
pub(crate) const UPCASTERS: &[Upcaster] = &[
    // Version 2 may name the time zone, too. What version 1 says reads the same.
    Upcaster { event_type: "customer.updated", from: 1, lift: |_| {} },
    // Before dates of birth. What was said reads the same.
    Upcaster { event_type: "customer.created", from: 1, lift: |_| {} },
    Upcaster { event_type: "customer.updated", from: 2, lift: |_| {} },
    // Before a customer could turn out to be a company, or none.
    Upcaster { event_type: "customer.updated", from: 3, lift: |_| {} },
    // Before a survivor was told since when the other had been a customer.
    Upcaster { event_type: "customer.duplicate.absorbed", from: 1, lift: |_| {} },
    // Before a customer could have more than one login.
    Upcaster { event_type: "customer.user.linked", from: 1, lift: |_| {} },
    // Before purchases were given back by their lines.
    Upcaster { event_type: "customer.purchase.refunded", from: 1, lift: |_| {} },
];

/// A person or a company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerKind {
    /// A person.
    Individual,
    /// A company.
    Business,
}

impl CustomerKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Individual, Self::Business];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::Business => "business",
        }
    }
}

impl Clear for CustomerKind {}

/// What of a customer may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerField {
    /// The person's name.
    Name,
    /// The company's name.
    Company,
    /// All e-mail addresses.
    Emails,
    /// All telephone numbers.
    Phones,
    /// All identity documents.
    Documents,
    /// When the person was born.
    BirthDate,
    /// The language to write in.
    Language,
    /// The preferred currency.
    Currency,
    /// Where its clocks are.
    TimeZone,
    /// Whether it is a person or a company.
    Kind,
}

impl CustomerField {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Company => "company",
            Self::Emails => "emails",
            Self::Phones => "phones",
            Self::Documents => "documents",
            Self::BirthDate => "birth_date",
            Self::Language => "language",
            Self::Currency => "currency",
            Self::TimeZone => "time_zone",
            Self::Kind => "kind",
        }
    }
}

impl Clear for CustomerField {}

/// Why a person is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureGround {
    /// The person asked for it (GDPR article 17).
    Request,
    /// Nothing allows to keep the data any longer.
    Retention,
    /// It had been erased, and an older backup brought it back.
    Restored,
}

impl ErasureGround {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Request, Self::Retention, Self::Restored];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Retention => "retention",
            Self::Restored => "restored",
        }
    }
}

impl Clear for ErasureGround {}

/// How far a customer has come with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleStage {
    /// Has bought nothing yet.
    Prospect,
    /// Has bought once.
    New,
    /// Buys again and again.
    Active,
    /// Buys less than before.
    AtRisk,
    /// Buys no more.
    Churned,
    /// Bought again after a long time.
    WonBack,
}

impl LifecycleStage {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Prospect, Self::New, Self::Active, Self::AtRisk, Self::Churned, Self::WonBack];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prospect => "prospect",
            Self::New => "new",
            Self::Active => "active",
            Self::AtRisk => "at_risk",
            Self::Churned => "churned",
            Self::WonBack => "won_back",
        }
    }
}

impl Clear for LifecycleStage {}

/// The form in which all that is known of a customer is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// For programs.
    Json,
    /// A page for the person.
    Html,
}

impl ExportFormat {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Html => "html",
        }
    }
}

impl Clear for ExportFormat {}

/// All that tells who a customer is; personal as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The person's name; for a company, whom to ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
    /// The company's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<CompanyName>,
    /// The primary one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Email>,
    /// The primary one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<Phone>,
    /// What other systems call the customer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ExternalReference>,
    /// What the state has given the customer to show who it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    /// When the person was born.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<BirthDate>,
}

impl Contact {
    /// With those fields that changed as another contact has them.
    #[must_use]
    pub fn with(mut self, changed: &[CustomerField], other: &Self) -> Self {
        for field in changed {
            match field {
                CustomerField::Name => self.name.clone_from(&other.name),
                CustomerField::Company => self.company.clone_from(&other.company),
                CustomerField::Emails => self.emails.clone_from(&other.emails),
                CustomerField::Phones => self.phones.clone_from(&other.phones),
                CustomerField::Documents => self.documents.clone_from(&other.documents),
                CustomerField::BirthDate => self.birth_date = other.birth_date,
                CustomerField::Language | CustomerField::Currency | CustomerField::TimeZone | CustomerField::Kind => {}
            }
        }
        self
    }

    /// What is told twice stands once: two are the same when they are claimed as the same.
    #[must_use]
    pub(crate) fn distinct(self) -> Self {
        Self {
            emails: distinct(self.emails, Email::normalized),
            phones: distinct(self.phones, |phone| phone.as_str().to_owned()),
            documents: distinct(self.documents, Document::identity),
            references: distinct(self.references, ExternalReference::identity),
            ..self
        }
    }

    /// The fields in which another contact differs; references have events of their own.
    pub(crate) fn differing(&self, other: &Self) -> Vec<CustomerField> {
        let differs = [
            (CustomerField::Name, self.name != other.name),
            (CustomerField::Company, self.company != other.company),
            (CustomerField::Emails, self.emails != other.emails),
            (CustomerField::Phones, self.phones != other.phones),
            (CustomerField::Documents, self.documents != other.documents),
            (CustomerField::BirthDate, self.birth_date != other.birth_date),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
    }
}

/// What another system calls a customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExternalReference {
    /// The other system.
    pub system: ExternalSystem,
    /// Its name for the customer.
    pub reference: ReferenceText,
}

impl ExternalReference {
    pub(crate) fn identity(&self) -> String {
        format!("{} {}", self.system, self.reference.as_str())
    }
}

/// The first of those that are the same.
pub(crate) fn distinct<T>(values: Vec<T>, identity: impl Fn(&T) -> String) -> Vec<T> {
    let mut known = BTreeSet::new();
    values.into_iter().filter(|value| known.insert(identity(value))).collect()
}

/// What another system has come to call a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedReference {
    /// Its name for the customer.
    pub reference: ReferenceText,
}

/// As whom a customer logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedUser {
    /// The user of the authentication service.
    pub user: UserId,
}
