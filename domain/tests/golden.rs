//! The golden files: every version of every event type ever released, as it was stored, still reads.
//!
//! A file once released is never edited. `GOLDEN=write cargo test -p domain golden` writes those that are missing, from
//! the examples below, and never overwrites one.

#![expect(clippy::unwrap_used, reason = "the examples are valid, and a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use chrono::{DateTime, NaiveDate, Utc};
use domain::access::events::{AccessEvent, KeyDigest, SkipReason};
use domain::access::scope::Scope;
use domain::birth_date::BirthDate;
use domain::country::Country;
use domain::credit::events::{CreditEvent, CreditGroupEvent, RestoredUse};
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::policy::{Counts, DunningChannel, DunningLevel, OverdueBlock, Policy};
use domain::credit::reasons::{Bound, HoldRelease, Override, RejectReason, ReleaseCause, SuspensionCause};
use domain::credit::terms::Terms as CreditTerms;
use domain::customers::address::{Address, AddressKind};
use domain::customers::blocking::{BlockNote, BlockReason};
use domain::customers::events::{
    Contact, CustomerEvent, CustomerField, CustomerKind, ErasureGround, ExportFormat, ExternalReference,
    LifecycleStage, LinkedReference, LinkedUser, PurchaseLine, RefundedLine,
};
use domain::customers::merging::{AbsorbedLine, AbsorbedOrder, AbsorbedRefund};
use domain::customers::metadata::Metadata;
use domain::customers::portal::PortalPermission;
use domain::customers::preferences::{
    Billing, FavouriteItem, FavouriteOrder, Notification, PersonalPreferences, Preferences,
};
use domain::customers::terms::{DiscountStep, Percent, Terms, VolumeDiscount};
use domain::document::{Document, DocumentKind};
use domain::email::Email;
use domain::ids::{
    Actor, AdjustmentId, BenefitCode, CampaignId, CaseId, CategoryCode, Channel, CreditGroupId, CreditLineId,
    CustomerId, ExternalSystem, HoldId, InvoiceId, Label, Language, MetadataKey, OrderId, PaymentId, ReasonCode,
    RefundId, RehearsalId, ReleaseId, RepCode, RewardCode, RouteCode, Sku, Source, StampCardCode, Tag, TenantId,
    TimeZoneName, Topic, TransferId,
};
use domain::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use domain::loyalty::campaigns::{
    BirthdayRule, CampaignName, CampaignPoints, CampaignRules, GivenWithOrder, MatchedLines,
};
use domain::loyalty::events::{
    LotPoints, LoyaltyEvent, MovedLot, ProgrammeEvent, RehearsalOutcome, ReleaseReason, StampedLine,
};
use domain::loyalty::flags::{FlagKind, GivenBackDay};
use domain::loyalty::merging::{
    AbsorbedCard, AbsorbedEarning, AbsorbedLot, AbsorbedPending, AbsorbedRedemption, AbsorbedReward, AbsorbedStamps,
};
use domain::loyalty::programme::{EarnBand, EarnCaps, EarnedOf, PendingRule, Programme, StampCard, Tier};
use domain::loyalty::referrals::{ReferralStatus, RewardedReferral};
use domain::phone::Phone;
use domain::segment::{Score, Scores, Segment};
use domain::text::{
    AddressLine, CompanyName, Instructions, MetadataText, PersonName, PlaceName, PostalCode, PreferenceText,
    ReasonText, ReferenceText, ScoreText, TradeReferences, UserId,
};
use domain::validators::risk::RiskWeights;
use domain::{Currency, Event, Money, Personal, Sealed};
use serde_json::{Value, json};
use uuid::Uuid;

#[test]
fn golden_files_exist_for_each_event_type_with_all_fields_and_with_the_required_ones() {
    for event_type in Event::TYPES {
        let newest =
            examples().iter().find(|example| example.full.event_type() == *event_type).map(|e| e.full.schema_version());
        let newest = newest.unwrap_or_else(|| panic!("{event_type} has no example"));
        for name in (1..=newest).flat_map(|version| [format!("v{version}.json"), format!("v{version}.minimal.json")]) {
            let path = folder().join(event_type).join(name);
            assert!(path.is_file(), "{} is missing: GOLDEN=write cargo test -p domain golden", path.display());
        }
    }
}

#[test]
fn golden_files_of_every_version_are_read_and_those_of_the_newest_are_written_the_same() {
    for path in golden_files() {
        let (event_type, version) = named(&path);
        let golden: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let payload = golden["payload"].to_string();
        let personal = golden.get("personal").map(Value::to_string);
        let sealed = personal.as_ref().map_or(Sealed::Absent, |personal| Sealed::Opened(personal.as_bytes()));
        let event = Event::decode(&event_type, version, payload.as_bytes(), sealed)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(event.event_type(), event_type);
        if version == event.schema_version() {
            let encoded = event.encode();
            assert_eq!(String::from_utf8(encoded.payload).unwrap(), payload, "{}", path.display());
            assert_eq!(encoded.personal.map(|bytes| String::from_utf8(bytes).unwrap()), personal, "{}", path.display());
        }
    }
}

#[test]
fn golden_files_of_the_newest_version_are_the_examples() {
    for Example { full, minimal } in examples() {
        for (name, event) in [("", full), ("minimal.", minimal)] {
            let path = folder().join(event.event_type()).join(format!("v{}.{name}json", event.schema_version()));
            let golden: Value =
                serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
            assert_eq!(golden, written(&event), "{}", path.display());
        }
    }
}

#[test]
fn golden_files_with_a_person_still_read_when_the_person_is_erased() {
    for path in golden_files() {
        let (event_type, version) = named(&path);
        let golden: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let payload = golden["payload"].to_string();
        assert!(Event::decode(&event_type, version, payload.as_bytes(), Sealed::Erased).is_ok(), "{}", path.display());
    }
}

/// An event with all fields, and with the required ones only.
struct Example {
    full: Event,
    minimal: Event,
}

impl Example {
    fn new(full: impl Into<Event>, minimal: impl Into<Event>) -> Self {
        Self { full: full.into(), minimal: minimal.into() }
    }

    /// Of a type whose fields are all required.
    fn required(event: impl Into<Event>) -> Self {
        let full = event.into();
        Self { minimal: full.clone(), full }
    }
}

fn examples() -> Vec<Example> {
    customers().into_iter().chain(loyalty()).chain(credit()).chain(access()).collect()
}

fn customers() -> Vec<Example> {
    let full = CustomerEvent::Created {
        kind: CustomerKind::Business,
        language: Some(Language::parse("es-MX").unwrap()),
        currency: Some(currency("MXN")),
        source: Some(Source::parse("web-form").unwrap()),
        registered_on: day("2026-01-10"),
        personal: contact().into(),
    };
    let minimal = CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal: Contact { phones: contact().phones, ..Contact::default() }.into(),
    };
    let (from, to) = (LifecycleStage::Prospect, LifecycleStage::New);
    let moved = CustomerEvent::LifecycleChanged { from, to, on: day("2026-02-09") };
    let exported = CustomerEvent::Exported { format: ExportFormat::Html, events: 7 };
    let (ground, subjects) = (ErasureGround::Request, vec![Uuid::from_u128(1), Uuid::from_u128(2)]);
    let erased = CustomerEvent::Erased { ground, subjects, on: day("2026-02-09") };
    let all = vec![Example::new(full, minimal), updated(), purchase(), refund()];
    let others = [preferences()].into_iter().chain([moved, exported, erased].map(Example::required));
    all.into_iter().chain(addresses()).chain(others).chain(links()).chain(standing()).chain(merges()).collect()
}

fn merges() -> Vec<Example> {
    let on = day("2026-02-09");
    let order = |lines, refunds| AbsorbedOrder {
        order: order(),
        total: money("24.50"),
        refunded: money("10.00"),
        on,
        fingerprint: 0xcbf2_9ce4_8422_2325,
        remembered_until: day("2028-02-09"),
        lines,
        is_over: false,
        refunds,
    };
    let line = AbsorbedLine { article: 0xcbf2_9ce4_8422_2325, quantity: 3, minor: 2450, refunded: 1 };
    let refund = AbsorbedRefund { refund: refund_id(), amount: money("10.00"), completed: false, lines: 7 };
    let absorbed = |duplicates, dates: Option<NaiveDate>, orders| CustomerEvent::DuplicateAbsorbed {
        duplicate: other_customer(),
        part: 1,
        parts: 2,
        duplicates,
        purchases: 7,
        registered_on: dates,
        first_purchase_on: dates,
        last_purchase_on: dates,
        orders,
        on,
    };
    let reason = ReasonCode::parse("closed-shop").ok();
    vec![
        Example::required(CustomerEvent::Merged { into: other_customer(), on }),
        Example::new(
            absorbed(vec![other_customer()], Some(on), vec![order(vec![line], vec![refund]), order(vec![], vec![])]),
            absorbed(vec![], None, vec![]),
        ),
        Example::new(CustomerEvent::Deleted { reason, on }, CustomerEvent::Deleted { reason: None, on }),
        Example::required(CustomerEvent::Restored { on }),
    ]
}

fn links() -> Vec<Example> {
    let system = || ExternalSystem::parse("erp").unwrap();
    let reference = LinkedReference { reference: ReferenceText::parse("4711").unwrap() };
    let user = LinkedUser { user: UserId::parse("auth0|5f7c8ec7").unwrap() };
    vec![
        Example::required(CustomerEvent::ReferenceLinked { system: system(), personal: reference.into() }),
        Example::required(CustomerEvent::ReferenceUnlinked { system: system() }),
        Example::new(
            CustomerEvent::UserLinked { besides: true, personal: user.clone().into() },
            CustomerEvent::UserLinked { besides: false, personal: user.into() },
        ),
        Example::required(CustomerEvent::UserUnlinked {}),
    ]
}

fn standing() -> Vec<Example> {
    let tags = || vec![Tag::parse("vip").unwrap(), Tag::parse("wholesale").unwrap()];
    let (rep, route) = (Some(RepCode::parse("rep-12").unwrap()), Some(RouteCode::parse("north-3").unwrap()));
    vec![
        Example::required(CustomerEvent::Tagged { tags: tags() }),
        Example::required(CustomerEvent::Untagged { tags: tags() }),
        Example::new(CustomerEvent::Assigned { rep, route }, CustomerEvent::Assigned { rep: None, route: None }),
        Example::required(CustomerEvent::PortalGranted {
            permissions: vec![PortalPermission::Orders, PortalPermission::Profile],
        }),
        Example::required(CustomerEvent::PortalRevoked {}),
        segment_changed(),
        Example::required(CustomerEvent::Referred { by: other_customer(), looks_alike: true, on: day("2026-02-09") }),
        blocked(),
        Example::required(CustomerEvent::Unblocked { on: day("2026-02-09") }),
        terms(),
        metadata(),
    ]
}

fn blocked() -> Example {
    let (reason, on) = (BlockReason::Debt, day("2026-02-09"));
    let note = BlockNote { note: Some(ReasonText::parse("Two invoices of last year").unwrap()) };
    let blocked = |note: BlockNote| CustomerEvent::Blocked { reason, on, personal: note.into() };
    Example::new(blocked(note), blocked(BlockNote::default()))
}

fn terms() -> Example {
    let step = |from: &str, percent: &str| DiscountStep {
        from: Money::parse(from, currency("MXN")).unwrap(),
        percent: Percent::parse(percent).unwrap(),
    };
    let steps = VolumeDiscount::Steps(vec![step("1000.00", "2.5"), step("5000.00", "5")]);
    let full = Terms { volume_discount: Some(steps), payment_days: Some(30) };
    Example::new(CustomerEvent::TermsChanged { terms: full }, CustomerEvent::TermsChanged { terms: Terms::default() })
}

fn metadata() -> Example {
    let (name, text) = (MetadataKey::parse("shoe-size").unwrap(), MetadataText::parse("42, wide").unwrap());
    let noted = |metadata: Metadata| CustomerEvent::MetadataChanged { personal: metadata.into() };
    Example::new(noted(Metadata { notes: [(name, text)].into() }), noted(Metadata::default()))
}

fn contact() -> Contact {
    Contact {
        name: Some(PersonName::parse("Ana María Núñez").unwrap()),
        company: Some(CompanyName::parse("Café Núñez, S. A.").unwrap()),
        emails: vec![Email::parse("Ana@example.com").unwrap(), Email::parse("shop@example.org").unwrap()],
        phones: vec![Phone::parse("+34 600 123 456", None).unwrap()],
        references: vec![ExternalReference {
            system: ExternalSystem::parse("stripe").unwrap(),
            reference: ReferenceText::parse("cus_00000000000000").unwrap(),
        }],
        documents: vec![],
        birth_date: Some(BirthDate::parse("1984-02-29").unwrap()),
    }
}

fn updated() -> Example {
    use CustomerField as F;
    let spain = Country::parse("ES").unwrap();
    let personal = Contact {
        references: vec![],
        documents: vec![
            Document::parse(DocumentKind::Dni, "12345678-Z", spain).unwrap(),
            Document::parse(DocumentKind::Passport, "XDD 123 456", Country::parse("MX").unwrap()).unwrap(),
        ],
        ..contact()
    };
    let full = CustomerEvent::Updated {
        changed: vec![
            F::Name,
            F::Company,
            F::Emails,
            F::Phones,
            F::Documents,
            F::BirthDate,
            F::Language,
            F::Currency,
            F::TimeZone,
            F::Kind,
        ],
        language: Some(Language::parse("es-MX").unwrap()),
        currency: Some(currency("MXN")),
        time_zone: Some(TimeZoneName::parse("America/Mexico_City").unwrap()),
        kind: Some(CustomerKind::Business),
        personal: personal.into(),
    };
    let minimal = CustomerEvent::Updated {
        changed: vec![F::Language],
        language: None,
        currency: None,
        time_zone: None,
        kind: None,
        personal: Contact::default().into(),
    };
    Example::new(full, minimal)
}

fn addresses() -> Vec<Example> {
    let (address, other) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let (kind, is_default) = (AddressKind::Shipping, true);
    let minimal = Address {
        name: None,
        line1: AddressLine::parse("Calle Mayor 1").unwrap(),
        line2: None,
        city: None,
        region: None,
        postal_code: None,
        country: Country::parse("ES").unwrap(),
        phone: None,
        instructions: None,
    };
    let full = Address {
        name: Some(PersonName::parse("Ana María Núñez").unwrap()),
        line2: Some(AddressLine::parse("3º B").unwrap()),
        city: Some(PlaceName::parse("Madrid").unwrap()),
        region: Some(PlaceName::parse("Comunidad de Madrid").unwrap()),
        postal_code: Some(PostalCode::parse("28013").unwrap()),
        phone: Some(Phone::parse("+34 600 123 456", None).unwrap()),
        instructions: Some(Instructions::parse("Ring twice").unwrap()),
        ..minimal.clone()
    };
    let added =
        |place: &Address| CustomerEvent::AddressAdded { address, kind, is_default, personal: place.clone().into() };
    let changed =
        |place: &Address| CustomerEvent::AddressChanged { address, kind, is_default, personal: place.clone().into() };
    let removed = |new_default| CustomerEvent::AddressRemoved { address, kind, new_default };
    vec![
        Example::new(added(&full), added(&minimal)),
        Example::new(changed(&full), changed(&minimal)),
        Example::new(removed(Some(other)), removed(None)),
    ]
}

fn preferences() -> Example {
    let channel = |text| Channel::parse(text).unwrap();
    let text = |text| PreferenceText::parse(text).unwrap();
    let full = CustomerEvent::PreferencesChanged {
        preferences: Preferences {
            channels: vec![channel("store-12"), channel("web")],
            categories: vec![CategoryCode::parse("coffee").unwrap()],
            notifications: vec![Notification {
                topic: Topic::parse("offers").unwrap(),
                channels: vec![channel("email")],
            }],
            billing: Some(Billing {
                currency: Some(currency("MXN")),
                language: Some(Language::parse("es-MX").unwrap()),
                delivery: Some(channel("email")),
            }),
        },
        personal: PersonalPreferences {
            restrictions: vec![text("No nuts")],
            favourite_orders: vec![FavouriteOrder {
                name: text("The usual"),
                items: vec![FavouriteItem { sku: Sku::parse("85123A").unwrap(), quantity: 2 }],
                note: Some(text("Extra hot")),
            }],
        }
        .into(),
    };
    let minimal = CustomerEvent::PreferencesChanged {
        preferences: Preferences::default(),
        personal: PersonalPreferences::default().into(),
    };
    Example::new(full, minimal)
}

fn purchase() -> Example {
    let line = |sku, category, quantity, amount| PurchaseLine {
        sku: Sku::parse(sku).unwrap(),
        category,
        quantity,
        amount: money(amount),
    };
    let category = CategoryCode::parse("coffee").unwrap();
    let full = CustomerEvent::PurchaseRecorded {
        order: order(),
        channel: Some(Channel::parse("store-12").unwrap()),
        lines: vec![line("85123A", Some(category), 2, "25.00"), line("DISCOUNT", None, 1, "-0.50")],
        total: money("24.50"),
        on: day("2026-02-09"),
    };
    let minimal = CustomerEvent::PurchaseRecorded {
        order: order(),
        channel: None,
        lines: vec![],
        total: money("24.50"),
        on: day("2026-02-09"),
    };
    Example::new(full, minimal)
}

fn refund() -> Example {
    let refund = |lines| CustomerEvent::PurchaseRefunded {
        order: order(),
        refund: refund_id(),
        amount: money("10.00"),
        refunded: money("12.00"),
        remaining: money("12.50"),
        lines,
        on: day("2026-02-20"),
    };
    let sku = Sku::parse("85123A").unwrap();
    Example::new(refund(vec![RefundedLine { line: 1, sku, quantity: 2, amount: money("10.00") }]), refund(vec![]))
}

fn loyalty() -> Vec<Example> {
    let enrolled = LoyaltyEvent::Enrolled { currency: currency("USD"), on: day("2026-01-10") };
    let earned = |programme, campaigns, pending_since| LoyaltyEvent::PointsEarned {
        order: order(),
        total: money("24.50"),
        programme,
        tier: Tier::Silver,
        base_points: 24,
        multiplier_percent: 125,
        points: 30,
        lot: 3,
        earned_on: day("2026-02-09"),
        expires_on: day("2028-02-09"),
        paid_debt: 12,
        campaigns,
        capped: 5,
        pending_since,
        balance: 1_018,
    };
    let (from, to) = (Tier::Bronze, Tier::Gold);
    let upgraded = LoyaltyEvent::TierUpgraded { from, to, earned_12_months: 5_000, on: day("2026-02-09") };
    let closed = LoyaltyEvent::Closed { points: -12, held: 300, currency: currency("USD"), on: day("2026-02-09") };
    let earned =
        Example::new(earned(Some(2), vec![campaign_points()], Some(day("2026-01-26"))), earned(None, vec![], None));
    let required = [enrolled, upgraded, closed].map(Example::required);
    let others = [
        earned,
        pending(),
        reversed(),
        order_refunded(),
        redeemed(),
        adjusted(),
        returned(),
        expired(),
        published(),
        rehearsed(),
    ];
    let cards = stamps().into_iter().chain(rewards()).chain(flags()).chain([referral()]);
    let between = transfers().into_iter().chain(merged_accounts()).chain(cards).chain(campaigns());
    required.into_iter().chain(others).chain(holds()).chain(reviews()).chain(between).collect()
}

fn published() -> Example {
    let published = |rules, rehearsal| ProgrammeEvent::Published {
        version: 2,
        from: day("2026-03-01"),
        rules,
        rehearsal,
        published_on: day("2026-02-20"),
    };
    let standard = Programme::clone(&Programme::standard());
    Example::new(published(rules(), Some(RehearsalId::new(Uuid::from_u128(7)))), published(standard, None))
}

fn rules() -> Programme {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn.push(EarnBand { above: 50, points_per_unit: 2, of: EarnedOf::Total });
    rules.tiers[3].benefits = vec![BenefitCode::parse("free_shipping").unwrap()];
    rules.caps = EarnCaps { points_per_order: Some(500), points_per_day: Some(1_000) };
    rules.pending = Some(PendingRule { vest_after_days: Some(14) });
    rules.stamp_cards = vec![StampCard {
        code: StampCardCode::parse("coffee").unwrap(),
        categories: vec![CategoryCode::parse("hot-drinks").unwrap()],
        products: vec![Sku::parse("22423").unwrap()],
        stamps: 10,
        reward: RewardCode::parse("free_coffee").unwrap(),
        reward_expiry_months: Some(6),
    }];
    rules
}

fn rehearsed() -> Example {
    let outcome = RehearsalOutcome {
        position: 4_711,
        members: 300,
        purchases: 9_000,
        upgraded: 12,
        downgraded: 1,
        points: 120_000,
        rehearsed_points: 150_000,
        liabilities: vec![money("1200.00")],
        rehearsed_liabilities: vec![money("1500.00")],
    };
    let rehearsal = RehearsalId::new(Uuid::from_u128(7));
    Example::required(ProgrammeEvent::Rehearsed { rehearsal, rules: rules(), outcome, rehearsed_on: day("2026-02-20") })
}

fn pending() -> Example {
    let pending = |vests: Option<(NaiveDate, NaiveDate)>, programme, campaigns| LoyaltyEvent::PointsPending {
        order: order(),
        total: money("24.50"),
        programme,
        tier: Tier::Silver,
        base_points: 24,
        multiplier_percent: 125,
        points: 30,
        lot: 3,
        pending_on: day("2026-02-09"),
        vests_on: vests.map(|(vests_on, _)| vests_on),
        expires_on: vests.map(|(_, expires_on)| expires_on),
        campaigns,
        capped: 5,
        pending: 42,
        balance: 12,
    };
    let vests = Some((day("2026-02-23"), day("2028-02-23")));
    Example::new(pending(vests, Some(2), vec![campaign_points()]), pending(None, None, vec![]))
}

fn segment_changed() -> Example {
    let [recency, frequency, monetary] = [1, 4, 5].map(|score| Score::new(score).unwrap());
    let changed =
        |from, to, is_vip, scores| CustomerEvent::SegmentChanged { from, to, is_vip, scores, on: day("2026-02-09") };
    let scores = Some(Scores { recency, frequency, monetary });
    let full = changed(Some(Segment::Champions), Some(Segment::CannotLose), true, scores);
    Example::new(full, changed(None, None, true, None))
}

fn order_refunded() -> Example {
    Example::required(LoyaltyEvent::OrderRefunded {
        order: OrderId::parse("order-7").unwrap(),
        refund: RefundId::parse("refund-1").unwrap(),
        remaining: money("12.00"),
        refunded_on: day("2026-02-09"),
    })
}

fn campaign_points() -> CampaignPoints {
    let matched = MatchedLines { lines: vec![0, 2], articles: 3, price: money("12.00"), price_of_all: money("24.50") };
    CampaignPoints { campaign: campaign(), version: 2, points: 12, matched: Some(matched) }
}

fn campaign() -> CampaignId {
    CampaignId::new(Uuid::from_u128(8))
}

fn campaigns() -> [Example; 2] {
    let published = |name, rules, until| ProgrammeEvent::CampaignPublished {
        campaign: campaign(),
        version: 2,
        name: CampaignName::parse(name).unwrap(),
        rules,
        from: day("2026-03-01"),
        until,
        published_on: day("2026-02-20"),
    };
    let all = CampaignRules {
        categories: vec![CategoryCode::parse("wine").unwrap()],
        products: vec![Sku::parse("22423").unwrap()],
        channels: vec![Channel::parse("web").unwrap()],
        tiers: vec![Tier::Gold, Tier::Platinum],
        segments: vec![Segment::Champions, Segment::CannotLose],
        vip: true,
        birthday: Some(BirthdayRule { within_days: 3, points_per_birthday: Some(500) }),
        minimum_amount: Some(20),
        multiplier_percent: Some(200),
        bonus_points: Some(100),
        points_per_article: Some(10),
        referred: true,
        referrer_points: Some(200),
        caps: EarnCaps { points_per_order: Some(500), points_per_day: Some(1_000) },
    };
    let some = CampaignRules { bonus_points: Some(100), ..CampaignRules::default() };
    let ended =
        ProgrammeEvent::CampaignEnded { campaign: campaign(), on: day("2026-03-10"), ended_on: day("2026-03-09") };
    let full = published("Double points on wine, España", all, Some(day("2026-03-31")));
    [Example::new(full, published("Anniversary", some, None)), Example::required(ended)]
}

fn absorbed_pending() -> AbsorbedPending {
    AbsorbedPending {
        order: order(),
        total: money("24.50"),
        programme: Some(2),
        tier: Tier::Silver,
        base_points: 24,
        multiplier_percent: 125,
        points: 18,
        reversed: 12,
        refunds: vec![refund_id()],
        lot: 5,
        pending_on: day("2026-02-09"),
        vests_on: Some(day("2026-02-23")),
        expires_on: Some(day("2028-02-23")),
        campaigns: vec![campaign_points()],
        capped: 5,
    }
}

fn reversed() -> Example {
    let reversed = |currency, campaigns| LoyaltyEvent::PointsReversed {
        order: order(),
        refund: refund_id(),
        lot: 3,
        points: 12,
        from: vec![LotPoints { lot: 3, points: 10 }],
        reversed_on: day("2026-02-20"),
        currency,
        pending: false,
        campaigns,
        balance: -2,
    };
    let of_campaign = CampaignPoints { points: 7, matched: None, ..campaign_points() };
    Example::new(reversed(Some(currency("USD")), vec![of_campaign]), reversed(None, vec![]))
}

fn adjusted() -> Example {
    let adjusted = |points, reason, given: Option<(u32, NaiveDate)>, from, note| LoyaltyEvent::PointsAdjusted {
        adjustment: AdjustmentId::parse("case-4711/1").unwrap(),
        points,
        reason,
        lot: given.map(|(lot, _)| lot),
        expires_on: given.map(|(_, expires_on)| expires_on),
        from,
        paid_debt: 12,
        adjusted_on: day("2026-02-20"),
        currency: currency("USD"),
        balance: 738,
        personal: AdjustmentNote { note }.into(),
    };
    let note = ReasonText::parse("A broken cup; Ana was told.").unwrap();
    let given = Some((4, day("2028-02-20")));
    Example::new(
        adjusted(750, AdjustmentReason::Compensation, given, lots(), Some(note)),
        adjusted(-750, AdjustmentReason::Referral, None, vec![], None),
    )
}

fn redeemed() -> Example {
    let redeemed = |hold| LoyaltyEvent::PointsRedeemed {
        order: order(),
        points: 300,
        discount: money("3.00"),
        from: lots(),
        hold,
        redeemed_on: day("2026-02-09"),
        balance: 730,
    };
    Example::new(redeemed(Some(hold())), redeemed(None))
}

fn returned() -> Example {
    let (lot, points, earned_on, expires_on) = (2, 90, day("2025-12-01"), day("2027-12-01"));
    Example::required(LoyaltyEvent::PointsReturned {
        order: order(),
        refund: refund_id(),
        points: 100,
        returned: vec![MovedLot { lot, points, earned_on, expires_on }],
        paid_debt: 10,
        returned_on: day("2026-02-20"),
        currency: currency("USD"),
        balance: 90,
    })
}

fn expired() -> Example {
    let expires_on = day("2028-02-09");
    let expired = |hold, returned: Option<(OrderId, RefundId)>, currency| {
        let (order, refund) = returned.unzip();
        LoyaltyEvent::PointsExpired { lot: 3, points: 18, expires_on, hold, order, refund, currency, balance: 0 }
    };
    Example::new(expired(Some(hold()), Some((order(), refund_id())), Some(currency("USD"))), expired(None, None, None))
}

fn holds() -> [Example; 2] {
    let placed = LoyaltyEvent::HoldPlaced {
        hold: hold(),
        order: order(),
        points: 300,
        discount: money("3.00"),
        from: lots(),
        placed_on: day("2026-02-09"),
        lapses_at: "2026-02-09T23:05:00Z".parse::<DateTime<Utc>>().unwrap(),
        lapses_on: day("2026-02-10"),
        balance: 730,
    };
    let released = LoyaltyEvent::HoldReleased {
        hold: hold(),
        order: order(),
        points: 300,
        reason: ReleaseReason::Lapsed,
        paid_debt: 50,
        returned: vec![LotPoints { lot: 1, points: 150 }, LotPoints { lot: 2, points: 100 }],
        released_at: "2026-02-09T23:05:00Z".parse::<DateTime<Utc>>().unwrap(),
        released_on: day("2026-02-10"),
        balance: 1_030,
    };
    [placed, released].map(Example::required)
}

fn reviews() -> [Example; 2] {
    let on = day("2027-01-10");
    let (from, to) = (Tier::Gold, Tier::Silver);
    let downgraded = LoyaltyEvent::TierDowngraded { from, to, earned_12_months: 1_200, on };
    let kept = LoyaltyEvent::TierKept { tier: Tier::Gold, earned_12_months: 6_000, on };
    [downgraded, kept].map(Example::required)
}

fn transfers() -> [Example; 2] {
    let sent = |reason| LoyaltyEvent::TransferSent {
        transfer: transfer(),
        to: other_customer(),
        points: 300,
        lots: moved_lots(),
        reason,
        currency: currency("USD"),
        sent_on: day("2026-02-09"),
        balance: 730,
    };
    let received = |reason| LoyaltyEvent::TransferReceived {
        transfer: transfer(),
        from: other_customer(),
        points: 300,
        lots: moved_lots(),
        paid_debt: 12,
        reason,
        currency: currency("USD"),
        received_on: day("2026-02-09"),
        balance: 288,
    };
    let reason = || Some(ReasonCode::parse("family-pool").unwrap());
    [Example::new(sent(reason()), sent(None)), Example::new(received(reason()), received(None))]
}

fn merged_accounts() -> [Example; 2] {
    let (currency, on) = (currency("USD"), day("2026-02-09"));
    let given = GivenWithOrder { total: money("24.50"), campaigns: vec![campaign_points()] };
    let earning = |programme, paid, given| AbsorbedEarning {
        order: order(),
        points: 300,
        programme,
        multiplier_percent: 125,
        paid,
        given,
        reversed: 20,
        refunds: vec![refund_id()],
        expired: false,
        remembered_until: day("2028-02-09"),
    };
    let lot =
        |order| AbsorbedLot { lot: 8, points: 200, counted: 280, earned_on: on, expires_on: day("2028-02-09"), order };
    let redeemed = |hold, lots| AbsorbedRedemption {
        order: order(),
        points: 400,
        hold,
        returned: 100,
        lots,
        remembered_until: day("2028-02-09"),
    };
    let absorbed = |debt_from, lots, redeemed, pending, besides: Besides, latest_earned_on| LoyaltyEvent::Absorbed {
        duplicate: other_customer(),
        part: 1,
        parts: 2,
        currency,
        enrolled_on: day("2026-01-10"),
        points: 400,
        debt: 0,
        debt_from,
        lots,
        paid_debt: 12,
        redeemed,
        pending,
        stamp_cards: besides.cards,
        rewards: besides.rewards,
        stamped: besides.stamped,
        referrals: besides.referrals,
        flags: besides.flags,
        given_back: besides.given_back,
        latest_earned_on,
        on,
        balance: 730,
    };
    let full = absorbed(
        vec![LotPoints { lot: 1, points: 10 }],
        vec![
            lot(Some(earning(Some(2), Some(money("24.50")), Some(given)))),
            lot(Some(earning(None, None, None))),
            lot(None),
        ],
        vec![redeemed(Some(hold()), moved_lots()), redeemed(None, vec![])],
        vec![absorbed_pending()],
        absorbed_besides(),
        Some(on),
    );
    let merged = LoyaltyEvent::Merged { into: other_customer(), points: -12, currency, on };
    [Example::required(merged), Example::new(full, absorbed(vec![], vec![], vec![], vec![], Besides::default(), None))]
}

/// What an account has besides points.
#[derive(Default)]
struct Besides {
    cards: Vec<AbsorbedCard>,
    rewards: Vec<AbsorbedReward>,
    stamped: Vec<AbsorbedStamps>,
    referrals: Vec<RewardedReferral>,
    flags: Vec<FlagKind>,
    given_back: Vec<GivenBackDay>,
}

fn absorbed_besides() -> Besides {
    let reward = |expires_on, redeemed_with, remembered_until| AbsorbedReward {
        reward: 3,
        card: card(),
        code: reward_code(),
        stamps: 10,
        earned_on: day("2026-02-09"),
        expires_on,
        redeemed_with,
        remembered_until,
    };
    let stamped = |refunds| AbsorbedStamps {
        order: order(),
        card: card(),
        lines: stamped_lines(),
        refunds,
        remembered_until: day("2028-02-09"),
    };
    Besides {
        cards: vec![AbsorbedCard { card: card(), stamps: -3 }],
        rewards: vec![
            reward(Some(day("2026-08-09")), Some(order()), Some(day("2028-02-09"))),
            reward(None, None, None),
        ],
        stamped: vec![stamped(vec![refund_id()]), stamped(vec![])],
        referrals: vec![rewarded_referral()],
        flags: vec![FlagKind::BuyRefundLoop],
        given_back: vec![GivenBackDay { on: day("2026-02-09"), orders: 2 }],
    }
}

fn stamps() -> [Example; 2] {
    let added = |programme| LoyaltyEvent::StampAdded {
        order: order(),
        card: card(),
        programme,
        stamps: 3,
        lines: stamped_lines(),
        stamped_on: day("2026-02-09"),
        on_card: 12,
    };
    let removed = LoyaltyEvent::StampRemoved {
        order: order(),
        refund: refund_id(),
        card: card(),
        stamps: 3,
        lines: stamped_lines(),
        removed_on: day("2026-02-12"),
        on_card: -1,
    };
    [Example::new(added(Some(2)), added(None)), Example::required(removed)]
}

fn rewards() -> [Example; 5] {
    let (card, code) = (card(), reward_code());
    let earned = |order, expires_on| LoyaltyEvent::RewardEarned {
        reward: 1,
        card: card.clone(),
        code: code.clone(),
        stamps: 10,
        order,
        earned_on: day("2026-02-09"),
        expires_on,
        on_card: 2,
    };
    let withdrawn = |refunded: Option<(OrderId, RefundId)>| LoyaltyEvent::RewardWithdrawn {
        reward: 1,
        card: card.clone(),
        code: code.clone(),
        stamps: 10,
        order: refunded.clone().map(|(order, _)| order),
        refund: refunded.map(|(_, refund)| refund),
        withdrawn_on: day("2026-02-12"),
        on_card: 9,
    };
    let redeemed = LoyaltyEvent::RewardRedeemed {
        reward: 1,
        card: card.clone(),
        code: code.clone(),
        order: order(),
        redeemed_on: day("2026-02-12"),
    };
    let returned = |expires_on| LoyaltyEvent::RewardReturned {
        reward: 2,
        redeemed: 1,
        card: card.clone(),
        code: code.clone(),
        stamps: 10,
        order: order(),
        refund: refund_id(),
        earned_on: day("2026-02-09"),
        expires_on,
        returned_on: day("2026-02-13"),
    };
    let gone = day("2026-08-09");
    let expired = LoyaltyEvent::RewardExpired { reward: 2, card: card.clone(), code: code.clone(), expires_on: gone };
    [
        Example::new(earned(Some(order()), Some(gone)), earned(None, None)),
        Example::new(withdrawn(Some((order(), refund_id()))), withdrawn(None)),
        Example::required(redeemed),
        Example::new(returned(Some(gone)), returned(None)),
        Example::required(expired),
    ]
}

fn rewarded_referral() -> RewardedReferral {
    RewardedReferral {
        customer: CustomerId::new(Uuid::from_u128(7)),
        order: order(),
        referrer: other_customer(),
        points: 200,
        campaigns: vec![CampaignPoints { matched: None, ..campaign_points() }],
        is_pending: true,
    }
}

fn referral() -> Example {
    let RewardedReferral { customer, order, referrer, points, campaigns, .. } = rewarded_referral();
    let (status, on) = (ReferralStatus::Earned, day("2026-02-09"));
    Example::required(LoyaltyEvent::ReferralChanged { customer, order, referrer, points, campaigns, status, on })
}

fn flags() -> [Example; 2] {
    let flag = FlagKind::BuyRefundLoop;
    let (since, raised_on) = (day("2026-02-01"), day("2026-02-12"));
    let raised = LoyaltyEvent::FlagRaised { flag: FlagKind::SelfReferral, orders: 1, since, raised_on };
    let cleared = |reason| LoyaltyEvent::FlagCleared { flag, reason, cleared_on: day("2026-02-13") };
    let reason = ReasonCode::parse("talked-to").unwrap();
    [Example::required(raised), Example::new(cleared(Some(reason)), cleared(None))]
}

fn card() -> StampCardCode {
    StampCardCode::parse("coffee").unwrap()
}

fn reward_code() -> RewardCode {
    RewardCode::parse("free_coffee").unwrap()
}

fn stamped_lines() -> Vec<StampedLine> {
    vec![StampedLine { line: 0, stamps: 2 }, StampedLine { line: 3, stamps: 1 }]
}

fn transfer() -> TransferId {
    TransferId::parse("transfer-7").unwrap()
}

fn other_customer() -> CustomerId {
    CustomerId::new(Uuid::from_u128(0x0190_a5a0_0000_7000_8000_0000_0000_0008))
}

fn moved_lots() -> Vec<MovedLot> {
    let lot = |lot, points, earned_on, expires_on| MovedLot {
        lot,
        points,
        earned_on: day(earned_on),
        expires_on: day(expires_on),
    };
    vec![lot(1, 200, "2025-03-01", "2027-03-01"), lot(2, 100, "2026-02-09", "2028-02-09")]
}

fn hold() -> HoldId {
    HoldId::new(Uuid::from_u128(0x0190_a5a0_0000_7000_8000_0000_0000_0007))
}

fn lots() -> Vec<LotPoints> {
    vec![LotPoints { lot: 1, points: 200 }, LotPoints { lot: 2, points: 100 }]
}

fn credit() -> Vec<Example> {
    let all = [requested(), approved(), rejected()];
    let others = [credit_standing(), credit_orders(), credit_payments(), credit_overdue(), credit_cases()];
    all.into_iter().chain(others.into_iter().flatten()).chain(credit_groups()).collect()
}

fn requested() -> Example {
    let requested = |personal: Financials| CreditEvent::Requested {
        customer: other_customer(),
        amount: money("10000.00"),
        requested_by: actor("key:018f0000-0000-7000-8000-000000000009"),
        on: day("2026-01-05"),
        personal: personal.into(),
    };
    let financials = Financials {
        annual_revenue: Some(money("1250000.00")),
        equity: Some(money("-3000.00")),
        net_income: Some(money("85000.50")),
        employees: Some(12),
        years_in_business: Some(7),
        credit_bureau_score: ScoreText::parse("B+ (612)").ok(),
        references: TradeReferences::parse("Molinos del Sur, since 2019").ok(),
        note: ReasonText::parse("Opens a second shop in May.").ok(),
    };
    Example::new(requested(financials), requested(Financials::default()))
}

fn approved() -> Example {
    let approved = |policy, personal| CreditEvent::Approved {
        limit: money("5000.00"),
        terms: CreditTerms::of_days(30).unwrap(),
        policy,
        approved_by: actor("user:018f0000-0000-7000-8000-000000000007"),
        on: day("2026-01-10"),
        personal,
    };
    Example::new(approved(policy(), credit_note()), approved(short_policy(), Personal::Known(CreditNote::default())))
}

fn policy() -> Policy {
    let level = |after_days, channels| DunningLevel { after_days, minimum: money("10.00"), channels };
    Policy {
        tolerance_percent: 5,
        counts: Counts::OpenOrders,
        review_on: Some(day("2027-01-10")),
        overdue_block: OverdueBlock { minimum: money("25.00"), grace_days: 5 },
        suspend_when_overdue: true,
        dunning: vec![
            level(1, vec![DunningChannel::Email, DunningChannel::Sms]),
            level(15, vec![DunningChannel::Phone, DunningChannel::Letter]),
        ],
    }
}

fn short_policy() -> Policy {
    let (counts, suspend_when_overdue) = (Counts::Invoices, false);
    Policy { tolerance_percent: 0, counts, review_on: None, suspend_when_overdue, dunning: vec![], ..policy() }
}

fn rejected() -> Example {
    let rejected = |personal| CreditEvent::Rejected {
        reason: RejectReason::PaymentHistory,
        rejected_by: actor("cli"),
        on: day("2026-01-10"),
        personal,
    };
    Example::new(rejected(credit_note()), rejected(Personal::Known(CreditNote::default())))
}

fn credit_standing() -> Vec<Example> {
    let (on, reason) = (day("2026-02-09"), || ReasonCode::parse("yearly-review").unwrap());
    let limit = |personal| CreditEvent::LimitChanged {
        from: money("5000.00"),
        to: money("7500.00"),
        reason: reason(),
        changed_by: actor("key:018f0000-0000-7000-8000-000000000009"),
        on,
        personal,
    };
    let (from, to) = (CreditTerms::of_days(30).unwrap(), CreditTerms::of_days(45).unwrap());
    let terms = |personal| CreditEvent::TermsChanged { from, to, reason: reason(), on, personal };
    let suspended = |cause, personal| CreditEvent::Suspended { cause, on, personal };
    let resumed = |cause, resumed_by, personal| CreditEvent::Resumed { cause, resumed_by, on, personal };
    let closed = |personal| CreditEvent::Closed { reason: reason(), on, personal };
    let nothing = || Personal::Known(CreditNote::default());
    vec![
        Example::new(limit(credit_note()), limit(nothing())),
        Example::new(terms(credit_note()), terms(nothing())),
        Example::new(
            CreditEvent::PolicyChanged { policy: policy(), on },
            CreditEvent::PolicyChanged { policy: short_policy(), on },
        ),
        Example::new(
            suspended(SuspensionCause::ByHand, credit_note()),
            suspended(SuspensionCause::ReviewDue, nothing()),
        ),
        Example::new(
            resumed(SuspensionCause::Overdue, Some(actor("user:7")), credit_note()),
            resumed(SuspensionCause::Overdue, None, nothing()),
        ),
        Example::new(closed(credit_note()), closed(nothing())),
    ]
}

fn credit_orders() -> Vec<Example> {
    let (order, amount, on) = (order(), money("24.50"), day("2026-02-09"));
    let placed = |overridden| CreditEvent::HoldPlaced {
        hold: hold(),
        order: order.clone(),
        amount,
        on,
        lapses_at: "2026-02-16T17:30:00Z".parse().unwrap(),
        lapses_on: day("2026-02-16"),
        overridden,
    };
    let released =
        |cause| CreditEvent::HoldReleased { hold: hold(), order: order.clone(), amount, cause, on: day("2026-02-16") };
    let used = |hold, invoice, overridden| {
        let (order, due_on) = (order.clone(), day("2026-03-11"));
        CreditEvent::Used { order, amount, hold, invoice, on, due_on, overridden }
    };
    let exceeded =
        |bound| CreditEvent::LimitExceeded { order: order.clone(), amount, available: money("24.49"), bound, on };
    vec![
        Example::new(placed(Some(overridden())), placed(None)),
        Example::new(released(HoldRelease::Lapsed), released(HoldRelease::Voided)),
        Example::new(used(Some(hold()), InvoiceId::parse("F-2026/7").ok(), Some(overridden())), used(None, None, None)),
        Example::new(exceeded(Bound::Group), exceeded(Bound::Line)),
    ]
}

fn credit_payments() -> Vec<Example> {
    let (payment, on) = (|| PaymentId::parse("transfer-7").unwrap(), day("2026-03-11"));
    let applied = |orders| CreditEvent::PaymentApplied {
        payment: payment(),
        amount: money("30.00"),
        unapplied: money("5.50"),
        orders,
        received_on: day("2026-03-10"),
        on,
    };
    let released = |cause| {
        let (amount, outstanding) = (money("24.50"), money("0.00"));
        CreditEvent::Released { order: order(), amount, outstanding, cause, on }
    };
    let (release, reason) = (ReleaseId::parse("return-7").unwrap(), ReasonCode::parse("returned").unwrap());
    let cancelled = ReleaseCause::Cancelled { release, reason, unapplied: money("4.50") };
    let reversed = |restored| CreditEvent::PaymentReversed {
        payment: payment(),
        amount: money("30.00"),
        restored,
        from_unapplied: money("5.50"),
        reason: ReasonCode::parse("bounced").unwrap(),
        on,
    };
    let restored = vec![RestoredUse { order: order(), amount: money("24.50") }];
    let refunded = CreditEvent::UnappliedRefunded {
        refund: RefundId::parse("refund-7").unwrap(),
        amount: money("5.00"),
        unapplied: money("0.50"),
        reason: ReasonCode::parse("overpaid").unwrap(),
        on,
    };
    vec![
        Example::required(refunded),
        Example::new(applied(vec![order()]), applied(vec![])),
        Example::new(released(cancelled), released(ReleaseCause::Payment { payment: payment() })),
        Example::new(reversed(restored), reversed(vec![])),
    ]
}

fn credit_overdue() -> Vec<Example> {
    let (due_on, on) = (day("2026-03-11"), day("2026-03-12"));
    let sent = CreditEvent::DunningSent {
        level: 1,
        channels: vec![DunningChannel::Email, DunningChannel::Letter],
        overdue: money("24.50"),
        oldest_due_on: due_on,
        on,
    };
    let overdue = CreditEvent::Overdue { order: order(), outstanding: money("24.50"), due_on, on };
    let paused = CreditEvent::DunningPaused { case: case(), on };
    vec![overdue, sent, paused, CreditEvent::DunningResumed { case: case(), on }]
        .into_iter()
        .map(Example::required)
        .collect()
}

fn credit_cases() -> Vec<Example> {
    let (expires_on, on) = (day("2026-03-20"), day("2026-03-12"));
    let group = CreditGroupId::new(Uuid::from_u128(7));
    vec![
        CreditEvent::TemporaryGranted { case: case(), amount: money("500.00"), expires_on, on },
        CreditEvent::TemporarySettled { case: case(), on },
        CreditEvent::TemporaryExpired { case: case(), on: expires_on },
        CreditEvent::GroupJoined { group, on },
        CreditEvent::GroupLeft { group, on },
    ]
    .into_iter()
    .map(Example::required)
    .collect()
}

fn credit_groups() -> Vec<Example> {
    let (on, customer) = (day("2026-03-12"), other_customer());
    let line = CreditLineId::of(customer, currency("USD"));
    let (from, to, reason) = (money("20000.00"), money("25000.00"), ReasonCode::parse("yearly-review").unwrap());
    vec![
        CreditGroupEvent::Formed { parent: customer, limit: from, on },
        CreditGroupEvent::LimitChanged { from, to, reason, on },
        CreditGroupEvent::MemberAdded { line, customer, exposure: money("24.50"), on },
        CreditGroupEvent::MemberRemoved { line, on },
        CreditGroupEvent::ExposureChanged { line, exposure: money("49.00") },
        CreditGroupEvent::Dissolved { on },
    ]
    .into_iter()
    .map(Example::required)
    .collect()
}

fn credit_note() -> Personal<CreditNote> {
    CreditNote { note: ReasonText::parse("Pays late in winter, and always in full.").ok() }.into()
}

fn overridden() -> Override {
    Override { released_by: actor("user:7"), reason: ReasonCode::parse("good-customer").unwrap() }
}

fn actor(text: &str) -> Actor {
    Actor::parse(text).unwrap()
}

fn case() -> CaseId {
    CaseId::parse("case-7").unwrap()
}

fn access() -> Vec<Example> {
    let tenant = AccessEvent::TenantCreated {
        tenant: TenantId::new(7).unwrap(),
        name: Label::parse("cafe-nunez").unwrap(),
        time_zone: TimeZoneName::parse("America/Mexico_City").unwrap(),
    };
    let key = |scopes, expires_at| AccessEvent::KeyCreated {
        key: Uuid::from_u128(7),
        name: Label::parse("till-1").unwrap(),
        digest: KeyDigest::new([0xA7; 32]),
        scopes,
        expires_at,
    };
    let skipped = |personal| AccessEvent::ProjectionSkipped {
        projector: Label::parse("loyalty_balances").unwrap(),
        position: 4_711,
        personal,
    };
    let reason = SkipReason { reason: ReasonText::parse("Written by a broken till; the customer was told.").unwrap() };
    let expires_at: DateTime<Utc> = "2027-01-10T09:30:00.250Z".parse().unwrap();
    let full = key(Scope::ALL.to_vec(), Some(expires_at));
    let settings = |strict_documents, risk_weights| AccessEvent::SettingsChanged { strict_documents, risk_weights };
    let weights = RiskWeights { document_control: 40, velocity: 0, ..RiskWeights::default() };
    vec![
        Example::required(tenant),
        Example::new(settings(true, weights), settings(false, RiskWeights::default())),
        Example::new(full, key(vec![Scope::CustomersRead], None)),
        Example::required(AccessEvent::KeyRevoked { key: Uuid::from_u128(7) }),
        Example::new(skipped(reason.into()), skipped(Personal::Erased)),
    ]
}

fn order() -> OrderId {
    OrderId::parse("POS:12/2026-#7").unwrap()
}

fn refund_id() -> RefundId {
    RefundId::parse("refund-7").unwrap()
}

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn money(amount: &str) -> Money {
    Money::parse(amount, currency("USD")).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The folder of the golden files, with those that are missing written first when that was asked for.
fn folder() -> PathBuf {
    static WRITTEN: Once = Once::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_events");
    if std::env::var("GOLDEN").as_deref() == Ok("write") {
        WRITTEN.call_once(|| write_missing(&folder));
    }
    folder
}

fn golden_files() -> Vec<PathBuf> {
    let files = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let all: Vec<_> = files(folder()).into_iter().flat_map(files).collect();
    assert!(!all.is_empty());
    all
}

/// The event type and version that a path names.
fn named(path: &Path) -> (String, i16) {
    let event_type = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let version = path.file_name().unwrap().to_str().unwrap().trim_start_matches('v').split('.').next().unwrap();
    (event_type, version.parse().unwrap())
}

fn write_missing(folder: &Path) {
    for Example { full, minimal } in examples() {
        let folder = folder.join(full.event_type());
        fs::create_dir_all(&folder).unwrap();
        for (name, event) in [("", full), ("minimal.", minimal)] {
            let path = folder.join(format!("v{}.{name}json", event.schema_version()));
            if !path.exists() {
                fs::write(path, serde_json::to_string_pretty(&written(&event)).unwrap() + "\n").unwrap();
            }
        }
    }
}

fn written(event: &Event) -> Value {
    let encoded = event.encode();
    let payload: Value = serde_json::from_slice(&encoded.payload).unwrap();
    match encoded.personal {
        None => json!({ "payload": payload }),
        Some(personal) => {
            json!({ "payload": payload, "personal": serde_json::from_slice::<Value>(&personal).unwrap() })
        }
    }
}
