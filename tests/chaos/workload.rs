//! Tills that ask for one thing after the other, and ask again with the same key until they are told.

use crate::intents::{Answer, Deed, History};
use crate::random::Random;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a till asks again before it gives the server up.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Somebody who carries deeds out.
pub(crate) trait Ask: Clone + Send + Sync + 'static {
    /// Whether there is somebody who gives what others asked credit for.
    fn gives_credit(&self) -> bool;

    /// Asks once; nothing when the answer did not come or was "ask again".
    fn ask(&self, deed: &Deed, key: Option<&str>) -> impl Future<Output = Option<Answer>> + Send;
}

/// Ids that all tills know.
#[derive(Debug, Clone, Default)]
struct Known(Arc<RwLock<Vec<Uuid>>>);

impl Known {
    fn add(&self, id: Uuid) {
        self.0.write().expect("nobody panics in there").push(id);
    }

    fn any(&self, random: &mut Random) -> Option<Uuid> {
        let known = self.0.read().expect("nobody panics in there");
        (!known.is_empty()).then(|| *random.pick(&known))
    }

    fn all(&self) -> Vec<Uuid> {
        self.0.read().expect("nobody panics in there").clone()
    }
}

/// Whom the tills serve: members, and businesses that buy on credit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    members: Known,
    lines: Known,
}

impl Members {
    pub(crate) fn all(&self) -> Vec<Uuid> {
        self.members.all()
    }

    /// The lines of credit.
    pub(crate) fn lines(&self) -> Vec<Uuid> {
        self.lines.all()
    }
}

/// What a till does, in percent; the rest are redemptions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix {
    pub(crate) register: u64,
    pub(crate) purchase: u64,
    pub(crate) earn: u64,
    /// Uses of credit and payments, where there are lines.
    pub(crate) credit: u64,
}

/// Points come in slower than the tills want them out, so that many redemptions are refused; and so does money.
pub(crate) const BUSY: Mix = Mix { register: 3, purchase: 27, earn: 17, credit: 20 };

/// Members only.
const OPENING: Mix = Mix { register: 100, purchase: 0, earn: 0, credit: 0 };

/// What a line of credit is given: so little that many orders do not fit.
const LIMIT_UNITS: i64 = 500;
/// So many of a hundred deeds on credit are uses.
const USES_PERCENT: u64 = 60;

/// A till.
#[derive(Debug, Clone)]
pub(crate) struct Till<A> {
    pub(crate) asker: A,
    pub(crate) history: History,
    pub(crate) members: Members,
    name: String,
    random: Random,
    mix: Mix,
    nth: u64,
}

impl<A: Ask> Till<A> {
    pub(crate) fn new(asker: &A, history: &History, members: &Members, (name, random): (String, Random)) -> Self {
        let (asker, history, members) = (asker.clone(), history.clone(), members.clone());
        Self { asker, history, members, name, random, mix: BUSY, nth: 0 }
    }

    pub(crate) fn with(self, mix: Mix) -> Self {
        Self { mix, ..self }
    }

    /// Another till, at another place.
    pub(crate) fn at(&self, asker: &A) -> Self {
        let name = format!("{}-elsewhere", self.name);
        Self { asker: asker.clone(), name, random: self.random.fork(1), ..self.clone() }
    }

    /// Serves until told to stop.
    pub(crate) async fn serve_until(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            self.serve_one().await;
        }
    }

    /// The same till when it does nothing but register members.
    pub(crate) fn opening(self) -> Self {
        Self { name: format!("{}-opening", self.name), mix: OPENING, ..self }
    }

    /// Carries one deed out, whatever it takes.
    pub(crate) async fn serve_one(&mut self) -> Answer {
        let deed = self.next_deed();
        settle(&self.asker, &self.history, &self.members, (deed, Some(self.key()))).await
    }

    /// The idempotency key of the latest deed.
    pub(crate) fn key(&self) -> String {
        format!("{}-{}", self.name, self.nth)
    }

    pub(crate) fn next_deed(&mut self) -> Deed {
        self.nth += 1;
        let die = self.random.below(100);
        let order = format!("{}-{}", self.name, self.nth);
        let Some(customer) = self.members.members.any(&mut self.random).filter(|_| die >= self.mix.register) else {
            return Deed::Register { email: format!("{}.{}@example.com", self.name, self.nth) };
        };
        let units = i64::try_from(1 + self.random.below(150)).expect("small");
        let points = i64::try_from(100 * (1 + self.random.below(3))).expect("small");
        match die - self.mix.register {
            die if die < self.mix.purchase => Deed::Purchase { customer, order, units },
            die if die < self.mix.purchase + self.mix.earn => Deed::Earn { customer, order, units },
            die if die < self.mix.purchase + self.mix.earn + self.mix.credit => {
                self.on_credit(order.clone(), units).unwrap_or(Deed::Redeem { customer, order, points })
            }
            _ => Deed::Redeem { customer, order, points },
        }
    }

    /// An order on credit, or money for it, if anybody has a line.
    fn on_credit(&mut self, name: String, units: i64) -> Option<Deed> {
        let line = self.members.lines.any(&mut self.random)?;
        let is_use = self.random.chance(USES_PERCENT);
        Some(if is_use { Deed::Use { line, order: name, units } } else { Deed::Pay { line, payment: name, units } })
    }

    /// A business comes, and is given credit.
    pub(crate) async fn open_line(&mut self) {
        self.nth += 1;
        let (key, email) = (self.key(), format!("{}.{}@shops.example.com", self.name, self.nth));
        let (asker, history, members) = (self.asker.clone(), self.history.clone(), self.members.clone());
        let came = settle(&asker, &history, &members, (Deed::Trade { email }, Some(key.clone()))).await;
        let Answer::Done { made: Some(customer), .. } = came else { panic!("a business was not taken in: {came:?}") };
        let deed = Deed::Grant { customer, units: LIMIT_UNITS };
        settle(&asker, &history, &members, (deed, Some(format!("{key}-credit")))).await;
    }

    /// A number from 0 to `bound - 1`.
    pub(crate) fn roll(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }
}

/// Asks until there is an answer, and remembers both.
pub(crate) async fn settle<A: Ask>(
    asker: &A,
    history: &History,
    members: &Members,
    (deed, key): (Deed, Option<String>),
) -> Answer {
    let (invoked, began) = (history.now(), Instant::now());
    let answer = loop {
        match asker.ask(&deed, key.as_deref()).await {
            Some(answer) => break answer,
            None => assert!(began.elapsed() < PATIENCE, "no answer to {deed:?} for {PATIENCE:?}"),
        }
        tokio::time::sleep(PAUSE).await;
    };
    history.record(deed.clone(), invoked, answer.clone());
    match (deed, &answer) {
        (Deed::Register { .. }, Answer::Done { made: Some(customer), .. }) => members.members.add(*customer),
        (Deed::Grant { .. }, Answer::Done { made: Some(line), .. }) => members.lines.add(*line),
        _ => {}
    }
    answer
}
