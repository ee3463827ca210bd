//! What has happened, of any context, and how it is written down for ever.
//!
//! A stored event is a type (the wire name, which never changes), a schema version and two JSON texts:
//!
//! - `payload`: the fields that may be read by anyone who may read the log;
//! - `personal`: the fields that tell who somebody is, which the store encrypts under the person's key.
//!
//! Both are compact JSON objects with sorted keys at every depth and without nulls (an absent value is an absent key), so
//! that equal events are equal bytes. Which field goes where is said by its type, at compile time: see [`Clear`] and
//! [`Personal`]. Old versions are lifted to the current one when they are read, by the [`upcast::Upcaster`]s of their context.
//!
//! It does not know positions, streams, times or actors: those are the store's.

mod declare;
mod tagged;
pub mod upcast;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::access::events::AccessEvent;
use crate::aggregate::Category;
use crate::credit::events::{CreditEvent, CreditGroupEvent};
use crate::customers::events::CustomerEvent;
use crate::loyalty::events::{LoyaltyEvent, ProgrammeEvent};

pub use declare::{Clear, Field, Personal};
pub(crate) use declare::{clear_values, declared, events};
use upcast::{Fields, Upcaster};

/// An event of any context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of a customer.
    Customer(CustomerEvent),
    /// Of a loyalty account.
    Loyalty(LoyaltyEvent),
    /// Of a tenant's loyalty programme.
    Programme(ProgrammeEvent),
    /// Of a line of credit.
    Credit(CreditEvent),
    /// Of a group of lines of credit.
    CreditGroup(CreditGroupEvent),
    /// Of a tenant, a key or a projector.
    Access(AccessEvent),
}

/// An event as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The wire name.
    pub event_type: &'static str,
    /// The version of the type's schema that was written.
    pub schema_version: i16,
    /// What may be read in the clear.
    pub payload: Vec<u8>,
    /// What is to be encrypted; none when the event holds nothing personal, or it was erased.
    pub personal: Option<Vec<u8>>,
}

/// The personal part of a stored event, as far as the store could open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed<'a> {
    /// The row has none.
    Absent,
    /// Decrypted.
    Opened(&'a [u8]),
    /// The key is gone, and the person with it.
    Erased,
}

/// Why a stored event cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A type that this build does not know: written by a newer one.
    #[error("unknown event type {event_type}")]
    UnknownType {
        /// The wire name.
        event_type: String,
    },
    /// A version that this build does not know: written by a newer one.
    #[error("{event_type} has schema version {schema_version}; the newest known is {newest}")]
    UnknownVersion {
        /// The wire name.
        event_type: String,
        /// The version that was stored.
        schema_version: i16,
        /// The newest version that this build reads.
        newest: i16,
    },
    /// Not what the type and version promise.
    #[error("malformed {part} of {event_type}: {reason}")]
    Malformed {
        /// The wire name.
        event_type: String,
        /// `payload` or `personal`.
        part: &'static str,
        /// What is wrong; of the personal part only where.
        reason: String,
    },
}

impl Event {
    /// The wire names of all events.
    pub const TYPES: &[&str] = &ALL_TYPES;

    /// The category of the streams that the event stands in.
    pub const fn category(&self) -> &'static str {
        self.stream_category().as_str()
    }

    /// The category, typed.
    pub const fn stream_category(&self) -> Category {
        match self {
            Self::Customer(_) => Category::Customer,
            Self::Loyalty(_) => Category::Loyalty,
            Self::Programme(_) => Category::Programme,
            Self::Credit(_) => Category::Credit,
            Self::CreditGroup(_) => Category::CreditGroup,
            Self::Access(event) => match event {
                AccessEvent::TenantCreated { .. } | AccessEvent::SettingsChanged { .. } => Category::Tenant,
                AccessEvent::KeyCreated { .. } | AccessEvent::KeyRevoked { .. } => Category::ApiKey,
                AccessEvent::ProjectionSkipped { .. } => Category::Projection,
            },
        }
    }

    /// The wire name.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Customer(event) => event.event_type(),
            Self::Loyalty(event) => event.event_type(),
            Self::Programme(event) => event.event_type(),
            Self::Credit(event) => event.event_type(),
            Self::CreditGroup(event) => event.event_type(),
            Self::Access(event) => event.event_type(),
        }
    }

    /// The schema version that [`Self::encode`] writes.
    pub fn schema_version(&self) -> i16 {
        newest_version(&UPCASTERS, self.event_type())
    }

    /// The event as the store keeps it.
    pub fn encode(&self) -> Encoded {
        let (payload, personal) = match self {
            Self::Customer(event) => written(event),
            Self::Loyalty(event) => written(event),
            Self::Programme(event) => written(event),
            Self::Credit(event) => written(event),
            Self::CreditGroup(event) => written(event),
            Self::Access(event) => written(event),
        };
        Encoded { event_type: self.event_type(), schema_version: self.schema_version(), payload, personal }
    }

    /// Reads a stored event of any version. A personal part that is absent reads as erased, so that a row can be scrubbed.
    ///
    /// # Errors
    /// Tells apart what a newer build wrote and what is damaged.
    pub fn decode(
        event_type: &str,
        schema_version: i16,
        payload: &[u8],
        personal: Sealed<'_>,
    ) -> Result<Self, DecodeError> {
        let stored = Stored { event_type, schema_version, payload, personal, upcasters: &UPCASTERS };
        if CustomerEvent::TYPES.contains(&event_type) {
            return stored.read(CustomerEvent::open).map(Self::Customer);
        }
        if LoyaltyEvent::TYPES.contains(&event_type) {
            return stored.read(LoyaltyEvent::open).map(Self::Loyalty);
        }
        if ProgrammeEvent::TYPES.contains(&event_type) {
            return stored.read(ProgrammeEvent::open).map(Self::Programme);
        }
        if CreditEvent::TYPES.contains(&event_type) {
            return stored.read(CreditEvent::open).map(Self::Credit);
        }
        if CreditGroupEvent::TYPES.contains(&event_type) {
            return stored.read(CreditGroupEvent::open).map(Self::CreditGroup);
        }
        if AccessEvent::TYPES.contains(&event_type) {
            return stored.read(AccessEvent::open).map(Self::Access);
        }
        Err(DecodeError::UnknownType { event_type: event_type.to_owned() })
    }
}

impl From<CustomerEvent> for Event {
    fn from(event: CustomerEvent) -> Self {
        Self::Customer(event)
    }
}

impl From<LoyaltyEvent> for Event {
    fn from(event: LoyaltyEvent) -> Self {
        Self::Loyalty(event)
    }
}

impl From<ProgrammeEvent> for Event {
    fn from(event: ProgrammeEvent) -> Self {
        Self::Programme(event)
    }
}

impl From<CreditEvent> for Event {
    fn from(event: CreditEvent) -> Self {
        Self::Credit(event)
    }
}

impl From<CreditGroupEvent> for Event {
    fn from(event: CreditGroupEvent) -> Self {
        Self::CreditGroup(event)
    }
}

impl From<AccessEvent> for Event {
    fn from(event: AccessEvent) -> Self {
        Self::Access(event)
    }
}

const CONTEXTS: [&[&str]; 6] = [
    CustomerEvent::TYPES,
    LoyaltyEvent::TYPES,
    ProgrammeEvent::TYPES,
    CreditEvent::TYPES,
    CreditGroupEvent::TYPES,
    AccessEvent::TYPES,
];

const ALL_TYPES: [&str; length_of(CONTEXTS)] = concatenated(CONTEXTS);

const fn length_of(parts: [&[&str]; 6]) -> usize {
    let (mut length, mut part) = (0, 0);
    while part < parts.len() {
        length += parts[part].len();
        part += 1;
    }
    length
}

const fn concatenated<const N: usize>(parts: [&[&'static str]; 6]) -> [&'static str; N] {
    let mut all = [""; N];
    let (mut next, mut part) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[next] = parts[part][index];
            next += 1;
            index += 1;
        }
        part += 1;
    }
    all
}

/// The upcasters of all contexts.
const UPCASTERS: [&[Upcaster]; 4] = [
    crate::customers::events::UPCASTERS,
    crate::loyalty::events::UPCASTERS,
    crate::credit::events::UPCASTERS,
    crate::access::events::UPCASTERS,
];

fn newest_version(upcasters: &[&[Upcaster]], event_type: &str) -> i16 {
    upcasters.iter().map(|upcasters| upcast::steps(upcasters, event_type)).sum::<i16>() + 1
}

/// The two texts of an event. Events are maps of values that have a JSON form, so writing cannot fail.
fn written(event: &impl Serialize) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut fields = match serde_json::to_value(event) {
        Ok(Value::Object(variant)) => variant.into_iter().next().map_or(Value::Null, |(_, fields)| fields),
        Ok(_) | Err(_) => Value::Null,
    };
    without_nulls(&mut fields);
    fields.sort_all_objects();
    let personal = fields.as_object_mut().and_then(|fields| fields.remove("personal"));
    (fields.to_string().into_bytes(), personal.map(|personal| personal.to_string().into_bytes()))
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A stored event that is about to be read.
struct Stored<'a> {
    event_type: &'a str,
    schema_version: i16,
    payload: &'a [u8],
    personal: Sealed<'a>,
    upcasters: &'a [&'a [Upcaster]],
}

impl Stored<'_> {
    fn read<E: DeserializeOwned>(
        &self,
        open: fn(&mut E, &[u8]) -> Result<bool, serde_json::Error>,
    ) -> Result<E, DecodeError> {
        let newest = newest_version(self.upcasters, self.event_type);
        if self.schema_version < 1 || self.schema_version > newest {
            let event_type = self.event_type.to_owned();
            return Err(DecodeError::UnknownVersion { event_type, schema_version: self.schema_version, newest });
        }
        if self.schema_version < newest {
            return self.upcast()?.as_stored(self).read_newest(open);
        }
        self.read_newest(open)
    }

    fn read_newest<E: DeserializeOwned>(
        &self,
        open: fn(&mut E, &[u8]) -> Result<bool, serde_json::Error>,
    ) -> Result<E, DecodeError> {
        let mut event: E = tagged::from_slice(self.event_type, self.payload)
            .map_err(|error| self.malformed("payload", error.to_string()))?;
        if let Sealed::Opened(personal) = self.personal {
            let opened = open(&mut event, personal).map_err(|error| self.malformed("personal", location(&error)))?;
            if !opened {
                return Err(self.malformed("personal", "the type declares nothing personal".to_owned()));
            }
        }
        Ok(event)
    }

    fn upcast(&self) -> Result<Lifted, DecodeError> {
        let payload =
            serde_json::from_slice(self.payload).map_err(|error| self.malformed("payload", error.to_string()))?;
        let personal = match self.personal {
            Sealed::Opened(personal) => {
                Some(serde_json::from_slice(personal).map_err(|error| self.malformed("personal", location(&error)))?)
            }
            Sealed::Absent | Sealed::Erased => None,
        };
        let mut fields = Fields { payload, personal };
        for upcasters in self.upcasters {
            upcast::lift(upcasters, self.event_type, self.schema_version, &mut fields);
        }
        Ok(Lifted {
            payload: Value::Object(fields.payload).to_string().into_bytes(),
            personal: fields.personal.map(|personal| Value::Object(personal).to_string().into_bytes()),
        })
    }

    fn malformed(&self, part: &'static str, reason: String) -> DecodeError {
        DecodeError::Malformed { event_type: self.event_type.to_owned(), part, reason }
    }
}

/// An old event in the newest form.
struct Lifted {
    payload: Vec<u8>,
    personal: Option<Vec<u8>>,
}

impl Lifted {
    fn as_stored<'a>(&'a self, old: &Stored<'a>) -> Stored<'a> {
        let personal = self.personal.as_deref().map_or(old.personal, Sealed::Opened);
        Stored { payload: &self.payload, personal, ..*old }
    }
}

/// Where a personal text is wrong, without a word of it.
fn location(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}

#[cfg(test)]
mod tests;
