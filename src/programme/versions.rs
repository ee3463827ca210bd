//! The versions of a programme: of those that have begun the one published last holds, so that one published later ends those before it,
//! or takes their place.

use super::text;
use crate::output::table;
use chrono::NaiveDate;
use serde_json::Value;

/// A version, in the order of publishing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    number: u64,
    from: NaiveDate,
}

/// How long a version holds.
#[derive(Debug, PartialEq, Eq)]
enum Holds {
    OnAndOn,
    Until(NaiveDate),
    /// Never, or no longer: this version has its place.
    Replaced(u64),
}

/// The versions of an answer of the server.
pub(super) fn of(answer: &Value) -> Vec<Version> {
    let read = |version: &Value| {
        Some(Version { number: version["version"].as_u64()?, from: text(&version["from"]).parse().ok()? })
    };
    let mut versions: Vec<_> = answer["versions"].as_array().into_iter().flatten().filter_map(read).collect();
    versions.sort_by_key(|version| version.number);
    versions
}

fn holds(version: Version, versions: &[Version]) -> Holds {
    let later = || versions.iter().filter(move |other| other.number > version.number);
    if let Some(first) = later().find(|other| other.from <= version.from) {
        return Holds::Replaced(first.number);
    }
    let end = later().map(|other| other.from).min().and_then(|from| from.pred_opt());
    end.map_or(Holds::OnAndOn, Holds::Until)
}

/// What a version has taken the place of, in words.
pub(super) fn replaced_by(number: u64, versions: &[Version]) -> Vec<String> {
    let replaced = versions.iter().filter(|version| holds(**version, versions) == Holds::Replaced(number));
    replaced.map(|version| format!("{} (from {})", version.number, version.from)).collect()
}

/// All of them, for people.
pub(super) fn as_table(answer: &Value) -> String {
    let versions = of(answer);
    let header = ["VERSION", "FROM", "HOLDS", "PUBLISHED ON", "REHEARSAL ID"].map(str::to_owned).to_vec();
    let lines = answer["versions"].as_array().into_iter().flatten().map(|version| {
        let known = versions.iter().find(|known| Some(known.number) == version["version"].as_u64());
        let told = known.map_or_else(String::new, |known| match holds(*known, &versions) {
            Holds::OnAndOn => "until another one does".to_owned(),
            Holds::Until(last) => format!("until {last}"),
            Holds::Replaced(by) => format!("replaced by version {by}"),
        });
        let field = |name: &str| text(&version[name]);
        vec![field("version"), field("from"), told, field("published_on"), field("rehearsal_id")]
    });
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::{as_table, of, replaced_by};
    use serde_json::{Value, json};

    fn published(from: &[&str]) -> Value {
        let versions = from.iter().zip(1..);
        let view =
            |(from, number): (&&str, u64)| json!({"version": number, "from": from, "published_on": "2026-01-01"});
        json!({"versions": versions.map(view).collect::<Vec<_>>()})
    }

    #[test]
    fn a_later_version_ends_those_before_it() {
        insta::assert_snapshot!(as_table(&published(&["2026-01-01", "2026-07-01"])), @r"
        VERSION  FROM        HOLDS                   PUBLISHED ON  REHEARSAL ID
        1        2026-01-01  until 2026-06-30        2026-01-01
        2        2026-07-01  until another one does  2026-01-01
        ");
    }

    #[test]
    fn one_that_begins_earlier_takes_the_place_of_those_published_before_it() {
        let answer = published(&["2026-01-01", "2026-09-01", "2026-07-01", "2026-07-01"]);
        insta::assert_snapshot!(as_table(&answer), @r"
        VERSION  FROM        HOLDS                   PUBLISHED ON  REHEARSAL ID
        1        2026-01-01  until 2026-06-30        2026-01-01
        2        2026-09-01  replaced by version 3   2026-01-01
        3        2026-07-01  replaced by version 4   2026-01-01
        4        2026-07-01  until another one does  2026-01-01
        ");
        assert_eq!(replaced_by(3, &of(&answer)), ["2 (from 2026-09-01)"]);
        assert!(replaced_by(2, &of(&answer)).is_empty());
    }
}
