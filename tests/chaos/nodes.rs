//! Several nodes in this process on one real database: the whole command pipeline without HTTP, so that many operations
//! fit into a second.

use crate::client;
use crate::intents::{Answer, Deed};
use crate::workload::Ask;
use commands::credit::deciding::{Approve, RequestCredit};
use commands::credit::orders::UseCredit;
use commands::credit::payments::ApplyPayment;
use commands::customers::{RecordPurchase, Register};
use commands::loyalty::{Earn, Redeem};
use commands::{
    Caller, Clock, CommandError, Commands, Committed, Config, Door, IdempotencyKey, Scope, SystemClock, credit,
};
use domain::access::settings::TenantSettings;
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::terms::Terms;
use domain::customers::events::{Contact, CustomerKind};
use domain::email::Email;
use domain::ids::{CreditLineId, CustomerId, OrderId, PaymentId};
use domain::text::CompanyName;
use domain::{Currency, Money};
use projections::testing::prepared_database;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;
use store::TenantId;
use store::personal_data::Keys;
use store::postgres::testing::TestDatabase;
use store::postgres::{Database, Pools, PostgresStore};

/// A database and the secrets of its nodes.
pub(crate) struct Installation {
    test: TestDatabase,
    database: Database,
    keys: Keys,
}

impl Installation {
    pub(crate) async fn new() -> Self {
        let (test, database) = prepared_database().await;
        Self { test, database, keys: Keys::random() }
    }

    pub(crate) fn superuser(&self) -> PgConnectOptions {
        self.test.admin_options()
    }

    pub(crate) fn test(&self) -> &TestDatabase {
        &self.test
    }

    /// Another node.
    pub(crate) async fn node(&self) -> Node {
        self.node_through(&self.database).await
    }

    /// Another node, which reaches the database by a way of its own.
    pub(crate) async fn node_through(&self, database: &Database) -> Node {
        let pools = Pools::new(database);
        let store = PostgresStore::open(database, pools.engine, self.keys.clone()).await.expect("the store opens");
        Node { commands: Commands::start(Arc::new(store), Config::default()) }
    }
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    commands: Commands,
}

impl Ask for Node {
    async fn ask(&self, deed: &Deed, key: Option<&str>) -> Option<Answer> {
        let key = key.map(|key| IdempotencyKey::new(key).expect("our keys are keys"));
        match self.carry_out(deed, key).await {
            Ok(committed) => Some(Answer::Done {
                position: committed.position.0,
                made: match deed {
                    Deed::Grant { customer, .. } => Some(line_of(*customer).as_uuid()),
                    _ => committed.customer().map(|customer| customer.as_uuid()),
                },
            }),
            Err(CommandError::Refused(refusal) | CommandError::Claimed { refusal, .. }) => {
                let available = refusal.facts.get("available").and_then(client::available);
                Some(Answer::Refused { code: refusal.code, available })
            }
            Err(CommandError::Conflict | CommandError::Unavailable { .. } | CommandError::Busy) => None,
            Err(error) => panic!("{deed:?}: {error}"),
        }
    }

    fn gives_credit(&self) -> bool {
        true
    }
}

impl Node {
    async fn carry_out(&self, deed: &Deed, key: Option<IdempotencyKey>) -> Result<Committed, CommandError> {
        let (commands, caller) = (&self.commands, &caller());
        match deed {
            Deed::Register { email } => {
                let request = registration(email);
                commands::customers::register(commands, caller, key, request).await
            }
            Deed::Purchase { customer, order, units } => {
                let (customer, order, total) = (CustomerId::new(*customer), order_id(order), euros(*units));
                let request = RecordPurchase { customer, order, channel: None, lines: Vec::new(), total, at: None };
                commands::customers::record_purchase(commands, caller, key, request).await
            }
            Deed::Earn { customer, order, units } => {
                let (customer, order, total) = (CustomerId::new(*customer), order_id(order), euros(*units));
                commands::loyalty::earn(commands, caller, key, Earn { customer, order, total, at: None }).await
            }
            Deed::Redeem { customer, order, points } => {
                let (customer, order) = (CustomerId::new(*customer), order_id(order));
                commands::loyalty::redeem(commands, caller, key, Redeem { customer, points: *points, order }).await
            }
            Deed::Trade { .. } | Deed::Grant { .. } | Deed::Use { .. } | Deed::Pay { .. } => {
                self.on_credit(deed, key).await
            }
        }
    }

    async fn on_credit(&self, deed: &Deed, key: Option<IdempotencyKey>) -> Result<Committed, CommandError> {
        let (commands, caller) = (&self.commands, &caller());
        match deed {
            Deed::Grant { customer, units } => {
                let customer = CustomerId::new(*customer);
                let asked = RequestCredit { customer, amount: euros(*units), financials: Financials::default() };
                credit::deciding::request(commands, caller, key, asked).await?;
                let (terms, note) = (Terms::of_days(30).expect("days"), CreditNote::default());
                let given =
                    Approve { line: line_of(customer.as_uuid()), limit: euros(*units), terms, policy: None, note };
                let manager = Caller { actor: "manager".to_owned(), ..caller.clone() };
                credit::deciding::approve(commands, &manager, None, given).await
            }
            Deed::Use { line, order, units } => {
                let (line, order, amount) = (CreditLineId::new(*line), order_id(order), euros(*units));
                let asked = UseCredit { line, order, amount, invoice: None, override_reason: None };
                let committed = credit::orders::use_credit(commands, caller, key, asked).await?;
                committed.within_the_limit().map_err(CommandError::Refused)
            }
            Deed::Pay { line, payment, units } => {
                let payment = PaymentId::parse(payment).expect("our payments are payments");
                let (line, amount) = (CreditLineId::new(*line), euros(*units));
                let paid = ApplyPayment { line, payment, amount, orders: Vec::new(), received_at: None };
                credit::payments::apply(commands, caller, key, paid).await
            }
            Deed::Trade { email } => {
                let private = registration(email);
                let contact = Contact { company: CompanyName::parse(email).ok(), ..private.contact };
                let request = Register { kind: CustomerKind::Business, contact, enrol_in: None, ..private };
                commands::customers::register(commands, caller, key, request).await
            }
            deed => unreachable!("{deed:?} is nothing of credit"),
        }
    }
}

fn line_of(customer: uuid::Uuid) -> CreditLineId {
    CreditLineId::of(CustomerId::new(customer), euro())
}

fn caller() -> Caller {
    Caller {
        tenant: TenantId(1),
        actor: "cli".to_owned(),
        scopes: vec![Scope::Admin],
        now: SystemClock.now(),
        zone: chrono_tz::Tz::UTC,
        settings: TenantSettings::default(),
        request_id: None,
        correlation_id: None,
        via: Door::Http,
    }
}

fn registration(email: &str) -> Register {
    let emails = vec![Email::parse(email).expect("our addresses are addresses")];
    Register {
        kind: CustomerKind::Individual,
        contact: Contact { emails, ..Contact::default() },
        language: None,
        currency: None,
        source: None,
        enrol_in: Some(euro()),
        referrer: None,
    }
}

fn order_id(order: &str) -> OrderId {
    OrderId::parse(order).expect("our orders are orders")
}

fn euros(units: i64) -> Money {
    Money::parse(&units.to_string(), euro()).expect("a small amount")
}

fn euro() -> Currency {
    Currency::parse("EUR").expect("it is one")
}
