//! A year of 20,000 invoices on two hundred lines of credit, with payments in part, in full, for orders by name, too large and
//! bounced, and with credit notes: what is owed, how old it is, and what was owed on any day, beside books that the test keeps
//! for itself with nothing of the domain.

use crate::support::World;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use commands::credit::deciding::{Approve, RequestCredit, approve, request};
use commands::credit::orders::{Authorise, Release, UseCredit, Void, authorise, release, use_credit, void};
use commands::credit::payments::{ApplyPayment, ReversePayment, apply, reverse};
use commands::customers::{Register, register};
use commands::{Caller, Commands, Committed, Scope};
use domain::credit::events::CreditEvent;
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::policy::{Counts, OverdueBlock, Policy};
use domain::credit::terms::Terms;
use domain::customers::events::{Contact, CustomerKind};
use domain::email::Email;
use domain::ids::{CreditLineId, OrderId, PaymentId, ReasonCode, ReleaseId};
use domain::text::CompanyName;
use domain::{Currency, Money};
use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LINES: u64 = 200;
const INVOICES_EACH: u64 = 100;
/// So many lines are under way at once.
const AT_ONCE: usize = 100;
const DAYS: u64 = 365;
const TERMS: [u16; 4] = [30, 45, 60, 90];

/// An invoice as the books have it.
#[derive(Debug, Clone)]
struct Invoice {
    due_on: NaiveDate,
    outstanding: i64,
}

/// The books of a line, in cents.
#[derive(Debug, Clone, Default)]
struct Books {
    /// In the order in which they were written.
    invoices: Vec<(String, Invoice)>,
    unapplied: i64,
    held: i64,
}

impl Books {
    /// Pays these in this order; what each got.
    fn pay(&mut self, mut amount: i64, named: &[String]) -> Vec<(String, i64)> {
        let mut order: Vec<usize> = (0..self.invoices.len()).collect();
        order.sort_by_key(|index| (self.invoices[*index].1.due_on, *index));
        if !named.is_empty() {
            let place = |name: &String| self.invoices.iter().position(|(invoice, _)| invoice == name);
            order = named.iter().filter_map(place).collect();
        }
        let mut got = Vec::new();
        for index in order {
            let (name, invoice) = &mut self.invoices[index];
            let paid = amount.min(invoice.outstanding);
            if paid > 0 {
                invoice.outstanding -= paid;
                amount -= paid;
                got.push((name.clone(), paid));
            }
        }
        self.unapplied += amount;
        got
    }

    fn find(&mut self, name: &str) -> &mut Invoice {
        &mut self.invoices.iter_mut().find(|(invoice, _)| invoice == name).expect("it is in the books").1
    }

    fn open(&self) -> Vec<(String, i64)> {
        let open = self.invoices.iter().filter(|(_, invoice)| invoice.outstanding > 0);
        open.map(|(name, invoice)| (name.clone(), invoice.outstanding)).collect()
    }

    /// As an answer tells it on a day.
    fn aging(&self, today: NaiveDate) -> [i64; 5] {
        let mut classes = [0; 5];
        for (_, invoice) in &self.invoices {
            let class = match (today - invoice.due_on).num_days() {
                late if late <= 0 => 0,
                1..=30 => 1,
                31..=60 => 2,
                61..=90 => 3,
                _ => 4,
            };
            classes[class] += invoice.outstanding;
        }
        classes
    }

    fn seen(&self, today: NaiveDate) -> Seen {
        let used = self.invoices.iter().map(|(_, invoice)| invoice.outstanding).sum();
        Seen { used, held: self.held, unapplied: self.unapplied, aging: self.aging(today) }
    }
}

/// What is asked and what is answered, in cents.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    used: i64,
    held: i64,
    unapplied: i64,
    aging: [i64; 5],
}

impl Seen {
    fn of(line: &Value) -> Self {
        Self {
            used: cents(&line["used"]),
            held: cents(&line["held"]),
            unapplied: cents(&line["unapplied"]),
            aging: classes(&line["aging"]),
        }
    }
}

fn classes(aging: &Value) -> [i64; 5] {
    ["current", "days_1_to_30", "days_31_to_60", "days_61_to_90", "over_90_days"].map(|class| cents(&aging[class]))
}

fn cents(amount: &Value) -> i64 {
    amount.as_str().and_then(|text| text.replace('.', "").parse().ok()).unwrap_or_else(|| panic!("no amount: {amount}"))
}

/// Chance with a seed (SplitMix64).
#[derive(Debug, Clone)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn cents(&mut self, from: u64, to: u64) -> i64 {
        i64::try_from(from + self.below(to - from)).expect("small")
    }
}

/// A line that is used, with its books.
struct Story {
    commands: Commands,
    clerk: Caller,
    line: CreditLineId,
    term: u16,
    books: Books,
    chance: Chance,
    nth: u64,
    /// What the books said at the end of each day on which something happened.
    days: BTreeMap<NaiveDate, Books>,
}

impl Story {
    /// A line that was given at some moment.
    async fn begin((commands, clerk): (Commands, Caller), number: u64, at: DateTime<Utc>) -> Self {
        let clerk = Caller { now: at, scopes: vec![Scope::Admin], ..clerk };
        let manager = Caller { actor: "manager".to_owned(), ..clerk.clone() };
        let contact = Contact {
            company: CompanyName::parse(&format!("Shop {number} S.L.")).ok(),
            emails: vec![Email::parse(&format!("shop{number}@example.com")).expect("an address")],
            ..Contact::default()
        };
        let business = Register {
            kind: CustomerKind::Business,
            contact,
            language: None,
            currency: None,
            source: None,
            enrol_in: None,
            referrer: None,
        };
        let registered = register(&commands, &clerk, None, business).await.expect("registered");
        let customer = registered.customer().expect("a customer");
        let (line, limit) = (CreditLineId::of(customer, euro()), euros(1_000_000_000));
        let asked = RequestCredit { customer, amount: limit, financials: Financials::default() };
        request(&commands, &clerk, None, asked).await.expect("asked for");
        let term = TERMS[usize::try_from(number % 4).expect("small")];
        let (terms, note) = (Terms::of_days(term).expect("days"), CreditNote::default());
        approve(&commands, &manager, None, Approve { line, limit, terms, policy: Some(lenient()), note })
            .await
            .expect("given");
        let (books, days) = (Books::default(), BTreeMap::new());
        Self { commands, clerk, line, term, books, chance: Chance(number), nth: 0, days }
    }

    fn today(&self) -> NaiveDate {
        self.clerk.now.date_naive()
    }

    fn name(&mut self, what: &str) -> String {
        self.nth += 1;
        format!("{what}-{}", self.nth)
    }

    /// The end of a deed: the books of the day are as they are now.
    fn note(&mut self) {
        self.days.insert(self.today(), self.books.clone());
    }

    async fn buy(&mut self) {
        let (name, cents) = (self.name("order"), self.chance.cents(500, 90_000));
        let (order, amount) = (order_id(&name), euros(cents));
        let bought = UseCredit { line: self.line, order, amount, invoice: None, override_reason: None };
        let committed = use_credit(&self.commands, &self.clerk, None, bought).await.expect("bought");
        let due_on = self.today() + Days::new(self.term.into());
        let told = committed.credit_events().find_map(|event| match event {
            CreditEvent::Used { due_on, .. } => Some(*due_on),
            _ => None,
        });
        assert_eq!(told, Some(due_on));
        let paid = cents.min(self.books.unapplied);
        self.books.unapplied -= paid;
        self.books.invoices.push((name, Invoice { due_on, outstanding: cents - paid }));
    }

    /// Some money: for the oldest, for one by name, in part, in full, too much; some of it bounces.
    async fn pay(&mut self) {
        let open = self.books.open();
        let Some((name, outstanding)) = open.get(usize::try_from(self.chance.below(3)).expect("small")).cloned() else {
            return;
        };
        let named = if self.chance.below(4) == 0 { vec![name] } else { vec![] };
        let cents = match self.chance.below(10) {
            0..=2 => 1.max(outstanding / 3),
            3 => outstanding + self.chance.cents(1, 5_000),
            _ => outstanding,
        };
        let payment = PaymentId::parse(&self.name("payment")).expect("a payment");
        let orders = named.iter().map(|name| order_id(name)).collect();
        let (line, amount) = (self.line, euros(cents));
        let paid = ApplyPayment { line, payment: payment.clone(), amount, orders, received_at: None };
        apply(&self.commands, &self.clerk, None, paid).await.expect("paid");
        let before = self.books.unapplied;
        let got = self.books.pay(cents, &named);
        if self.books.unapplied == before && self.chance.below(12) == 0 {
            let bounced = ReversePayment { line, payment, reason: reason("bounced") };
            reverse(&self.commands, &self.clerk, None, bounced).await.expect("taken back");
            for (name, cents) in got {
                self.books.find(&name).outstanding += cents;
            }
        }
    }

    /// A credit note over some of what is to be paid of an order.
    async fn give_back(&mut self) {
        let Some((name, outstanding)) = self.books.open().pop() else { return };
        let cents = 1.max(outstanding / 2);
        let release_id = ReleaseId::parse(&self.name("note")).expect("a name");
        let (line, order, amount) = (self.line, order_id(&name), euros(cents));
        let back = Release { line, release: release_id, order, amount, reason: reason("returned") };
        release(&self.commands, &self.clerk, None, back).await.expect("given back");
        self.books.find(&name).outstanding -= cents;
    }

    /// Credit that is promised to an order; half of it is taken back at once.
    async fn hold(&mut self) {
        let (name, cents) = (self.name("order"), self.chance.cents(500, 9_000));
        let asked = Authorise { line: self.line, order: order_id(&name), amount: euros(cents), override_reason: None };
        let held = authorise(&self.commands, &self.clerk, None, asked).await.expect("held");
        self.books.held += cents;
        if self.chance.below(2) == 0 {
            let gone = Void { line: self.line, hold: hold_of(&held) };
            void(&self.commands, &self.clerk, None, gone).await.expect("taken back");
            self.books.held -= cents;
        }
    }

    async fn go_on(&mut self, at: DateTime<Utc>) {
        self.clerk.now = at;
        self.buy().await;
        for _ in 0..self.chance.below(3) {
            self.pay().await;
        }
        if self.chance.below(25) == 0 {
            self.give_back().await;
        }
        self.note();
    }
}

fn hold_of(held: &Committed) -> domain::ids::HoldId {
    let hold = held.credit_events().find_map(|event| match event {
        CreditEvent::HoldPlaced { hold, .. } => Some(*hold),
        _ => None,
    });
    hold.expect("a hold")
}

/// Rules that stop nothing.
fn lenient() -> Policy {
    Policy {
        tolerance_percent: 0,
        counts: Counts::OpenOrders,
        review_on: None,
        overdue_block: OverdueBlock { minimum: euros(1_000_000_000), grace_days: 365 },
        suspend_when_overdue: false,
        dunning: Vec::new(),
    }
}

fn euro() -> Currency {
    Currency::parse("EUR").expect("a currency")
}

fn euros(cents: i64) -> Money {
    Money::from_minor(cents, euro()).expect("an amount")
}

fn order_id(name: &str) -> OrderId {
    OrderId::parse(name).expect("an order")
}

fn reason(word: &str) -> ReasonCode {
    ReasonCode::parse(word).expect("a word")
}

/// Noon of so many days ago.
fn days_ago(days: u64) -> DateTime<Utc> {
    let today = commands::Clock::now(&commands::SystemClock).date_naive();
    let noon = (today - Days::new(days)).and_hms_opt(12, 0, 0).expect("noon");
    noon.and_utc()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_20_000_invoices_is_as_old_as_books_kept_beside_it_say() {
    let world = World::start().await;
    let till = world.till_ago(0).await;
    let year = (0..LINES).map(|number| {
        let till = till.clone();
        async move {
            let mut story = Story::begin(till, number, days_ago(DAYS) - TimeDelta::hours(1)).await;
            for invoice in 0..INVOICES_EACH {
                // None today: what is bought near midnight must not be of another day than what is asked.
                let day = DAYS - invoice * (DAYS - 1) / INVOICES_EACH;
                story.go_on(days_ago(day) + TimeDelta::seconds(i64::try_from(invoice).expect("small"))).await;
            }
            story
        }
    });
    let stories: Vec<Story> = stream::iter(year).buffer_unordered(AT_ONCE).collect().await;
    let head = world.head().await;

    let of_all = world.get(&format!("/v1/credit/aging?min_position={head}")).await;
    let today = days_ago(0).date_naive();
    let mut sums = [0; 5];
    let mut open = 0;
    for story in &stories {
        story.books.aging(today).iter().zip(&mut sums).for_each(|(cents, sum)| *sum += cents);
        open += story.books.open().len();
    }
    let told = &of_all.body["items"][0];
    assert_eq!((classes(&told["aging"]), &told["orders"], &told["currency"]), (sums, &json!(open), &json!("EUR")));
    assert!(sums.iter().all(|sum| *sum > 0), "a year has something of each age: {sums:?}");

    for story in &stories {
        let line = world.get(&format!("/v1/credit-lines/{}", story.line)).await;
        assert_eq!(Seen::of(&line.body), story.books.seen(today), "{}", story.line);
    }
    for story in stories.iter().step_by(20) {
        for day in story.days.keys().step_by(9) {
            as_of(&world, story, *day).await;
        }
    }
}

#[tokio::test]
async fn a_line_as_of_any_day_is_what_was_said_until_then() {
    const SPAN: u64 = 90;
    let world = World::start().await;
    let mut story = Story::begin(world.till_ago(0).await, 0, days_ago(SPAN) - TimeDelta::hours(1)).await;
    for day in (1..=SPAN).rev() {
        match story.chance.below(3) {
            0 => {} // nothing happens on this day
            1 => story.go_on(days_ago(day)).await,
            _ => {
                story.clerk.now = days_ago(day);
                story.pay().await;
                story.give_back().await;
                story.note();
            }
        }
    }
    story.clerk.now = days_ago(1) + TimeDelta::hours(1);
    story.hold().await;
    story.note();
    for day in 1..=SPAN {
        as_of(&world, &story, days_ago(day).date_naive()).await;
    }
}

/// The line on a past day, beside what the books said at its end.
async fn as_of(world: &World, story: &Story, day: NaiveDate) {
    let then = story.days.range(..=day).next_back().map(|(_, books)| books.clone()).unwrap_or_default();
    let told = world.get(&format!("/v1/credit-lines/{}?as_of={day}", story.line)).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(Seen::of(&told.body), then.seen(day), "{} as of {day}", story.line);
}
