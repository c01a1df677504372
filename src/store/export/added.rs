//! What the migrations put into columns that older backups do not have.

use crate::protocol::network::Network;
use crate::store::Json;

pub fn networks() -> Json<Vec<Network>> {
    Json(Vec::new())
}

pub fn throttling() -> bool {
    true
}

pub fn success() -> String {
    "success".to_owned()
}

pub fn number<const N: i64>() -> i64 {
    N
}
