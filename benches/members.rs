//! Loyalty accounts with points to spend, and the clients that spend them through the command pipeline.

use crate::load::{Ids, TENANT};
use crate::measure::{Counted, Load, Run};
use commands::customers::Register;
use commands::loyalty::{Earn, Redeem};
use commands::{Caller, Clock, Commands, Config, Door, IdempotencyKey, Scope, SystemClock};
use domain::access::settings::TenantSettings;
use domain::customers::events::{Contact, CustomerKind};
use domain::ids::{CustomerId, OrderId};
use domain::phone::Phone;
use domain::{Currency, Money};
use futures::future::BoxFuture;
use futures::stream::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::postgres::PostgresStore;

/// Points redeemed by each command.
pub(crate) const POINTS: i64 = 100;

/// Accounts that can redeem for as long as any bench runs.
pub(crate) struct Members {
    pub(crate) commands: Commands,
    pub(crate) customers: Arc<[CustomerId]>,
}

/// Who asks, in all benches of commands.
pub(crate) fn caller() -> Caller {
    Caller {
        tenant: TENANT,
        actor: crate::load::ACTOR.to_owned(),
        scopes: vec![Scope::Admin, Scope::CustomersWrite, Scope::LoyaltyWrite],
        now: SystemClock.now(),
        zone: chrono_tz::UTC,
        settings: TenantSettings::default(),
        request_id: None,
        correlation_id: None,
        via: Door::Http,
    }
}

impl Members {
    /// Registers so many customers and lets each earn a fortune.
    pub(crate) async fn enrolled(store: Arc<PostgresStore>, count: usize) -> anyhow::Result<Self> {
        let commands = Commands::start(store, Config::default());
        let customers: Vec<CustomerId> = futures::stream::iter(0..count)
            .map(|number| enrol(&commands, number))
            .buffer_unordered(512)
            .try_collect()
            .await?;
        Ok(Self { commands, customers: customers.into() })
    }
}

async fn enrol(commands: &Commands, number: usize) -> anyhow::Result<CustomerId> {
    let currency = Currency::parse("EUR")?;
    let contact = Contact {
        name: None,
        company: None,
        emails: Vec::new(),
        phones: vec![Phone::parse(&format!("+49151{number:08}"), None)?],
        references: Vec::new(),
        ..Contact::default()
    };
    let register = Register {
        kind: CustomerKind::Individual,
        contact,
        language: None,
        currency: None,
        source: None,
        enrol_in: Some(currency),
        referrer: None,
    };
    let registered = commands::customers::register(commands, &caller(), None, register).await?;
    let customer = registered.customer().ok_or_else(|| anyhow::anyhow!("a registration without a customer"))?;
    let total = Money::parse("100000000.00", currency)?;
    let earn = Earn { customer, order: OrderId::parse("fortune")?, total, at: None };
    commands::loyalty::earn(commands, &caller(), None, earn).await?;
    Ok(customer)
}

/// Clients that redeem, one command after the other, each on an account chosen by lot.
pub(crate) struct Redeemers {
    commands: Commands,
    customers: Arc<[CustomerId]>,
    clients: usize,
}

impl Redeemers {
    pub(crate) fn new(members: &Members, clients: usize) -> Self {
        Self { commands: members.commands.clone(), customers: Arc::clone(&members.customers), clients }
    }

    /// All on one account.
    pub(crate) fn on_one(members: &Members, clients: usize) -> Self {
        Self { commands: members.commands.clone(), customers: members.customers[..1].into(), clients }
    }
}

impl Load for Redeemers {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let client =
                |_| tokio::spawn(redeem_until(self.commands.clone(), Arc::clone(&self.customers), begun + span));
            let counted = futures::future::try_join_all((0..self.clients).map(client)).await?;
            Ok(Run::together(begun, &counted.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
        })
    }
}

async fn redeem_until(commands: Commands, customers: Arc<[CustomerId]>, end: Instant) -> anyhow::Result<Counted> {
    let (mut ids, mut counted, caller) = (Ids::new(), Counted::new(), caller());
    while Instant::now() < end {
        let asked = Instant::now();
        let customer = customers[ids.number() as usize % customers.len()];
        let order = OrderId::parse(&ids.id().simple().to_string())?;
        let key = IdempotencyKey::new(ids.id().simple().to_string())?;
        let redeem = Redeem { customer, points: POINTS, order };
        let committed = commands::loyalty::redeem(&commands, &caller, Some(key), redeem).await?;
        anyhow::ensure!(committed.events.len() == 1, "a redemption made {} events", committed.events.len());
        counted.add(1, asked);
    }
    Ok(counted)
}
