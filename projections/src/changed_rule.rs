//! The rule of balances as a next version of this program might have it: points count twice. For the test of what an operator sees of a
//! changed rule before it is live; builds without debug assertions, such as a release, do not have it.

use crate::loyalty::loyalty_balances::LoyaltyBalances;
use crate::node::Projector;
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows};
use crate::tables::Writer;
use domain::Event;
use domain::loyalty::events::LoyaltyEvent;
use sqlx::PgConnection;

/// Says that the changed rule is in force.
const VARIABLE: &str = "CLIENTELA_CHANGED_RULE";

/// The projectors, with the changed rule if it is in force.
pub(crate) fn in_force(projectors: Vec<Projector>) -> Vec<Projector> {
    if std::env::var_os(VARIABLE).is_none() {
        return projectors;
    }
    let changed = |projector: Projector| match projector.name {
        LoyaltyBalances::NAME => Projector::of::<Doubled>(),
        _ => projector,
    };
    projectors.into_iter().map(changed).collect()
}

struct Doubled;

impl ReadModel for Doubled {
    const NAME: &'static str = LoyaltyBalances::NAME;
    const VERSION: i32 = LoyaltyBalances::VERSION + 1;
    const TABLES: &'static [&'static str] = LoyaltyBalances::TABLES;
    const TABLES_SQL: &'static str = LoyaltyBalances::TABLES_SQL;
    const INDEXES_SQL: &'static str = LoyaltyBalances::INDEXES_SQL;
    const PERSONAL: &'static [&'static str] = LoyaltyBalances::PERSONAL;
    const HANDLES: &'static [&'static str] = LoyaltyBalances::HANDLES;
    const REVEALS: bool = LoyaltyBalances::REVEALS;

    type Key = <LoyaltyBalances as ReadModel>::Key;
    type Row = <LoyaltyBalances as ReadModel>::Row;

    fn keys(recorded: &Recorded) -> Vec<Self::Key> {
        LoyaltyBalances::keys(recorded)
    }

    fn apply(key: &Self::Key, row: Option<Self::Row>, recorded: &Recorded) -> Option<Self::Row> {
        let mut recorded = recorded.clone();
        if let Event::Loyalty(LoyaltyEvent::PointsEarned { points, .. }) = &mut recorded.event {
            *points *= 2;
        }
        LoyaltyBalances::apply(key, row, &recorded)
    }

    async fn load(conn: &mut PgConnection, keys: &[Self::Key]) -> Result<Rows<Self>, sqlx::Error> {
        LoyaltyBalances::load(conn, keys).await
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        LoyaltyBalances::write(writer, changes).await
    }
}
