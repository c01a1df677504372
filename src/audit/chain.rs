//! The chain of hashes through events: each is SHA-256 of the one before and the event's canonical bytes.

use aws_lc_rs::digest::{Context, SHA256, digest};

use super::canonical;
use crate::store::audit_events::AuditEvent;

pub type Hash = [u8; 32];

/// Before the first seal there is nothing.
pub const BEGINNING: Hash = [0; 32];

/// The hash behind an event.
pub fn link(before: &[u8], event: &AuditEvent) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(&canonical::bytes(event));
    taken(context.finish().as_ref())
}

pub fn hash(bytes: &[u8]) -> Hash {
    taken(digest(&SHA256, bytes).as_ref())
}

fn taken(digest: &[u8]) -> Hash {
    let mut hash = BEGINNING;
    hash.copy_from_slice(digest);
    hash
}

/// As the log, the signature and the answers have it.
pub fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit_events::Author;

    #[test]
    fn the_chain_of_a_fixed_event_is_this() {
        let (id, at) =
            ("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(), "2026-01-05T12:00:00Z".parse().unwrap());
        let event =
            Author::local("cli").event((id, at), "user.create", "user:alice", serde_json::json!({ "email": null }));
        assert_eq!(
            hexadecimal(&link(&BEGINNING, &event)),
            "75affe8f7b21ef8796c187ec1068cd9b1563383213dcf1d2b58dd6abfaec9b31"
        );
        assert_ne!(link(&hash(b"x"), &event), link(&BEGINNING, &event));
    }
}
