//! When heads are published, and when it is tried again: on a clock that the test moves.

use super::{LOOK_EACH, Place, again};
use anyhow::ensure;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

type Told = Result<Option<u64>, String>;

/// What a place was told and sees of its test.
#[derive(Clone)]
struct Seen {
    signed: watch::Sender<u64>,
    is_away: watch::Sender<bool>,
    /// Each attempt: after how many seconds, and which head.
    attempts: Arc<Mutex<Vec<(u64, u64)>>>,
    told: Arc<Mutex<Vec<Told>>>,
}

/// A place that can be away.
struct Somewhere {
    seen: Seen,
    begun: Instant,
    last: u64,
}

impl Place for Somewhere {
    async fn publish(&mut self) -> anyhow::Result<Option<u64>> {
        let head = *self.seen.signed.borrow();
        if head > self.last {
            self.seen.attempts.lock().unwrap().push((self.begun.elapsed().as_secs(), head));
            ensure!(!*self.seen.is_away.borrow(), "away");
            self.last = head;
        }
        Ok(Some(self.last))
    }

    fn tell(&self, done: Told) {
        self.seen.told.lock().unwrap().push(done);
    }
}

impl Seen {
    /// A place to which is published from now on, until the test ends.
    fn publishing() -> Self {
        let (signed, is_away) = (watch::channel(1).0, watch::channel(false).0);
        let seen = Self { signed, is_away, attempts: Arc::default(), told: Arc::default() };
        let place = Somewhere { seen: seen.clone(), begun: Instant::now(), last: 0 };
        tokio::spawn(again(seen.signed.subscribe(), place));
        seen
    }

    fn attempts(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.attempts.lock().unwrap())
    }

    fn told(&self) -> Told {
        self.told.lock().unwrap().last().cloned().unwrap()
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_is_published_when_it_is_signed_and_only_once() {
    let place = Seen::publishing();
    for size in [7, 8, 20] {
        sleep(LOOK_EACH / 2).await;
        place.signed.send_replace(size);
    }
    pass(3_600).await;
    assert_eq!(place.attempts(), [(0, 1), (2, 7), (5, 8), (7, 20)]);
    assert_eq!(place.told(), Ok(Some(20)));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_away_is_asked_less_and_less_and_gets_the_newest_head_when_it_is_back() {
    let place = Seen::publishing();
    pass(1).await;
    place.is_away.send_replace(true);
    // A head each second: none of them makes it try sooner.
    for size in 2..=1_800 {
        place.signed.send_replace(size);
        pass(1).await;
    }
    let attempts = place.attempts();
    let times: Vec<u64> = attempts.iter().map(|(after, _)| *after).collect();
    assert_eq!(times, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 812, 1_112, 1_412, 1_712]);
    assert_eq!(place.told(), Err("away".to_owned()));
    place.is_away.send_replace(false);
    pass(300).await;
    assert_eq!((place.attempts(), place.told()), (vec![(2_012, 1_800)], Ok(Some(1_800))));
    // From then on it is quick again, also when it is away for a moment.
    place.is_away.send_replace(true);
    place.signed.send_replace(1_801);
    pass(1).await;
    place.is_away.send_replace(false);
    pass(60).await;
    let sizes: Vec<u64> = place.attempts().into_iter().map(|(_, size)| size).collect();
    assert_eq!((sizes, place.told()), (vec![1_801, 1_801], Ok(Some(1_801))));
}
