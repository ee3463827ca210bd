//! `GET /v1/customers`: a customer by phone, e-mail, reference or user; customers by identity document, name, tag or who looks after
//! them.

use super::CustomerView;
use crate::Api;
use crate::headers::{MinPosition, Parameters};
use crate::http::lists::{self, Cursor, ListView, wrong};
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::{Caller, Scope};
use domain::document::{self, Document};
use domain::email::Email;
use domain::ids::{ExternalSystem, RepCode, Tag};
use domain::loyalty::programme::Tier;
use domain::phone::Phone;
use domain::segment::Segment;
use domain::text::{ReferenceText, UserId};
use projections::customers::customer_profiles::CustomerProfiles;
use projections::customers::customers::by_name::{self, NamePlace, NameQuery};
use projections::customers::customers::{self, CustomerRow, Customers};
use projections::loyalty::loyalty_balances::LoyaltyBalances;
use projections::{AsOf, Page, ReadModel, lowest_position};
use serde::Deserialize;
use std::fmt::Display;
use std::str::FromStr;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use utoipa::IntoParams;
use uuid::Uuid;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// By any of its telephone numbers, with + (as %2B) and the country code.
    #[param(example = "+34600123456")]
    phone: Option<String>,
    /// By any of its e-mail addresses.
    #[param(example = "ana@example.org")]
    email: Option<String>,
    /// By another system's name for the customer, as system:reference.
    #[param(example = "erp:4711")]
    reference: Option<String>,
    /// By the number of an identity document.
    #[param(example = "12345678Z")]
    document: Option<String>,
    /// By the user of the authentication service as whom the customer logs in.
    #[param(example = "auth0|5f7c8ec7c33c6c004bbafe82")]
    user_id: Option<String>,
    /// By what they are filed under.
    #[param(example = "wholesale")]
    tag: Option<String>,
    /// By who of ours looks after them.
    #[param(example = "rep-12")]
    rep: Option<String>,
    /// By their tier in the loyalty programme.
    #[param(value_type = Option<schemas::Tier>)]
    tier: Option<String>,
    /// By which kind of buyer they are.
    #[param(value_type = Option<schemas::Segment>)]
    segment: Option<String>,
    /// `true`: the few customers for whom most is done.
    #[param(example = true)]
    vip: Option<bool>,
    /// `true`: all customers, whatever their standing, in the order of their registrations.
    #[param(example = true)]
    all: Option<bool>,
    /// By beginnings of words of the name; when nobody is called so, by words nearly spelt so, in one page. Needs `customers:pii`, too.
    #[param(example = "ana tor")]
    name: Option<String>,
    /// Most customers of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "n616e61")]
    cursor: Option<String>,
}

/// What is looked for.
#[derive(Debug)]
enum Search {
    One(One),
    /// The numbers as which it may be kept, and where to go on.
    Document(Vec<String>, Position),
    Tag(Tag, Position),
    Rep(RepCode, Position),
    /// Behind this customer.
    Tier(Tier, Uuid),
    Segment(Segment, Position),
    Vip(Position),
    All(Position),
    Name(NameQuery, Option<NamePlace>),
}

/// What only one customer has.
#[derive(Debug)]
enum One {
    Phone(Phone),
    Email(Email),
    Reference(ExternalSystem, ReferenceText),
    User(UserId),
}

/// Looks customers up by exactly one criterion, or lists all.
///
/// One of telephone number, e-mail address, reference, user, document, tag, representative, tier, segment and name.
#[utoipa::path(
    get, path = "/v1/customers", tag = "customers", operation_id = "find_customers",
    params(Asked, MinPosition),
    responses(
        (status = 200, description = "Who was found", body = ListView<CustomerView>),
        (status = 400, description = "one_criterion_needed"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
pub(super) async fn find(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<Asked>,
    min_position: MinPosition,
) -> Result<Found<ListView<CustomerView>>, Problem> {
    caller.require(Scope::CustomersRead)?;
    let limit = lists::limit(asked.limit)?;
    let search = asked.read()?;
    if matches!(search, Search::Name(..)) {
        // Beginnings of names, asked for one letter after the other, would spell out what is masked.
        caller.require(Scope::CustomersPii)?;
    }
    wait_for(&api, search.projectors(), min_position).await?;
    let view = |row| CustomerView::of(row, &caller);
    let (pools, tenant) = (&api.pools, caller.tenant);
    Ok(match search {
        Search::One(one) => Found::list(one.list(pools, tenant).await?, view),
        Search::Document(numbers, after) => {
            Found::list(customers::find_by_document(pools, tenant, &numbers, after, limit).await?, view)
        }
        Search::Tag(tag, after) => {
            Found::list(customers::find_by_tag(pools, tenant, tag.as_str(), after, limit).await?, view)
        }
        Search::Rep(rep, after) => {
            Found::list(customers::find_by_rep(pools, tenant, rep.as_str(), after, limit).await?, view)
        }
        Search::Tier(tier, after) => {
            Found::list(customers::find_by_tier(pools, tenant, tier, after, limit).await?, view)
        }
        Search::Segment(segment, after) => {
            Found::list(customers::find_by_segment(pools, tenant, segment, after, limit).await?, view)
        }
        Search::Vip(after) => Found::list(customers::find_vips(pools, tenant, after, limit).await?, view),
        Search::All(after) => Found::list(customers::list(pools, tenant, after, limit).await?, view),
        Search::Name(query, after) => {
            Found::list(by_name::find_by_name(pools, tenant, &query, after, limit).await?, view)
        }
    })
}

impl Asked {
    fn read(self) -> Result<Search, Problem> {
        let Self {
            phone,
            email,
            reference,
            document,
            user_id,
            tag,
            rep,
            tier,
            segment,
            vip,
            all,
            name,
            cursor,
            limit: _,
        } = self;
        let given = [
            ("phone", phone),
            ("email", email),
            ("reference", reference),
            ("user_id", user_id),
            ("document", document),
            ("tag", tag),
            ("rep", rep),
            ("tier", tier),
            ("segment", segment),
            ("vip", vip.map(|vip| vip.to_string())),
            ("all", all.map(|all| all.to_string())),
            ("name", name),
        ];
        let mut given = given.into_iter().filter_map(|(criterion, text)| Some((criterion, text?)));
        match (given.next(), given.next()) {
            (Some((criterion, text)), None) => by(criterion, &text, cursor.as_deref()),
            _ => {
                let detail = "give exactly one of phone, email, reference, user_id, document, tag, rep, tier, segment, vip, name and all";
                Err(Problem::bad_request("one_criterion_needed", detail))
            }
        }
    }
}

/// Reads one criterion, of which there are one customer or many.
fn by(criterion: &str, text: &str, cursor: Option<&str>) -> Result<Search, Problem> {
    let one = match criterion {
        "name" => return named(text, cursor),
        "document" => return by_document(text, cursor),
        "tag" => return Ok(Search::Tag(read("tag", text)?, place(cursor)?)),
        "segment" => return Ok(Search::Segment(read("segment", text)?, place(cursor)?)),
        "vip" if text == "true" => return Ok(Search::Vip(place(cursor)?)),
        "vip" => return Err(wrong("vip", "can only be true")),
        "all" if text == "true" => return Ok(Search::All(place(cursor)?)),
        "all" => return Err(wrong("all", "can only be true")),
        "rep" => return Ok(Search::Rep(read("rep", text)?, place(cursor)?)),
        "tier" => return by_tier(text, cursor),
        "phone" => by_phone(text)?,
        "email" => One::Email(Email::parse_known(text).map_err(|error| wrong("email", &error.to_string()))?),
        "user_id" => One::User(read("user_id", text)?),
        _ => by_reference(text)?,
    };
    match cursor {
        None => Ok(Search::One(one)),
        Some(_) => Err(lists::foreign_cursor()),
    }
}

fn read<T: FromStr<Err: Display>>(criterion: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| wrong(criterion, &error.to_string()))
}

fn by_tier(text: &str, cursor: Option<&str>) -> Result<Search, Problem> {
    let tier = Tier::ALL.iter().copied().find(|tier| tier.as_str() == text);
    let tier = tier.ok_or_else(|| wrong("tier", "must be bronze, silver, gold or platinum"))?;
    Ok(Search::Tier(tier, cursor.map(Uuid::parse).transpose()?.unwrap_or(Uuid::nil())))
}

/// Where a list of registrations goes on.
fn place(cursor: Option<&str>) -> Result<Position, Problem> {
    Ok(cursor.map(Position::parse).transpose()?.unwrap_or(Position(0)))
}

fn by_phone(phone: &str) -> Result<One, Problem> {
    // In a query string an unescaped plus is a space.
    let phone = phone.replacen(' ', "+", usize::from(phone.starts_with(' ')));
    Phone::parse(&phone, None).map(One::Phone).map_err(|error| wrong("phone", &error.to_string()))
}

fn by_reference(reference: &str) -> Result<One, Problem> {
    let parts = reference.split_once(':');
    let (system, name) = parts.ok_or_else(|| wrong("reference", "must be system:reference"))?;
    let system = ExternalSystem::parse(system).map_err(|error| wrong("reference", &error.to_string()))?;
    let name = ReferenceText::parse(name).map_err(|error| wrong("reference", &error.to_string()))?;
    Ok(One::Reference(system, name))
}

/// A number is looked for as it is kept, whatever kind of document it is of.
fn by_document(number: &str, cursor: Option<&str>) -> Result<Search, Problem> {
    let numbers = document::kept_as(number);
    let is_one = |number: &String| {
        (1..=Document::MAX).contains(&number.chars().count()) && number.chars().all(char::is_alphanumeric)
    };
    if !numbers.iter().all(is_one) {
        return Err(wrong("document", "must have 1 to 32 letters and digits"));
    }
    Ok(Search::Document(numbers, place(cursor)?))
}

fn named(name: &str, cursor: Option<&str>) -> Result<Search, Problem> {
    let query = NameQuery::parse(name).map_err(|error| wrong("name", &error.to_string()))?;
    let after = cursor.map(NamePlace::parse).transpose()?;
    if after.as_ref().is_some_and(|place| !query.leads_to(place)) {
        return Err(lists::foreign_cursor());
    }
    Ok(Search::Name(query, after))
}

impl Search {
    /// Whose rows it looks at.
    const fn projectors(&self) -> &'static [&'static str] {
        match self {
            Self::One(one) => one.projectors(),
            Self::Document(..) => WITH_PROFILES,
            Self::Tier(..) => &[Customers::NAME, LoyaltyBalances::NAME],
            Self::Tag(..) | Self::Rep(..) | Self::Segment(..) | Self::Vip(_) | Self::All(_) | Self::Name(..) => {
                &[Customers::NAME]
            }
        }
    }
}

const WITH_PROFILES: &[&str] = &[Customers::NAME, CustomerProfiles::NAME];

impl One {
    const fn projectors(&self) -> &'static [&'static str] {
        match self {
            Self::Phone(_) | Self::Email(_) => WITH_PROFILES,
            Self::Reference(..) | Self::User(_) => &[Customers::NAME],
        }
    }

    async fn list(&self, pools: &Pools, tenant: TenantId) -> Result<AsOf<Page<CustomerRow>>, StoreError> {
        if let Some(found) = self.find(pools, tenant).await? {
            return Ok(found.map(|row| Page { rows: vec![row], next: None }));
        }
        // An answer says what it reflects, also when it is empty; so it looks again after the position was read.
        let position = lowest_position(pools, tenant, self.projectors()).await?;
        let found = self.find(pools, tenant).await?;
        Ok(AsOf { position, value: Page { rows: found.map(|row| row.value).into_iter().collect(), next: None } })
    }

    async fn find(&self, pools: &Pools, tenant: TenantId) -> Result<Option<AsOf<CustomerRow>>, StoreError> {
        match self {
            Self::Phone(phone) => customers::find_by_phone(pools, tenant, phone).await,
            Self::Email(email) => customers::find_by_email(pools, tenant, email).await,
            Self::Reference(system, name) => {
                customers::find_by_reference(pools, tenant, system.as_str(), name.as_str()).await
            }
            Self::User(user) => customers::find_by_user(pools, tenant, user.as_str()).await,
        }
    }
}

const NAME_CURSOR_PREFIX: &str = "n";

impl Cursor for NamePlace {
    fn text(&self) -> String {
        format!("{NAME_CURSOR_PREFIX}{}.{}", self.customer.simple(), hex::encode(&self.word))
    }

    fn read(text: &str) -> Option<Self> {
        let (customer, word) = text.strip_prefix(NAME_CURSOR_PREFIX)?.split_once('.')?;
        let word = String::from_utf8(hex::decode(word).ok()?).ok()?;
        // Not every text may go to the database.
        let is_a_word = word.chars().all(char::is_alphanumeric) && word.chars().count() <= NameQuery::CHARS_MAX;
        is_a_word.then_some(Self { word, customer: Uuid::try_parse(customer).ok()? })
    }
}

const CUSTOMER_CURSOR_PREFIX: &str = "c";

/// The customer behind whom a list goes on.
impl Cursor for Uuid {
    fn text(&self) -> String {
        format!("{CUSTOMER_CURSOR_PREFIX}{}", self.simple())
    }

    fn read(text: &str) -> Option<Self> {
        Self::try_parse(text.strip_prefix(CUSTOMER_CURSOR_PREFIX)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Cursor, NamePlace};
    use uuid::Uuid;

    fn name(name: &str, cursor: Option<&str>) -> Asked {
        Asked { name: Some(name.to_owned()), cursor: cursor.map(str::to_owned), ..Asked::default() }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out_and_for_its_own_question_only() {
        let place = NamePlace { word: "núñez7".to_owned(), customer: Uuid::from_u128(7) };
        assert_eq!(NamePlace::parse(&place.text()).expect("it was given out"), place);
        let place = NamePlace { word: "nunez".to_owned(), customer: Uuid::from_u128(7) }.text();
        assert!(name("nú", Some(&place)).read().is_ok());
        let garbage = ["", "n", "n.", "b7", "n7.61", &place.to_uppercase(), &format!("{place}00")];
        for cursor in garbage {
            let refused = name("nú", Some(cursor)).read().expect_err("refused");
            assert_eq!(refused.code(), "invalid_cursor", "{cursor}");
        }
        assert_eq!(name("garcia", Some(&place)).read().expect_err("refused").code(), "invalid_cursor");
        let by_phone = Asked { phone: Some("+34612345678".to_owned()), name: None, ..name("", Some(&place)) };
        assert_eq!(by_phone.read().expect_err("refused").code(), "invalid_cursor");
    }

    #[test]
    fn one_thing_is_asked_for_at_a_time() {
        let both = Asked { phone: Some("+34612345678".to_owned()), ..name("ana", None) };
        assert_eq!(both.read().expect_err("refused").code(), "one_criterion_needed");
        assert_eq!(Asked::default().read().expect_err("refused").code(), "one_criterion_needed");
        for nothing in ["", "—", "%"] {
            assert_eq!(name(nothing, None).read().expect_err("refused").code(), "invalid_parameter");
        }
    }
}
