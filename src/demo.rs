//! `clientela demo`: invented customers with purchases, refunds and redemptions, sent to a running server.
//!
//! The same seed, number of customers and last day give the same requests: made again, they change nothing.

use crate::client::{Answer, CallError, Client, ServerAddress};
use crate::config::{CommonFlags, settings};
use crate::output::{counted, print_json, say};
use anyhow::Context;
use chrono::{Days, NaiveDate};
use commands::{Clock, SystemClock};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Instant;

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerAddress,
    /// How many customers to invent
    #[arg(long, default_value_t = 200)]
    customers: u32,
    /// Another seed invents others
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The last day on which anybody bought [default: today]
    #[arg(long, value_name = "DATE")]
    until: Option<NaiveDate>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const CUSTOMERS_AT_ONCE: usize = 16;
/// Purchases lie within so many days.
const DAYS: u64 = 500;

const FIRST_NAMES: [&str; 20] = [
    "Ana", "Luis", "Marta", "Jorge", "Elena", "Pablo", "Lucía", "Diego", "Carmen", "Javier", "Nora", "Hugo", "Irene",
    "Óscar", "Sofía", "Mateo", "Julia", "Bruno", "Clara", "Iván",
];
const LAST_NAMES: [&str; 20] = [
    "Torres", "García", "Molina", "Vega", "Ortiz", "Ramos", "Soler", "Núñez", "Prieto", "Campos", "Rojas", "Ibáñez",
    "Marín", "Fuentes", "Lozano", "Cano", "Peña", "Vidal", "Serra", "Bravo",
];
const CHANNELS: [&str; 4] = ["web", "store-1", "store-2", "app"];

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&settings(common)?, &args.server)?;
    let until = args.until.unwrap_or_else(|| SystemClock.now().date_naive());
    let demo = Demo { client, seed: args.seed, until };
    let begun = Instant::now();
    let counts = futures::stream::iter(0..args.customers)
        .map(|number| demo.live(number))
        .buffer_unordered(CUSTOMERS_AT_ONCE)
        .try_fold(Counts::default(), |sum, counts| async move { Ok(sum.and(&counts)) })
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    let Counts { customers, purchases, refunds, redemptions } = counts;
    match args.json {
        true => print_json(&json!({
            "customers": customers, "purchases": purchases, "refunds": refunds, "redemptions": redemptions,
            "seconds": seconds
        }))?,
        false => say!(
            "{} with {}, {} and {}, in {seconds:.1} s",
            counted(customers, "invented customer"),
            counted(purchases, "purchase"),
            counted(refunds, "refund"),
            counted(redemptions, "redemption")
        )?,
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Default)]
struct Counts {
    customers: u64,
    purchases: u64,
    refunds: u64,
    redemptions: u64,
}

impl Counts {
    fn and(self, other: &Self) -> Self {
        Self {
            customers: self.customers + other.customers,
            purchases: self.purchases + other.purchases,
            refunds: self.refunds + other.refunds,
            redemptions: self.redemptions + other.redemptions,
        }
    }
}

struct Demo {
    client: Client,
    seed: u64,
    until: NaiveDate,
}

impl Demo {
    /// One customer's life.
    async fn live(&self, number: u32) -> anyhow::Result<Counts> {
        let mut dice = Dice(self.seed ^ u64::from(number).wrapping_mul(0x2545_F491_4F6C_DD1D));
        let name = format!("{}-{}-{number}", self.seed, self.until.format("%Y%m%d"));
        let customer = self.register(&name, number, &mut dice).await?;
        let mut counts = Counts { customers: 1, ..Counts::default() };
        let bought = self.purchases(&name, &mut dice);
        for purchase in &bought {
            self.post(&customer, "purchases", purchase).await.context("a purchase was refused")?;
            counts.purchases += 1;
        }
        if dice.below(100) < 15 {
            let order = &bought[dice.index(bought.len())]["order_id"];
            let refund = json!({ "order_id": order, "refund_id": format!("{name}-r"), "occurred_at": self.until });
            // A purchase of long ago, by today's date, is not given back any more.
            counts.refunds += self.tried(&customer, "refunds", &refund).await?;
        }
        if dice.below(100) < 40 {
            let redemption = json!({ "order_id": format!("{name}-d"), "points": 100 * (1 + dice.below(3)) });
            // With too few points the till says no.
            counts.redemptions += self.tried(&customer, "loyalty/redeem", &redemption).await?;
        }
        Ok(counts)
    }

    /// Makes the customer known; one that is known already is looked up.
    async fn register(&self, name: &str, number: u32, dice: &mut Dice) -> anyhow::Result<String> {
        let (first, last) = (FIRST_NAMES[dice.index(FIRST_NAMES.len())], LAST_NAMES[dice.index(LAST_NAMES.len())]);
        let body = json!({
            "name": format!("{first} {last}"), "emails": [format!("customer-{name}@example.com")],
            "language": if number.is_multiple_of(3) { "en" } else { "es" }, "currency": "EUR", "source": "demo",
            "references": [{ "system": "demo", "reference": name }], "loyalty": true,
        });
        let known = match self.client.post("/v1/customers", &body).await {
            Ok(registered) => registered.body["customer_id"].clone(),
            Err(CallError::Refused(refused)) if refused.status == 409 => {
                let found = self.client.get(&format!("/v1/customers?reference=demo:{name}")).await?;
                found.body["items"][0]["customer_id"].clone()
            }
            Err(error) => return Err(error.into()),
        };
        known.as_str().map(str::to_owned).context("the server named no customer")
    }

    /// What the customer bought, the oldest first.
    fn purchases(&self, name: &str, dice: &mut Dice) -> Vec<Value> {
        let count = 1 + dice.below(8) + dice.below(8);
        let mut days: Vec<u64> = (0..count).map(|_| dice.below(DAYS)).collect();
        days.sort_unstable_by(|left, right| right.cmp(left));
        let purchase = |(index, ago): (usize, u64)| {
            let large = if dice.below(10) == 0 { 8 } else { 1 };
            let cents = (300 + dice.below(12_000)) * large;
            json!({
                "order_id": format!("{name}-{index}"), "total": format!("{}.{:02}", cents / 100, cents % 100),
                "currency": "EUR", "channel": CHANNELS[dice.index(CHANNELS.len())],
                "occurred_at": self.until - Days::new(ago),
            })
        };
        days.into_iter().enumerate().map(purchase).collect()
    }

    /// How often it was done: once, or not at all when the rules refuse it.
    async fn tried(&self, customer: &str, what: &'static str, body: &Value) -> anyhow::Result<u64> {
        match self.post(customer, what, body).await {
            Ok(_) => Ok(1),
            Err(CallError::Refused(refused)) if refused.status == 422 => Ok(0),
            Err(error) => Err(error).context(what),
        }
    }

    async fn post(&self, customer: &str, what: &str, body: &Value) -> Result<Answer, CallError> {
        self.client.post(&format!("/v1/customers/{customer}/{what}"), body).await
    }
}

/// Throws that a seed decides (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % bound.max(1)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }
}
