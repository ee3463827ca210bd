//! What may be asked of a customer, and how it may be refused.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::Serialize;
use uuid::Uuid;

use crate::birth_date::BirthDate;
use crate::customers::address::{Address, AddressKind, AddressPatch};
use crate::customers::assignment::Assignment;
use crate::customers::blocking::{BlockNote, BlockReason};
use crate::customers::customer::{ActiveCustomer, Customer};
use crate::customers::events::{
    Contact, CustomerKind, ErasureGround, ExportFormat, ExternalReference, LifecycleStage, PurchaseLine,
};
use crate::customers::metadata::MetadataPatch;
use crate::customers::portal::PortalPermission;
use crate::customers::preferences::PreferencesPatch;
use crate::customers::terms::TermsPatch;
use crate::document::Document;
use crate::email::Email;
use crate::ids::{
    Channel, CustomerId, ExternalSystem, Language, OrderId, ReasonCode, RefundId, Sku, Source, Tag, TimeZoneName,
};
use crate::money::{Currency, Money};
use crate::patch::Patch;
use crate::phone::Phone;
use crate::refusal::{Refusal, RefusalKind};
use crate::segment::{Scores, Segmented};
use crate::text::{CompanyName, PersonName, ReferenceText, UserId};

/// A request to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerCommand {
    /// Make the customer known.
    Register {
        /// A person or a company.
        kind: CustomerKind,
        /// Who it is.
        contact: Contact,
        /// The language to write in.
        language: Option<Language>,
        /// The preferred currency.
        currency: Option<Currency>,
        /// Where the customer came from.
        source: Option<Source>,
        /// The business date.
        registered_on: NaiveDate,
    },
    /// Change what is known of it.
    Update(CustomerPatch),
    /// Remember another address.
    AddAddress {
        /// Its id, which is new.
        id: Uuid,
        /// What it is for.
        kind: AddressKind,
        /// Whether it becomes the default of its kind; the first one does anyway.
        as_default: bool,
        /// Where it is.
        address: Address,
    },
    /// Change an address.
    ChangeAddress {
        /// Which one.
        id: Uuid,
        /// What is to become of it.
        patch: AddressPatch,
        /// Whether it becomes the default of its kind; as it is if not given.
        as_default: Option<bool>,
    },
    /// Forget an address.
    RemoveAddress {
        /// Which one.
        id: Uuid,
    },
    /// Change what the customer likes and wants.
    ChangePreferences(PreferencesPatch),
    /// Remember that the customer bought something.
    RecordPurchase {
        /// The order; recorded once.
        order: OrderId,
        /// Where it was sold.
        channel: Option<Channel>,
        /// What was bought.
        lines: Vec<PurchaseLine>,
        /// What was paid.
        total: Money,
        /// The business date of the purchase.
        on: NaiveDate,
    },
    /// Give a purchase back.
    Refund {
        /// The refund; made once.
        refund: RefundId,
        /// The order.
        order: OrderId,
        /// How much; when not given what the lines cost, without lines all that remains.
        amount: Option<Money>,
        /// What is given back of which article; none when it is said by an amount only.
        lines: Vec<RefundLine>,
        /// The business date of the refund.
        on: NaiveDate,
        /// The business date now.
        today: NaiveDate,
    },
    /// Record the stages that a purchase has brought the customer to.
    AdvanceLifecycle {
        /// The order that was bought.
        order: OrderId,
    },
    /// Remember what another system calls the customer.
    LinkReference(ExternalReference),
    /// Forget what another system calls the customer.
    UnlinkReference {
        /// The other system.
        system: ExternalSystem,
        /// Which of its names; all if not given.
        reference: Option<ReferenceText>,
    },
    /// Remember as whom the customer logs in, instead of the one before.
    LinkUser(UserId),
    /// Forget as whom the customer logs in.
    UnlinkUser,
    /// File the customer under something more.
    Tag(Vec<Tag>),
    /// File the customer under something no more.
    Untag(Vec<Tag>),
    /// Have others look after the customer.
    Assign(Assignment),
    /// Let the customer see and do this for itself, and nothing else.
    GrantPortal(BTreeSet<PortalPermission>),
    /// Let the customer see and do nothing for itself.
    RevokePortal,
    /// Remember that another customer sent this one.
    Refer {
        /// This one.
        id: CustomerId,
        /// The other one.
        by: CustomerId,
        /// As it is.
        referrer: Box<Customer>,
        /// The business date.
        on: NaiveDate,
    },
    /// Be the kind of buyer that a segmentation has found.
    ChangeSegment {
        /// Which one.
        to: Segmented,
        /// What it follows from, if that is known.
        scores: Option<Scores>,
        /// The business date.
        on: NaiveDate,
    },
    /// Let the customer spend no points.
    Block {
        /// Why.
        reason: BlockReason,
        /// The same in words.
        note: BlockNote,
        /// The business date.
        on: NaiveDate,
    },
    /// Let the customer do what others may.
    Unblock {
        /// The business date.
        on: NaiveDate,
    },
    /// Record the stage that somebody says the customer has come to.
    ChangeLifecycle {
        /// The stage.
        to: LifecycleStage,
        /// The business date.
        on: NaiveDate,
    },
    /// Turn out to be another one, who takes over.
    MergeInto {
        /// Who that is.
        into: CustomerId,
        /// The business date.
        on: NaiveDate,
    },
    /// Follow who it was merged into into another one.
    FollowMerge {
        /// Who it was merged into.
        from: CustomerId,
        /// Who that one is merged into.
        into: CustomerId,
        /// The business date.
        on: NaiveDate,
    },
    /// Take over what a duplicate had.
    Absorb {
        /// The survivor.
        into: CustomerId,
        /// The duplicate.
        id: CustomerId,
        /// As it is.
        duplicate: Box<ActiveCustomer>,
        /// The business date.
        on: NaiveDate,
    },
    /// Be deleted.
    Delete {
        /// Why.
        reason: Option<ReasonCode>,
        /// The business date.
        on: NaiveDate,
    },
    /// Be deleted no more.
    Restore {
        /// The business date.
        on: NaiveDate,
    },
    /// Record that all that is known is handed out; each time.
    Export {
        /// In which form.
        format: ExportFormat,
        /// How many events have happened to the customer.
        events: i64,
    },
    /// Forget who it is, for good.
    Erase {
        /// Why.
        ground: ErasureGround,
        /// All subjects that are this person.
        subjects: Vec<Uuid>,
        /// The business date.
        on: NaiveDate,
    },
}

/// What is to become of what is known of a customer. Of a list all is given or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CustomerPatch {
    /// A person or a company; as it is if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<CustomerKind>,
    /// The person's name.
    pub name: Patch<PersonName>,
    /// The company's name.
    pub company: Patch<CompanyName>,
    /// All e-mail addresses, the primary one first.
    pub emails: Patch<Vec<Email>>,
    /// All telephone numbers, the primary one first.
    pub phones: Patch<Vec<Phone>>,
    /// All identity documents.
    pub documents: Patch<Vec<Document>>,
    /// When the person was born.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub birth_date: Patch<BirthDate>,
    /// The language to write in.
    pub language: Patch<Language>,
    /// The preferred currency.
    pub currency: Patch<Currency>,
    /// Where its clocks are.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub time_zone: Patch<TimeZoneName>,
    /// The terms of a business.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub terms: Patch<TermsPatch>,
    /// Others' notes.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub metadata: Patch<MetadataPatch>,
}

/// What of an article is to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefundLine {
    /// The article.
    pub sku: Sku,
    /// How many of it.
    pub quantity: u32,
}

/// Why a customer's command is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CustomerError {
    /// There is no such customer.
    #[error("the customer is not known")]
    NotFound,
    /// Nobody knows any more who it was.
    #[error("the customer was erased")]
    Erased,
    /// It turned out to be another customer.
    #[error("the customer was merged into {survivor}: ask that one")]
    Merged {
        /// Who it is.
        survivor: CustomerId,
    },
    /// The customer was deleted.
    #[error("the customer was deleted: restore it first")]
    Deleted,
    /// A customer cannot be its own duplicate.
    #[error("a customer is not a duplicate of itself")]
    MergeWithItself,
    /// There is no such duplicate.
    #[error("the duplicate is not known")]
    DuplicateNotFound,
    /// Nobody knows any more who the duplicate was.
    #[error("the duplicate was erased")]
    DuplicateErased,
    /// The duplicate was deleted.
    #[error("the duplicate was deleted: restore it first")]
    DuplicateDeleted,
    /// The duplicate is blocked, and whoever it is would not be any more.
    #[error("the duplicate is blocked: block the other one, or unblock it first")]
    DuplicateBlocked,
    /// The duplicate turned out to be a third customer.
    #[error("the duplicate was merged into {survivor} before")]
    AlreadyMerged {
        /// Who it is.
        survivor: CustomerId,
    },
    /// A customer cannot have sent itself.
    #[error("a customer is not referred by itself")]
    SelfReferral,
    /// There is no such referrer.
    #[error("the referrer is not known")]
    ReferrerNotFound,
    /// Nobody knows any more who the referrer was.
    #[error("the referrer was erased")]
    ReferrerErased,
    /// The referrer was deleted.
    #[error("the referrer was deleted: restore it first")]
    ReferrerDeleted,
    /// The referrer turned out to be another customer.
    #[error("the referrer was merged into {survivor}: name that one")]
    ReferrerMerged {
        /// Who it is.
        survivor: CustomerId,
    },
    /// The referrer is blocked.
    #[error("the referrer is blocked")]
    ReferrerBlocked,
    /// Another customer had sent it already.
    #[error("the customer was referred by {referrer} before")]
    AlreadyReferred {
        /// Who that is.
        referrer: CustomerId,
    },
    /// Who has bought needs nobody who sends it.
    #[error("the customer has bought: it cannot be referred any more")]
    AlreadyBought,
    /// Two that would have sent each other.
    #[error("the referrer was referred by this customer")]
    CircularReferral,
    /// Together the two have more of something than a customer may have.
    #[error("together they would have more than {limit} {items}")]
    MergeTooMany {
        /// Of what.
        items: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// There is no such address.
    #[error("the customer has no such address")]
    AddressNotFound,
    /// The id is another address's.
    #[error("the customer has an address of this id")]
    AddressKnown,
    /// A default address that is to be none, with no other named.
    #[error("an address is the default of its kind until another one becomes so")]
    DefaultAddressNeeded,
    /// A favourite order with nothing of an article.
    #[error("a quantity must be at least one")]
    QuantityRequired {
        /// The field of the command.
        items: &'static str,
    },
    /// The id is another registration's.
    #[error("the customer is already registered, with other data")]
    AlreadyRegistered,
    /// Neither e-mail nor phone nor document nor reference.
    #[error("at least one e-mail address, phone number, identity document or external reference is needed")]
    ContactRequired,
    /// A business without a name.
    #[error("a business needs a company name")]
    CompanyRequired,
    /// Two names of one system for one customer.
    #[error("{system} calls the customer otherwise already: that reference has to go first")]
    ReferenceLinked {
        /// The other system.
        system: ExternalSystem,
    },
    /// Two names of one system in one registration.
    #[error("{system} is told twice: a system has one name for a customer")]
    ReferenceTwice {
        /// The other system.
        system: ExternalSystem,
        /// The index of the second one, from zero.
        reference: usize,
    },
    /// A portal in which there is nothing to see.
    #[error("at least one permission is needed; to take all away is another command")]
    PermissionRequired,
    /// The customer is blocked.
    #[error("the customer is blocked")]
    Blocked {
        /// Why.
        reason: BlockReason,
    },
    /// A prospect who has bought.
    #[error("the customer has bought and is no prospect any more")]
    NoProspect,
    /// Terms of a person.
    #[error("only a business has terms of its own")]
    BusinessOnly,
    /// Too late to be paid.
    #[error("an invoice is to be paid in {limit} days at most")]
    PaymentDays {
        /// The most days.
        limit: u16,
    },
    /// A volume discount of nothing.
    #[error("a volume discount needs a step at least")]
    StepRequired,
    /// A step that is no step up.
    #[error("a step begins with a larger amount of the same currency and takes more off than the one before")]
    StepOrder {
        /// Its index, from zero.
        step: usize,
    },
    /// More of something than a customer or an order may have.
    #[error("at most {limit} {items} are allowed")]
    TooMany {
        /// The field of the command.
        items: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A total below zero.
    #[error("the total must not be negative")]
    NegativeTotal {
        /// The total.
        total: Money,
    },
    /// A line in another currency than the total.
    #[error("line {line} is not in {expected}, the currency of the total")]
    LineCurrency {
        /// Its index, from zero.
        line: usize,
        /// The currency of the total.
        expected: Currency,
    },
    /// A line of nothing.
    #[error("line {line} needs a quantity of at least one")]
    LineQuantity {
        /// Its index, from zero.
        line: usize,
    },
    /// The order is recorded with other content.
    #[error("order {order} is already recorded, with other content")]
    OrderAlreadyRecorded {
        /// The order.
        order: OrderId,
        /// The total that is recorded.
        total: Money,
    },
    /// The order is unknown or was bought too long ago.
    #[error("order {order} is not known or no longer refundable")]
    OrderNotRefundable {
        /// The order.
        order: OrderId,
    },
    /// The refund is recorded with other content.
    #[error("refund {refund} is already recorded, with other content")]
    RefundAlreadyRecorded {
        /// The refund.
        refund: RefundId,
        /// The order it was for.
        order: OrderId,
        /// What it gave back.
        amount: Money,
    },
    /// A refund of nothing or less.
    #[error("a refund must be more than nothing")]
    RefundNotPositive,
    /// A refund in another currency than the order's.
    #[error("the refund is in {given}, the order in {expected}")]
    RefundCurrency {
        /// The order's currency.
        expected: Currency,
        /// The refund's.
        given: Currency,
    },
    /// An article that the order has not.
    #[error("order has no line of {sku}")]
    LineNotBought {
        /// Its index in the refund, from zero.
        line: usize,
        /// The article.
        sku: Sku,
    },
    /// More of an article than was bought and not yet given back.
    #[error("only {remaining} of {sku} remain to be given back")]
    LineExceedsPurchase {
        /// Its index in the refund, from zero.
        line: usize,
        /// The article.
        sku: Sku,
        /// How many may still be given back.
        remaining: u32,
    },
    /// Something given back before it was bought.
    #[error("order {order} was bought on {bought_on}: it cannot have been given back before")]
    RefundBeforePurchase {
        /// The order.
        order: OrderId,
        /// The business date of the purchase.
        bought_on: NaiveDate,
    },
    /// More than was bought and not yet given back.
    #[error("only {remaining} of the order remain to be refunded")]
    RefundExceedsPurchase {
        /// What may still be given back.
        remaining: Money,
    },
}

impl CustomerError {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "customer_not_found",
            Self::Erased => "customer_erased",
            Self::Merged { .. } => "customer_merged",
            Self::Deleted => "customer_deleted",
            Self::MergeWithItself => "merge_with_itself",
            Self::DuplicateNotFound => "duplicate_not_found",
            Self::DuplicateErased => "duplicate_erased",
            Self::DuplicateDeleted => "duplicate_deleted",
            Self::DuplicateBlocked => "duplicate_blocked",
            Self::AlreadyMerged { .. } => "already_merged",
            Self::SelfReferral => "self_referral",
            Self::ReferrerNotFound => "referrer_not_found",
            Self::ReferrerErased => "referrer_erased",
            Self::ReferrerDeleted => "referrer_deleted",
            Self::ReferrerMerged { .. } => "referrer_merged",
            Self::ReferrerBlocked => "referrer_blocked",
            Self::AlreadyReferred { .. } => "already_referred",
            Self::AlreadyBought => "already_bought",
            Self::CircularReferral => "circular_referral",
            Self::MergeTooMany { .. } => "too_many",
            Self::AddressNotFound => "address_not_found",
            Self::AddressKnown => "address_already_known",
            Self::DefaultAddressNeeded => "default_address_needed",
            Self::QuantityRequired { .. } => "quantity_required",
            Self::AlreadyRegistered => "customer_already_registered",
            Self::ContactRequired => "contact_required",
            Self::CompanyRequired => "company_required",
            Self::ReferenceLinked { .. } | Self::ReferenceTwice { .. } => "reference_already_linked",
            Self::PermissionRequired => "permission_required",
            Self::Blocked { .. } => "customer_blocked",
            Self::NoProspect => "no_prospect",
            Self::BusinessOnly => "business_only",
            Self::PaymentDays { .. } => "too_many_days",
            Self::StepRequired => "step_required",
            Self::StepOrder { .. } => "steps_out_of_order",
            Self::TooMany { .. } => "too_many",
            Self::NegativeTotal { .. } => "negative_total",
            Self::LineCurrency { .. } | Self::RefundCurrency { .. } => "currency_mismatch",
            Self::LineQuantity { .. } => "quantity_required",
            Self::OrderAlreadyRecorded { .. } => "order_already_recorded",
            Self::OrderNotRefundable { .. } => "order_not_refundable",
            Self::RefundAlreadyRecorded { .. } => "refund_already_recorded",
            Self::RefundNotPositive => "refund_not_positive",
            Self::LineNotBought { .. } => "line_not_bought",
            Self::LineExceedsPurchase { .. } => "line_exceeds_purchase",
            Self::RefundExceedsPurchase { .. } => "refund_exceeds_purchase",
            Self::RefundBeforePurchase { .. } => "refund_before_purchase",
        }
    }

    const fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound | Self::AddressNotFound => RefusalKind::NotFound,
            Self::Erased
            | Self::Merged { .. }
            | Self::Deleted
            | Self::DuplicateErased
            | Self::DuplicateDeleted
            | Self::DuplicateBlocked
            | Self::AlreadyMerged { .. }
            | Self::ReferrerErased
            | Self::ReferrerDeleted
            | Self::ReferrerMerged { .. }
            | Self::ReferrerBlocked
            | Self::AlreadyReferred { .. }
            | Self::AlreadyBought
            | Self::CircularReferral
            | Self::AddressKnown
            | Self::AlreadyRegistered
            | Self::ReferenceLinked { .. }
            | Self::ReferenceTwice { .. }
            | Self::Blocked { .. }
            | Self::OrderAlreadyRecorded { .. }
            | Self::RefundAlreadyRecorded { .. } => RefusalKind::Conflict,
            Self::MergeWithItself
            | Self::DuplicateNotFound
            | Self::SelfReferral
            | Self::ReferrerNotFound
            | Self::MergeTooMany { .. }
            | Self::DefaultAddressNeeded
            | Self::QuantityRequired { .. }
            | Self::ContactRequired
            | Self::CompanyRequired
            | Self::PermissionRequired
            | Self::NoProspect
            | Self::BusinessOnly
            | Self::PaymentDays { .. }
            | Self::StepRequired
            | Self::StepOrder { .. }
            | Self::TooMany { .. }
            | Self::NegativeTotal { .. }
            | Self::LineCurrency { .. }
            | Self::LineQuantity { .. }
            | Self::OrderNotRefundable { .. }
            | Self::RefundNotPositive
            | Self::RefundCurrency { .. }
            | Self::LineNotBought { .. }
            | Self::LineExceedsPurchase { .. }
            | Self::RefundBeforePurchase { .. }
            | Self::RefundExceedsPurchase { .. } => RefusalKind::Invalid,
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Self::MergeWithItself
            | Self::DuplicateNotFound
            | Self::DuplicateErased
            | Self::DuplicateDeleted
            | Self::DuplicateBlocked
            | Self::AlreadyMerged { .. }
            | Self::MergeTooMany { .. } => Some("/duplicate_id".to_owned()),
            Self::SelfReferral
            | Self::ReferrerNotFound
            | Self::ReferrerErased
            | Self::ReferrerDeleted
            | Self::ReferrerMerged { .. }
            | Self::ReferrerBlocked
            | Self::CircularReferral => Some("/referrer_id".to_owned()),
            Self::CompanyRequired => Some("/company".to_owned()),
            Self::DefaultAddressNeeded => Some("/is_default".to_owned()),
            Self::ReferenceLinked { .. } => Some("/system".to_owned()),
            Self::ReferenceTwice { reference, .. } => Some(format!("/references/{reference}/system")),
            Self::PermissionRequired => Some("/permissions".to_owned()),
            Self::NoProspect => Some("/stage".to_owned()),
            Self::BusinessOnly => Some("/terms".to_owned()),
            Self::PaymentDays { .. } => Some("/terms/payment_days".to_owned()),
            Self::StepRequired => Some("/terms/volume_discount/steps".to_owned()),
            Self::StepOrder { step } => Some(format!("/terms/volume_discount/steps/{step}")),
            Self::TooMany { items, .. } | Self::QuantityRequired { items } => Some(format!("/{items}")),
            Self::NegativeTotal { .. } => Some("/total".to_owned()),
            Self::LineCurrency { line, .. } => Some(format!("/lines/{line}/amount")),
            Self::LineNotBought { line, .. } => Some(format!("/lines/{line}/sku")),
            Self::LineQuantity { line } | Self::LineExceedsPurchase { line, .. } => {
                Some(format!("/lines/{line}/quantity"))
            }
            Self::RefundNotPositive | Self::RefundCurrency { .. } | Self::RefundExceedsPurchase { .. } => {
                Some("/amount".to_owned())
            }
            Self::RefundBeforePurchase { .. } => Some("/occurred_at".to_owned()),
            Self::NotFound
            | Self::Erased
            | Self::Merged { .. }
            | Self::Deleted
            | Self::AddressNotFound
            | Self::AddressKnown
            | Self::AlreadyRegistered
            | Self::AlreadyReferred { .. }
            | Self::AlreadyBought
            | Self::ContactRequired
            | Self::Blocked { .. }
            | Self::OrderAlreadyRecorded { .. }
            | Self::OrderNotRefundable { .. }
            | Self::RefundAlreadyRecorded { .. } => None,
        }
    }
}

impl From<CustomerError> for Refusal {
    fn from(error: CustomerError) -> Self {
        Self::of(error.kind(), error.code(), error.field(), &error)
    }
}
