//! Reads a variant of an enum whose name stands beside its fields, not around them: no envelope is built or copied.

use serde::de::value::{EnumAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, VariantAccess, Visitor,
};
use serde_json::de::SliceRead;

type Json<'a> = serde_json::Deserializer<SliceRead<'a>>;

/// Reads the variant `name` of `E` from the JSON object of its fields.
pub(super) fn from_slice<E: DeserializeOwned>(name: &str, fields: &[u8]) -> Result<E, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(fields);
    let event = E::deserialize(EnumAccessDeserializer::new(Tagged { name, json: &mut json }))?;
    json.end()?;
    Ok(event)
}

struct Tagged<'a, 'j> {
    name: &'a str,
    json: &'j mut Json<'a>,
}

impl<'a, 'j> EnumAccess<'a> for Tagged<'a, 'j> {
    type Error = serde_json::Error;
    type Variant = FieldsOf<'a, 'j>;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self::Variant), Self::Error> {
        let name: StrDeserializer<'_, Self::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, FieldsOf(self.json)))
    }
}

struct FieldsOf<'a, 'j>(&'j mut Json<'a>);

impl<'a> VariantAccess<'a> for FieldsOf<'a, '_> {
    type Error = serde_json::Error;

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_map(visitor)
    }

    fn unit_variant(self) -> Result<(), Self::Error> {
        Err(unsupported())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, _: T) -> Result<T::Value, Self::Error> {
        Err(unsupported())
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, _: V) -> Result<V::Value, Self::Error> {
        Err(unsupported())
    }
}

fn unsupported() -> serde_json::Error {
    Error::custom("events are variants with named fields")
}
