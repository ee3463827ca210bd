//! The terms of a business and others' notes, as `PATCH /v1/customers/{id}` takes and `GET` tells them.

use crate::amount::AmountText;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use domain::customers::metadata::MetadataPatch;
use domain::customers::terms::{DiscountStep, Percent, Terms, TermsPatch, VolumeDiscount};
use domain::ids::{DiscountCode, MetadataKey};
use domain::text::MetadataText;
use domain::{Currency, Patch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is to become of the terms: member by member, the steps as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsBody {
    #[serde(default)]
    #[schema(value_type = Option<VolumeDiscountBody>)]
    volume_discount: Patch<VolumeDiscountBody>,
    /// In how many days invoices are to be paid.
    #[serde(default)]
    #[schema(value_type = Option<u16>, maximum = 365, example = 30)]
    payment_days: Patch<u16>,
}

/// Either the code of a table that the pricing system keeps, or steps and their currency.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "WHOLESALE-A"}))]
struct VolumeDiscountBody {
    #[schema(example = "WHOLESALE-A")]
    code: Option<String>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    /// The smallest amount first.
    #[schema(max_items = 20)]
    steps: Option<Vec<StepBody>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepBody {
    /// From this amount on…
    #[schema(value_type = schemas::Amount)]
    from: AmountText,
    /// …so much is taken off.
    #[schema(value_type = String, example = "2.50")]
    percent: AmountText,
}

impl TermsBody {
    pub(super) fn read(&self, fields: &mut Fields) -> Option<TermsPatch> {
        let volume_discount = fields.keep_patch(&self.volume_discount, |fields, body| body.read(fields));
        Some(TermsPatch { volume_discount: volume_discount?, payment_days: self.payment_days.clone() })
    }
}

const DISCOUNT: &str = "/terms/volume_discount";

impl VolumeDiscountBody {
    fn read(&self, fields: &mut Fields) -> Option<VolumeDiscount> {
        match (&self.code, &self.currency, &self.steps) {
            (Some(code), None, None) => {
                fields.keep(&format!("{DISCOUNT}/code"), DiscountCode::parse(code)).map(VolumeDiscount::Code)
            }
            (None, Some(currency), Some(steps)) => {
                let currency = fields.keep(&format!("{DISCOUNT}/currency"), Currency::parse(currency));
                let step = |body: &StepBody, pointer: &str, fields: &mut Fields| body.read(pointer, currency, fields);
                fields.keep_each(&format!("{DISCOUNT}/steps"), steps, step).map(VolumeDiscount::Steps)
            }
            _ => {
                fields.blame(DISCOUNT, "code_or_steps", "give either a code, or steps with their currency");
                None
            }
        }
    }
}

impl StepBody {
    fn read(&self, pointer: &str, currency: Option<Currency>, fields: &mut Fields) -> Option<DiscountStep> {
        let from = fields.money(&format!("{pointer}/from"), &self.from, currency);
        let percent = fields.keep(&format!("{pointer}/percent"), Percent::parse(self.percent.as_str()));
        Some(DiscountStep { from: from?, percent: percent? })
    }
}

/// Reads notes; null takes one away.
pub(super) fn read_metadata(
    metadata: &Patch<BTreeMap<String, Option<String>>>,
    fields: &mut Fields,
) -> Option<Patch<MetadataPatch>> {
    fields.keep_patch(metadata, |fields, notes| {
        let read: Vec<_> = notes
            .iter()
            .map(|(name, text)| {
                // A name of a JSON pointer (RFC 6901).
                let pointer = format!("/metadata/{}", name.replace('~', "~0").replace('/', "~1"));
                let name = fields.keep(&pointer, MetadataKey::parse(name));
                let text = fields.keep_optional(&pointer, text.as_ref(), MetadataText::parse);
                Some((name?, text?))
            })
            .collect();
        read.into_iter().collect()
    })
}

/// On which terms a business buys.
#[derive(Serialize, ToSchema)]
pub(super) struct TermsView {
    volume_discount: Option<VolumeDiscountView>,
    #[schema(example = 30)]
    payment_days: Option<u16>,
}

#[derive(Serialize, ToSchema)]
struct VolumeDiscountView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "WHOLESALE-A")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepView>>,
}

#[derive(Serialize, ToSchema)]
struct StepView {
    #[schema(value_type = schemas::Amount)]
    from: String,
    #[schema(example = "2.50")]
    percent: String,
}

impl From<Terms> for TermsView {
    fn from(terms: Terms) -> Self {
        Self { volume_discount: terms.volume_discount.map(Into::into), payment_days: terms.payment_days }
    }
}

impl From<VolumeDiscount> for VolumeDiscountView {
    fn from(discount: VolumeDiscount) -> Self {
        match discount {
            VolumeDiscount::Code(code) => Self { code: Some(code.to_string()), currency: None, steps: None },
            VolumeDiscount::Steps(steps) => {
                let currency = steps.first().map(|step| step.from.currency().code().to_owned());
                let view =
                    |step: &DiscountStep| StepView { from: step.from.amount(), percent: step.percent.to_string() };
                Self { code: None, currency, steps: Some(steps.iter().map(view).collect()) }
            }
        }
    }
}
