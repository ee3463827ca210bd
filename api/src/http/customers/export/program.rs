//! The export for programs: one JSON object, member after member.

use super::{KEPT, Person, recipients};
use crate::http::outlet::{Broken, Outlet};
use crate::http::recorded::EventView;
use futures::TryStreamExt;
use projections::of_person::{self, Holds};
use serde::Serialize;
use serde_json::json;
use store::Position;

/// Tells programs what they read; another one is another format.
const FORMAT: &str = "clientela/export/v1";

pub(super) async fn write(person: &Person, mut outlet: Outlet) -> Result<Outlet, Broken> {
    let begin = json!({
        "format": FORMAT, "customer_id": person.id, "subjects": person.subjects, "exported_by": person.caller.actor,
        "made_at": person.caller.now, "position": person.position, "time_zone": person.caller.zone.name(),
    });
    let begin = begin.to_string();
    outlet.write(begin.strip_suffix('}').unwrap_or(&begin)).await?;
    tables(person, &mut outlet).await?;
    events(person, &mut outlet).await?;
    let recipients: Vec<_> = recipients(person.keys().await?).collect();
    member(&mut outlet, "recipients", &recipients).await?;
    member(&mut outlet, "kept_after_erasure", &KEPT).await?;
    outlet.write(",\"complete\":true}\n").await?;
    Ok(outlet)
}

async fn member(outlet: &mut Outlet, name: &str, value: &impl Serialize) -> Result<(), Broken> {
    outlet.write(&format!(",\"{name}\":{}", serde_json::to_string(value)?)).await
}

/// The rows of all tables that have any of the person, as the columns have them.
async fn tables(person: &Person, outlet: &mut Outlet) -> Result<(), Broken> {
    outlet.write(",\"tables\":{").await?;
    let told = of_person::READ_MODELS.iter().filter(|(_, holds)| matches!(holds, Holds::Few(_) | Holds::Many(_)));
    for (nth, table) in told.enumerate() {
        outlet.write(&format!("{}\"{}\":[", comma(nth == 0), table.0)).await?;
        rows(person, *table, outlet).await?;
        outlet.write("]").await?;
    }
    outlet.write("}").await
}

async fn rows(person: &Person, table: (&'static str, Holds), outlet: &mut Outlet) -> Result<(), Broken> {
    let mut is_first = true;
    for subject in &person.subjects {
        let mut before = Some(Position(i64::MAX));
        while let Some(place) = before {
            let part = of_person::rows(&person.api.pools, person.caller.tenant, table, *subject, place).await?;
            for row in part.rows {
                outlet.write(comma(is_first)).await?;
                outlet.write(&row).await?;
                is_first = false;
            }
            before = part.next;
        }
    }
    Ok(())
}

async fn events(person: &Person, outlet: &mut Outlet) -> Result<(), Broken> {
    outlet.write(",\"events\":[").await?;
    let (mut events, mut is_first) = (person.events(), true);
    while let Some(event) = events.try_next().await? {
        outlet.write(comma(is_first)).await?;
        outlet.write(&serde_json::to_string(&EventView::of(&event)?)?).await?;
        is_first = false;
    }
    outlet.write("]").await
}

const fn comma(is_first: bool) -> &'static str {
    if is_first { "\n" } else { ",\n" }
}
