//! Places are taken, given back and taken away.

use std::task::Waker;

use super::*;

fn from(address: &str) -> Option<IpAddr> {
    Some(address.parse().unwrap())
}

fn is_evicted(taken: &Taken) -> bool {
    taken.seat.poll_evicted(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// As if it had been quiet since then, in milliseconds.
fn quiet_since(taken: &Taken, time: u64) {
    taken.seat.quiet_since.store(time, Ordering::Relaxed);
}

#[test]
fn a_place_is_free_again_however_often_it_was_taken() {
    let connections = Arc::new(Connections::new(3, 2));
    for _ in 0..100 {
        let taken: Vec<_> =
            ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map(|address| connections.admit(from(address), false)).into();
        assert!(taken.iter().all(Option::is_some));
        assert_eq!(connections.count(), 3);
        drop(taken);
        assert_eq!(connections.count(), 0);
        assert!(connections.lock().by_address.is_empty());
    }
    assert_eq!((connections.refused.total(), connections.evicted.total()), (0, 0));
}

#[test]
fn the_quietest_goes_for_a_new_one_and_who_is_served_stays() {
    let connections = Arc::new(Connections::new(3, 0));
    let [served, older, newer] = [1, 2, 3].map(|time| {
        let taken = connections.admit(from("192.0.2.1"), false).unwrap();
        quiet_since(&taken, time);
        taken
    });
    let service = served.seat.serve();
    let fourth = connections.admit(from("192.0.2.1"), false).unwrap();
    fourth.seat.quiet_since.store(4, Ordering::Relaxed);
    assert_eq!([&served, &older, &newer, &fourth].map(is_evicted), [false, true, false, false]);
    assert_eq!(connections.count(), 3);
    // It has no place any more: that it ends gives none back.
    drop(older);
    assert_eq!(connections.count(), 3);

    drop(service);
    let fifth = connections.admit(from("192.0.2.1"), false).unwrap();
    assert!(is_evicted(&served), "nothing is done for it any more");
    drop((served, newer, fourth, fifth));
    assert_eq!(connections.count(), 0);
}

#[test]
fn where_all_are_served_a_new_one_is_refused() {
    let connections = Arc::new(Connections::new(2, 0));
    let taken = [1, 2].map(|_| connections.admit(None, false).unwrap());
    let served = taken.each_ref().map(|taken| taken.seat.serve());
    assert!(connections.admit(None, false).is_none());
    assert_eq!(connections.refused.total(), 1);
    drop(served);
    assert!(connections.admit(None, false).is_some());
}

#[test]
fn an_address_has_its_share_and_a_proxy_has_none() {
    let connections = Arc::new(Connections::new(10, 2));
    let mut taken = Vec::new();
    for (address, is_proxy, is_admitted) in [
        ("192.0.2.1", false, true),
        ("192.0.2.1", false, true),
        ("192.0.2.1", false, false),
        ("::ffff:192.0.2.1", false, false),
        ("192.0.2.2", false, true),
        ("2001:db8::1", false, true),
        ("2001:db8::2", false, true),
        ("2001:db8::3", false, false),
        ("192.0.2.9", true, true),
        ("192.0.2.9", true, true),
        ("192.0.2.9", true, true),
    ] {
        let admitted = connections.admit(from(address), is_proxy);
        assert_eq!(admitted.is_some(), is_admitted, "{address}");
        taken.extend(admitted);
    }
    taken.remove(0);
    assert!(connections.admit(from("192.0.2.1"), false).is_some());
}

#[test]
fn of_very_many_a_quiet_one_is_found_though_most_are_served() {
    let connections = Arc::new(Connections::new(1000, 0));
    let taken: Vec<_> = (0..1000).map(|_| connections.admit(None, false).unwrap()).collect();
    let _served: Vec<_> = taken.iter().skip(1).map(|taken| taken.seat.serve()).collect();
    // The look goes on where it ended, so each is looked at in turn.
    let admitted = (0..1000_usize.div_ceil(LOOKED_AT) + 1).filter_map(|_| connections.admit(None, false));
    assert_eq!(admitted.count(), 1 + 1000_usize.div_ceil(LOOKED_AT), "each new one is quiet itself");
    assert!(is_evicted(&taken[0]));
}
