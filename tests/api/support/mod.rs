//! What the tests stand on. Each file owns one thing a test needs and knows nothing of the rules under test.

pub mod administration;
pub mod app;
pub mod authority;
pub mod bulk;
pub mod cluster;
pub mod disclosure;
pub mod guesses;
pub mod pebble;
pub mod program;
pub mod receiver;
pub mod recorded;
pub mod sql;
pub mod usage;
