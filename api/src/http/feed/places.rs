//! How many may follow the feed at the same time, in all and with one key. Who is too many is turned away at once.

use crate::Config;
use crate::problem::Problem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places of one server. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    readers_max: usize,
    readers_per_key_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    readers: usize,
    by_key: HashMap<String, usize>,
}

/// The place of one reader, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    key: String,
}

impl Places {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(Shared {
            readers_max: config.feed_clients_max,
            readers_per_key_max: config.feed_clients_per_key_max,
            taken: Mutex::default(),
        }))
    }

    /// A place for a reader with this key.
    pub(super) fn take(&self, key: &str) -> Result<Place, Problem> {
        let mut taken = self.taken();
        if taken.readers >= self.0.readers_max {
            return Err(Problem::too_many_readers("as many readers follow the feed as this server allows"));
        }
        let by_key = taken.by_key.entry(key.to_owned()).or_default();
        if *by_key >= self.0.readers_per_key_max {
            return Err(Problem::too_many_readers("as many readers follow the feed with this key as one key may have"));
        }
        *by_key += 1;
        taken.readers += 1;
        metrics::gauge!("feed_clients").set(taken.readers as f64);
        Ok(Place { places: self.clone(), key: key.to_owned() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.readers -= 1;
        if let Some(by_key) = taken.by_key.get_mut(&self.key) {
            *by_key -= 1;
            if *by_key == 0 {
                taken.by_key.remove(&self.key);
            }
        }
        metrics::gauge!("feed_clients").set(taken.readers as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use crate::Config;

    #[test]
    fn no_more_readers_than_there_are_places_in_all_and_for_a_key() {
        let places = Places::new(&Config { feed_clients_max: 3, feed_clients_per_key_max: 2, ..Config::default() });
        let first = places.take("a").expect("free");
        let _second = places.take("a").expect("free");
        let refused = places.take("a").expect_err("a key's third");
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "too_many_readers"));
        let third = places.take("b").expect("free");
        assert!(places.take("c").is_err(), "the fourth of all");
        drop((first, third));
        assert!(places.take("a").is_ok() && places.take("c").is_ok());
        assert_eq!(places.taken().by_key.len(), 1, "nothing is kept of who has left");
    }
}
