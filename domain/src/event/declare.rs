//! Where each field of an event may stand, said by its type: [`Clear`] or [`Personal`]. Nothing else compiles.

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A type whose values say nothing about who a person is, and so may stand in the clear part of an event.
///
/// `String` is not one of them: free text is always personal.
///
/// ```compile_fail
/// fn stands_in_the_clear<T: domain::event::Clear>() {}
/// stands_in_the_clear::<String>();
/// ```
///
/// ```compile_fail
/// fn may_be_a_field<T: domain::event::Field>() {}
/// may_be_a_field::<domain::email::Email>();
/// ```
///
/// ```
/// fn may_be_a_field<T: domain::event::Field>() {}
/// may_be_a_field::<domain::Money>();
/// may_be_a_field::<domain::event::Personal<domain::email::Email>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not declared as clear",
    note = "free text and what tells who somebody is belongs into the event's `personal: Personal<…>`"
)]
pub trait Clear {}

macro_rules! clear {
    ($($type:ty),*) => { $(impl Clear for $type {})* };
}
clear!(bool, u8, u16, u32, u64, i16, i32, i64, uuid::Uuid, chrono::NaiveDate, chrono::DateTime<chrono::Utc>);

impl<T: Clear> Clear for Option<T> {}
impl<T: Clear> Clear for Vec<T> {}

/// What tells who somebody is: known, or forgotten for good with the person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Personal<T> {
    /// As it was recorded.
    Known(T),
    /// The person was erased.
    Erased,
}

impl<T> Personal<T> {
    /// The value, unless it was erased.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Erased => None,
        }
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(serializer)
    }
}

/// Absent and null read as erased.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(PersonalVisitor(std::marker::PhantomData))
    }
}

struct PersonalVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PersonalVisitor<T> {
    type Value = Personal<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a personal value or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Personal::Erased)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Personal::Erased)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        T::deserialize(deserializer).map(Personal::Known)
    }
}

/// A type that a field of an event may have: one that is [`Clear`], or [`Personal`].
#[diagnostic::on_unimplemented(
    message = "a field of an event must be declared Clear or Personal by its type, and `{Self}` is neither"
)]
pub trait Field {
    /// Whether it is stored encrypted.
    const PERSONAL: bool;

    /// Takes the opened personal part of the stored event; false when there is none to take.
    ///
    /// # Errors
    /// When the bytes are not of this type.
    fn open(&mut self, personal: &[u8]) -> Result<bool, serde_json::Error>;
}

impl<T: Clear> Field for T {
    const PERSONAL: bool = false;

    fn open(&mut self, _: &[u8]) -> Result<bool, serde_json::Error> {
        Ok(false)
    }
}

impl<T: DeserializeOwned> Field for Personal<T> {
    const PERSONAL: bool = true;

    fn open(&mut self, personal: &[u8]) -> Result<bool, serde_json::Error> {
        *self = Self::Known(serde_json::from_slice(personal)?);
        Ok(true)
    }
}

/// Refuses at compile time a type that is neither clear nor personal, and a personal field under another name than
/// `personal`: there is one per event, and this is where it is taken out of the payload.
pub(crate) const fn declared<T: Field>(name: &str) {
    let name = name.as_bytes();
    let expected = b"personal";
    let mut same = name.len() == expected.len();
    let mut index = 0;
    while same && index < expected.len() {
        same = name[index] == expected[index];
        index += 1;
    }
    assert!(same == T::PERSONAL, "the personal fields of an event stand together in one field named `personal`");
}

/// Declares the events of a context: an enum whose variants carry their wire names, with each field checked by
/// [`declared`].
macro_rules! events {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {$(
            $(#[doc = $doc:literal])*
            #[serde(rename = $wire:literal)]
            $variant:ident {$(
                $(#[$field_attribute:meta])*
                $field:ident: $type:ty
            ),* $(,)?}
        ),* $(,)?}
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {$(
            $(#[doc = $doc])*
            #[serde(rename = $wire)]
            $variant {$(
                $(#[$field_attribute])*
                $field: $type,
            )*},
        )*}

        impl $name {
            /// The wire names.
            pub const TYPES: &[&str] = &[$($wire),*];

            /// The wire name.
            pub const fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $wire,)*
                }
            }

            /// Puts the opened personal part back; false when the event has no place for one.
            pub(crate) fn open(&mut self, personal: &[u8]) -> Result<bool, serde_json::Error> {
                let mut opened = false;
                match self {
                    $(Self::$variant { $($field),* } => {
                        $(opened |= $crate::event::Field::open($field, personal)?;)*
                    })*
                }
                Ok(opened)
            }
        }

        $($(const _: () = $crate::event::declared::<$type>(stringify!($field));)*)*
    };
}
pub(crate) use events;

/// Declares structs that are [`Clear`] because each of their fields is.
macro_rules! clear_values {
    ($(
        $(#[$attribute:meta])*
        pub struct $name:ident {$(
            $(#[$field_attribute:meta])*
            pub $field:ident: $type:ty
        ),* $(,)?}
    )*) => {$(
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $(#[$attribute])*
        pub struct $name {$(
            $(#[$field_attribute])*
            pub $field: $type,
        )*}

        impl $crate::event::Clear for $name {}

        $(const _: () = {
            const fn clear<T: $crate::event::Clear>() {}
            clear::<$type>();
        };)*
    )*};
}
pub(crate) use clear_values;
