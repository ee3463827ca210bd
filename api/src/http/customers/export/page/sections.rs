//! The sections of the page that tell from read models: who somebody is, points, purchases, who sees it.

use super::parts::{Column, Columns, Facts, Lines, Row};
use super::{END, begin};
use crate::http::customers::export::details::{Detail, day, moment, words as code};
use crate::http::customers::export::words::{self, Actors, movement, spoken};
use crate::http::customers::export::{KEPT, Person, RecipientView, recipients};
use crate::http::outlet::{Broken, Outlet};
use askama::Template;
use domain::customers::preferences::Notification;
use domain::customers::terms::{DiscountStep, VolumeDiscount};
use domain::ids::Channel;
use projections::access::api_keys::ApiKeyRow;
use projections::audit::audit_trail::search::{self, Search};
use projections::customers::customer_profiles::addresses::AddressRow;
use projections::customers::customer_profiles::contacts::{self, ContactKind};
use projections::customers::customer_profiles::documents::DocumentRow;
use projections::customers::customer_profiles::preferences::PreferencesRow;
use projections::customers::customer_profiles::{Listed, addresses, documents, preferences};
use projections::customers::customer_timeline;
use projections::customers::customers::standing::Standing;
use projections::customers::customers::{self, CustomerRow};
use projections::loyalty::loyalty_balances::{self, LoyaltyBalance};
use projections::loyalty::loyalty_ledger::{self, LedgerRow};
use projections::{AsOf, Back};
use serde_json::Value;

/// Rows that are read at a time.
const ROWS: usize = 500;

async fn facts(outlet: &mut Outlet, facts: &[Detail]) -> Result<(), Broken> {
    outlet.write(&Facts { facts }.render()?).await
}

async fn nothing(outlet: &mut Outlet, said: &str) -> Result<(), Broken> {
    outlet.write(&Lines { lines: &[said.to_owned()] }.render()?).await
}

async fn row(outlet: &mut Outlet, columns: &[Column], cells: impl IntoIterator<Item = String>) -> Result<(), Broken> {
    outlet.write(&Row { cells: columns.iter().zip(cells).collect() }.render()?).await
}

fn rows_of<T>(found: Option<AsOf<Listed<T>>>) -> Vec<T> {
    found.map_or_else(Vec::new, |found| found.value.rows)
}

/// Who the person is, under each of its ids.
pub(super) async fn known(person: &Person) -> Result<Vec<Vec<Detail>>, Broken> {
    let (pools, tenant) = (&person.api.pools, person.caller.tenant);
    let mut all = Vec::new();
    for subject in &person.subjects {
        let Some(found) = customers::find(pools, tenant, *subject).await? else { continue };
        let contacts = rows_of(contacts::list(pools, tenant, *subject).await?);
        let documents = rows_of(documents::list(pools, tenant, *subject).await?);
        let mut told = of_customer(&found.value);
        told.extend(contacts.into_iter().map(|row| match row.kind {
            ContactKind::Email => Detail::new("E-mail", row.value),
            ContactKind::Phone => Detail::new("Telephone", row.value),
        }));
        let document = |row: DocumentRow| {
            // `dni` and its like are abbreviations.
            let kind = if row.kind.len() <= 3 { row.kind.to_uppercase() } else { code(&row.kind) };
            Detail::new("Identity document", format!("{kind} {} ({})", row.number, row.country))
        };
        told.extend(documents.into_iter().map(document));
        let references = found.value.references.into_iter();
        told.extend(references.map(|known| Detail::new(&format!("Known to {} as", known.system), known.reference)));
        all.push(told);
    }
    Ok(all)
}

fn of_customer(row: &CustomerRow) -> Vec<Detail> {
    let lifecycle = match row.lifecycle_since {
        Some(since) => format!("{} since {}", code(row.lifecycle.as_str()), day(since)),
        None => code(row.lifecycle.as_str()),
    };
    let told = [
        ("Name", row.name.clone()),
        ("Company", row.company.clone()),
        ("Born on", row.birth_date.map(day)),
        ("Kind", Some(code(row.kind.as_str()))),
        ("Standing", Some(code(row.status.as_str()))),
        ("Customer number", Some(row.id.to_string())),
        ("Customer since", Some(day(row.registered_on))),
        ("We count you as", Some(lifecycle)),
        ("Language", row.language.clone()),
        ("Currency", row.currency.clone()),
        ("Came to us from", row.source.clone()),
        ("Filed under", joined(&row.tags)),
        ("Looked after by", row.rep.clone()),
        ("On the round", row.route.clone()),
        ("Logs in as", joined(row.user_id.iter().chain(&row.other_user_ids))),
        ("Time zone", row.time_zone.clone()),
        ("Purchases", Some(row.purchase_count.to_string())),
    ];
    let told = told.into_iter().filter_map(|(label, value)| value.map(|value| Detail::new(label, value)));
    told.chain(of_standing(&row.standing)).collect()
}

fn of_standing(standing: &Standing) -> Vec<Detail> {
    let block = standing.block.as_ref();
    let told = [
        ("In the portal you may see", (!standing.portal.is_empty()).then(|| standing.portal.join(", "))),
        ("Blocked", block.map(|block| format!("{} since {}", code(block.reason.as_str()), day(block.since)))),
        ("Blocked, in words", block.and_then(|block| block.note.clone())),
        ("Invoices to be paid in days", standing.terms.payment_days.map(|days| days.to_string())),
        ("Volume discount", standing.terms.volume_discount.as_ref().map(discount)),
    ];
    let reached = standing
        .milestones
        .iter()
        .map(|(stage, on)| Detail::new("First counted as", format!("{} on {}", code(stage), day(*on))));
    let notes = standing.metadata.iter().map(|(name, text)| Detail::new("Note", format!("{name}: {text}")));
    let told = told.into_iter().filter_map(|(label, value)| value.map(|value| Detail::new(label, value)));
    told.chain(reached).chain(notes).collect()
}

fn discount(discount: &VolumeDiscount) -> String {
    match discount {
        VolumeDiscount::Code(code) => format!("as the table {code} says"),
        VolumeDiscount::Steps(steps) => {
            let step = |step: &DiscountStep| format!("{} % from {}", step.percent, spoken(step.from));
            steps.iter().map(step).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Nothing, when there is none.
fn joined<'a>(words: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let words: Vec<_> = words.into_iter().map(String::as_str).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

pub(super) async fn you(subjects: &[Vec<Detail>], outlet: &mut Outlet) -> Result<(), Broken> {
    let note = "As it is now. What it was before stands in the story below. To find you, our search keeps the words of your name.";
    begin(outlet, "you", note).await?;
    for told in subjects {
        facts(outlet, told).await?;
    }
    outlet.write(END).await
}

pub(super) async fn addresses(person: &Person, outlet: &mut Outlet) -> Result<(), Broken> {
    begin(outlet, "addresses", "").await?;
    let mut is_empty = true;
    for subject in &person.subjects {
        for row in rows_of(addresses::list(&person.api.pools, person.caller.tenant, *subject).await?) {
            is_empty = false;
            facts(outlet, &of_address(row)).await?;
        }
    }
    if is_empty {
        nothing(outlet, "We know none.").await?;
    }
    outlet.write(END).await
}

fn of_address(row: AddressRow) -> Vec<Detail> {
    let purpose = words::purpose(row.kind);
    let purpose = if row.is_default { format!("{purpose}, used when no other is named") } else { purpose.to_owned() };
    let told = [
        ("An address", Some(purpose)),
        ("Name", row.name),
        ("Street", Some(row.line1)),
        ("Floor, door", row.line2),
        ("Postal code", row.postal_code),
        ("Town", row.city),
        ("Province or state", row.region),
        ("Country", Some(row.country)),
        ("Telephone", row.phone),
        ("Instructions", row.instructions),
    ];
    told.into_iter().filter_map(|(label, value)| value.map(|value| Detail::new(label, value))).collect()
}

pub(super) async fn preferences(person: &Person, outlet: &mut Outlet) -> Result<(), Broken> {
    let mut all: Vec<PreferencesRow> = Vec::new();
    for subject in &person.subjects {
        all.extend(rows_of(preferences::list(&person.api.pools, person.caller.tenant, *subject).await?));
    }
    begin(outlet, "likes", "").await?;
    let likes: Vec<_> = all.iter().flat_map(likes_of).collect();
    match likes.is_empty() {
        true => nothing(outlet, "You have told us nothing.").await?,
        false => facts(outlet, &likes).await?,
    }
    outlet.write(END).await?;
    begin(outlet, "hears", "What you agreed to, or refused, and how it is sent.").await?;
    let topics: Vec<_> = all.iter().flat_map(|row| &row.notifications).map(of_topic).collect();
    match topics.is_empty() {
        true => nothing(outlet, "You have not said anything, so nothing is sent on this ground.").await?,
        false => facts(outlet, &topics).await?,
    }
    outlet.write(END).await
}

fn likes_of(row: &PreferencesRow) -> Vec<Detail> {
    let billing = row.billing.as_ref().map(|billing| {
        let currency = billing.currency.map(|currency| currency.code().to_owned());
        let language = billing.language.as_ref().map(|language| language.as_str().to_owned());
        let delivery = billing.delivery.as_ref().map(|delivery| format!("by {delivery}"));
        [currency, language, delivery].into_iter().flatten().collect::<Vec<_>>().join(", ")
    });
    let told = [
        ("You like to buy at", row.channels.join(", ")),
        ("Interests", row.categories.join(", ")),
        ("Invoices", billing.unwrap_or_default()),
    ];
    let told = told.into_iter().filter(|(_, value)| !value.is_empty());
    let mut told: Vec<_> = told.map(|(label, value)| Detail::new(label, value)).collect();
    told.extend(row.restrictions.iter().map(|restriction| Detail::new("To be heeded", restriction.as_str())));
    told.extend(row.favourite_orders.iter().map(|favourite| {
        let items = favourite.items.iter().map(|item| format!("{} × {}", item.quantity, item.sku));
        let all: Vec<_> = items.chain(favourite.note.iter().map(|note| note.as_str().to_owned())).collect();
        Detail::new(&format!("Favourite order “{}”", favourite.name.as_str()), all.join(", "))
    }));
    told
}

fn of_topic(wanted: &Notification) -> Detail {
    let channels: Vec<_> = wanted.channels.iter().map(Channel::as_str).collect();
    let how = if channels.is_empty() { "Not at all".to_owned() } else { format!("Yes, by {}", channels.join(", ")) };
    Detail::new(&code(wanted.topic.as_str()), how)
}

const LEDGER: [Column; 5] = [
    Column { title: "Date", is_number: false },
    Column { title: "What", is_number: false },
    Column { title: "Order", is_number: false },
    Column { title: "Points", is_number: true },
    Column { title: "Left", is_number: true },
];

pub(super) async fn points(person: &Person, outlet: &mut Outlet) -> Result<(), Broken> {
    begin(outlet, "points", "").await?;
    let (pools, tenant) = (&person.api.pools, person.caller.tenant);
    let mut is_empty = true;
    for subject in &person.subjects {
        let now = person.caller.this_moment();
        let Some(found) = loyalty_balances::find(pools, tenant, *subject, now).await? else { continue };
        is_empty = false;
        facts(outlet, &of_account(&found.value, person)).await?;
        outlet.write(&Columns { columns: &LEDGER }.render()?).await?;
        let mut back = Back::newest(ROWS);
        loop {
            let page = loyalty_ledger::list(pools, tenant, *subject, back).await?.value;
            for moved in page.rows {
                row(outlet, &LEDGER, of_movement(&moved)).await?;
            }
            let Some(before) = page.next else { break };
            back = Back { before, ..back };
        }
        outlet.write("</tbody></table>\n").await?;
    }
    if is_empty {
        nothing(outlet, "You are no member of the loyalty programme.").await?;
    }
    outlet.write(END).await
}

fn of_account(account: &LoyaltyBalance, person: &Person) -> Vec<Detail> {
    let next = account.next_tier.zip(account.points_to_next_tier);
    let mut told = vec![
        Detail::new("Points", account.available.to_string()),
        Detail::new("Set aside", account.held.to_string()),
        Detail::new("Tier", code(account.tier.as_str())),
        Detail::new("Member since", day(account.enrolled_on)),
        Detail::new("Earned in 12 months", account.earned_last_12_months.to_string()),
        Detail::new("Earned in all", account.lifetime_earned.to_string()),
        Detail::new("Spent", account.redeemed.to_string()),
        Detail::new("Expired", account.expired.to_string()),
        Detail::new("Taken back", account.reversed.to_string()),
    ];
    told.extend(
        next.map(|(tier, points)| Detail::new("Next tier", format!("{} in {points} points", code(tier.as_str())))),
    );
    told.extend(account.review_on.map(|on| Detail::new("Next review", day(on))));
    let expires = account.expiries.iter();
    told.extend(
        expires.map(|expiry| Detail::new(&format!("Expire on {}", day(expiry.expires_on)), expiry.points.to_string())),
    );
    told.extend(account.holds.iter().map(|hold| {
        let until = moment(hold.lapses_at, person.caller.zone);
        let value = format!("{} points for {}, until {until}", hold.points, spoken(hold.discount));
        Detail::new(&format!("Set aside for order {}", hold.order), value)
    }));
    told
}

fn of_movement(moved: &LedgerRow) -> [String; 5] {
    [
        day(moved.moved_on),
        movement(moved.kind).to_owned(),
        moved.order.clone().unwrap_or_default(),
        format!("{:+}", moved.points),
        moved.balance.to_string(),
    ]
}

const PURCHASES: [Column; 5] = [
    Column { title: "Date", is_number: false },
    Column { title: "Order", is_number: false },
    Column { title: "Where", is_number: false },
    Column { title: "Paid", is_number: true },
    Column { title: "Given back", is_number: true },
];

pub(super) async fn purchases(person: &Person, outlet: &mut Outlet) -> Result<(), Broken> {
    begin(outlet, "purchases", "The newest first. The articles of each order stand in the story below.").await?;
    outlet.write(&Columns { columns: &PURCHASES }.render()?).await?;
    let types = ["customer.purchase.recorded", "customer.purchase.refunded"];
    for subject in &person.subjects {
        let mut back = Back::newest(ROWS);
        loop {
            let listed = customer_timeline::list(&person.api.pools, person.caller.tenant, *subject, Some(&types), back);
            let page = listed.await?.value;
            for entry in page.rows {
                row(outlet, &PURCHASES, of_purchase(&entry.facts)).await?;
            }
            let Some(before) = page.next else { break };
            back = Back { before, ..back };
        }
    }
    outlet.write("</tbody></table>\n").await?;
    outlet.write(END).await
}

/// A purchase or a refund, as the timeline tells it.
fn of_purchase(told: &Value) -> [String; 5] {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let money =
        |name: &str| told[name].as_str().map(|amount| format!("{amount} {}", text("currency"))).unwrap_or_default();
    let on = text("on").parse().map_or_else(|_| text("on"), day);
    [on, text("order_id"), text("channel"), money("total"), money("amount")]
}

pub(super) async fn others(
    person: &Person,
    keys: Vec<ApiKeyRow>,
    actors: &Actors,
    outlet: &mut Outlet,
) -> Result<(), Broken> {
    let note = "Who put something in is named in the story above. Looking you up is not recorded one by one; these programs may, or might.";
    begin(outlet, "others", note).await?;
    let zone = person.caller.zone;
    let line = |known: RecipientView| {
        let until = known.until.map(|until| format!(", until {}", moment(until, zone))).unwrap_or_default();
        format!("{}, since {}{until}", known.name, moment(known.since, zone))
    };
    let mut lines: Vec<_> = recipients(keys).map(line).collect();
    lines.push("Analysts of our company, where they were given a login of the database.".to_owned());
    outlet.write(&Lines { lines: &lines }.render()?).await?;
    outlet.write("<h3>Handed out as a whole</h3>\n").await?;
    let handed_out = exports(person, actors).await?;
    outlet.write(&Lines { lines: &handed_out }.render()?).await?;
    outlet.write("<h3>What stays if you ask us to forget you</h3>\n").await?;
    outlet.write(&Lines { lines: &KEPT.map(str::to_owned) }.render()?).await?;
    outlet.write(END).await
}

/// When all was handed out, now and before, and to whom.
async fn exports(person: &Person, actors: &Actors) -> Result<Vec<String>, Broken> {
    let zone = person.caller.zone;
    let mut lines =
        vec![format!("{}, to {}: this page", moment(person.caller.now, zone), actors.name(&person.caller.actor))];
    for subject in &person.subjects {
        let wanted = Search { customer: Some(*subject), types: Some(vec!["customer.exported"]), ..Search::default() };
        let earlier = search::search(&person.api.pools, person.caller.tenant, wanted, None, ROWS).await?.value.rows;
        let earlier = earlier.into_iter().filter(|row| row.position < person.position);
        lines.extend(
            earlier.map(|row| format!("{}, to {}", moment(row.recorded_at, zone), actors.name(&row.occasion.actor))),
        );
    }
    Ok(lines)
}
