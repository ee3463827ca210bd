//! How many may do at the same time what is expensive: hold a body of megabytes, read a long history, wait. Each has a few places of
//! its own, so that none of them takes those of all other requests.

use crate::Config;
use crate::http::health::LastLook;
use crate::problem::Problem;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many histories are read from the log at the same time.
const HISTORIES_MAX: usize = 4;
/// For each place so many may wait for it; who comes then is turned away at once.
const WAITING_PER_PLACE: usize = 16;

/// What the operations of one server share out.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) imports: Places,
    pub(crate) histories: Places,
    pub(crate) min_positions: Places,
    pub(crate) last_look: LastLook,
}

impl Bounds {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            imports: Places::new(config.imports_max, config.place_timeout),
            histories: Places::new(HISTORIES_MAX, config.place_timeout),
            min_positions: Places::new((config.in_flight_max / 4).max(1), Duration::ZERO),
            last_look: LastLook::default(),
        }
    }
}

/// Some places of one kind.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    waiting: Semaphore,
    patience: Duration,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "it is only held")] OwnedSemaphorePermit);

impl Places {
    fn new(count: usize, patience: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), waiting: Semaphore::new(count * WAITING_PER_PLACE), patience }
    }

    /// A place, if one is free.
    pub(crate) fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(Place)
    }

    /// A place, as soon as one is free; 503 when that takes too long or too many wait already.
    pub(crate) async fn take(&self) -> Result<Place, Problem> {
        let Ok(_waiting) = self.waiting.try_acquire() else { return Err(Problem::busy()) };
        let free = Arc::clone(&self.free).acquire_owned();
        let taken = tokio::time::timeout(self.patience, free).await;
        taken.ok().and_then(Result::ok).map(Place).ok_or_else(Problem::busy)
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
        let first = places.take().await.expect("it is free");
        assert!(places.try_take().is_none());
        let refused = places.take().await.expect_err("the first stays");
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "busy"));
        drop(first);
        assert!(places.take().await.is_ok(), "a place that was left is given again");
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
        let first = places.take().await.expect("it is free");
        let waiting: Vec<_> = (0..WAITING_PER_PLACE)
            .map(|_| {
                let places = Arc::clone(&places);
                tokio::spawn(async move { places.take().await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(places.take().await.expect_err("turned away at once").code(), "busy");
        drop(first);
        for one in waiting {
            one.await.expect("no panic").expect("one after the other gets the place");
        }
    }
}
