//! How long requests took, by listener, route and class of status. A route's histograms are looked up once a worker and then
//! kept by it (`http/observation.rs`), so that no request searches for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Histogram, LATENCIES};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// By listener and route, both words of the program's own.
#[derive(Debug, Default)]
pub struct Requests(Mutex<BTreeMap<(&'static str, String), Arc<Durations>>>);

/// Of one route, by class of status.
#[derive(Debug)]
pub struct Durations([Histogram; CLASSES.len()]);

impl Durations {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Histogram::new(LATENCIES)))
    }

    /// A status that is none counts as a failure of the server.
    pub fn observe(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).checked_sub(1).filter(|class| *class < CLASSES.len());
        self.0[class.unwrap_or(CLASSES.len() - 1)].observe(took);
    }

    /// Each class of status that was ever answered.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, super::Reading)> {
        let readings = CLASSES.iter().zip(&self.0).map(|(class, histogram)| (*class, histogram.read()));
        readings.filter(|(_, reading)| reading.count > 0)
    }
}

impl Requests {
    /// The histograms of a route; new ones the first time that it is asked for.
    pub fn of(&self, listener: &'static str, route: &str) -> Arc<Durations> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((listener, route.to_owned())).or_insert_with(|| Arc::new(Durations::new())).clone()
    }

    /// Listener, route and histograms of every route that was ever asked for.
    pub fn all(&self) -> Vec<(&'static str, String, Arc<Durations>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|((listener, route), durations)| (*listener, route.clone(), durations.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_one_set_of_histograms_and_tells_of_those_in_use() {
        let requests = Requests::default();
        for (status, milliseconds) in [(200, 1), (204, 2), (503, 3), (0, 4), (999, 5)] {
            requests.of("issuer", "/x").observe(status, Duration::from_millis(milliseconds));
        }
        let all = requests.all();
        assert_eq!(all.len(), 1);
        let counts: Vec<_> = all[0].2.all().map(|(class, reading)| (class, reading.count)).collect();
        assert_eq!(counts, [("2xx", 2), ("5xx", 3)]);
    }
}
