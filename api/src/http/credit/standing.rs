//! Limit, terms and policy of a line, whether anything new is bought on it, and its end.

use super::deciding::terms_of;
use super::{CreditDone, money, note};
use crate::Api;
use crate::amount::AmountText;
use crate::body::{AnyJsonBody, JsonBody};
use crate::headers::{Guards, Idempotency, PathId};
use crate::http::Done;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::credit::standing::{ChangeLimit, ChangePolicy, ChangeTerms, Close, Resume, Suspend};
use commands::{Caller, Scope};
use domain::credit::policy::{Counts, DunningChannel, DunningLevel, OverdueBlock, Policy};
use domain::credit::reasons::SuspensionCause;
use domain::ids::{CreditLineId, ReasonCode};
use domain::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(change_credit_limit))
        .routes(routes!(change_credit_terms))
        .routes(routes!(change_credit_policy))
        .routes(routes!(suspend_credit))
        .routes(routes!(resume_credit))
        .routes(routes!(close_credit))
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OverdueBlockBody {
    /// Less than this stops no orders.
    minimum: AmountText,
    /// Nor does what is overdue for no more days than this.
    #[schema(minimum = 0, maximum = 365, example = 5)]
    grace_days: u16,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DunningLevelBody {
    /// So many days after the oldest was due.
    #[schema(minimum = 1, maximum = 3650, example = 1)]
    after_days: u16,
    /// Not of less than this.
    minimum: AmountText,
    #[schema(value_type = Vec<schemas::DunningChannel>, min_items = 1)]
    channels: Vec<String>,
}

/// The rules of a line, all of them, as they are given and as they are told. Amounts are in its currency.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyBody {
    /// How much more than the limit may be used, in per cent of it.
    #[schema(minimum = 0, maximum = 100, example = 0)]
    tolerance_percent: u8,
    /// Whether what is promised to orders counts as used.
    #[schema(value_type = schemas::CreditCounts)]
    counts: String,
    /// The last day before the limit has to be looked at again.
    #[schema(value_type = Option<schemas::Day>)]
    review_on: Option<String>,
    /// From when on what is overdue stops orders.
    overdue_block: OverdueBlockBody,
    /// Whether the line is suspended then.
    #[schema(example = true)]
    suspend_when_overdue: bool,
    /// How the customer is reminded, one level after the other.
    #[serde(default)]
    #[schema(max_items = 5)]
    dunning: Vec<DunningLevelBody>,
}

impl PolicyBody {
    pub(super) fn read(&self, fields: &mut Fields, currency: Option<Currency>) -> Option<Policy> {
        let counts = fields.keep_word("/policy/counts", &self.counts, Counts::ALL, Counts::as_str);
        let review_on: Option<Option<NaiveDate>> = fields.day("/policy/review_on", self.review_on.as_ref());
        let minimum = fields.money("/policy/overdue_block/minimum", &self.overdue_block.minimum, currency);
        let level = |level: &DunningLevelBody, at: &str, fields: &mut Fields| level.read(at, fields, currency);
        let dunning = fields.keep_each("/policy/dunning", &self.dunning, level);
        Some(Policy {
            tolerance_percent: self.tolerance_percent,
            counts: counts?,
            review_on: review_on?,
            overdue_block: OverdueBlock { minimum: minimum?, grace_days: self.overdue_block.grace_days },
            suspend_when_overdue: self.suspend_when_overdue,
            dunning: dunning?,
        })
    }
}

impl From<Policy> for PolicyBody {
    fn from(policy: Policy) -> Self {
        let level = |level: DunningLevel| DunningLevelBody {
            after_days: level.after_days,
            minimum: level.minimum.into(),
            channels: level.channels.into_iter().map(|channel| channel.as_str().to_owned()).collect(),
        };
        let OverdueBlock { minimum, grace_days } = policy.overdue_block;
        Self {
            tolerance_percent: policy.tolerance_percent,
            counts: policy.counts.as_str().to_owned(),
            review_on: policy.review_on.map(|day| day.to_string()),
            overdue_block: OverdueBlockBody { minimum: minimum.into(), grace_days },
            suspend_when_overdue: policy.suspend_when_overdue,
            dunning: policy.dunning.into_iter().map(level).collect(),
        }
    }
}

impl DunningLevelBody {
    fn read(&self, at: &str, fields: &mut Fields, currency: Option<Currency>) -> Option<DunningLevel> {
        let minimum: Option<Money> = fields.money(&format!("{at}/minimum"), &self.minimum, currency);
        let channel = |text: &String, at: &str, fields: &mut Fields| {
            fields.keep_word(at, text, DunningChannel::ALL, DunningChannel::as_str)
        };
        let channels = fields.keep_each(&format!("{at}/channels"), &self.channels, channel);
        Some(DunningLevel { after_days: self.after_days, minimum: minimum?, channels: channels? })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditLimitBody {
    limit: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
    #[schema(example = "The yearly review", max_length = 500)]
    note: Option<String>,
}

/// Lets more or less be used. A limit below what is used stops new orders until enough is paid.
#[utoipa::path(
    put, path = "/v1/credit-lines/{line}/limit", tag = "credit", operation_id = "change_credit_limit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Guards),
    request_body = CreditLimitBody,
    responses(
        (status = 200, description = "As it was asked", body = CreditDone,
            headers(("ETag" = String, description = "The line's version, when something changed"))),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_not_approved, credit_rejected, credit_closed, customer_deleted, customer_merged, customer_erased"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "currency_mismatch, limit_not_positive"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn change_credit_limit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<CreditLimitBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let limit = money(&mut fields, "/limit", &body.limit, &body.currency);
    let reason = fields.keep("/reason", ReasonCode::parse(&body.reason));
    let note = note(&mut fields, body.note.as_ref());
    let read = || Some(ChangeLimit { line, limit: limit?, reason: reason?, note: note? });
    let read = read();
    let committed =
        commands::credit::standing::change_limit(&api.commands, &caller, key, fields.end(read)?, seen).await?;
    Ok(CreditDone::versioned(line, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditTermsBody {
    /// In how many days what is bought is to be paid.
    #[schema(minimum = 1, maximum = 365, example = 60)]
    term_days: i64,
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
    #[schema(example = "As agreed by telephone", max_length = 500)]
    note: Option<String>,
}

/// Has what is bought from now on paid in another time.
#[utoipa::path(
    put, path = "/v1/credit-lines/{line}/terms", tag = "credit", operation_id = "change_credit_terms",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Guards),
    request_body = CreditTermsBody,
    responses(
        (status = 200, description = "As it was asked", body = CreditDone,
            headers(("ETag" = String, description = "The line's version, when something changed"))),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_not_approved, credit_rejected, credit_closed, customer_deleted, customer_merged, customer_erased"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn change_credit_terms(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<CreditTermsBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let terms = fields.keep("/term_days", terms_of(body.term_days));
    let reason = fields.keep("/reason", ReasonCode::parse(&body.reason));
    let note = note(&mut fields, body.note.as_ref());
    let read = || Some(ChangeTerms { line, terms: terms?, reason: reason?, note: note? });
    let read = read();
    let committed =
        commands::credit::standing::change_terms(&api.commands, &caller, key, fields.end(read)?, seen).await?;
    Ok(CreditDone::versioned(line, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditPolicyBody {
    #[schema(value_type = schemas::Currency)]
    currency: String,
    policy: PolicyBody,
}

/// Lets other rules hold, all of them.
#[utoipa::path(
    put, path = "/v1/credit-lines/{line}/policy", tag = "credit", operation_id = "change_credit_policy",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Guards),
    request_body = CreditPolicyBody,
    responses(
        (status = 200, description = "As it was asked", body = CreditDone,
            headers(("ETag" = String, description = "The line's version, when something changed"))),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_not_approved, credit_rejected, credit_closed, customer_deleted, customer_merged, customer_erased"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "currency_mismatch, tolerance_too_high, grace_too_long, negative_minimum, review_not_ahead, too_many_levels, levels_out_of_order, channels_required"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn change_credit_policy(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<CreditPolicyBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let currency = fields.keep("/currency", Currency::parse(&body.currency));
    let policy = body.policy.read(&mut fields, currency);
    let request = ChangePolicy { line, policy: fields.end(policy)? };
    let committed = commands::credit::standing::change_policy(&api.commands, &caller, key, request, seen).await?;
    Ok(CreditDone::versioned(line, &committed))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SuspendCreditBody {
    #[schema(example = "Cheques have bounced", max_length = 500)]
    note: Option<String>,
}

/// Has nothing new bought on credit. What is held for orders can still be captured.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/suspend", tag = "credit", operation_id = "suspend_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = Option<SuspendCreditBody>,
    responses(
        (status = 200, description = "Suspended", body = CreditDone),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_not_approved, credit_rejected, credit_closed"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn suspend_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    AnyJsonBody(body): AnyJsonBody<SuspendCreditBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let note = note(&mut fields, body.note.as_ref());
    let request = Suspend { line, note: fields.end(note)? };
    let committed = commands::credit::standing::suspend(&api.commands, &caller, key, request).await?;
    Ok(CreditDone::changed(line, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResumeCreditBody {
    /// What it was suspended for.
    #[schema(value_type = schemas::SuspensionCause)]
    cause: String,
    #[schema(example = "Has promised to pay by Friday", max_length = 500)]
    note: Option<String>,
}

/// Ends what a suspension was for. Who resumes what is suspended as overdue bears with what is overdue by then.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/resume", tag = "credit", operation_id = "resume_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = ResumeCreditBody,
    responses(
        (status = 200, description = "Not suspended for that any more", body = CreditDone),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_review_due, credit_not_approved, credit_rejected, credit_closed, customer_deleted, customer_merged, customer_erased"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn resume_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<ResumeCreditBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let cause = fields.keep_word("/cause", &body.cause, SuspensionCause::ALL, SuspensionCause::as_str);
    let note = note(&mut fields, body.note.as_ref());
    let (cause, note) = fields.end(cause.zip(note))?;
    let request = Resume { line, cause, note };
    let committed = commands::credit::standing::resume(&api.commands, &caller, key, request).await?;
    Ok(CreditDone::changed(line, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CloseCreditBody {
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
    #[schema(example = "The shop is sold", max_length = 500)]
    note: Option<String>,
}

/// Ends a line on which nothing is used, held, granted for a time or unapplied.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/close", tag = "credit", operation_id = "close_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = CloseCreditBody,
    responses(
        (status = 200, description = "Over", body = CreditDone),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_in_use, credit_in_group, credit_not_approved, credit_rejected"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn close_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CloseCreditBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let reason = fields.keep("/reason", ReasonCode::parse(&body.reason));
    let note = note(&mut fields, body.note.as_ref());
    let (reason, note) = fields.end(reason.zip(note))?;
    let committed =
        commands::credit::standing::close(&api.commands, &caller, key, Close { line, reason, note }).await?;
    Ok(CreditDone::changed(line, &committed))
}
