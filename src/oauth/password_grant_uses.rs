//! Who still lives on the password grant: logins of this process by client and outcome, for whoever wants to be rid of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One row a client that was ever let so far; so no more than there are clients.
#[derive(Default)]
pub struct PasswordGrantUses(Mutex<BTreeMap<String, Uses>>);

/// Since the start of the process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Uses {
    pub successes: u64,
    /// Refused logins, whatever for.
    pub failures: u64,
}

impl PasswordGrantUses {
    pub(super) fn count(&self, client_id: &str, success: bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(client_id) {
            all.insert(client_id.to_owned(), Uses::default());
        }
        if let Some(uses) = all.get_mut(client_id) {
            if success { uses.successes += 1 } else { uses.failures += 1 }
        }
    }

    /// By client.
    pub fn all(&self) -> BTreeMap<String, Uses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
