//! Old versions of events, lifted one version at a time until they read as the newest.
//!
//! Released versions are never forgotten: their golden files are decoded by a test. The newest version of a type is one
//! more than the number of its upcasters, so a version cannot be announced without a way to reach it.

use serde_json::{Map, Value};

/// One step of one type: from a version to the next.
pub struct Upcaster {
    /// The wire name.
    pub event_type: &'static str,
    /// The version that it takes.
    pub from: i16,
    /// What changes.
    pub lift: fn(&mut Fields),
}

/// The fields of a stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Those in the clear.
    pub payload: Map<String, Value>,
    /// The personal ones, unless erased or absent.
    pub personal: Option<Map<String, Value>>,
}

/// How many steps a type has.
pub(super) fn steps(upcasters: &[Upcaster], event_type: &str) -> i16 {
    upcasters.iter().filter(|upcaster| upcaster.event_type == event_type).map(|_| 1).sum()
}

/// Lifts the fields of a version to the newest.
pub(super) fn lift(upcasters: &[Upcaster], event_type: &str, version: i16, fields: &mut Fields) {
    let mut version = version;
    while let Some(upcaster) =
        upcasters.iter().find(|upcaster| upcaster.event_type == event_type && upcaster.from == version)
    {
        (upcaster.lift)(fields);
        version += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UPCASTERS: &[Upcaster] = &[
        Upcaster {
            event_type: "a",
            from: 2,
            lift: |fields| {
                fields.payload.insert("third".into(), json!(3));
            },
        },
        Upcaster {
            event_type: "a",
            from: 1,
            lift: |fields| {
                fields.payload.insert("second".into(), json!(2));
            },
        },
        Upcaster { event_type: "b", from: 1, lift: |fields| fields.payload.clear() },
    ];

    fn lifted(event_type: &str, version: i16) -> Value {
        let mut fields = Fields { payload: Map::new(), personal: None };
        lift(UPCASTERS, event_type, version, &mut fields);
        Value::Object(fields.payload)
    }

    #[test]
    fn a_version_takes_all_steps_that_are_left_and_no_other() {
        assert_eq!(lifted("a", 1), json!({"second": 2, "third": 3}));
        assert_eq!(lifted("a", 2), json!({"third": 3}));
        assert_eq!(lifted("a", 3), json!({}));
    }

    #[test]
    fn steps_are_counted_by_type() {
        assert_eq!((steps(UPCASTERS, "a"), steps(UPCASTERS, "b"), steps(UPCASTERS, "c")), (2, 1, 0));
    }
}
