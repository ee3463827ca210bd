//! The parameters that operations have in common, as their extractors understand them.

use crate::headers::{Guards, Idempotency, MinPosition, PathId};
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Required, Schema};

impl IntoParams for PathId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = parameter("id", ParameterIn::Path, "The customer's id", super::example::UUID);
        vec![id.required(Required::True).schema(Some(uuid())).build()]
    }
}

/// The path of a hold.
pub(crate) struct OfHold;

impl IntoParams for OfHold {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        of_customer(place, parameter("hold", ParameterIn::Path, "The hold's id", super::example::UUID))
    }
}

/// The path of a reward.
pub(crate) struct OfReward;

impl IntoParams for OfReward {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number: Object = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
        let reward = parameter("reward", ParameterIn::Path, "The reward's number in the account", 1);
        let mut path = PathId::into_params(place);
        path.push(reward.required(Required::True).schema(Some(Schema::from(number))).build());
        path
    }
}

/// The path of what was flagged.
pub(crate) struct OfFlag;

impl IntoParams for OfFlag {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        called(place, parameter("flag", ParameterIn::Path, "What was flagged", "buy_refund_loop"))
    }
}

/// The path of an address.
pub(crate) struct OfAddress;

impl IntoParams for OfAddress {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        of_customer(place, parameter("address_id", ParameterIn::Path, "The address's id", super::example::UUID))
    }
}

/// The path of a reference.
pub(crate) struct OfReference;

impl IntoParams for OfReference {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        called(place, parameter("system", ParameterIn::Path, "The other system", "erp"))
    }
}

/// The path of a tag.
pub(crate) struct OfTag;

impl IntoParams for OfTag {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        called(place, parameter("tag", ParameterIn::Path, "The tag", "wholesale"))
    }
}

/// The customer's id, and what something of the customer is called.
fn called(place: impl Fn() -> Option<ParameterIn>, name: ParameterBuilder) -> Vec<Parameter> {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(64));
    let text: Object = text.pattern(Some("^[a-z0-9._-]+$")).build();
    let mut path = PathId::into_params(place);
    path.push(name.required(Required::True).schema(Some(Schema::from(text))).build());
    path
}

/// The customer's id, and that of something of the customer.
fn of_customer(place: impl Fn() -> Option<ParameterIn>, id: ParameterBuilder) -> Vec<Parameter> {
    let mut ids = PathId::into_params(place);
    ids.push(id.required(Required::True).schema(Some(uuid())).build());
    ids
}

impl IntoParams for Idempotency {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Names the command: sent again, it is answered as the first time and does nothing more";
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
        let text: Object = text.pattern(Some("^[!-~]+$")).build();
        vec![
            parameter("Idempotency-Key", ParameterIn::Header, about, "till-7-42")
                .schema(Some(Schema::from(text)))
                .build(),
        ]
    }
}

impl IntoParams for Guards {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The version that the change is for: the `ETag` of what was seen, or `*` for any";
        let text: Object =
            ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([*]|\"[1-9][0-9]*\")$")).build();
        let seen = parameter("If-Match", ParameterIn::Header, about, "*").schema(Some(Schema::from(text))).build();
        let mut guards = Idempotency::into_params(place);
        guards.push(seen);
        guards
    }
}

impl IntoParams for MinPosition {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Waits until the answer reflects this position of the log";
        let position = || Schema::from(position());
        vec![
            parameter("X-Min-Position", ParameterIn::Header, about, 0).schema(Some(position())).build(),
            parameter("min_position", ParameterIn::Query, "As `X-Min-Position`, and above it", 0)
                .schema(Some(position()))
                .build(),
        ]
    }
}

fn parameter(name: &str, place: ParameterIn, about: &str, example: impl Into<Value>) -> ParameterBuilder {
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
    parameter.description(Some(about)).example(Some(example.into()))
}

fn position() -> Object {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).build()
}

fn uuid() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build().into()
}
