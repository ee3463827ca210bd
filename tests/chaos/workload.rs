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
    /// Asks once; nothing when the answer did not come or was "ask again".
    fn ask(&self, deed: &Deed, key: Option<&str>) -> impl Future<Output = Option<Answer>> + Send;
}

/// The members whom the tills serve.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(Arc<RwLock<Vec<Uuid>>>);

impl Members {
    fn add(&self, member: Uuid) {
        self.0.write().expect("nobody panics in there").push(member);
    }

    fn any(&self, random: &mut Random) -> Option<Uuid> {
        let members = self.0.read().expect("nobody panics in there");
        (!members.is_empty()).then(|| *random.pick(&members))
    }

    pub(crate) fn all(&self) -> Vec<Uuid> {
        self.0.read().expect("nobody panics in there").clone()
    }
}

/// What a till does, in percent; the rest are redemptions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix {
    pub(crate) register: u64,
    pub(crate) purchase: u64,
    pub(crate) earn: u64,
}

/// Points come in slower than the tills want them out, so that many redemptions are refused.
pub(crate) const BUSY: Mix = Mix { register: 3, purchase: 32, earn: 20 };

/// Members only.
const OPENING: Mix = Mix { register: 100, purchase: 0, earn: 0 };

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
        let Some(customer) = self.members.any(&mut self.random).filter(|_| die >= self.mix.register) else {
            return Deed::Register { email: format!("{}.{}@example.com", self.name, self.nth) };
        };
        let units = i64::try_from(1 + self.random.below(150)).expect("small");
        let points = i64::try_from(100 * (1 + self.random.below(3))).expect("small");
        match die - self.mix.register {
            die if die < self.mix.purchase => Deed::Purchase { customer, order, units },
            die if die < self.mix.purchase + self.mix.earn => Deed::Earn { customer, order, units },
            _ => Deed::Redeem { customer, order, points },
        }
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
    let registered = matches!(deed, Deed::Register { .. });
    history.record(deed, invoked, answer.clone());
    if let (true, Answer::Done { customer: Some(customer), .. }) = (registered, &answer) {
        members.add(*customer);
    }
    answer
}
