//! How many files this process may have open: each connection is one.

use crate::config::Config;
use crate::http::ADMINISTRATORS;

/// What is open beside connections: the database's files, certificates, the log, and those that are being closed.
const OTHERS: usize = 200;

/// How many connections can be served: what is set, unless the system allows fewer files. The soft bound is raised to the
/// hard one first, which is nobody's choice but an old habit for the sake of `select`.
pub fn for_connections(config: &Config) -> usize {
    let wanted = config.max_connections.get();
    let administrators = config.admin_listen.0.map_or(0, |_| ADMINISTRATORS);
    let others = OTHERS + config.database_pool_size.get() + administrators;
    let Some(most) = raised() else { return wanted };
    let fitting = fitting(wanted, others, most);
    if fitting < wanted {
        tracing::warn!(
            wanted,
            connections = fitting,
            open_files = most,
            "fewer connections are served than SIGNET_MAX_CONNECTIONS says: raise the bound on open files (LimitNOFILE in \
             the systemd unit, `ulimit -Hn`) above it"
        );
    }
    fitting
}

/// At least half of what there is goes to connections: with so few files there are hardly any administrators.
fn fitting(wanted: usize, others: usize, most: usize) -> usize {
    wanted.min(most.saturating_sub(others).max(most / 2)).max(1)
}

/// The soft bound, as high as it may be; `None` where there is none.
#[cfg(unix)]
fn raised() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Some systems say "unlimited" and then refuse it: what was there stands.
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let bound = if is_raised { maximum } else { current };
    bound.map(|bound| usize::try_from(bound).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raised() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_lowered_and_never_to_nothing() {
        for (wanted, most, served) in [
            (20_000, 1_048_576, 20_000),
            (20_000, 21_216, 20_000),
            (20_000, 21_215, 19_999),
            (20_000, 4096, 2880),
            (20_000, 1024, 512),
            (100, 1024, 100),
            (100, 1, 1),
        ] {
            assert_eq!(fitting(wanted, 1216, most), served, "{wanted} of {most}");
        }
    }
}
