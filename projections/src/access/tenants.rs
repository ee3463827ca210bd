//! Table `tenants`: the companies that use this installation, where their business day begins, and what they decided for themselves.

use crate::query::{AsOf, as_of, failed, get};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, Utc};
use domain::Event;
use domain::access::events::AccessEvent;
use domain::access::settings::TenantSettings;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};

/// A row of `tenants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Its number.
    pub tenant: TenantId,
    /// Its short name.
    pub name: String,
    /// IANA name of its time zone.
    pub time_zone: String,
    /// What it decided for itself.
    pub settings: TenantSettings,
    /// When it was set up.
    pub created_at: DateTime<Utc>,
    /// Position of its last event.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct Tenants;

impl ReadModel for Tenants {
    const NAME: &'static str = "tenants";
    const VERSION: i32 = 2;
    const TABLES: &'static [&'static str] = &["tenants"];
    const TABLES_SQL: &'static str = include_str!("tenants/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("tenants/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &["access.tenant.created", "access.tenant.settings.changed"];
    const REVEALS: bool = false;

    type Key = i32;
    type Row = TenantRow;

    fn keys(recorded: &Recorded) -> Vec<i32> {
        match &recorded.event {
            Event::Access(AccessEvent::TenantCreated { tenant, .. }) => vec![tenant.get()],
            Event::Access(AccessEvent::SettingsChanged { .. }) => vec![recorded.tenant.0],
            Event::Access(
                AccessEvent::KeyCreated { .. } | AccessEvent::KeyRevoked { .. } | AccessEvent::ProjectionSkipped { .. },
            )
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Programme(_)
            | Event::Credit(_)
            | Event::CreditGroup(_) => vec![],
        }
    }

    fn apply(_: &i32, row: Option<TenantRow>, recorded: &Recorded) -> Option<TenantRow> {
        match &recorded.event {
            Event::Access(AccessEvent::TenantCreated { tenant, name, time_zone }) => Some(TenantRow {
                tenant: TenantId(tenant.get()),
                name: name.as_str().to_owned(),
                time_zone: time_zone.as_str().to_owned(),
                settings: TenantSettings::default(),
                created_at: recorded.occurred_at,
                position: recorded.position,
            }),
            Event::Access(AccessEvent::SettingsChanged { strict_documents, risk_weights }) => {
                let settings = TenantSettings { strict_documents: *strict_documents, risk_weights: *risk_weights };
                row.map(|row| TenantRow { settings, position: recorded.position, ..row })
            }
            Event::Access(
                AccessEvent::KeyCreated { .. } | AccessEvent::KeyRevoked { .. } | AccessEvent::ProjectionSkipped { .. },
            )
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Programme(_)
            | Event::Credit(_)
            | Event::CreditGroup(_) => row,
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[i32]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = "select tenant, name, time_zone, strict_documents, risk_weights, created_at, position \
                   from tenants where tenant = any($1)";
        let rows = sqlx::query(sql).bind(keys).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| (row.tenant.0, row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl TableRow for TenantRow {
    const TABLE: &'static str = "tenants";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.tenant.0)
            .put("name", self.name.as_str())
            .put("time_zone", self.time_zone.as_str())
            .put("strict_documents", self.settings.strict_documents)
            .put("risk_weights", Json(&self.settings.risk_weights))
            .put("created_at", self.created_at)
            .put("position", self.position.0);
    }
}

fn read(row: &PgRow) -> Result<TenantRow, sqlx::Error> {
    let Json(risk_weights) = get(row, "risk_weights")?;
    Ok(TenantRow {
        tenant: TenantId(get(row, "tenant")?),
        name: get(row, "name")?,
        time_zone: get(row, "time_zone")?,
        settings: TenantSettings { strict_documents: get(row, "strict_documents")?, risk_weights },
        created_at: get(row, "created_at")?,
        position: Position(get(row, "position")?),
    })
}

/// What is read of a row, of one that an older version made too: until such rows are made anew no key would work.
macro_rules! columns {
    () => {
        "t.tenant, t.name, t.time_zone, t.created_at, t.position, \
         coalesce((to_jsonb(t) ->> 'strict_documents')::boolean, false) as strict_documents, \
         coalesce(to_jsonb(t) -> 'risk_weights', '{}') as risk_weights"
    };
}

/// A tenant, as it may see itself.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find(pools: &Pools, tenant: TenantId) -> Result<Option<AsOf<TenantRow>>, StoreError> {
    let sql = concat!(
        "select ",
        columns!(),
        ", (select p.position from projection_positions p where p.projector = 'tenants') as as_of from tenants t where tenant = $1"
    );
    let query = sqlx::query(sql).bind(tenant.0);
    let found = pools.request.fetch_optional(tenant, query).await.map_err(failed("tenants"))?;
    found.map(|row| read(&row).and_then(|value| as_of(&row, value))).transpose().map_err(failed("tenants"))
}

/// All tenants, for the operator of the installation.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn all(pools: &Pools) -> Result<Vec<TenantRow>, StoreError> {
    let sql = concat!("select ", columns!(), " from tenants t order by tenant");
    let rows = sqlx::query(sql).fetch_all(&pools.engine).await.map_err(failed("tenants"))?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed("tenants"))
}
