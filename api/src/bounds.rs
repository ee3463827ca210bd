//! How many may do at the same time what is expensive: hold a body of megabytes, read a long history, export it, rehearse, wait. Each has a few places of
//! its own, so that none of them takes those of all other requests; of imports, histories and exports one key has at most half, so that
//! whoever sends a body byte by byte stops nobody else.

use crate::Config;
use crate::http::health::LastLook;
use crate::problem::Problem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many histories are read from the log at the same time.
const HISTORIES_MAX: usize = 4;
/// How many exports of all that is known of a person are written at the same time.
const EXPORTS_MAX: usize = 4;
/// How many rehearsals of a loyalty programme go through the history at the same time, one for a tenant: each holds all members' accounts.
const REHEARSALS_MAX: usize = 2;
/// For each place so many may wait for it; who comes then is turned away at once.
const WAITING_PER_PLACE: usize = 16;

/// What the operations of one server share out.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) imports: Places,
    pub(crate) histories: Places,
    pub(crate) exports: Places,
    pub(crate) rehearsals: Places,
    pub(crate) min_positions: Places,
    pub(crate) last_look: LastLook,
}

impl Bounds {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            imports: Places::new(config.imports_max, config.place_timeout),
            histories: Places::new(HISTORIES_MAX, config.place_timeout),
            exports: Places::new(EXPORTS_MAX, config.place_timeout),
            rehearsals: Places::new(REHEARSALS_MAX, Duration::ZERO),
            min_positions: Places::new((config.in_flight_max / 4).max(1), Duration::ZERO),
            last_look: LastLook::default(),
        }
    }
}

/// Some places of one kind.
#[derive(Debug)]
pub(crate) struct Places {
    all: Share,
    by_key: Mutex<HashMap<String, Share>>,
    count_per_key: usize,
    patience: Duration,
}

/// Places, and how many more may wait for one of them.
#[derive(Debug, Clone)]
struct Share {
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "it is only held")]
pub(crate) struct Place {
    of_all: OwnedSemaphorePermit,
    of_key: Option<OwnedSemaphorePermit>,
}

impl Share {
    fn of(count: usize) -> Self {
        let waiting = Semaphore::new(count * WAITING_PER_PLACE);
        Self { free: Arc::new(Semaphore::new(count)), waiting: Arc::new(waiting) }
    }
}

impl Places {
    fn new(count: usize, patience: Duration) -> Self {
        Self { all: Share::of(count), by_key: Mutex::default(), count_per_key: (count / 2).max(1), patience }
    }

    /// A place, whoever asks, if one is free.
    pub(crate) fn try_take(&self) -> Option<Place> {
        let of_all = Arc::clone(&self.all.free).try_acquire_owned().ok()?;
        Some(Place { of_all, of_key: None })
    }

    /// A place for this key, as soon as one is free; 503 when that takes too long or too many wait already.
    pub(crate) async fn take(&self, key: &str) -> Result<Place, Problem> {
        let own = self.share_of(key);
        // Its own first: whom its own share turns away takes nothing from others.
        let Ok(_waiting_of_key) = own.waiting.try_acquire() else { return Err(Problem::busy()) };
        let Ok(_waiting) = self.all.waiting.try_acquire() else { return Err(Problem::busy()) };
        let both = async {
            let of_key = Arc::clone(&own.free).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all.free).acquire_owned().await.ok()?;
            Some(Place { of_all, of_key: Some(of_key) })
        };
        let taken = tokio::time::timeout(self.patience, both).await;
        taken.ok().flatten().ok_or_else(Problem::busy)
    }

    /// What a key has; nothing is kept of those that neither hold a place nor wait for one.
    fn share_of(&self, key: &str) -> Share {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        by_key.retain(|_, share| Arc::strong_count(&share.free) > 1);
        by_key.entry(key.to_owned()).or_insert_with(|| Share::of(self.count_per_key)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Places, WAITING_PER_PLACE};
    use crate::Config;
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn who_finds_no_place_waits_for_a_while() {
        let places = Places::new(1, Duration::from_millis(20));
        let first = places.take("a").await.expect("it is free");
        assert!(places.try_take().is_none());
        let refused = places.take("b").await.expect_err("the first stays");
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "busy"));
        drop(first);
        assert!(places.take("a").await.is_ok(), "a place that was left is given again");
    }

    #[tokio::test]
    async fn one_key_takes_half_of_the_places_and_leaves_the_others() {
        let places = Places::new(4, Duration::from_millis(20));
        let own = (places.take("a").await.expect("free"), places.take("a").await.expect("free"));
        let refused = places.take("a").await.expect_err("a key's third");
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "busy"));
        let other = places.take("b").await.expect("of those that are left");
        drop(own);
        assert!(places.take("a").await.is_ok(), "what it has left is its own again");
        drop(other);
        drop(places.take("c").await);
        assert_eq!(places.by_key.lock().expect("no panic").len(), 1, "nothing is kept of who has left");
    }

    #[tokio::test]
    async fn one_key_leaves_room_to_wait_to_the_others() {
        let places = Arc::new(Places::new(2, Duration::from_secs(60)));
        let _taken = (places.take("a").await.expect("free"), places.take("b").await.expect("free"));
        for _ in 0..WAITING_PER_PLACE {
            let places = Arc::clone(&places);
            tokio::spawn(async move { places.take("a").await.map(drop) });
        }
        tokio::task::yield_now().await;
        assert_eq!(places.take("a").await.expect_err("turned away at once").code(), "busy");
        let other = tokio::time::timeout(Duration::from_millis(20), places.take("b")).await;
        assert!(other.is_err(), "it waits");
    }

    #[test]
    fn those_who_wait_for_a_position_have_a_quarter_of_the_places_and_nobody_waits_for_one() {
        let bounds = Bounds::new(&Config { in_flight_max: 8, ..Config::default() });
        let places = (bounds.min_positions.try_take(), bounds.min_positions.try_take());
        assert!(places.0.is_some() && places.1.is_some() && bounds.min_positions.try_take().is_none());
        drop(places);
        assert!(bounds.min_positions.try_take().is_some());
    }

    #[tokio::test]
    async fn nobody_waits_behind_too_many() {
        let places = Arc::new(Places::new(1, Duration::from_secs(60)));
        let first = places.take("a").await.expect("it is free");
        let waiting: Vec<_> = (0..WAITING_PER_PLACE)
            .map(|_| {
                let places = Arc::clone(&places);
                tokio::spawn(async move { places.take("a").await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(places.take("b").await.expect_err("turned away at once").code(), "busy");
        drop(first);
        for one in waiting {
            one.await.expect("no panic").expect("one after the other gets the place");
        }
    }
}
