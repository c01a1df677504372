//! Token status lists (draft-ietf-oauth-status-list-21): whether a token that is signed and not expired still holds.

mod list;
mod lists;

pub use list::{ListError, ListLimits, StatusList};
pub use lists::StatusLists;

/// The status of a token (Token Status List §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0.
    Valid,
    /// 1: revoked, for good.
    Invalid,
    /// 2: for the time being.
    Suspended,
    /// A value that means something elsewhere, or nothing.
    Other(u8),
}

impl From<u8> for Status {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Valid,
            1 => Self::Invalid,
            2 => Self::Suspended,
            other => Self::Other(other),
        }
    }
}
