//! The configuration file and the database's URL: whatever stands in them, no password is shown, neither in a fault nor
//! by `signet doctor`.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use signet::config::Config;
use signet_fuzz::halves;

/// Not to be found by chance.
const PASSWORD: &str = "Kq7sekritZw9";

fn shown(outcome: &Result<Config, signet::config::Faults>) -> String {
    match outcome {
        Ok(config) => format!("{:?} {config:?}", config.describe()),
        Err(faults) => format!("{faults} {faults:?}"),
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let file = Path::new("signet.toml");
    let _ = shown(&Config::from_sources([], Some((file, text))));
    // The password with anything around it, as the credentials and as an option.
    let (before, after) = halves(input);
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else { return };
    // A user name and a host are shown, and that is where it would be the operator who put it there.
    if before.contains(['@', '/', '?', '#', '[', '\\']) {
        return;
    }
    let url = format!("postgres://signet:{before}{PASSWORD}{after}@database.example/signet");
    for (name, value) in [("SIGNET_DATABASE_URL", url), ("SIGNET_MASTER_KEY", format!("{before}{PASSWORD}{after}"))] {
        let outcome = Config::from_sources([(name.to_owned(), value.clone())], None);
        assert!(!shown(&outcome).contains(PASSWORD), "{name} = {value} is shown");
    }
});
