//! The aggregates by the category of their streams: what the pipeline loads, caches and snapshots without knowing which.

use serde::{Deserialize, Serialize};

use crate::access::api_key::ApiKey;
use crate::access::projection::Projection;
use crate::access::tenant::Tenant;
use crate::credit::credit_group::CreditGroup;
use crate::credit::credit_line::CreditLine;
use crate::customers::customer::Customer;
use crate::decider::Decider;
use crate::event::Event;
use crate::ids::CustomerId;
use crate::loyalty::loyalty_account::LoyaltyAccount;
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::refusal::Refusal;

/// The category of a stream; its name is stored and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A customer.
    Customer,
    /// A loyalty account, under the customer's id.
    Loyalty,
    /// A tenant's loyalty programme.
    #[serde(rename = "loyalty_programme")]
    Programme,
    /// A line of credit, under an id made of the customer's and the currency.
    Credit,
    /// A group of lines of credit.
    CreditGroup,
    /// A tenant.
    #[serde(rename = "access_tenant")]
    Tenant,
    /// A key of the API.
    #[serde(rename = "access_key")]
    ApiKey,
    /// A projector, as its operators see it.
    #[serde(rename = "access_projection")]
    Projection,
}

impl Category {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Customer,
        Self::Loyalty,
        Self::Programme,
        Self::Credit,
        Self::CreditGroup,
        Self::Tenant,
        Self::ApiKey,
        Self::Projection,
    ];

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Loyalty => "loyalty",
            Self::Programme => "loyalty_programme",
            Self::Credit => "credit",
            Self::CreditGroup => "credit_group",
            Self::Tenant => "access_tenant",
            Self::ApiKey => "access_key",
            Self::Projection => "access_projection",
        }
    }

    /// Whether it tells of those who use the installation, not of customers.
    pub const fn is_access(self) -> bool {
        match self {
            Self::Tenant | Self::ApiKey | Self::Projection => true,
            Self::Customer | Self::Loyalty | Self::Programme | Self::Credit | Self::CreditGroup => false,
        }
    }

    /// The category of a stored name, unless a newer build made it up.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|category| category.as_str() == name)
    }

    /// The version of the aggregate's snapshots; to be raised whenever its state changes, which discards the old ones.
    pub const fn snapshot_version(self) -> i16 {
        match self {
            Self::Customer => Customer::SNAPSHOT_VERSION,
            Self::Loyalty => LoyaltyAccount::SNAPSHOT_VERSION,
            Self::Programme => LoyaltyProgramme::SNAPSHOT_VERSION,
            Self::Credit => CreditLine::SNAPSHOT_VERSION,
            Self::CreditGroup => CreditGroup::SNAPSHOT_VERSION,
            Self::Tenant => Tenant::SNAPSHOT_VERSION,
            Self::ApiKey => ApiKey::SNAPSHOT_VERSION,
            Self::Projection => Projection::SNAPSHOT_VERSION,
        }
    }
}

impl std::fmt::Display for Category {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A decider that has streams of its own.
pub trait Aggregate: Decider<Command: Clone, Event: Into<Event>, Refusal: Into<Refusal>> {
    /// The category of its streams.
    const CATEGORY: Category;

    /// The version of its snapshots; to be raised whenever the state changes.
    const SNAPSHOT_VERSION: i16;

    /// The typed state, unless it is another aggregate's.
    fn of(state: &AggregateState) -> Option<&Self>;
}

/// Declares which variant, category and snapshot version belong to an aggregate.
macro_rules! aggregates {
    ($($aggregate:ty => $variant:ident, snapshot version $version:literal;)*) => {$(
        impl Aggregate for $aggregate {
            const CATEGORY: Category = Category::$variant;
            const SNAPSHOT_VERSION: i16 = $version;

            fn of(state: &AggregateState) -> Option<&Self> {
                if let AggregateState::$variant(state) = state { Some(state) } else { None }
            }
        }

        impl From<$aggregate> for AggregateState {
            fn from(state: $aggregate) -> Self {
                Self::$variant(state)
            }
        }
    )*};
}

aggregates! {
    Customer => Customer, snapshot version 10;
    LoyaltyAccount => Loyalty, snapshot version 13;
    LoyaltyProgramme => Programme, snapshot version 5;
    CreditLine => Credit, snapshot version 2;
    CreditGroup => CreditGroup, snapshot version 1;
    Tenant => Tenant, snapshot version 2;
    ApiKey => ApiKey, snapshot version 1;
    Projection => Projection, snapshot version 1;
}

/// The state of any aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AggregateState {
    /// Of a customer.
    Customer(Customer),
    /// Of a loyalty account.
    Loyalty(LoyaltyAccount),
    /// Of a loyalty programme.
    Programme(LoyaltyProgramme),
    /// Of a line of credit.
    Credit(CreditLine),
    /// Of a group of lines of credit.
    CreditGroup(CreditGroup),
    /// Of a tenant.
    Tenant(Tenant),
    /// Of a key.
    ApiKey(ApiKey),
    /// Of a projector.
    Projection(Projection),
}

/// A snapshot that cannot be read: to be thrown away, it is made again from the events.
#[derive(Debug, thiserror::Error)]
#[error("snapshot of a {category} stream cannot be read")]
pub struct SnapshotError {
    category: Category,
    source: serde_json::Error,
}

impl AggregateState {
    /// The state of a stream without events.
    pub fn initial(category: Category) -> Self {
        match category {
            Category::Customer => Self::Customer(Customer::initial()),
            Category::Loyalty => Self::Loyalty(LoyaltyAccount::initial()),
            Category::Programme => Self::Programme(LoyaltyProgramme::initial()),
            Category::Credit => Self::Credit(CreditLine::initial()),
            Category::CreditGroup => Self::CreditGroup(CreditGroup::initial()),
            Category::Tenant => Self::Tenant(Tenant::initial()),
            Category::ApiKey => Self::ApiKey(ApiKey::initial()),
            Category::Projection => Self::Projection(Projection::initial()),
        }
    }

    /// The category of the streams that have such a state.
    pub const fn category(&self) -> Category {
        match self {
            Self::Customer(_) => Category::Customer,
            Self::Loyalty(_) => Category::Loyalty,
            Self::Programme(_) => Category::Programme,
            Self::Credit(_) => Category::Credit,
            Self::CreditGroup(_) => Category::CreditGroup,
            Self::Tenant(_) => Category::Tenant,
            Self::ApiKey(_) => Category::ApiKey,
            Self::Projection(_) => Category::Projection,
        }
    }

    /// Whose personal data the state may hold, as far as the id of its stream does not tell: a line of credit has an id of its own.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::Credit(state) => state.customer(),
            Self::Customer(_)
            | Self::Loyalty(_)
            | Self::Programme(_)
            | Self::CreditGroup(_)
            | Self::Tenant(_)
            | Self::ApiKey(_)
            | Self::Projection(_) => None,
        }
    }

    /// The state after an event. One of another context leaves it as it is.
    #[must_use]
    pub fn evolve(self, event: &Event) -> Self {
        match (self, event) {
            (Self::Customer(state), Event::Customer(event)) => Self::Customer(Customer::evolve(state, event)),
            (Self::Loyalty(state), Event::Loyalty(event)) => Self::Loyalty(LoyaltyAccount::evolve(state, event)),
            (Self::Programme(state), Event::Programme(event)) => {
                Self::Programme(LoyaltyProgramme::evolve(state, event))
            }
            (Self::Credit(state), Event::Credit(event)) => Self::Credit(CreditLine::evolve(state, event)),
            (Self::CreditGroup(state), Event::CreditGroup(event)) => {
                Self::CreditGroup(CreditGroup::evolve(state, event))
            }
            (Self::Tenant(state), Event::Access(event)) => Self::Tenant(Tenant::evolve(state, event)),
            (Self::ApiKey(state), Event::Access(event)) => Self::ApiKey(ApiKey::evolve(state, event)),
            (Self::Projection(state), Event::Access(event)) => Self::Projection(Projection::evolve(state, event)),
            (state @ Self::Customer(_), Event::Loyalty(_) | Event::Programme(_))
            | (state @ Self::Loyalty(_), Event::Customer(_) | Event::Programme(_))
            | (state @ Self::Programme(_), Event::Customer(_) | Event::Loyalty(_))
            | (
                state @ (Self::Customer(_) | Self::Loyalty(_) | Self::Programme(_)),
                Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_),
            )
            | (state @ Self::Credit(_), Event::CreditGroup(_))
            | (state @ Self::CreditGroup(_), Event::Credit(_))
            | (
                state @ (Self::Credit(_) | Self::CreditGroup(_)),
                Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::Access(_),
            )
            | (
                state @ (Self::Tenant(_) | Self::ApiKey(_) | Self::Projection(_)),
                Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_),
            ) => state,
        }
    }

    /// The state as bytes. They hold personal data and are for the store to encrypt.
    pub fn snapshot(&self) -> Vec<u8> {
        let written = match self {
            Self::Customer(state) => serde_json::to_vec(state),
            Self::Loyalty(state) => serde_json::to_vec(state),
            Self::Programme(state) => serde_json::to_vec(state),
            Self::Credit(state) => serde_json::to_vec(state),
            Self::CreditGroup(state) => serde_json::to_vec(state),
            Self::Tenant(state) => serde_json::to_vec(state),
            Self::ApiKey(state) => serde_json::to_vec(state),
            Self::Projection(state) => serde_json::to_vec(state),
        };
        written.expect("states are made of values and maps with textual keys, which always have a JSON form")
    }

    /// The state from the bytes of [`Self::snapshot`] of the same [`Category::snapshot_version`].
    ///
    /// # Errors
    /// When the bytes are not such a state.
    pub fn from_snapshot(category: Category, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let read = match category {
            Category::Customer => serde_json::from_slice(snapshot).map(Self::Customer),
            Category::Loyalty => serde_json::from_slice(snapshot).map(Self::Loyalty),
            Category::Programme => serde_json::from_slice(snapshot).map(Self::Programme),
            Category::Credit => serde_json::from_slice(snapshot).map(Self::Credit),
            Category::CreditGroup => serde_json::from_slice(snapshot).map(Self::CreditGroup),
            Category::Tenant => serde_json::from_slice(snapshot).map(Self::Tenant),
            Category::ApiKey => serde_json::from_slice(snapshot).map(Self::ApiKey),
            Category::Projection => serde_json::from_slice(snapshot).map(Self::Projection),
        };
        read.map_err(|source| SnapshotError { category, source })
    }
}

#[cfg(test)]
mod tests;
