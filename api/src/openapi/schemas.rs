//! Schemas of values whose types know nothing of descriptions. Fields name them by `value_type`.

use chrono::{DateTime, Utc};
use commands::reactor::ReactorState;
use domain::customers::events::ErasureGround as ErasureGroundOfEvents;
use domain::customers::{blocking, events, portal};
use domain::loyalty::programme;
use domain::segment;
use projections::ProjectorState;
use serde_json::{Value, json};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::amount::AmountText;

/// Names a schema that is made by hand.
macro_rules! by_hand {
    ($($(#[$doc:meta])* $name:ident => $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

by_hand! {
    /// A code of ISO 4217.
    Currency => text("A currency of ISO 4217", Some("^[A-Z]{3}$"), "EUR");
    /// How much of a regular a customer is.
    Tier => one_of(programme::Tier::ALL.iter().map(|tier| tier.as_str()));
    /// Which kind of buyer a customer is.
    Segment => one_of(segment::Segment::ALL.iter().map(|segment| segment.as_str()));
    /// Of what a band's rate is earned.
    EarnedOf => one_of(["part", "total"].into_iter());
    /// A person or a company.
    CustomerKind => one_of(["individual", "business"].into_iter());
    /// What of a customer may change.
    CustomerField => one_of(["name", "company", "emails", "phones", "documents", "birth_date", "language", "currency", "time_zone", "kind", "terms", "metadata"].into_iter());
    /// What a customer may see and do for itself.
    PortalPermission => one_of(portal::PortalPermission::ALL.iter().map(|permission| permission.as_str()));
    /// Why a customer is blocked.
    BlockReason => one_of(blocking::BlockReason::ALL.iter().map(|reason| reason.as_str()));
    /// How far a customer has come.
    LifecycleStage => one_of(events::LifecycleStage::ALL.iter().map(|stage| stage.as_str()));
    /// Names and texts.
    Metadata => object("Notes by their names: 50 at most, names of 64 characters, texts of 500", json!({"shoe-size": "42, wide"}));
    /// Names and texts, or null.
    MetadataPatch => object("Notes by their names; null takes one away", json!({"shoe-size": "42, wide", "hat": null}));
    /// Stages and dates.
    Milestones => object("The day on which each stage was first reached", json!({"prospect": "2026-01-10", "new": "2026-02-01"}));
    /// Why a person was erased.
    ErasureGround => one_of(ErasureGroundOfEvents::ALL.iter().map(|ground| ground.as_str()));
    /// What had left before somebody was erased.
    LeftBefore => object("What had left before, and is out of reach here", json!({
        "readers": [{"key": "018f0000-0000-7000-8000-000000000009", "name": "crm", "feed": true}],
        "exports": [{"position": 42, "actor": "cli", "at": "2026-03-01T12:00:00Z"}],
        "analysts": ["clientela_analyst_1"],
    }));
    /// What an address is for.
    AddressKind => one_of(domain::customers::address::AddressKind::ALL.iter().map(|kind| kind.as_str()));
    /// Kinds of identity documents.
    DocumentKind => one_of(domain::document::DocumentKind::ALL.iter().map(|kind| kind.as_str()));
    /// A code of ISO 3166.
    Country => text("A country of ISO 3166-1", Some("^[A-Z]{2}$"), "ES");
    /// An exact amount as the API writes it.
    Amount => text("An exact amount in the unit of its currency", Some("^-?[0-9]+(\\.[0-9]+)?$"), "149.90");
    /// A moment, or the day it was where the tenant is.
    When => text("A time of RFC 3339, or a date: the day's beginning where the tenant is", None, "2026-03-01T12:00:00Z");
    /// A day.
    Day => text("A date as YYYY-MM-DD", Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), "2026-03-01");
    /// When somebody was born.
    BirthDate => text("A date as YYYY-MM-DD, from 1900 on", Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), "1984-02-29");
    /// An e-mail address.
    Email => text("An e-mail address", None, "ana@example.org");
    /// A telephone number.
    Phone => text("A telephone number with + and the country code", None, "+34600123456");
    /// Somebody's own name for a purchase.
    OrderId => identifier("The order, in the words of the system that took it", "order-7");
    /// Somebody's own name for a refund.
    RefundId => identifier("The refund, in the words of the system that made it", "refund-7");
    /// Somebody's own name for a correction of points.
    AdjustmentId => identifier("The adjustment, in the words of who makes it", "case-4711/1");
    /// Why points are given or taken by hand.
    AdjustmentReason => one_of(domain::loyalty::adjustments::AdjustmentReason::BY_HAND.into_iter().map(domain::loyalty::adjustments::AdjustmentReason::as_str));
    /// Somebody's own name for a transfer of points.
    TransferId => identifier("The transfer, in the words of whoever asks for it", "transfer-7");
    /// The accounts' own name for a bill.
    InvoiceId => identifier("The invoice, in the words of the system that writes it", "invoice-7");
    /// What was owed before a period, what moved it, and what is owed at its end.
    CreditStatement => text("The statement, as CSV", None, "on,kind,order_id,invoice_id,payment_id,refund_id,due_on,received_on,amount,change,balance,currency\r\n");
    /// A bank's own name for a payment.
    PaymentId => identifier("The payment, in the words of the system that took it", "payment-7");
    /// Somebody's own name for a return or a credit note.
    ReleaseId => identifier("The return or the credit note, in the words of the system that made it", "credit-note-7");
    /// Somebody's own name for a case.
    CaseId => identifier("The case, in the words of who looks into it", "case-4711");
    /// Why no credit is given.
    CreditRejectReason => one_of(domain::credit::reasons::RejectReason::ALL.iter().map(|reason| reason.as_str()));
    /// Why nothing new is bought on credit.
    SuspensionCause => one_of(domain::credit::reasons::SuspensionCause::ALL.iter().map(|cause| cause.as_str()));
    /// What counts as used.
    CreditCounts => one_of(domain::credit::policy::Counts::ALL.iter().map(|counts| counts.as_str()));
    /// How a customer is reminded.
    DunningChannel => one_of(domain::credit::policy::DunningChannel::ALL.iter().map(|channel| channel.as_str()));
    /// Whose limit an order would exceed.
    CreditBound => one_of(domain::credit::reasons::Bound::ALL.iter().map(|bound| bound.as_str()));
    /// What would come of an order.
    CreditVerdict => one_of(["passes", "refused"].into_iter());
    /// Why something was done.
    ReasonCode => text("Why, as a word that reports can count", Some("^[a-z0-9._-]{1,64}$"), "family-pool");
    /// The text of a cursor.
    Cursor => text("Where the list goes on: `next_cursor` of the answer before", None, "b2a");
    /// An event type.
    EventType => text("An event type", None, "loyalty.points.earned");
    /// A stream.
    Stream => text("The stream: category and id", None, "customer-018f0000-0000-7000-8000-000000000001");
    /// The id of an event.
    EventId => text("The event: its stream and the version in it", None, "customer-018f0000-0000-7000-8000-000000000001/1");
    /// Who caused something.
    Actor => text("Who caused it: a key, the command line, the server itself", None, "key:018f0000-0000-7000-8000-000000000009");
    /// For programs or for people.
    ExportFormat => one_of(["json", "html"].into_iter());
    /// By which door a command came in.
    Door => one_of(commands::Door::ALL.into_iter().map(commands::Door::as_str));
    /// A request's id.
    RequestId => text("The request's id", None, "till-7-42");
    /// What happened, beyond what every event has.
    Facts => object("The facts of the event, by its type", json!({"points": 149}));
    /// A hash of the tree.
    HashText => text("A hash of the tree, in base64", None, "DY5cpDIpKcVzDU3hMPQn9iLVlNbXuDyQ1hk0MnO2LRA=");
    /// A signed head.
    Checkpoint => text(
        "A signed head: a C2SP tlog-checkpoint", None,
        "clientela/018f000000007000\n7\nDY5cpDIpKcVzDU3hMPQn9iLVlNbXuDyQ1hk0MnO2LRA=\n\n— clientela/018f000000007000 AAAA\n",
    );
    /// Keys that verify what the log has signed.
    VerifierKeys => text(
        "Verifier keys of C2SP signed-note, one a line", None,
        "clientela/018f000000007000+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
    );
    /// Kinds of numbers that can be validated.
    NumberKind => one_of(domain::validators::document::NumberKind::all().map(domain::validators::document::NumberKind::as_str));
    /// Kinds of telephone numbers.
    PhoneKind => one_of(domain::validators::phone::PhoneKind::ALL.iter().map(|kind| kind.as_str()));
    /// How much each suspicious thing counts, from 0 to 100.
    RiskWeights => object(
        "Weights from 0 to 100 by the names of what may be found: temporary_domain, invalid_email, no_mail, domain_mismatch, invalid_phone, \
         phone_country, invalid_document, document_control, duplicate, velocity, blocked",
        json!({"temporary_domain": 40, "document_control": 30}),
    );
    /// How suspicious a customer is.
    RiskLevel => one_of(domain::validators::risk::RiskLevel::ALL.iter().map(|level| level.as_str()));
    /// What was looked at.
    Checks => object(
        "Checks by name, each with `status` (passed, failed, warning, skipped) and `message`; null where there was nothing to say",
        json!({"format": {"status": "passed", "message": "it is of the form of such documents"}}),
    );
    /// Any object: what is in it is described elsewhere.
    AnyObject => object("A document", json!({}));
}

impl PartialSchema for AmountText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^-?[0-9]+(\\.[0-9]+)?$"));
        let number = ObjectBuilder::new().schema_type(Type::Number);
        let about = "An exact amount in the unit of its currency, as a decimal string or a number; no digit is lost";
        OneOfBuilder::new().item(text).item(number).description(Some(about)).examples([json!("149.90")]).into()
    }
}

impl ToSchema for AmountText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AmountText")
    }
}

/// How a projector is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the projections'")]
pub(crate) struct Projector {
    #[schema(example = "customers")]
    name: String,
    /// What its rows reflect.
    position: i64,
    /// Last position of the log.
    head: i64,
    /// How many events it is behind.
    lag: i64,
    #[schema(value_type = State)]
    state: ProjectorState,
    /// Which node runs it.
    owner: Option<Uuid>,
    /// What went wrong last, until it goes well again.
    error: Option<ProjectorFailure>,
}

/// A reactor, as operators see it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the commands'")]
pub(crate) struct Reactor {
    #[schema(example = "customer_lifecycle")]
    name: String,
    #[schema(value_type = State)]
    state: ReactorState,
    /// The last position that it has dealt with.
    position: i64,
    /// Last position of the log.
    head: i64,
    /// How many events it is behind.
    lag: i64,
    /// Events that are put aside, of all tenants.
    parked: i64,
    /// Which node runs it.
    owner: Option<Uuid>,
    /// What went wrong last, until it goes well again.
    #[schema(example = "the event store is unavailable")]
    error: Option<String>,
}

/// A job, as this node knows it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the commands'")]
pub(crate) struct Job {
    #[schema(example = "loyalty_expiry")]
    name: String,
    #[schema(value_type = JobState)]
    state: commands::job::JobState,
    /// Which node runs it.
    owner: Option<Uuid>,
    /// What went wrong last, until it goes well again.
    #[schema(example = "the event store is unavailable")]
    error: Option<String>,
}

/// The tree over the log, as this node knows it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the store's")]
pub(crate) struct Tree {
    #[schema(value_type = TreeState)]
    state: store::postgres::TreeState,
    /// How many events are in full tiles.
    built: Option<u64>,
    /// The size of the newest signed head.
    head: Option<u64>,
    /// What went wrong, until it goes well again.
    #[schema(example = "the log was shortened")]
    error: Option<String>,
    /// How publishing heads goes, by place: `file` and `url`.
    #[schema(example = json!({"file": {"head": 7}}))]
    published: std::collections::BTreeMap<String, PublishedHeads>,
}

/// How publishing heads to one place goes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the store's")]
pub(crate) struct PublishedHeads {
    /// The size of the last head that is there.
    head: Option<u64>,
    /// What went wrong, until it goes well again.
    #[schema(example = "the target of heads answered 500 Internal Server Error")]
    error: Option<String>,
}

/// A projection, as operators see it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the projections'")]
pub(crate) struct Projection {
    #[schema(example = "customers")]
    name: String,
    /// Generation of the rows that everybody reads.
    generation: i32,
    /// Version of the fold that made them.
    version: i32,
    #[schema(value_type = State)]
    state: ProjectorState,
    /// What its rows reflect.
    position: i64,
    /// How many events it is behind.
    lag: i64,
    /// Which node runs it, and until when.
    lease: Option<ProjectionLease>,
    /// That it was told to rest.
    pause: Option<ProjectionPause>,
    /// What it cannot get past.
    error: Option<ProjectorFailure>,
    /// The rows that are being made beside it.
    rebuilding: Option<ProjectionRebuilding>,
    /// Positions of the events that it leaves out.
    skipped: Vec<i64>,
}

/// That a node runs a projector.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the projections'")]
pub(crate) struct ProjectionLease {
    owner: Uuid,
    /// Grows with each change of owner.
    epoch: i64,
    #[schema(example = 12.5)]
    expires_in_seconds: f64,
}

/// That a projector rests.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the projections'")]
pub(crate) struct ProjectionPause {
    #[schema(value_type = Actor)]
    by: String,
    since: DateTime<Utc>,
}

/// A rebuild or check under way.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the projections'")]
pub(crate) struct ProjectionRebuilding {
    generation: Option<i32>,
    position: i64,
}

/// Why a projector does not move.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the type itself is the projections'")]
pub(crate) struct ProjectorFailure {
    position: i64,
    #[schema(value_type = Option<EventId>)]
    event_id: Option<String>,
    #[schema(example = "a row does not fit")]
    reason: String,
}

by_hand! {
    /// Whether an event has personal data, and whether it is shown.
    PersonalState => one_of(["absent", "sealed", "opened", "erased"].into_iter());
    /// What became of a row.
    RowOutcome => one_of(["recorded", "repeated", "refused", "failed"].into_iter());
    /// Messages of the feed.
    Messages => text("Server-sent events: an id, a type, a CloudEvent", None, "id: 7\nevent: customer.registered\ndata: {}\n\n");
    /// Lines of a rehearsal.
    RehearsalLines => text("A JSON object in each line: `progress`, `customer`, and at the end `rehearsal` or `error`", None, REHEARSAL_LINES);
    /// A page, a script, a style sheet or a picture.
    Page => text("A page, a script, a style sheet or a picture", None, "<!DOCTYPE html>");
    /// Figures.
    Metrics => text("Figures in the text format of Prometheus", None, "http_requests_total 7\n");
    /// What becomes of the tree over the log on a node.
    TreeState => one_of(["standby", "building", "retrying", "failed"].into_iter());
    /// What a job is doing on its node.
    JobState => one_of(["standby", "waiting", "running", "retrying", "stopped"].into_iter());
    /// How a run is.
    RunStatus => one_of(["waiting", "running", "done", "incomplete"].into_iter());
    /// What a projector or reactor is doing.
    State => one_of(["live", "catching_up", "standby", "outdated", "overtaken", "paused", "retrying", "failed", "stopped"].into_iter());
}

const REHEARSAL_LINES: &str = "{\"progress\": {\"position\": 1000, \"of\": 184000}}\n\
{\"customer\": {\"customer_id\": \"018f0000-0000-7000-8000-000000000001\", \"tier\": {\"now\": \"bronze\", \"rehearsed\": \"silver\"}, \
\"points\": {\"now\": 740, \"rehearsed\": 1377}, \"worth\": {\"currency\": \"EUR\", \"now\": \"7.40\", \"rehearsed\": \"13.77\"}}}\n\
{\"rehearsal\": {\"rehearsal_id\": \"018f0000-0000-7000-8000-000000000009\", \"rehearsed_on\": \"2026-03-01\", \"rules\": {}, \
\"position\": 184000, \"recorded_position\": 184001, \"members\": 1, \"purchases\": 3, \
\"upgraded\": 1, \"downgraded\": 0, \"points\": 740, \"rehearsed_points\": 1377, \
\"liabilities\": [{\"currency\": \"EUR\", \"now\": \"7.40\", \"rehearsed\": \"13.77\"}]}}\n";

fn text(about: &str, pattern: Option<&str>, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about)).pattern(pattern);
    text.examples([json!(example)]).into()
}

fn identifier(about: &str, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    text.min_length(Some(1)).examples([json!(example)]).into()
}

fn object(about: &str, example: Value) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Object).description(Some(about)).examples([example]).into()
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}
