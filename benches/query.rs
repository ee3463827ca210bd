//! Queries as the handlers make them, on read models with a million rows, beside `SELECT` by primary key by pgbench.

use crate::Settings;
use crate::cluster::Cluster;
use crate::load::{Ids, TENANT, occurred_at};
use crate::measure::{Counted, Load, Run, in_turns};
use crate::table::{Hold, Line, Table};
use anyhow::Context;
use domain::Moment;
use domain::phone::Phone;
use futures::future::BoxFuture;
use projections::Projections;
use projections::customers::customers;
use projections::customers::customers::by_name::{NameQuery, find_by_name};
use projections::loyalty::loyalty_balances;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Position;
use store::postgres::Pools;
use uuid::Uuid;

/// As many as the pool of the request role has sessions.
const CLIENTS: usize = 16;

#[derive(Debug, Clone, Copy)]
enum Query {
    BalanceById,
    CustomerByPhone,
    /// A beginning that half of all names have.
    CustomersByWord,
    /// Two words, of which 500 have both.
    CustomersByTwoWords,
}

struct Asking {
    pools: Pools,
    rows: u64,
    query: Query,
}

impl Load for Asking {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let client = |_| tokio::spawn(ask_until(self.pools.clone(), self.rows, self.query, begun + span));
            let counted = futures::future::try_join_all((0..CLIENTS).map(client)).await?;
            Ok(Run::together(begun, &counted.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
        })
    }
}

async fn ask_until(pools: Pools, rows: u64, query: Query, end: Instant) -> anyhow::Result<Counted> {
    let (mut ids, mut counted, now) =
        (Ids::new(), Counted::new(), Moment { at: occurred_at(), today: occurred_at().date_naive() });
    while Instant::now() < end {
        let number = ids.number() % rows + 1;
        let asked = Instant::now();
        let found = match query {
            Query::BalanceById => {
                let account = Uuid::from_u128(number.into());
                loyalty_balances::find(&pools, TENANT, account, now).await?.is_some()
            }
            Query::CustomerByPhone => {
                let phone = Phone::parse(&format!("+49151{number:08}"), None)?;
                customers::find_by_phone(&pools, TENANT, &phone).await?.is_some()
            }
            Query::CustomersByWord => names_found(&pools, "given1").await?,
            Query::CustomersByTwoWords => {
                names_found(&pools, &format!("Fámily{} given{}", number % FAMILIES, number % GIVEN)).await?
            }
        };
        anyhow::ensure!(found, "row {number} was not found");
        counted.add(1, asked);
    }
    Ok(counted)
}

/// How many different words names have.
const GIVEN: u64 = 200;
const FAMILIES: u64 = 2_000;

async fn names_found(pools: &Pools, asked: &str) -> anyhow::Result<bool> {
    let page = find_by_name(pools, TENANT, &NameQuery::parse(asked)?, None, 50).await?;
    Ok(!page.value.rows.is_empty())
}

/// `SELECT` by primary key, by the same number of clients.
struct Pgbench {
    socket_dir: PathBuf,
    database: &'static str,
    script: PathBuf,
}

impl Pgbench {
    fn new(cluster: &Cluster, database: &'static str, rows: u64) -> anyhow::Result<Self> {
        let script = cluster.folder().join("select.sql");
        let text = format!(
            "\\set n random(1, {rows})\n\
             select * from loyalty_balances_g1.loyalty_balances where account = lpad(to_hex(:n::int), 32, '0')::uuid;\n"
        );
        std::fs::write(&script, text)?;
        Ok(Self { socket_dir: cluster.socket_dir(), database, script })
    }
}

impl Load for Pgbench {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let seconds = span.as_secs().max(1);
            let output = tokio::process::Command::new("pgbench")
                .arg("-h")
                .arg(&self.socket_dir)
                .args(["-p", "5432", "-U", "postgres", "-n", "-M", "prepared", "-j", "2"])
                .args(["-c", &CLIENTS.to_string(), "-T", &seconds.to_string(), "-f"])
                .arg(&self.script)
                .arg(self.database)
                .output()
                .await
                .context("pgbench does not start; it comes with PostgreSQL's client programs")?;
            let text = String::from_utf8_lossy(&output.stdout);
            let rate =
                text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
            let rate = rate.with_context(|| format!("pgbench: {}", String::from_utf8_lossy(&output.stderr)))?;
            let elapsed = Duration::from_secs(seconds);
            Ok(Run { count: (rate * elapsed.as_secs_f64()) as u64, elapsed, ..Run::together(Instant::now(), &[]) })
        })
    }
}

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    const DATABASE: &str = "query_log";
    let rows = if settings.smoke { 50_000 } else { 1_000_000 };
    let log = cluster.database(DATABASE).await?;
    let store = log.store().await?;
    let pools = Pools::new(&log.database);
    let projections = Projections::start(&pools, Arc::clone(&store) as _, Ids::new().id());
    let all: Vec<&str> = projections::projectors().iter().map(|projector| projector.name).collect();
    projections.wait_for(&all, Position(0), Duration::from_secs(10)).await?;
    log.as_superuser(&rows_of(rows)).await?;
    // What autovacuum would have done in a minute.
    log.as_superuser("vacuum analyze").await?;
    cluster.checkpoint().await?;
    let asking = |query| Asking { pools: pools.clone(), rows, query };
    let (mut by_id, mut by_phone) = (asking(Query::BalanceById), asking(Query::CustomerByPhone));
    let (mut by_word, mut by_words) = (asking(Query::CustomersByWord), asking(Query::CustomersByTwoWords));
    let mut pgbench = Pgbench::new(cluster, DATABASE, rows)?;
    let turns = [&mut pgbench as &mut dyn Load, &mut by_id, &mut by_phone, &mut by_word, &mut by_words];
    let [base, id, phone, word, words] = in_turns(settings, turns).await?;
    for (what, rounds) in [("balance by id", id), ("customer by phone", phone)] {
        let line = Line::new("query", format!("{what}, {rows} rows, 16 clients"), rounds.rate(), "queries/s");
        table.add(line.beside("pgbench", base.rate(), rounds.ratio_to(&base)).hold(Hold::Ratio(0.5)));
        let p99 = Line::new("query", format!("{what}, p99"), rounds.latency_ms(0.99), "ms");
        table.add(p99.hold(Hold::AtMost(5.0)));
    }
    for (what, rounds) in [("customers by a word", word), ("customers by two words", words)] {
        table.add(Line::new("query", format!("{what}, 50 of {rows} rows, 16 clients"), rounds.rate(), "queries/s"));
        table.add(Line::new("query", format!("{what}, p99"), rounds.latency_ms(0.99), "ms"));
    }
    projections.stop().await;
    store.close().await;
    Ok(())
}

/// Rows as the projectors would have written them.
fn rows_of(count: u64) -> String {
    format!(
        "insert into customers_g1.customers (id, tenant, kind, status, lifecycle, name, phone, purchase_count, registered_on, created_at, \
         updated_at, created_position, position, version) \
         select lpad(to_hex(n), 32, '0')::uuid, 1, 'individual', 'active', 'prospect', \
         'Given' || n % {GIVEN} || ' Fámily' || n % {FAMILIES}, '+49151' || lpad(n::text, 8, '0'), \
         0, '2026-01-01', '2026-01-01', '2026-01-01', n, n, 1 from generate_series(1, {count}) n; \
         insert into customer_profiles_g1.customer_contacts (tenant, customer_id, kind, rank, value, normalized) \
         select 1, lpad(to_hex(n), 32, '0')::uuid, 'phone', 1, phone, phone from generate_series(1, {count}) n, \
         lateral (values ('+49151' || lpad(n::text, 8, '0'))) of_phone (phone); \
         insert into customers_g1.customer_words (tenant, customer_id, word) \
         select 1, lpad(to_hex(n), 32, '0')::uuid, word from generate_series(1, {count}) n, \
         lateral (values ('given' || n % {GIVEN}), ('family' || n % {FAMILIES})) of_name (word); \
         insert into loyalty_balances_g1.loyalty_balances (account, tenant, currency, available, pending, held, lifetime_earned, redeemed, \
         expired, reversed, adjusted, transferred_in, transferred_out, returned, earned_last_12_months, tier, enrolled_on, lots, holds, pending_points, stamp_cards, rewards, updated_at, \
         position, version) \
         select lpad(to_hex(n), 32, '0')::uuid, 1, 'EUR', 120, 0, 0, 120, 0, 0, 0, 0, 0, 0, 0, 120, 'bronze', \
         '2026-01-01', '[{{\"lot\":1,\"order\":\"order-7\",\"left\":120,\"counted\":120,\"earned_on\":\"2026-01-01\",\
         \"expires_on\":\"2028-01-01\"}}]', '[]', '[]', '[]', '[]', '2026-01-01', n, 1 from generate_series(1, {count}) n;"
    )
}
