//! Rules of a programme: read from a file, and told to a person.

use super::text;
use crate::output::{table, thousands};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

/// Without these there are no rules.
const NEEDED: [&str; 4] = ["earn", "redeem", "expiry_months", "tiers"];

/// A file of rules, or standard input.
#[derive(Debug, Clone)]
pub(crate) struct RulesFile(PathBuf);

impl From<OsString> for RulesFile {
    fn from(name: OsString) -> Self {
        Self(name.into())
    }
}

impl RulesFile {
    /// What is asked for: `rules`, and what stands beside them. The file may be the rules alone, or what `programme show --json` has
    /// printed: which version that was and since when is not asked for.
    pub(super) fn read(&self) -> anyhow::Result<Value> {
        let (bytes, shown) = (self.bytes()?, self.shown());
        let read: Value = serde_json::from_slice(&bytes).with_context(|| format!("{shown} is not valid JSON"))?;
        let Value::Object(mut members) = read else {
            bail!("{shown} must hold an object: rules, as `clientela programme show --json` prints them");
        };
        if !members.contains_key("rules") {
            let missing: Vec<_> = NEEDED.iter().filter(|name| !members.contains_key(**name)).collect();
            if let [first, ..] = missing.as_slice() {
                bail!(
                    "{shown} has no `{first}`: a file of rules holds all of them; begin with what `clientela programme show --json` prints"
                );
            }
            return Ok(json!({"rules": members}));
        }
        members.retain(|name, _| !["version", "from"].contains(&name.as_str()));
        Ok(members.into())
    }

    /// As a person would write it behind a command.
    pub(super) fn as_argument(&self) -> String {
        let name = self.0.display().to_string();
        let is_plain = name.chars().all(|letter| letter.is_alphanumeric() || "-_./".contains(letter));
        if is_plain { name } else { format!("'{}'", name.replace('\'', r"'\''")) }
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        if self.0.as_os_str() != "-" {
            return std::fs::read(&self.0).with_context(|| format!("{} cannot be read", self.shown()));
        }
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
        Ok(bytes)
    }

    fn shown(&self) -> String {
        match self.0.as_os_str() == "-" {
            true => "standard input".to_owned(),
            false => self.0.display().to_string(),
        }
    }
}

/// The rules that hold, and since when.
pub(super) fn as_text(programme: &Value) -> String {
    let rules = &programme["rules"];
    let since = match (&programme["version"], text(&programme["from"])) {
        (Value::Null, _) => "the standard rules".to_owned(),
        (version, from) => format!("version {version}, since {from}"),
    };
    [since, bands(rules), tiers(rules), others(rules)].join("\n\n")
}

fn bands(rules: &Value) -> String {
    let header = ["TOTALS ABOVE", "POINTS A UNIT", "OF"].map(str::to_owned).to_vec();
    let of = |band: &Value| match band["of"].as_str() {
        Some("total") => "the whole total".to_owned(),
        _ => "what lies above".to_owned(),
    };
    let lines = items(&rules["earn"]);
    let lines = lines.map(|band| vec![whole(&band["above"]), whole(&band["points_per_unit"]), of(band)]);
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

fn tiers(rules: &Value) -> String {
    let header = ["TIER", "FROM POINTS", "MULTIPLIER", "BENEFITS"].map(str::to_owned).to_vec();
    let lines = items(&rules["tiers"]).map(|tier| {
        let percent = format!("{} %", whole(&tier["multiplier_percent"]));
        vec![text(&tier["tier"]), whole(&tier["from_points"]), percent, joined(&tier["benefits"])]
    });
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

fn others(rules: &Value) -> String {
    let (redeem, caps) = (&rules["redeem"], &rules["caps"]);
    let (worth, least, multiple) = (&redeem["points_per_unit"], &redeem["minimum"], &redeem["multiple_of"]);
    let redeem = format!("{} points a unit, multiples of {}, {} at least", whole(worth), whole(multiple), whole(least));
    let mut lines = vec![
        vec!["redeemed".to_owned(), redeem],
        vec!["expire".to_owned(), format!("after {} months", rules["expiry_months"])],
    ];
    for (field, of) in [("points_per_order", "an order"), ("points_per_day", "a day")] {
        if caps[field].is_i64() {
            lines.push(vec!["at most".to_owned(), format!("{} points {of}", whole(&caps[field]))]);
        }
    }
    match (&rules["pending"], &rules["pending"]["vest_after_days"]) {
        (Value::Null, _) => {}
        (_, Value::Null) => lines.push(["pending", "until somebody lets them vest"].map(str::to_owned).to_vec()),
        (_, days) => lines.push(vec!["pending".to_owned(), format!("for {days} days")]),
    }
    lines.extend(items(&rules["stamp_cards"]).map(|card| vec!["stamps".to_owned(), stamp_card(card)]));
    table(&lines)
}

fn stamp_card(card: &Value) -> String {
    let articles = [&card["categories"], &card["products"]].map(joined);
    let articles = articles.into_iter().filter(|some| !some.is_empty()).collect::<Vec<_>>().join(", ");
    let (code, stamps, reward) = (text(&card["code"]), &card["stamps"], text(&card["reward"]));
    let until = match &card["reward_expiry_months"] {
        Value::Null => String::new(),
        months => format!(", to be had for {months} months"),
    };
    format!("{code}: {stamps} of {articles} earn {reward}{until}")
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn joined(list: &Value) -> String {
    items(list).map(text).collect::<Vec<_>>().join(", ")
}

fn whole(number: &Value) -> String {
    number.as_u64().map_or_else(|| text(number), thousands)
}

#[cfg(test)]
mod tests {
    use super::{RulesFile, as_text};
    use serde_json::{Value, json};
    use std::ffi::OsString;

    fn read(text: &str) -> Result<Value, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.json");
        std::fs::write(&file, text).unwrap();
        let read = RulesFile::from(OsString::from(&file)).read();
        read.map_err(|error| format!("{error:#}").replace(&file.display().to_string(), "FILE"))
    }

    #[test]
    fn a_file_holds_rules_alone_or_with_what_stands_beside_them() {
        let rules = json!({"earn": [], "redeem": {}, "expiry_months": 12, "tiers": []});
        let bare = read(&rules.to_string()).unwrap();
        assert_eq!(bare, json!({"rules": rules}));
        let shown = read(&json!({"version": 1, "from": "2026-01-01", "rules": rules}).to_string()).unwrap();
        assert_eq!(shown, bare, "as it is shown");
        let body = json!({"rules": rules, "now": "2026-01-01", "others": 1});
        assert_eq!(read(&body.to_string()).unwrap(), body, "what is unknown is the server's to refuse");
    }

    #[test]
    fn what_is_no_object_is_refused_with_the_place() {
        insta::assert_snapshot!(read("{\"earn\": [}").unwrap_err(), @"FILE is not valid JSON: expected value at line 1 column 11");
        insta::assert_snapshot!(read("[]").unwrap_err(), @"FILE must hold an object: rules, as `clientela programme show --json` prints them");
    }

    #[test]
    fn rules_that_are_not_whole_are_refused_with_where_to_begin() {
        insta::assert_snapshot!(read("{\"earn\": [], \"tiers\": []}").unwrap_err(), @"FILE has no `redeem`: a file of rules holds all of them; begin with what `clientela programme show --json` prints");
    }

    #[test]
    fn a_file_is_named_as_a_shell_takes_it() {
        let named = |name: &str| RulesFile::from(OsString::from(name)).as_argument();
        assert_eq!(
            [named("a/rules-2.json"), named("-"), named("Ana's rules")],
            ["a/rules-2.json", "-", r"'Ana'\''s rules'"]
        );
    }

    #[test]
    fn rules_are_told_whole() {
        let rules = json!({
            "earn": [{"above": 0, "points_per_unit": 1, "of": "part"}, {"above": 50, "points_per_unit": 2, "of": "total"}],
            "redeem": {"points_per_unit": 100, "multiple_of": 50, "minimum": 100},
            "expiry_months": 24,
            "tiers": [
                {"tier": "bronze", "from_points": 0, "multiplier_percent": 100, "benefits": []},
                {"tier": "silver", "from_points": 1000, "multiplier_percent": 125, "benefits": ["free_shipping", "gift"]},
            ],
            "caps": {"points_per_order": 500, "points_per_day": null},
            "pending": {"vest_after_days": 14},
            "stamp_cards": [{"code": "coffee", "categories": ["hot-drinks"], "products": ["7"], "stamps": 10, "reward": "free_coffee",
                "reward_expiry_months": 6}],
        });
        insta::assert_snapshot!(as_text(&json!({"version": 3, "from": "2026-01-01", "rules": rules})), @r"
        version 3, since 2026-01-01

        TOTALS ABOVE  POINTS A UNIT  OF
        0             1              what lies above
        50            2              the whole total

        TIER    FROM POINTS  MULTIPLIER  BENEFITS
        bronze  0            100 %
        silver  1,000        125 %       free_shipping, gift

        redeemed  100 points a unit, multiples of 50, 100 at least
        expire    after 24 months
        at most   500 points an order
        pending   for 14 days
        stamps    coffee: 10 of hot-drinks, 7 earn free_coffee, to be had for 6 months
        ");
    }
}
