//! Generations: the tables of a read model live in a schema of their own, one per generation, behind views with the names that
//! everybody reads. A rebuild makes the next generation beside the live one and then turns the views.
//!
//! The tables come from the read model's own SQL; what makes them safe (row-level security, policies, grants) comes from
//! here, the same for all. All of it belongs to the role `clientela_rebuild`, which owns nothing else.

use crate::node::Projector;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use store::postgres::{Database, Role};

/// The schema of the views.
const VIEWS: &str = "read_models";

/// Who may read the views.
const READERS: [&str; 3] = ["clientela_engine", "clientela_request", "clientela_analyst"];

/// One generation of a read model's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    projector: &'static str,
    pub(crate) number: i32,
}

impl Generation {
    pub(crate) const fn of(projector: &'static str, number: i32) -> Self {
        Self { projector, number }
    }

    /// The schema that holds its tables.
    pub(crate) fn schema(&self) -> String {
        format!("{}_g{}", self.projector, self.number)
    }

    /// Makes the names of the tables mean this generation's, until the transaction ends. Statements are planned anew for each batch: plans
    /// from when the tables were empty would go through all of them once an import has filled them.
    pub(crate) async fn enter(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        let path = format!("{}, public", self.schema());
        let settings =
            "select set_config('search_path', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true)";
        sqlx::query(settings).bind(path).execute(conn).await?;
        Ok(())
    }

    /// Makes the schema and its empty tables, without keys, and writes the generation down; it is not live and not ready.
    pub(crate) async fn make(&self, conn: &mut PgConnection, projector: &Projector) -> Result<(), sqlx::Error> {
        let schema = self.schema();
        let mut tx = conn.begin().await?;
        run(&mut tx, format!("create schema {schema}")).await?;
        self.enter(&mut tx).await?;
        tx.execute(projector.tables_sql).await?;
        for (table, column) in columns_called(&mut tx, &schema, projector.personal).await? {
            run(&mut tx, format!("alter table {schema}.{table} alter column {column} set statistics 0")).await?;
        }
        for key in keys_in(&mut tx, &schema).await? {
            run(&mut tx, format!("alter table {schema}.{} drop constraint {}", key.table, key.name)).await?;
        }
        sqlx::query(
            "insert into projection_generations (projector, generation, version, live) values ($1, $2, $3, false)",
        )
        .bind(self.projector)
        .bind(self.number)
        .bind(projector.version)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Adds the keys of the tables that have none yet: primary keys and what else is unique. Full tables get them faster.
    pub(crate) async fn give_keys(&self, conn: &mut PgConnection, projector: &Projector) -> Result<(), sqlx::Error> {
        let (schema, drawn) = (self.schema(), format!("{}_drawn", self.schema()));
        let mut drawing = conn.begin().await?;
        run(&mut drawing, format!("create schema {drawn}; set local search_path = {drawn}, public")).await?;
        drawing.execute(projector.tables_sql).await?;
        let keys = keys_in(&mut drawing, &drawn).await?;
        drawing.rollback().await?;
        let there = keys_in(conn, &schema).await?;
        for Key { table, name, definition } in keys.iter().filter(|key| !there.contains(key)) {
            run(conn, format!("alter table {schema}.{table} add constraint {name} {definition}")).await?;
        }
        Ok(())
    }

    /// Empties its tables, within a transaction of the caller.
    pub(crate) async fn empty(&self, conn: &mut PgConnection, projector: &Projector) -> Result<(), sqlx::Error> {
        let tables: Vec<String> = projector.tables.iter().map(|table| format!("{}.{table}", self.schema())).collect();
        run(conn, format!("truncate {}", tables.join(", "))).await
    }

    /// Adds what is better made over full tables, keys, indexes and statistics, and what bulk loading would be refused by: the
    /// walls between tenants. Then it is ready to be read.
    pub(crate) async fn complete(&self, conn: &mut PgConnection, projector: &Projector) -> Result<(), sqlx::Error> {
        let mut tx = conn.begin().await?;
        self.give_keys(&mut tx, projector).await?;
        self.enter(&mut tx).await?;
        tx.execute(projector.indexes_sql).await?;
        for table in projector.tables {
            run(&mut tx, walls(&self.schema(), table)).await?;
        }
        run(&mut tx, format!("grant usage on schema {} to {}", self.schema(), READERS.join(", "))).await?;
        sqlx::query(
            "update projection_generations set ready_at = clock_timestamp() where projector = $1 and generation = $2",
        )
        .bind(self.projector)
        .bind(self.number)
        .execute(&mut *tx)
        .await?;
        for table in projector.tables {
            run(&mut tx, format!("analyze {}.{table}", self.schema())).await?;
        }
        tx.commit().await
    }

    /// Turns the views to this generation, and with them all who read and write. Within a transaction of the caller.
    pub(crate) async fn go_live(&self, conn: &mut PgConnection, projector: &Projector) -> Result<(), sqlx::Error> {
        for table in projector.tables {
            if !self.extends_view(conn, table).await? {
                run(conn, format!("drop view {VIEWS}.{table}")).await?;
            }
            let (schema, grantees) = (self.schema(), READERS.join(", "));
            let view = format!(
                "create or replace view {VIEWS}.{table} with (security_invoker = true) as select * from {schema}.{table}; \
                 grant select on {VIEWS}.{table} to {grantees}"
            );
            run(conn, view).await?;
        }
        sqlx::query(
            "update projection_generations set live = false, retired_at = clock_timestamp() where projector = $1 and live",
        )
        .bind(self.projector)
        .execute(&mut *conn)
        .await?;
        sqlx::query("update projection_generations set live = true where projector = $1 and generation = $2")
            .bind(self.projector)
            .bind(self.number)
            .execute(&mut *conn)
            .await?;
        Ok(())
    }

    /// Whether its table begins with the columns of the view. Only then can the view be turned; else it is made anew.
    async fn extends_view(&self, conn: &mut PgConnection, table: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(include_str!("generations/extends_view.sql"))
            .bind(format!("{VIEWS}.{table}"))
            .bind(format!("{}.{table}", self.schema()))
            .fetch_one(conn)
            .await
    }

    /// Removes its tables and all that is known of it. It must not be live.
    pub(crate) async fn discard(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut tx = conn.begin().await?;
        run(&mut tx, format!("set local lock_timeout = '2s'; drop schema if exists {} cascade", self.schema())).await?;
        for table in ["projection_checkpoints", "projection_failures", "projection_generations"] {
            let delete = format!("delete from {table} where projector = $1 and generation = $2");
            sqlx::query(AssertSqlSafe(delete)).bind(self.projector).bind(self.number).execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}

/// The walls of one table: each tenant sees its own rows, the engine and the rebuild see all. A request's tenant is a setting of
/// its session, which the program makes; an analyst's follows from the login.
fn walls(schema: &str, table: &str) -> String {
    format!(
        "alter table {schema}.{table} enable row level security, force row level security; \
         create policy engine on {schema}.{table} to clientela_engine using (true) with check (true); \
         create policy rebuild on {schema}.{table} to clientela_rebuild using (true) with check (true); \
         create policy request on {schema}.{table} for select to clientela_request \
             using (tenant = nullif(current_setting('app.tenant', true), '')::int); \
         grant select, insert, update, delete on {schema}.{table} to clientela_engine; \
         grant select on {schema}.{table} to clientela_request; {}",
        analysts_wall(schema, table)
    )
}

fn analysts_wall(schema: &str, table: &str) -> String {
    format!(
        "create policy analyst on {schema}.{table} for select to clientela_analyst \
             using (tenant = (select public.analyst_tenant())); \
         grant select on {schema}.{table} to clientela_analyst"
    )
}

/// Lets analysts read what was made before there were any. It may have been made by another version, with other tables.
async fn let_analysts_in(conn: &mut PgConnection, projector: &Projector) -> Result<(), sqlx::Error> {
    let closed: Vec<(String, String)> = sqlx::query_as(
        "select c.schemaname::text, c.tablename::text from projection_generations g \
         join pg_tables c on c.schemaname = g.projector || '_g' || g.generation \
         where g.projector = $1 and g.ready_at is not null \
         and not exists (select from pg_policies p where p.policyname = 'analyst' \
                         and p.schemaname = c.schemaname and p.tablename = c.tablename)",
    )
    .bind(projector.name)
    .fetch_all(&mut *conn)
    .await?;
    for (schema, table) in closed {
        run(conn, analysts_wall(&schema, &table)).await?;
        run(conn, format!("grant usage on schema {schema} to clientela_analyst")).await?;
    }
    Ok(())
}

/// What makes rows of a table unique.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    table: String,
    name: String,
    definition: String,
}

/// The keys of the tables in a schema.
async fn keys_in(conn: &mut PgConnection, schema: &str) -> Result<Vec<Key>, sqlx::Error> {
    let rows = sqlx::query(include_str!("generations/keys.sql")).bind(schema).fetch_all(conn).await?;
    let key = |row: &PgRow| {
        Ok(Key { table: row.try_get("table")?, name: row.try_get("name")?, definition: row.try_get("definition")? })
    };
    rows.iter().map(key).collect()
}

/// Runs a statement made of names that are constants of this program.
/// The columns of these names. What the planner knows of a column is made of its values, and would outlive them: of what tells
/// who somebody is, it is to know nothing.
async fn columns_called(
    conn: &mut PgConnection,
    schema: &str,
    names: &[&str],
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let sql = "select c.relname::text, a.attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid \
               where c.relnamespace = $1::regnamespace and c.relkind = 'r' and a.attname = any($2) order by 1, 2";
    sqlx::query_as(sql).bind(schema).bind(names).fetch_all(conn).await
}

async fn run(conn: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    conn.execute(AssertSqlSafe(statement)).await.map(drop)
}

/// Makes the first generation of each of these projectors that has none. Part of every migration.
///
/// # Errors
/// When the database refuses or is away.
pub async fn prepare(database: &Database, projectors: &[Projector]) -> Result<(), sqlx::Error> {
    let mut conn = PgConnection::connect_with(&database.options(Role::Rebuild)).await?;
    let views = format!(
        "select pg_advisory_lock(hashtext('clientela.prepare')); set client_min_messages = warning; \
         create schema if not exists {VIEWS}; grant usage on schema {VIEWS} to {}",
        READERS.join(", ")
    );
    run(&mut conn, views).await?;
    for projector in projectors {
        if live(&mut conn, projector.name).await?.is_none() {
            make_first(&mut conn, projector).await?;
        }
        let_analysts_in(&mut conn, projector).await?;
    }
    run(&mut conn, format!("grant select on all tables in schema {VIEWS} to clientela_analyst")).await?;
    conn.close().await
}

/// The projectors of this build whose live rows were made by an older version of their fold. Rows of a newer one are left alone:
/// while servers are exchanged one after the other, nodes of both builds run.
///
/// # Errors
/// When the database refuses or is away.
pub async fn outdated(database: &Database) -> Result<Vec<Projector>, sqlx::Error> {
    let mut conn = PgConnection::connect_with(&database.options(Role::Rebuild)).await?;
    let mut found = Vec::new();
    for projector in crate::projectors() {
        if live(&mut conn, projector.name).await?.is_some_and(|(_, version)| version < projector.version) {
            found.push(projector);
        }
    }
    conn.close().await?;
    Ok(found)
}

async fn make_first(conn: &mut PgConnection, projector: &Projector) -> Result<(), sqlx::Error> {
    let first = Generation::of(projector.name, next_number(conn, projector.name).await?);
    first.make(conn, projector).await?;
    first.complete(conn, projector).await?;
    let mut tx = conn.begin().await?;
    first.go_live(&mut tx, projector).await?;
    tx.commit().await
}

/// The projectors among these whose live rows do not reflect a position yet, and where they stand.
///
/// # Errors
/// When the database refuses or is away.
pub async fn behind(
    pool: &sqlx::PgPool,
    projectors: &[Projector],
    position: store::Position,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let names: Vec<&str> = projectors.iter().map(|projector| projector.name).collect();
    sqlx::query_as(
        "select name, coalesce(p.position, 0) from unnest($1::text[]) name \
         left join projection_positions p on p.projector = name where coalesce(p.position, 0) < $2",
    )
    .bind(names)
    .bind(position.0)
    .fetch_all(pool)
    .await
}

/// The number of the generation that everybody reads, and the version of the fold that made it.
pub(crate) async fn live(conn: &mut PgConnection, projector: &str) -> Result<Option<(i32, i32)>, sqlx::Error> {
    let row = sqlx::query("select generation, version from projection_generations where projector = $1 and live")
        .bind(projector)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((row.try_get("generation")?, row.try_get("version")?))).transpose()
}

/// A number that no generation has.
pub(crate) async fn next_number(conn: &mut PgConnection, projector: &str) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select coalesce(max(generation), 0) + 1 from projection_generations where projector = $1")
        .bind(projector)
        .fetch_one(conn)
        .await
}
