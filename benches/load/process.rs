//! What /proc tells about a process: processor time, resident memory, whether it runs. And about the machine.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Failure;

/// The kernel reports times in units of `USER_HZ`, which is 100 on every architecture this builds for.
const TICK: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub struct Process {
    folder: PathBuf,
}

impl Process {
    pub fn new(pid: &str) -> Self {
        Self { folder: PathBuf::from("/proc").join(pid) }
    }

    /// Processor time used so far by all threads, in user and kernel mode (proc(5), `utime` and `stime`).
    pub fn processor_time(&self) -> Result<Duration, Failure> {
        Ok(TICK * (self.ticks(11)? + self.ticks(12)?))
    }

    fn ticks(&self, index: usize) -> Result<u32, Failure> {
        let fields = self.stat()?;
        let ticks = fields.get(index).and_then(|field| field.parse().ok());
        ticks.ok_or(Failure::Proc { path: self.folder.join("stat"), what: "processor time" })
    }

    /// The same with all children, those that run and those that have ended (`cutime` and `cstime`).
    pub fn processor_time_with_children(&self) -> Result<Duration, Failure> {
        let ended = self.ticks(13)? + self.ticks(14)?;
        let own = self.folder.file_name().and_then(|pid| pid.to_str()).unwrap_or_default();
        let mut sum = self.processor_time()? + TICK * ended;
        for entry in fs::read_dir("/proc").map_err(Failure::io("reading /proc"))?.flatten() {
            let process = Self { folder: entry.path() };
            // One that ends meanwhile is counted among the ended ones the next time.
            let Ok(fields) = process.stat() else { continue };
            if fields.get(1).is_some_and(|parent| parent == own) {
                sum += process.processor_time().unwrap_or_default();
            }
        }
        Ok(sum)
    }

    /// Resident memory in MiB (`VmRSS`).
    pub fn resident_mib(&self) -> Result<f64, Failure> {
        let path = self.folder.join("status");
        let status = fs::read_to_string(&path).map_err(Failure::io(format!("reading {}", path.display())))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u32>().ok());
        kib.map(|kib| f64::from(kib) / 1024.0).ok_or(Failure::Proc { path, what: "VmRSS" })
    }

    /// False once it has ended, also while its parent has not asked for its exit status yet.
    pub fn runs(&self) -> bool {
        self.stat().is_ok_and(|fields| fields.first().is_some_and(|state| state != "Z"))
    }

    /// The fields of `stat` from the state on: those before may hold any character, but the last `)` ends them.
    fn stat(&self) -> Result<Vec<String>, Failure> {
        let path = self.folder.join("stat");
        let stat = fs::read_to_string(&path).map_err(Failure::io(format!("reading {}", path.display())))?;
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        Ok(fields.split_whitespace().map(str::to_owned).collect())
    }
}

/// The machine, as far as it decides figures. The load average shows whether it was free for the benchmark.
pub fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!({
        "cores": cores,
        "processor": model.map_or("unknown", |(_, model)| model),
        "load_average_before": load.split(' ').next().and_then(|load| load.parse::<f64>().ok()),
    })
}
