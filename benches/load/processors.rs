//! Which processors whom has: all of them everybody, or signet half of them for itself.
//!
//! A machine that serves logins seldom has the database and all its clients on it. Where they share the processors, a figure
//! tells of all of them; apart, of signet.

use std::io;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::Failure;

/// Those of signet alone, once the processors were divided.
static OF_SIGNET: OnceLock<Vec<usize>> = OnceLock::new();

/// Gives signet, started from now on, the second half of the processors, and leaves the first to this process and all else
/// that it starts: the database and the generator.
pub fn divide() -> Result<(), Failure> {
    let all = sched_getaffinity(None).map_err(io::Error::from).map_err(Failure::io("asking for the processors"))?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| all.is_set(*number)).collect();
    let (rest, signet) = all.split_at(all.len() / 2);
    if rest.is_empty() {
        return Err(Failure::OneProcessor);
    }
    stay_on(rest)?;
    OF_SIGNET.get_or_init(|| signet.to_vec());
    Ok(())
}

/// Those of signet alone, as `taskset` wants them; `None` where it shares them all.
pub fn of_signet() -> Option<String> {
    OF_SIGNET.get().map(|numbers| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(","))
}

/// How many signet may use.
pub fn number() -> usize {
    OF_SIGNET.get().map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), Vec::len)
}

/// Has this thread, and those that it starts, run where signet does.
pub fn join_signet() -> Result<(), Failure> {
    OF_SIGNET.get().map_or(Ok(()), |numbers| stay_on(numbers))
}

fn stay_on(numbers: &[usize]) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    for number in numbers {
        set.set(*number);
    }
    sched_setaffinity(None, &set).map_err(io::Error::from).map_err(Failure::io("choosing processors"))
}
