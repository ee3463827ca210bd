//! `programme rehearse`: follows a rehearsal while the server works it out, and sums it up; for programs it prints the lines as they come.

use super::PROGRAMME;
use super::rules::RulesFile;
use crate::client::{Client, ServerAddress};
use crate::output::{counted, say, table, thousands};
use crate::progress::Progress;
use anyhow::Context;
use domain::loyalty::programme::Tier;
use domain::{Currency, Money};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Display;
use uuid::Uuid;

/// What `programme rehearse` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File of the rules (JSON), as `programme show --json` prints them; - for standard input
    file: RulesFile,
    /// As of when: what has expired or was to be reviewed by then is; a date or a time of RFC 3339 [default: now]
    #[arg(long, value_name = "WHEN")]
    now: Option<String>,
    /// Tell so many of the members for whom something would be different, those with the greatest differences first
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print all that the server tells as it comes: lines of JSON, one for each member for whom something would be different
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerAddress,
}

/// Rules say more than a rehearsal tells.
const NO_CARDS: &str = "the stamp cards of these rules are not rehearsed: no stamps and no rewards are counted";

impl Args {
    pub(super) const fn server(&self) -> &ServerAddress {
        &self.server
    }
}

pub(super) async fn run(client: &Client, args: &Args) -> anyhow::Result<()> {
    let mut body = args.file.read()?;
    if let Some(now) = &args.now {
        body["now"] = json!(now);
    }
    let has_cards = body["rules"]["stamp_cards"].as_array().is_some_and(|cards| !cards.is_empty());
    let mut answer = client.open_with(&format!("{PROGRAMME}/rehearsals"), &body).await?;
    let progress = Progress::new(args.json, "positions", 0);
    let (mut told, mut unfinished) = (Told::new(args.limit), Vec::new());
    while let Some(piece) = answer.chunk().await.context("the rehearsal broke off: ask again")? {
        unfinished.extend_from_slice(&piece);
        let whole = unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = unfinished.drain(..whole).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if args.json {
                say!("{}", String::from_utf8_lossy(line))?;
            }
            told.take(line, &progress)?;
        }
    }
    progress.ends();
    let summary = told
        .summary(&args.file.as_argument(), has_cards)
        .context("the rehearsal broke off before its end: ask again")?;
    if args.json { Ok(()) } else { say!("{summary}") }
}

/// A line of the answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress { position: u64, of: u64 },
    Customer(Changed),
    Rehearsal(Sums),
    Error(Value),
}

/// As it is, and as it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Both<T> {
    now: T,
    rehearsed: T,
}

/// A member for whom something would be different.
#[derive(Debug, Deserialize)]
struct Changed {
    customer_id: Uuid,
    tier: Both<Tier>,
    points: Both<i64>,
    worth: Option<Worth>,
}

/// What points are worth.
#[derive(Debug, Deserialize)]
struct Worth {
    currency: String,
    now: String,
    rehearsed: String,
}

/// What the rehearsal comes to.
#[derive(Debug, Deserialize)]
struct Sums {
    rehearsal_id: Uuid,
    position: u64,
    members: u64,
    purchases: u64,
    upgraded: u64,
    downgraded: u64,
    points: i64,
    rehearsed_points: i64,
    liabilities: Vec<Worth>,
}

/// What has been told so far: no more of the members than are shown.
struct Told {
    limit: usize,
    greatest: Vec<Changed>,
    changed: u64,
    moves: BTreeMap<(Tier, Tier), u64>,
    sums: Option<Sums>,
}

impl Told {
    fn new(limit: usize) -> Self {
        Self { limit, greatest: Vec::new(), changed: 0, moves: BTreeMap::new(), sums: None }
    }

    fn take(&mut self, line: &[u8], progress: &Progress) -> anyhow::Result<()> {
        match serde_json::from_slice(line).context("the server's answer cannot be understood")? {
            Line::Progress { position, of } => progress.moves(position, of),
            Line::Customer(changed) => self.take_customer(changed),
            Line::Rehearsal(sums) => self.sums = Some(sums),
            Line::Error(problem) => return Err(Client::told_late(problem).into()),
        }
        Ok(())
    }

    fn take_customer(&mut self, changed: Changed) {
        self.changed += 1;
        if changed.tier.now != changed.tier.rehearsed {
            *self.moves.entry((changed.tier.now, changed.tier.rehearsed)).or_default() += 1;
        }
        self.greatest.push(changed);
        if self.greatest.len() >= self.limit.saturating_mul(2).max(1_000) {
            self.keep_the_greatest();
        }
    }

    fn keep_the_greatest(&mut self) {
        self.greatest.sort_by_key(|changed| (Reverse(changed.by_how_much()), changed.customer_id));
        self.greatest.truncate(self.limit);
    }

    /// All in sum, and the members with the greatest differences; none before the end.
    fn summary(mut self, file: &str, has_cards: bool) -> Option<String> {
        self.keep_the_greatest();
        let sums = self.sums.as_ref()?;
        let (purchases, members) = (counted(sums.purchases, "purchase"), counted(sums.members, "member"));
        let (position, changed) = (thousands(sums.position), thousands(self.changed));
        let head = format!(
            "{purchases} of {members}, up to position {position}; {changed} would have another tier or other points"
        );
        let id = sums.rehearsal_id;
        let next = format!(
            "rehearsal {id}; to publish these rules: clientela programme publish {file} --from DATE --rehearsal {id}"
        );
        let cards = if has_cards { NO_CARDS } else { "" }.to_owned();
        let parts = [head, self.members_text(), self.moves_text(sums), sums_table(sums), cards, next];
        Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n"))
    }

    fn members_text(&self) -> String {
        if self.greatest.is_empty() {
            return String::new();
        }
        let header = ["MEMBER", "TIER", "POINTS", "WORTH"].map(str::to_owned).to_vec();
        let lines = self.greatest.iter().map(Changed::cells);
        let mut text = table(&[header].into_iter().chain(lines).collect::<Vec<_>>());
        let others = self.changed.saturating_sub(self.greatest.len() as u64);
        if others > 0 {
            text.push_str(&format!("\nand {}; --limit tells more of them, --json all", counted(others, "other")));
        }
        text
    }

    fn moves_text(&self, sums: &Sums) -> String {
        let (up, down) = (thousands(sums.upgraded), thousands(sums.downgraded));
        let moves =
            self.moves.iter().map(|((now, rehearsed), count)| format!("{now} → {rehearsed} {}", thousands(*count)));
        let moves = moves.collect::<Vec<_>>().join(", ");
        let moves = if moves.is_empty() { moves } else { format!(": {moves}") };
        format!("{up} would be of a higher tier, {down} of a lower one{moves}")
    }
}

impl Changed {
    /// By how many tiers, and by how many points.
    fn by_how_much(&self) -> (usize, u64) {
        let place = |tier: Tier| Tier::ALL.iter().position(|other| *other == tier).unwrap_or_default();
        let tiers = place(self.tier.now).abs_diff(place(self.tier.rehearsed));
        (tiers, self.points.now.abs_diff(self.points.rehearsed))
    }

    fn cells(&self) -> Vec<String> {
        let worth =
            self.worth.as_ref().map(|worth| format!("{} {}", moved(&worth.now, &worth.rehearsed), worth.currency));
        vec![
            self.customer_id.to_string(),
            moved(&self.tier.now, &self.tier.rehearsed),
            moved(&whole(self.points.now), &whole(self.points.rehearsed)),
            worth.unwrap_or_default(),
        ]
    }
}

fn sums_table(sums: &Sums) -> String {
    let header = ["", "NOW", "REHEARSED", "DIFFERENCE"].map(str::to_owned).to_vec();
    let (now, rehearsed) = (sums.points, sums.rehearsed_points);
    let points = ["points".to_owned(), whole(now), whole(rehearsed), signed(rehearsed.saturating_sub(now))].to_vec();
    let worth = sums.liabilities.iter().map(|worth| {
        let difference = worth.difference().unwrap_or_default();
        vec![format!("worth {}", worth.currency), worth.now.clone(), worth.rehearsed.clone(), difference]
    });
    table(&[header, points].into_iter().chain(worth).collect::<Vec<_>>())
}

impl Worth {
    fn difference(&self) -> Option<String> {
        let currency = Currency::parse(&self.currency).ok()?;
        let amount = |text: &str| Money::parse(text, currency).ok();
        let difference = amount(&self.rehearsed)?.checked_sub(amount(&self.now)?).ok()?;
        let sign = if difference.is_negative() || difference.is_zero() { "" } else { "+" };
        Some(format!("{sign}{}", difference.amount()))
    }
}

/// From what to what, or what it stays.
fn moved<T: Display + PartialEq>(now: &T, rehearsed: &T) -> String {
    if now == rehearsed { now.to_string() } else { format!("{now} → {rehearsed}") }
}

fn whole(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", thousands(number.unsigned_abs()))
}

fn signed(number: i64) -> String {
    if number > 0 { format!("+{}", whole(number)) } else { whole(number) }
}

#[cfg(test)]
mod tests {
    use super::{Progress, Told};
    use serde_json::{Value, json};

    fn member(number: u128, tier: (&str, &str), points: (i64, i64)) -> Value {
        json!({"customer": {
            "customer_id": uuid::Uuid::from_u128(number),
            "tier": {"now": tier.0, "rehearsed": tier.1}, "points": {"now": points.0, "rehearsed": points.1},
            "worth": {"currency": "EUR", "now": "1.00", "rehearsed": "2.00"},
        }})
    }

    fn told(limit: usize, lines: &[Value]) -> anyhow::Result<Told> {
        let (progress, mut told) = (Progress::new(true, "positions", 0), Told::new(limit));
        lines.iter().try_for_each(|line| told.take(line.to_string().as_bytes(), &progress))?;
        Ok(told)
    }

    fn sums(liabilities: &Value) -> Value {
        json!({"rehearsal": {
            "rehearsal_id": uuid::Uuid::from_u128(9), "rehearsed_on": "2026-02-01", "rules": {}, "position": 12_345,
            "recorded_position": 12_346, "members": 1_700, "purchases": 2_000, "upgraded": 1, "downgraded": 0,
            "points": 1_000, "rehearsed_points": -250, "liabilities": liabilities,
        }})
    }

    #[test]
    fn those_with_the_greatest_differences_are_told_first_and_all_are_counted() {
        let few = (3..1_503).map(|number| member(number, ("bronze", "bronze"), (0, 1)));
        let lines: Vec<_> = [member(1, ("bronze", "bronze"), (100, 900)), member(2, ("bronze", "gold"), (100, 150))]
            .into_iter()
            .chain(few)
            .chain([sums(&json!([{"currency": "EUR", "now": "10.00", "rehearsed": "-2.50"}]))])
            .collect();
        insta::assert_snapshot!(told(2, &lines).unwrap().summary("rules.json", false).unwrap(), @r"
        2,000 purchases of 1,700 members, up to position 12,345; 1,502 would have another tier or other points

        MEMBER                                TIER           POINTS     WORTH
        00000000-0000-0000-0000-000000000002  bronze → gold  100 → 150  1.00 → 2.00 EUR
        00000000-0000-0000-0000-000000000001  bronze         100 → 900  1.00 → 2.00 EUR
        and 1,500 others; --limit tells more of them, --json all

        1 would be of a higher tier, 0 of a lower one: bronze → gold 1

                   NOW    REHEARSED  DIFFERENCE
        points     1,000  -250       -1,250
        worth EUR  10.00  -2.50      -12.50

        rehearsal 00000000-0000-0000-0000-000000000009; to publish these rules: clientela programme publish rules.json --from DATE --rehearsal 00000000-0000-0000-0000-000000000009
        ");
        let nobody = told(20, &[sums(&json!([]))]).unwrap().summary("rules.json", true).unwrap();
        insta::assert_snapshot!(nobody, @r"
        2,000 purchases of 1,700 members, up to position 12,345; 0 would have another tier or other points

        1 would be of a higher tier, 0 of a lower one

                NOW    REHEARSED  DIFFERENCE
        points  1,000  -250       -1,250

        the stamp cards of these rules are not rehearsed: no stamps and no rewards are counted

        rehearsal 00000000-0000-0000-0000-000000000009; to publish these rules: clientela programme publish rules.json --from DATE --rehearsal 00000000-0000-0000-0000-000000000009
        ");
    }

    #[test]
    fn an_answer_without_an_end_is_none_and_an_error_in_it_is_told() {
        assert!(told(20, &[member(1, ("bronze", "silver"), (0, 1))]).unwrap().summary("rules.json", false).is_none());
        let problem =
            json!({"error": {"status": 503, "code": "unavailable", "detail": "the event store is unavailable"}});
        let error = told(20, &[problem]).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the server answered 503 unavailable: the event store is unavailable"));
        assert!(told(20, &[json!({"customer": 7})]).is_err());
    }
}
