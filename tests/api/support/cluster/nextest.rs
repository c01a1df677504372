//! `cargo nextest` runs every test in a process of its own; here those of one run share one cluster, which lives as long
//! as nextest itself.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::server::{SOCKET_PORT, Server};
use super::{Cluster, environment, installed};

/// Names the cluster of the current run: the run's id and the directory, a line each. Also the lock under which the
/// first process of a run starts it.
const RECORD: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/nextest-cluster");

pub fn is_running() -> bool {
    environment("NEXTEST").as_deref() == Some("1")
}

/// The run's cluster. `None` where there are no PostgreSQL binaries.
pub fn join_or_start() -> Option<Cluster> {
    let run = environment("NEXTEST_RUN_ID").expect("nextest names its run");
    let binaries = installed()?;
    fs::create_dir_all(Path::new(RECORD).parent()?).expect("making the folder of the record");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(RECORD);
    let mut record = open.expect("opening the record of the shared cluster");
    record.lock().expect("locking the record of the shared cluster");

    let mut recorded = String::new();
    record.read_to_string(&mut recorded).expect("reading the record of the shared cluster");
    let directory = match recorded.split_once('\n') {
        Some((recorded_run, directory)) if recorded_run == run => PathBuf::from(directory),
        _ => {
            let server = Server::start(&binaries, SOCKET_PORT, Some(std::os::unix::process::parent_id()));
            fs::write(RECORD, format!("{run}\n{}", server.directory().display())).expect("recording the cluster");
            server.leave_running()
        }
    };
    Some(Cluster::at(directory, SOCKET_PORT, None))
}
