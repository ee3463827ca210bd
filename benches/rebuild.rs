//! A read model made again from the log, beside the fastest way to get the same rows out of the database.

use crate::Settings;
use crate::cluster::{BenchDatabase, Cluster};
use crate::load::{Ids, occurred_at, request};
use crate::measure::median;
use crate::table::{Hold, Line, Table};
use anyhow::Context;
use domain::ids::OrderId;
use domain::loyalty::events::{LotPoints, LoyaltyEvent};
use domain::loyalty::programme::Tier;
use domain::{Currency, Event, Money};
use futures::TryStreamExt;
use projections::loyalty::loyalty_balances::LoyaltyBalances;
use projections::rebuild::Purpose;
use projections::{Projections, Projector, ReadModel};
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::postgres::{Pools, PostgresStore};
use store::{EventStore, Expected, NewEvent, StreamAppend, StreamId};

const ROUNDS: usize = 3;
/// Events of each account; an append holds ten of each of a hundred accounts.
pub(crate) const EVENTS_EACH: i64 = 100;
const ACCOUNTS_AN_APPEND: usize = 100;
const EVENTS_A_TIME: i64 = 10;
/// The live rows have to be there before they can be compared.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let accounts = if settings.smoke { 500 } else { 10_000 };
    let log = cluster.database("rebuild_log").await?;
    let store = log.store().await?;
    fill(&store, accounts).await?;
    log.as_superuser("vacuum analyze events").await?;
    let pools = Pools::new(&log.database);
    let projector = Projector::of::<LoyaltyBalances>();
    let live = Projections::start_with(
        std::slice::from_ref(&projector),
        &pools,
        Arc::clone(&store) as _,
        Ids::new().id(),
        projections::runner::Pace::default(),
    );
    let head = store.head().await?;
    let begun = Instant::now();
    live.wait_for(&[LoyaltyBalances::NAME], head, PATIENCE).await?;
    let caught_up = head.0 as f64 / begun.elapsed().as_secs_f64();
    cluster.checkpoint().await?;
    let (mut copies, mut rebuilds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        copies.push(head.0 as f64 / copied(&log, "copy events to stdout (format binary)").await?.as_secs_f64());
        let rebuilt =
            projector.rebuild(&log.database, Arc::clone(&store) as _, Purpose::Check, Arc::new(|_| {})).await?;
        anyhow::ensure!(rebuilt.agrees(), "the replay came to other rows");
        rebuilds.push(rebuilt.events as f64 / rebuilt.replay_seconds);
    }
    let ratio = median(copies.iter().zip(&rebuilds).map(|(copy, rebuild)| rebuild / copy));
    let what = format!("loyalty_balances, {} events of {accounts} accounts", head.0);
    let line = Line::new("rebuild", what, median(rebuilds.into_iter()), "events/s");
    table.add(line.beside("binary COPY out", median(copies.into_iter()), ratio).hold(Hold::Ratio(0.7)));
    table.add(Line::new("rebuild", "the live projector catching up", caught_up, "events/s"));
    live.stop().await;
    store.close().await;
    Ok(())
}

/// All read models, one after the other, as `rebuild --all` makes them.
pub(crate) async fn all(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let accounts = if settings.smoke { 200 } else { 2_000 };
    let log = cluster.database("rebuild_all_log").await?;
    let store = log.store().await?;
    fill(&store, accounts).await?;
    log.as_superuser("vacuum analyze events").await?;
    let live = Projections::start(&Pools::new(&log.database), Arc::clone(&store) as _, Ids::new().id());
    let (projectors, head) = (projections::projectors(), store.head().await?);
    let names: Vec<&str> = projectors.iter().map(|projector| projector.name).collect();
    live.wait_for(&names, head, PATIENCE).await?;
    cluster.checkpoint().await?;
    let copied = copied(&log, "copy events to stdout (format binary)").await?.as_secs_f64();
    let mut seconds = 0.0;
    for projector in &projectors {
        let rebuilt =
            projector.rebuild(&log.database, Arc::clone(&store) as _, Purpose::Check, Arc::new(|_| {})).await?;
        anyhow::ensure!(rebuilt.agrees(), "the replay of {} came to other rows", projector.name);
        seconds += rebuilt.replay_seconds;
        if rebuilt.events > 0 {
            let (what, rate) = (format!("{}, {} events", projector.name, rebuilt.events), rebuilt.events as f64);
            table.add(Line::new("rebuild", what, rate / rebuilt.replay_seconds, "events/s"));
        }
    }
    let (rate, copy) = (head.0 as f64 / seconds, head.0 as f64 / copied);
    let line = Line::new("rebuild", format!("all {} projections, {head} events", names.len()), rate, "events/s");
    table.add(line.beside("binary COPY out", copy, copied / seconds).hold(Hold::Ratio(0.1)));
    live.stop().await;
    store.close().await;
    Ok(())
}

/// The rows of the log, whole, through one connection.
pub(crate) async fn copied(log: &BenchDatabase, statement: &'static str) -> anyhow::Result<Duration> {
    let mut connection: PgConnection = log.superuser().await?;
    let begun = Instant::now();
    let mut rows = connection.copy_out_raw(statement).await?;
    let mut bytes = 0;
    while let Some(chunk) = rows.try_next().await? {
        bytes += chunk.len();
    }
    anyhow::ensure!(bytes > 0, "nothing was copied");
    Ok(begun.elapsed())
}

/// Accounts that earn and redeem in turn.
pub(crate) async fn fill(store: &Arc<PostgresStore>, accounts: usize) -> anyhow::Result<()> {
    let mut ids = Ids::new();
    let streams: Vec<StreamId> = (0..accounts).map(|_| ids.stream()).collect();
    for from in (0..EVENTS_EACH).step_by(EVENTS_A_TIME as usize) {
        for some in streams.chunks(ACCOUNTS_AN_APPEND) {
            let appends = some.iter().map(|stream| {
                let events = (from..from + EVENTS_A_TIME).map(|number| stored(*stream, number));
                let events = events.collect::<anyhow::Result<_>>()?;
                Ok(StreamAppend { stream: *stream, expected: Expected::Any, events })
            });
            let appends = appends.collect::<anyhow::Result<_>>()?;
            store.append(request(&mut ids, appends)).await?;
        }
    }
    Ok(())
}

pub(crate) fn stored(stream: StreamId, number: i64) -> anyhow::Result<NewEvent> {
    let encoded = Event::from(happened(number)?).encode();
    Ok(NewEvent {
        event_type: encoded.event_type,
        schema_version: encoded.schema_version,
        occurred_at: occurred_at(),
        once_id: None,
        subject_id: None,
        customer_id: Some(stream.id),
        payload: String::from_utf8(encoded.payload)?,
        personal: None,
    })
}

/// Enrolled; then odd numbers earn a lot, even ones redeem it.
fn happened(number: i64) -> anyhow::Result<LoyaltyEvent> {
    let (euro, on) = (Currency::parse("EUR")?, occurred_at().date_naive());
    let order = OrderId::parse(&format!("order-{number}"))?;
    let lot = u32::try_from((number + 1) / 2)?;
    Ok(match number {
        0 => LoyaltyEvent::Enrolled { currency: euro, on },
        odd if odd % 2 == 1 => LoyaltyEvent::PointsEarned {
            order,
            total: Money::parse("120.00", euro)?,
            programme: None,
            tier: Tier::Bronze,
            base_points: 120,
            multiplier_percent: 100,
            points: 120,
            lot,
            earned_on: on,
            expires_on: on.checked_add_months(chrono::Months::new(24)).context("a date")?,
            paid_debt: 0,
            campaigns: Vec::new(),
            capped: 0,
            pending_since: None,
            balance: 120,
        },
        _ => LoyaltyEvent::PointsRedeemed {
            order,
            points: 120,
            discount: Money::parse("1.20", euro)?,
            from: vec![LotPoints { lot, points: 120 }],
            hold: None,
            redeemed_on: on,
            balance: 0,
        },
    })
}
