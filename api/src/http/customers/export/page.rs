//! The export for the person: a page that stands alone. It runs nothing and fetches nothing, its policy forbids both, and all that it
//! says is escaped by its templates.

mod parts;
mod sections;

use super::Person;
use super::details::{details, moment};
use super::words::{Actors, sentence};
use crate::http::outlet::{Broken, Outlet};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Event, Sealed};
use futures::TryStreamExt;
use parts::{End, Entry, Head, Section};
use projections::access::tenants;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use store::{Metadata, Personal, RecordedEvent};

const STYLE: &str = include_str!("../../../../templates/export/style.css");

/// Nothing but its own style sheet, which is recognised by its hash.
static INNER_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'")
});

/// The same as the server says it, which may forbid more than the page itself.
pub(super) static POLICY: LazyLock<String> =
    LazyLock::new(|| format!("{}; frame-ancestors 'none'; sandbox", *INNER_POLICY));

/// What the first start of an installation calls its tenant.
const UNNAMED: &str = "default";

/// The sections, in their order.
const CONTENTS: [(&str, &str); 8] = [
    ("you", "Who you are"),
    ("addresses", "Your addresses"),
    ("likes", "What you like"),
    ("hears", "What you want to hear of"),
    ("points", "Your points"),
    ("purchases", "What you bought"),
    ("story", "All that happened"),
    ("others", "Who sees this"),
];

pub(super) async fn write(person: &Person, mut outlet: Outlet) -> Result<Outlet, Broken> {
    let keys = person.keys().await?;
    let actors = Actors::of(&keys);
    head(person, &mut outlet).await?;
    let subjects = sections::known(person).await?;
    sections::you(&subjects, &mut outlet).await?;
    sections::addresses(person, &mut outlet).await?;
    sections::preferences(person, &mut outlet).await?;
    sections::points(person, &mut outlet).await?;
    sections::purchases(person, &mut outlet).await?;
    story(person, &actors, &mut outlet).await?;
    sections::others(person, keys, &actors, &mut outlet).await?;
    let (by, made_at) = (actors.name(&person.caller.actor), moment(person.caller.now, person.caller.zone));
    outlet.write(&End { by: &by, made_at: &made_at }.render()?).await?;
    Ok(outlet)
}

async fn head(person: &Person, outlet: &mut Outlet) -> Result<(), Broken> {
    let tenant = tenants::find(&person.api.pools, person.caller.tenant).await?;
    let head = Head {
        policy: &INNER_POLICY,
        style: STYLE,
        company: tenant.as_ref().and_then(|tenant| company(&tenant.value.name)).unwrap_or("this company"),
        made_at: &moment(person.caller.now, person.caller.zone),
        zone: person.caller.zone.name(),
        customer: person.id,
        position: person.position.0,
        contents: &CONTENTS,
    };
    outlet.write(&head.render()?).await
}

/// What the first tenant is called where nobody has named it tells a person nothing.
fn company(tenant: &str) -> Option<&str> {
    (tenant != UNNAMED).then_some(tenant)
}

/// Opens a section, which the caller closes.
async fn begin(outlet: &mut Outlet, id: &str, note: &str) -> Result<(), Broken> {
    let title = CONTENTS.iter().find(|(known, _)| *known == id).map_or(id, |(_, title)| title);
    outlet.write(&Section { id, title, note }.render()?).await
}

const END: &str = "</section>\n";

async fn story(person: &Person, actors: &Actors, outlet: &mut Outlet) -> Result<(), Broken> {
    let note = "Everything that we recorded of you, the oldest first, with all that was recorded of it.";
    begin(outlet, "story", note).await?;
    outlet.write("<ol class=\"story\">\n").await?;
    let mut events = person.events();
    while let Some(event) = events.try_next().await? {
        outlet.write(&entry(&event, actors, person.caller.zone)?).await?;
    }
    outlet.write("</ol>\n").await?;
    outlet.write(END).await
}

/// One event: what it was in words, and each of its fields.
fn entry(event: &RecordedEvent, actors: &Actors, zone: chrono_tz::Tz) -> Result<String, Broken> {
    let metadata: Metadata = serde_json::from_str(&event.metadata)?;
    let mut facts = details(&serde_json::from_str::<Value>(&event.payload)?, zone);
    let sealed = match &event.personal {
        Personal::Opened(bytes) => {
            facts.extend(details(&serde_json::from_slice::<Value>(bytes)?, zone));
            Sealed::Opened(bytes)
        }
        Personal::Absent => Sealed::Absent,
        Personal::Sealed(_) | Personal::Erased => Sealed::Erased,
    };
    let decoded = Event::decode(event.event_type, event.schema_version, event.payload.as_bytes(), sealed);
    let entry = Entry {
        at: &moment(event.occurred_at, zone),
        by: &actors.by(&metadata),
        // What a newer build recorded has no words here yet; its fields are told all the same.
        sentence: &decoded.map_or_else(|_| event.event_type.to_owned(), |event| sentence(&event)),
        is_erased: matches!(sealed, Sealed::Erased),
        facts: &facts,
    };
    Ok(entry.render()?)
}

#[cfg(test)]
mod tests;
