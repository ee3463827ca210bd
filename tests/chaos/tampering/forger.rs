//! A superuser of the database who changes history: triggers and row security do not hold him, and he can compute hashes. He cannot sign.

use crate::random::Random;
use clientela_verify::leaf::Event;
use clientela_verify::tree::{self, Hash};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Events in a tile.
pub(crate) const TILE: i64 = 256;
/// What can be changed, and the columns that tell its rows apart.
const TABLES: [(&str, &str); 4] =
    [("events", "position"), ("event_names", "code"), ("tree_tiles", "level, tile"), ("tree_heads", "size")];

/// The forger at work.
pub(crate) struct Forger {
    pub(crate) database: PgConnection,
    pub(crate) random: Random,
    /// How many events there are.
    pub(crate) head: i64,
    /// The sizes of the signed heads, in order; the last one covers all.
    pub(crate) heads: Vec<i64>,
    /// How many tiles are stored.
    pub(crate) tiles: i64,
}

impl Forger {
    /// Breaks in, and keeps all as it was.
    pub(crate) async fn breaks_in(superuser: &PgConnectOptions, random: Random) -> Self {
        let mut database = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
        run(&mut database, "set session_replication_role = replica; set synchronous_commit = off").await;
        run(&mut database, "create schema kept").await;
        for (table, key) in TABLES {
            let sql =
                format!("create table kept.{table} as table {table}; alter table kept.{table} add primary key ({key})");
            run(&mut database, &sql).await;
        }
        let one = async |database: &mut PgConnection, sql: &'static str| -> i64 {
            sqlx::query_scalar(sql).fetch_one(database).await.expect("a number")
        };
        let head = one(&mut database, "select max(position) from events").await;
        let tiles = one(&mut database, "select count(*) from tree_tiles where level = 0").await;
        let heads = sqlx::query_scalar("select size from tree_heads order by size");
        let heads = heads.fetch_all(&mut database).await.expect("the heads");
        Self { database, random, head, heads, tiles }
    }

    /// Puts all back.
    pub(crate) async fn undo(&mut self) {
        for (table, key) in TABLES {
            let sql = format!(
                "begin; \
                 delete from {table} where ({key}) in \
                     (select {key} from (table {table} except table kept.{table}) changed); \
                 insert into {table} select * from kept.{table} on conflict do nothing; \
                 commit"
            );
            run(&mut self.database, &sql).await;
        }
    }

    /// Any position.
    pub(crate) fn any(&mut self) -> i64 {
        self.between(1, self.head)
    }

    pub(crate) fn between(&mut self, first: i64, last: i64) -> i64 {
        first + i64::try_from(self.random.below((last - first + 1).unsigned_abs())).expect("small")
    }

    /// Whatever is said to the database; it must be possible.
    pub(crate) async fn says(&mut self, sql: &str) {
        run(&mut self.database, sql).await;
    }

    /// Makes room at a position, or closes a gap: those from there on move.
    pub(crate) async fn move_from(&mut self, position: i64, by: i64) {
        // In two steps, because no two may have one position at any time.
        self.says(&format!("update events set position = -(position + {by}) where position >= {position}")).await;
        self.says("update events set position = -position where position < 0").await;
    }

    /// Gives rows from a position on the leaf that their columns have now.
    pub(crate) async fn reseal_from(&mut self, first: i64) {
        let rows: Vec<(i64, Value)> =
            sqlx::query_as(COLUMNS).bind(first).fetch_all(&mut self.database).await.expect("the rows");
        let (mut positions, mut leaves) = (Vec::new(), Vec::new());
        for (position, columns) in rows {
            positions.push(position);
            leaves.push(serde_json::from_value::<Event>(columns).expect("an event").leaf().to_vec());
        }
        sqlx::query("update events e set leaf_hash = n.leaf from unnest($1::bigint[], $2::bytea[]) as n (position, leaf) where e.position = n.position")
            .bind(positions)
            .bind(leaves)
            .execute(&mut self.database)
            .await
            .expect("leaves are written");
    }

    /// Makes the tiles those of the log as it is.
    pub(crate) async fn rebuild_tiles(&mut self) {
        self.says(
            "delete from tree_tiles where level > 0 or (tile + 1) * 256 > (select max(position) from events); \
             update tree_tiles set hashes = (select string_agg(leaf_hash, ''::bytea order by position) from events \
             where position > tile * 256 and position <= (tile + 1) * 256)",
        )
        .await;
    }

    /// Makes the heads those of the log as it is; whoever signs them.
    pub(crate) async fn rebuild_heads(&mut self, sign: impl Fn(u64, &Hash, &str) -> String) {
        let leaves: Vec<Vec<u8>> = sqlx::query_scalar("select leaf_hash from events order by position")
            .fetch_all(&mut self.database)
            .await
            .expect("leaves");
        let leaves: Vec<Hash> = leaves.into_iter().map(|leaf| leaf.try_into().expect("32 bytes")).collect();
        let heads: Vec<(i64, String)> = sqlx::query_as("select size, checkpoint from tree_heads")
            .fetch_all(&mut self.database)
            .await
            .expect("heads");
        for (size, checkpoint) in heads {
            let Some(covered) = leaves.get(..usize::try_from(size).expect("small")) else {
                self.says(&format!("delete from tree_heads where size = {size}")).await;
                continue;
            };
            let root = root(covered);
            let checkpoint = sign(covered.len() as u64, &root, &checkpoint);
            sqlx::query("update tree_heads set root = $1, checkpoint = $2 where size = $3")
                .bind(root.as_slice())
                .bind(checkpoint)
                .bind(size)
                .execute(&mut self.database)
                .await
                .expect("the head is written");
        }
    }
}

/// What a leaf is made of, from a position on.
const COLUMNS: &str = r#"
select position, jsonb_build_object('position', position, 'tenant', tenant, 'category', c.name, 'stream', stream,
    'version', version, 'type', t.name, 'schema_version', schema_version, 'command_id', command_id, 'once_id', once_id,
    'subject_id', subject_id, 'customer_id', customer_id,
    'occurred_at', to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'recorded_at', to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'metadata', metadata, 'payload', payload, 'personal', replace(encode(personal, 'base64'), E'\n', ''))
from events e join event_names c on c.code = e.category join event_names t on t.code = e.type
where position >= $1 order by position"#;

/// The root as RFC 6962 defines it.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => tree::empty_root(),
        [leaf] => *leaf,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            tree::node(&root(left), &root(right))
        }
    }
}

async fn run(database: &mut PgConnection, sql: &str) {
    database
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
