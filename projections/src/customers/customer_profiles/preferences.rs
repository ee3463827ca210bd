//! Table `customer_preferences`: what a customer likes, and how they want to be written to and billed.

use super::{Child, Listed, listed, owned};
use crate::query::{AsOf, get};
use crate::tables::{Columns, TableRow};
use domain::customers::preferences::{Billing, FavouriteOrder, Notification, PersonalPreferences, Preferences};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `customer_preferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferencesRow {
    /// Where they like to buy, the favourite first.
    pub channels: Vec<String>,
    /// What they are interested in.
    pub categories: Vec<String>,
    /// What they want to hear of, and how.
    pub notifications: Vec<Notification>,
    /// How they are billed.
    pub billing: Option<Billing>,
    /// What must not be.
    pub restrictions: Vec<String>,
    /// What they order again and again.
    pub favourite_orders: Vec<FavouriteOrder>,
    /// Position of the event that last changed them.
    pub position: Position,
}

impl PreferencesRow {
    pub(super) fn of(clear: &Preferences, personal: Option<&PersonalPreferences>, position: Position) -> Self {
        let personal = personal.cloned().unwrap_or_default();
        Self {
            channels: clear.channels.iter().map(ToString::to_string).collect(),
            categories: clear.categories.iter().map(ToString::to_string).collect(),
            notifications: clear.notifications.clone(),
            billing: clear.billing.clone(),
            restrictions: personal.restrictions.iter().map(ToString::to_string).collect(),
            favourite_orders: personal.favourite_orders,
            position,
        }
    }
}

pub(super) async fn load(
    conn: &mut PgConnection,
    customers: &[Uuid],
) -> Result<Vec<(Uuid, TenantId, PreferencesRow)>, sqlx::Error> {
    let sql = "select * from customer_preferences where customer_id = any($1)";
    let rows = sqlx::query(sql).bind(customers).fetch_all(conn).await?;
    rows.iter().map(|row| owned(row, read(row)?)).collect()
}

impl TableRow for Child<'_, PreferencesRow> {
    const TABLE: &'static str = "customer_preferences";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.owner.tenant.0)
            .put("customer_id", self.owner.customer)
            .put_list("channels", &self.row.channels)
            .put_list("categories", &self.row.categories)
            .put("notifications", Json(&self.row.notifications))
            .put("billing", self.row.billing.as_ref().map(Json))
            .put_list("restrictions", &self.row.restrictions)
            .put("favourite_orders", Json(&self.row.favourite_orders))
            .put("position", self.row.position.0);
    }
}

fn read(row: &PgRow) -> Result<PreferencesRow, sqlx::Error> {
    let (Json(notifications), Json(favourite_orders)) = (get(row, "notifications")?, get(row, "favourite_orders")?);
    let billing: Option<Json<Billing>> = get(row, "billing")?;
    Ok(PreferencesRow {
        channels: get(row, "channels")?,
        categories: get(row, "categories")?,
        notifications,
        billing: billing.map(|Json(billing)| billing),
        restrictions: get(row, "restrictions")?,
        favourite_orders,
        position: Position(get(row, "position")?),
    })
}

/// The preferences of a customer: one row, or no row yet; none when there is no such customer.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
) -> Result<Option<AsOf<Listed<PreferencesRow>>>, StoreError> {
    let sql =
        concat!(include_str!("listed.sql"), "left join customer_preferences t on t.customer_id = c.id where c.id = $1");
    listed(pools, tenant, customer, ("customer_preferences", sql), read).await
}
