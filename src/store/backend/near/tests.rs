//! Whose turn it is. What the pool does with a database is tested in `tests/api/connections.rs`.

use super::*;

fn waiting(thread: ThreadId, since: Instant) -> (Waiting, oneshot::Receiver<Turn>) {
    let (turn, told) = oneshot::channel();
    (Waiting { thread, since, turn }, told)
}

#[test]
fn who_waits_near_is_first_unless_somebody_has_waited_for_long() {
    let now = Instant::now();
    let (here, there) = (thread::current().id(), thread::spawn(|| thread::current().id()).join().unwrap());
    let next = |queue: &[(ThreadId, Duration)], home, gone: Option<usize>| {
        let (queue, mut told): (VecDeque<_>, Vec<_>) =
            queue.iter().map(|(thread, waited)| waiting(*thread, now - *waited)).unzip();
        gone.map(|index| told.remove(index));
        let mut shelf = Shelf { queue, ..Shelf::default() };
        let next = shelf.next(home).map(|waiting| (waiting.thread == here, now - waiting.since));
        (next, shelf.queue.len())
    };
    let ms = Duration::from_millis;
    let queue = [(there, ms(3)), (here, ms(2)), (here, ms(1))];
    assert_eq!(next(&queue, Some(here), None), (Some((true, ms(2))), 2));
    assert_eq!(next(&queue, Some(there), None), (Some((false, ms(3))), 2));
    assert_eq!(next(&queue, None, None), (Some((false, ms(3))), 2));
    // Who does not wait any more is passed over.
    assert_eq!(next(&queue, Some(there), Some(0)), (Some((true, ms(2))), 1));
    let queue = [(there, LONG), (here, ms(2))];
    assert_eq!(next(&queue, Some(here), None), (Some((false, LONG)), 1));
    assert_eq!(next(&[], Some(here), None), (None, 0));
}
