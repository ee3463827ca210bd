//! What a merge patch (RFC 7396) says of one field: nothing, that it goes, or its new value.

use serde::{Deserialize, Deserializer, Serialize};

/// What is to become of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Patch<T> {
    /// It is not named and stays as it is.
    #[default]
    Keep,
    /// It is named with null and goes.
    Remove,
    /// It gets this value.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the field is not named.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Clone> Patch<T> {
    /// The field after the patch.
    pub fn applied(&self, current: Option<&T>) -> Option<T> {
        match self {
            Self::Keep => current.cloned(),
            Self::Remove => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

impl<P> Patch<P> {
    /// An object after the patch: what is set is a patch of its own, put upon what there is.
    pub fn merged<T: Clone>(&self, current: Option<&T>, apply: impl FnOnce(&P, Option<&T>) -> T) -> Option<T> {
        match self {
            Self::Keep => current.cloned(),
            Self::Remove => None,
            Self::Set(patch) => Some(apply(patch, current)),
        }
    }
}

/// A field that is named. One that is not reads as [`Patch::Keep`] by `#[serde(default)]`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Remove, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::Patch;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Body {
        #[serde(default)]
        name: Patch<String>,
    }

    fn read(text: &str) -> Patch<String> {
        serde_json::from_str::<Body>(text).unwrap().name
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        assert_eq!(read("{}"), Patch::Keep);
        assert_eq!(read(r#"{"name": null}"#), Patch::Remove);
        assert_eq!(read(r#"{"name": "Ana"}"#), Patch::Set("Ana".to_owned()));
        assert!(serde_json::from_str::<Body>(r#"{"name": 7}"#).is_err());
    }

    #[test]
    fn a_patch_keeps_removes_or_sets() {
        let current = Some("Ana".to_owned());
        assert_eq!(Patch::Keep.applied(current.as_ref()), current);
        assert_eq!(Patch::Remove.applied(current.as_ref()), None);
        assert_eq!(Patch::Set("Eva".to_owned()).applied(current.as_ref()).as_deref(), Some("Eva"));
    }

    #[test]
    fn an_object_is_merged_with_what_there_is() {
        let added = |more: &u8, current: Option<&u8>| more + current.unwrap_or(&0);
        assert_eq!(Patch::Set(2).merged(Some(&5), added), Some(7));
        assert_eq!(Patch::Set(2).merged(None, added), Some(2));
        assert_eq!(Patch::<u8>::Remove.merged(Some(&5), added), None);
        assert_eq!(Patch::<u8>::Keep.merged(Some(&5), added), Some(5));
    }
}
