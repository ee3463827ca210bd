//! Refusals that the log gives rather than the domain: what must be unique is taken, what may happen once has happened.

use domain::ids::CustomerId;
use domain::{Refusal, RefusalKind};
use serde_json::Map;
use store::Version;

/// Another owner holds a claim. A kind such as `reference:erp` says by what it is followed; callers are told the first part.
pub(crate) fn taken(kind: &str) -> Refusal {
    let (name, detail) = kind.split_once(':').map_or((kind, None), |(name, detail)| (name, Some(detail)));
    let facts = detail.map(|detail| ("system".to_owned(), detail.into()));
    Refusal {
        facts: facts.into_iter().collect(),
        ..refusal(&format!("{name}_taken"), &format!("the {name} is another's"))
    }
}

/// A fact that may happen once has happened, by another request.
pub(crate) fn already_happened() -> Refusal {
    refusal("already_happened", "this has already happened, by another request")
}

/// The customer that one turned out to be who was merged, if that is why something is refused.
pub(crate) fn survivor(refusal: &Refusal) -> Option<CustomerId> {
    let survivor = refusal.facts.get("survivor").filter(|_| refusal.code == "customer_merged")?;
    CustomerId::parse(survivor.as_str()?).ok()
}

/// The customer was erased.
pub(crate) fn erased() -> Refusal {
    refusal("customer_erased", "the customer was erased")
}

/// Others have changed meanwhile which streams are concerned: to be looked up again.
pub(crate) fn outdated() -> Refusal {
    refusal(OUTDATED, "others have changed the same meanwhile")
}

pub(crate) fn is_outdated(refusal: &Refusal) -> bool {
    refusal.code == OUTDATED
}

const OUTDATED: &str = "outdated";

/// The caller has seen another version than there is now.
pub(crate) fn changed_since(seen: Version, version: Version) -> Refusal {
    let facts = [("expected_version", seen), ("version", version)];
    Refusal {
        kind: RefusalKind::Stale,
        facts: facts.into_iter().map(|(name, version)| (name.to_owned(), version.into())).collect(),
        ..refusal("version_changed", &format!("version {seen} was expected; it has changed to version {version} since"))
    }
}

/// A time zone that nobody knows.
pub(crate) fn unknown_time_zone() -> Refusal {
    let field = Some("/time_zone".to_owned());
    Refusal {
        kind: RefusalKind::Invalid,
        field,
        ..refusal("unknown_time_zone", "is not a time zone's name, such as Europe/Madrid")
    }
}

/// A business time that is still to come.
pub(crate) fn in_the_future(field: &str) -> Refusal {
    let field = Some(field.to_owned());
    Refusal { kind: RefusalKind::Invalid, field, ..refusal("in_the_future", "lies more than a day in the future") }
}

/// A business time that nobody can remember.
pub(crate) fn too_long_ago(field: &str) -> Refusal {
    let field = Some(field.to_owned());
    Refusal { kind: RefusalKind::Invalid, field, ..refusal("too_long_ago", "lies before 1900-01-01") }
}

fn refusal(code: &str, message: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Conflict,
        code: code.to_owned(),
        message: message.to_owned(),
        field: None,
        facts: Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_refused_by_the_name_of_its_kind() {
        assert_eq!(taken("email").code, "email_taken");
        let reference = taken("reference:erp");
        assert_eq!((reference.code.as_str(), &reference.facts["system"]), ("reference_taken", &"erp".into()));
    }
}
