//! Rules rehearsed over the history of a shop, by the real program over HTTP: how long it takes, and what memory meanwhile.

use crate::Settings;
use crate::measure::median;
use crate::program::Program;
use crate::table::{Hold, Line, Table};
use anyhow::Context;
use serde_json::{Value, json};
use std::time::Instant;

/// As many purchases, of as many customers, as the shop of the acceptance test had in 18 months.
const PURCHASES: u64 = 47_797;
const CUSTOMERS: u64 = 15_713;
const ROWS_A_REQUEST: u64 = 1_000;
const REHEARSALS: &str = "/v1/loyalty/programme/rehearsals";

pub(crate) async fn run(settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let mut program = Program::new(Vec::new())?;
    program.start().await?;
    for first in (0..PURCHASES).step_by(ROWS_A_REQUEST as usize) {
        let rows: Vec<Value> = (first..PURCHASES.min(first + ROWS_A_REQUEST)).map(purchase).collect();
        let body = json!({"system": "till", "currency": "EUR", "rows": rows, "now": "1998-06-30"});
        program.posted("/v1/imports/purchases", &body).await?;
    }
    let before = program.resident_bytes()?;
    let (mut took, mut most) = (Vec::new(), before);
    for _ in 0..settings.rounds {
        let begun = Instant::now();
        let mut answer = program.asked(REHEARSALS, &json!({"rules": rules(), "now": "1998-06-30"})).await?;
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            text.extend_from_slice(&piece);
            most = most.max(program.resident_bytes()?);
        }
        took.push(begun.elapsed().as_secs_f64());
        let last = text.split(|byte| *byte == b'\n').rev().find(|line| !line.is_empty()).context("a last line")?;
        let sums = serde_json::from_slice::<Value>(last)?;
        let sums = &sums["rehearsal"];
        anyhow::ensure!((&sums["purchases"], &sums["members"]) == (&PURCHASES.into(), &CUSTOMERS.into()), "{sums}");
    }
    let line =
        Line::new("rehearsal", format!("{PURCHASES} purchases of {CUSTOMERS} members"), median(took.into_iter()), "s");
    table.add(line.hold(Hold::AtMost(2.0)));
    let memory = (most - before) as f64 / 1024.0 / 1024.0;
    table.add(Line::new("rehearsal", "memory meanwhile", memory, "MiB"));
    program.stop()
}

/// From some cents up to hundreds of units, over 18 months.
fn purchase(row: u64) -> Value {
    let (customer, month) = (format!("customer {}", row % CUSTOMERS), row * 18 / PURCHASES);
    let on = format!("{}-{:02}-{:02}", 1997 + month / 12, month % 12 + 1, row % 28 + 1);
    let total = format!("{}.{:02}", row * 7_919 % 160, row % 100);
    json!({"row": row, "customer": customer, "key": format!("k-{row}"), "total": total, "on": on})
}

fn rules() -> Value {
    let tier = |tier, from_points, multiplier_percent| json!({"tier": tier, "from_points": from_points, "multiplier_percent": multiplier_percent});
    json!({
        "earn": [{"above": 0, "points_per_unit": 1}, {"above": 50, "points_per_unit": 2}],
        "redeem": {"points_per_unit": 100, "multiple_of": 100, "minimum": 100},
        "expiry_months": 24,
        "tiers": [tier("bronze", 0, 100), tier("silver", 1_000, 125), tier("gold", 5_000, 150), tier("platinum", 20_000, 200)],
    })
}
