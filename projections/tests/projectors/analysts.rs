//! Analysts: their login decides what they see, and they see it over rebuilds.

use crate::credit::{formed, opened, used};
use crate::world::{
    OTHER_SHOP, SHOP, World, address_added, bought, earned, enrolled, key_created, logging_in, preferring, registered,
    tagged,
};
use domain::Event;
use domain::access::events::AccessEvent;
use domain::ids::{CampaignId, Label, RehearsalId, TenantId as DomainTenant, TimeZoneName};
use domain::loyalty::campaigns::{CampaignName, CampaignPoints, CampaignRules};
use domain::loyalty::events::{LoyaltyEvent, ProgrammeEvent, RehearsalOutcome};
use domain::loyalty::flags::FlagKind;
use domain::loyalty::programme::Programme;
use projections::projectors;
use projections::rebuild::{Progress, Purpose};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use store::TenantId;
use store::contract::fresh_id;
use store::postgres::{AnalystError, AnalystLogin, Database};

impl World {
    async fn as_analyst(&self, login: &AnalystLogin) -> Result<PgConnection, sqlx::Error> {
        let options = self.admin_options().username(&login.login).password(login.password());
        PgConnection::connect_with(&options).await
    }

    /// The same history for two tenants, in all read models.
    async fn with_two_tenants() -> Self {
        let world = Self::start().await;
        let node = world.node().await;
        let mut last = store::Position(0);
        for (number, tenant) in [(1, SHOP), (2, OTHER_SHOP)] {
            let (customer, key) = (fresh_id(), fresh_id());
            let created = AccessEvent::TenantCreated {
                tenant: DomainTenant::new(tenant.0).unwrap(),
                name: Label::parse(&format!("shop-{number}")).unwrap(),
                time_zone: TimeZoneName::parse("UTC").unwrap(),
            };
            world.append(tenant, fresh_id(), [created.into()]).await;
            world.append(tenant, key, [key_created(key, [number; 32])]).await;
            world.append(tenant, customer, [registered(&format!("ana{number}"), "+34600000001"), bought(1)]).await;
            let home = address_added(fresh_id(), "Calle Mayor 1");
            let profile = [crate::world::documented("12345678Z"), home, preferring("web", "no nuts"), tagged("vip")];
            world.append(tenant, customer, profile).await;
            world.append(tenant, customer, [logging_in(&format!("ana{number}"))]).await;
            let campaign = CampaignId::new(fresh_id());
            world.append(tenant, fresh_id(), [published(), rehearsed(), announced(campaign)]).await;
            world.append(tenant, customer, opened(customer).into_iter().chain([used(1, 40_000, "2026-02-01")])).await;
            world.append(tenant, fresh_id(), formed(customer, customer, 40_000)).await;
            last = world.append(tenant, customer, [enrolled(), earned_with(campaign), flagged()]).await;
        }
        let names: Vec<&str> = projectors().iter().map(|projector| projector.name).collect();
        for name in names {
            node.sees(name, last).await;
        }
        node.projections.stop().await;
        world
    }
}

fn flagged() -> Event {
    let on = "2026-01-10".parse().unwrap();
    LoyaltyEvent::FlagRaised { flag: FlagKind::BuyRefundLoop, orders: 5, since: on, raised_on: on }.into()
}

fn published() -> Event {
    let on = "2026-01-10".parse().unwrap();
    let rules = Programme::clone(&Programme::standard());
    ProgrammeEvent::Published { version: 1, from: on, rules, rehearsal: None, published_on: on }.into()
}

fn rehearsed() -> Event {
    let (rehearsal, rehearsed_on) = (RehearsalId::new(fresh_id()), "2026-01-10".parse().unwrap());
    let rules = Programme::clone(&Programme::standard());
    let outcome = RehearsalOutcome { position: 1, ..RehearsalOutcome::default() };
    ProgrammeEvent::Rehearsed { rehearsal, rules, outcome, rehearsed_on }.into()
}

fn announced(campaign: CampaignId) -> Event {
    let (name, from) = (CampaignName::parse("Anniversary").unwrap(), "2026-01-10".parse().unwrap());
    let rules = CampaignRules { bonus_points: Some(10), ..CampaignRules::default() };
    ProgrammeEvent::CampaignPublished { campaign, version: 1, name, rules, from, until: None, published_on: from }
        .into()
}

fn earned_with(campaign: CampaignId) -> Event {
    let mut event = earned(1);
    if let Event::Loyalty(LoyaltyEvent::PointsEarned { campaigns, .. }) = &mut event {
        campaigns.push(CampaignPoints { campaign, version: 1, points: 10, matched: None });
    }
    event
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Cow::into_owned)
}

async fn error_code(conn: &mut PgConnection, sql: &str) -> Option<String> {
    let error = conn.execute(AssertSqlSafe(sql.to_owned())).await.err()?;
    code(&error)
}

/// Tables and their columns, as the page on read models lists them.
fn documented() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/read-models.md");
    let (page, mut tables) = (std::fs::read_to_string(path).unwrap(), BTreeMap::<String, Vec<String>>::new());
    let mut table = String::new();
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("### Table `") {
            name.trim_end_matches('`').clone_into(&mut table);
        } else if let Some(row) = line.strip_prefix("| `") {
            tables.entry(table.clone()).or_default().push(row.split('`').next().unwrap().to_owned());
        }
    }
    tables
}

async fn reads_all_that_is_documented_and_nothing_of_others(conn: &mut PgConnection, tenant: TenantId) {
    let tables = documented();
    assert!(tables.len() >= 8, "{tables:?}");
    for (table, columns) in tables {
        let sql = format!("select {} from {table}", columns.join(", "));
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *conn).await.unwrap();
        assert!(!rows.is_empty(), "{table} has rows of {tenant}");
        for row in rows {
            assert_eq!(row.get::<i32, _>("tenant"), tenant.0, "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyst_reads_what_is_documented_of_one_tenant_whatever_the_session_says() {
    let world = World::with_two_tenants().await;
    let login = world.database.add_analyst(SHOP).await.unwrap();
    let mut conn = world.as_analyst(&login).await.unwrap();
    reads_all_that_is_documented_and_nothing_of_others(&mut conn, SHOP).await;
    for attempt in [
        "set app.tenant = '8'",
        "set row_security = on",
        "set role clientela_analyst",
        "set search_path = customers_g1, read_models",
    ] {
        conn.execute(attempt).await.unwrap();
        reads_all_that_is_documented_and_nothing_of_others(&mut conn, SHOP).await;
    }
    for role in ["clientela_engine", "clientela_request", "clientela_rebuild", "clientela_owner"] {
        assert_eq!(error_code(&mut conn, &format!("set role {role}")).await.as_deref(), Some("42501"), "{role}");
    }
    assert_eq!(
        error_code(&mut conn, "set row_security = off; select * from customers").await.as_deref(),
        Some("42501")
    );

    let other = world.database.add_analyst(OTHER_SHOP).await.unwrap();
    let mut others = world.as_analyst(&other).await.unwrap();
    reads_all_that_is_documented_and_nothing_of_others(&mut others, OTHER_SHOP).await;
    for projector in projectors() {
        let tell = Arc::new(|_: Progress| {});
        let made = projector.rebuild(&world.database, world.store.clone(), Purpose::Swap, tell).await.unwrap();
        assert!(made.swapped && made.agrees(), "{made:#?}");
    }
    reads_all_that_is_documented_and_nothing_of_others(&mut others, OTHER_SHOP).await;
    let mut again = world.as_analyst(&login).await.unwrap();
    reads_all_that_is_documented_and_nothing_of_others(&mut again, SHOP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyst_sees_no_events_and_writes_nothing() {
    let world = World::with_two_tenants().await;
    let login = world.database.add_analyst(SHOP).await.unwrap();
    let mut admin = world.as_admin().await;
    let readable: Vec<(String, String)> = sqlx::query_as(
        "select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'v', 'm', 'p', 'f', 'S') and n.nspname not in ('pg_catalog', 'information_schema') \
         and (has_table_privilege($1, c.oid, 'select') or has_any_column_privilege($1, c.oid, 'select'))",
    )
    .bind(&login.login)
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let found: BTreeSet<String> = readable.iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
    let tables = projectors().into_iter().flat_map(|projector| {
        projector
            .tables
            .iter()
            .flat_map(move |table| [format!("read_models.{table}"), format!("{}_g1.{table}", projector.name)])
    });
    assert_eq!(found, tables.collect());
    let writable: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c where c.relkind in ('r', 'v', 'm', 'p', 'f') \
         and c.relnamespace <> 'pg_catalog'::regnamespace \
         and has_table_privilege($1, c.oid, 'insert, update, delete, truncate, references, trigger') \
         union all select nspname::text from pg_namespace where has_schema_privilege($1, oid, 'create') \
         union all select p.oid::regprocedure::text from pg_proc p \
         where p.prosecdef and has_function_privilege($1, p.oid, 'execute') and p.proname <> 'analyst_tenant'",
    )
    .bind(&login.login)
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(writable, Vec::<String>::new());

    let mut conn = world.as_analyst(&login).await.unwrap();
    let read_only = error_code(&mut conn, "create temporary table a (b int)").await;
    assert_eq!(read_only.as_deref(), Some("25006"));
    conn.execute("set default_transaction_read_only = off").await.unwrap();
    for sql in [
        "select * from public.events",
        "select * from public.events_readable",
        "select * from public.analyst_logins",
        "insert into public.analyst_logins (login, tenant) values ('x', 8)",
        "update read_models.customers set name = 'x'",
        "delete from customers_g1.customers",
        "create table public.a (b int)",
        "create temporary table a (b int)",
        "create role clientela_more",
        "alter role clientela_analyst login",
    ] {
        assert_eq!(error_code(&mut conn, sql).await.as_deref(), Some("42501"), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_made_renewed_and_removed() {
    let world = World::with_two_tenants().await;
    assert!(matches!(world.database.renew_analyst(SHOP).await, Err(AnalystError::NotFound)));
    assert!(matches!(world.database.remove_analyst(SHOP).await, Err(AnalystError::NotFound)));
    let first = world.database.add_analyst(SHOP).await.unwrap();
    assert!(!format!("{first:?}").contains(first.password()), "{first:?}");
    assert!(matches!(world.database.add_analyst(SHOP).await, Err(AnalystError::Exists(login)) if login == first.login));
    let mut before = world.as_analyst(&first).await.unwrap();
    let timeout: String = sqlx::query_scalar("show statement_timeout").fetch_one(&mut before).await.unwrap();
    assert_eq!(timeout, "1min");

    let second = world.database.renew_analyst(SHOP).await.unwrap();
    assert!(before.ping().await.is_err(), "sessions of the old password are ended");
    let refused = world.as_analyst(&first).await.unwrap_err();
    assert_eq!(code(&refused).as_deref(), Some("28P01"), "{refused}");
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(world.as_analyst(&second).await.unwrap());
    }
    let one_more = world.as_analyst(&second).await.unwrap_err();
    assert_eq!(code(&one_more).as_deref(), Some("53300"), "{one_more}");

    assert_eq!(world.database.remove_analyst(SHOP).await.unwrap(), second.login);
    assert!(sessions[0].ping().await.is_err() && world.as_analyst(&second).await.is_err());
    let mapped: i64 =
        sqlx::query_scalar("select count(*) from analyst_logins").fetch_one(&mut world.as_admin().await).await.unwrap();
    assert_eq!(mapped, 0);
    world.database.add_analyst(SHOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_from_before_there_were_analysts_are_opened_to_them() {
    let world = World::with_two_tenants().await;
    let mut rebuild = world.as_role(store::postgres::Role::Rebuild).await;
    for statement in [
        "drop policy analyst on customers_g1.customers",
        "drop policy analyst on customers_g1.customer_references",
        "revoke select on customers_g1.customers, read_models.customers from clientela_analyst",
        "revoke usage on schema customers_g1 from clientela_analyst",
    ] {
        rebuild.execute(statement).await.unwrap();
    }
    let login = world.database.add_analyst(SHOP).await.unwrap();
    let mut conn = world.as_analyst(&login).await.unwrap();
    assert_eq!(error_code(&mut conn, "select * from customers").await.as_deref(), Some("42501"));
    projections::prepare(&world.database, &projectors()).await.unwrap();
    reads_all_that_is_documented_and_nothing_of_others(&mut conn, SHOP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_given_database_a_login_that_may_create_roles_is_enough() {
    let world = World::with_two_tenants().await;
    let (options, mut admin) = (world.admin_options(), world.as_admin().await);
    let name = options.get_database().unwrap();
    let maker = format!("maker_of_{name}");
    let made = format!(
        "drop role if exists {maker}; create role {maker} login createrole nosuperuser in role \
         clientela_owner, clientela_request, clientela_engine, clientela_rebuild"
    );
    admin.execute(AssertSqlSafe(made)).await.unwrap();
    let socket = options.get_socket().map_or(options.get_host().to_owned(), |socket| socket.display().to_string());
    let url = format!("postgres://{maker}@localhost/{name}?host={socket}&sslmode=disable");
    let given = Database::from_url(&url).unwrap();

    let first = given.add_analyst(SHOP).await.unwrap();
    reads_all_that_is_documented_and_nothing_of_others(&mut world.as_analyst(&first).await.unwrap(), SHOP).await;
    let second = given.renew_analyst(SHOP).await.unwrap();
    assert!(world.as_analyst(&first).await.is_err());
    reads_all_that_is_documented_and_nothing_of_others(&mut world.as_analyst(&second).await.unwrap(), SHOP).await;
    given.remove_analyst(SHOP).await.unwrap();
    assert!(world.as_analyst(&second).await.is_err());

    admin.execute(AssertSqlSafe(format!("alter role {maker} nocreaterole"))).await.unwrap();
    let refused = given.add_analyst(SHOP).await.unwrap_err();
    assert!(matches!(&refused, AnalystError::MayNotCreateRoles(login) if *login == maker), "{refused}");
    admin.execute(AssertSqlSafe(format!("drop role {maker}"))).await.unwrap();
}
