//! Which tables hold anything of a person, and by what its rows are found: so that whoever asks for all that is known is told all.
//!
//! Every table of the database is named here once; a test compares with the database. So whoever adds a table says what it holds.

use crate::node::Projector;
use crate::query::{failed, get};
use sqlx::{AssertSqlSafe, Row};
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// What a table has to do with a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Rows of a person, found by this column: few of them.
    Few(&'static str),
    /// Rows of a person, found by this column: perhaps very many, each with a position of its own.
    Many(&'static str),
    /// Only what the events of a person say, for this reason: who is told these is told all.
    WhatEventsSay(&'static str),
    /// Nothing of a person, for this reason.
    Nothing(&'static str),
}

use Holds::{Few, Many, Nothing, WhatEventsSay};

/// The tables of read models.
pub const READ_MODELS: &[(&str, Holds)] = &[
    ("customers", Few("id")),
    ("customer_references", Few("customer_id")),
    ("customer_users", Few("customer_id")),
    ("customer_tags", Few("customer_id")),
    ("customer_words", Few("customer_id")),
    ("customer_contacts", Few("customer_id")),
    ("customer_documents", Few("customer_id")),
    ("customer_addresses", Few("customer_id")),
    ("customer_preferences", Few("customer_id")),
    ("customer_timeline", Many("customer_id")),
    ("loyalty_balances", Few("account")),
    ("loyalty_ledger", Many("account")),
    ("loyalty_flags", Few("account")),
    ("loyalty_kpis", Nothing("sums of all members")),
    ("loyalty_liabilities", Nothing("sums of all members")),
    ("loyalty_programmes", Nothing("rules")),
    ("loyalty_rehearsals", Nothing("rules, and sums of all members")),
    ("loyalty_campaigns", Nothing("rules, and sums of all members")),
    ("loyalty_campaign_versions", Nothing("rules")),
    ("loyalty_campaign_members", Few("account")),
    ("credit_lines", Few("customer_id")),
    ("credit_movements", Many("customer_id")),
    ("credit_aging", Many("customer_id")),
    ("credit_groups", Few("parent_id")),
    ("credit_group_members", Few("customer_id")),
    ("audit_trail", WhatEventsSay("who caused an event, and how, is told with the event")),
    ("tenants", Nothing("the companies that use the installation")),
    ("api_keys", Nothing("keys of programs")),
];

/// The tables of the log, of those who follow it, and of operators.
pub const OTHERS: &[(&str, Holds)] = &[
    ("events", WhatEventsSay("they are the events")),
    ("snapshots", WhatEventsSay("what the events of a stream come to, sealed like them")),
    ("claims", WhatEventsSay("keyed hashes of contacts, documents and references")),
    ("subject_links", WhatEventsSay("which ids are one person: they are told together")),
    ("parked_events", WhatEventsSay("positions of events that a reactor could not act on")),
    ("command_outcomes", Nothing("codes of refusals and ids under hashes of requests, for some months")),
    ("job_runs", Nothing("counts, and the account at which a run was interrupted")),
    ("subject_keys", Nothing("the key that seals; without what it seals it says nothing")),
    ("erasures", Nothing("receipts of who was erased: nothing is known of them any more")),
    ("erasures_again", Nothing("the same, of those whom a backup had brought back")),
    ("scrubs", Nothing("positions and times: when what was left of the erased was made away with")),
    ("tree_tiles", Nothing("hashes")),
    ("tree_heads", Nothing("signed hashes")),
    ("event_names", Nothing("words")),
    ("key_checks", Nothing("tells a wrong key")),
    ("projection_generations", Nothing("where read models stand")),
    ("projection_checkpoints", Nothing("positions")),
    ("projection_failures", Nothing("what a projector cannot digest: its position, not what it says")),
    ("projection_pauses", Nothing("what operators ask of projectors")),
    ("projection_skips", Nothing("positions")),
    ("leases", Nothing("which node runs what")),
    ("analyst_logins", Nothing("logins of the database")),
    ("_sqlx_migrations", Nothing("versions of the schema")),
];

/// The projectors whose tables hold rows of persons. Their tables are made anew when it is to be certain that nothing is left of
/// somebody who was erased; what the others hold of events stands in the clear in the log, for ever.
#[must_use]
pub fn projectors_of_persons() -> Vec<Projector> {
    let holds = |table: &&str| {
        let holds = READ_MODELS.iter().find(|(name, _)| name == table).map(|(_, holds)| *holds);
        !matches!(holds, Some(WhatEventsSay(_) | Nothing(_)))
    };
    crate::projectors().into_iter().filter(|projector| projector.tables.iter().any(&holds)).collect()
}

/// Rows of one table at a time.
const ROWS: i64 = 500;

/// A part of a person's rows of a table, as JSON texts of their columns, those written last first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The rows.
    pub rows: Vec<String>,
    /// What comes next stands before this position; none at the end.
    pub next: Option<Position>,
}

/// A person's rows of a table before a position.
///
/// # Errors
/// When the database is away.
pub async fn rows(
    pools: &Pools,
    tenant: TenantId,
    (table, holds): (&'static str, Holds),
    person: Uuid,
    before: Position,
) -> Result<Part, StoreError> {
    // Names of tables and columns are ours.
    let sql = match holds {
        Few(column) => format!("select to_json(t)::text as told from {table} t where {column} = $1 order by t"),
        Many(column) => format!(
            "select to_json(t)::text as told, position from {table} t where {column} = $1 and position < {} \
             order by position desc limit {ROWS}",
            before.0
        ),
        WhatEventsSay(_) | Nothing(_) => return Ok(Part { rows: Vec::new(), next: None }),
    };
    let query = sqlx::query(AssertSqlSafe(sql)).bind(person);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed(table))?;
    let is_full = i64::try_from(found.len()).unwrap_or(i64::MAX) == ROWS;
    let last = found.last().filter(|_| is_full && matches!(holds, Many(_)));
    let next = last.map(|row| get(row, "position").map(Position)).transpose().map_err(failed(table))?;
    let rows = found.iter().map(|row| row.try_get("told")).collect::<Result<_, _>>().map_err(failed(table))?;
    Ok(Part { rows, next })
}

#[cfg(test)]
mod tests {
    use super::READ_MODELS;
    use std::collections::BTreeSet;

    #[test]
    fn every_table_of_a_read_model_is_said_to_hold_something_of_a_person_or_nothing() {
        let projectors = crate::projectors();
        let made: BTreeSet<&str> = projectors.iter().flat_map(|projector| projector.tables).copied().collect();
        let named: BTreeSet<&str> = READ_MODELS.iter().map(|(table, _)| *table).collect();
        assert_eq!(named, made, "name it in of_person.rs");
        assert_eq!(named.len(), READ_MODELS.len(), "each once");
    }
}
