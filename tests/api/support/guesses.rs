//! Logins from many addresses: an instance behind a proxy that says where each request comes from.

use std::sync::atomic::{AtomicU64, Ordering};

use signet::admin::settings::SettingsChange;

use super::app::{Answer, App, PASSWORD, Variant};

static SEED: AtomicU64 = AtomicU64::new(100);

/// An instance that believes this machine about addresses.
pub async fn behind_a_proxy(app: &App) -> App {
    let settings = [("SIGNET_TRUSTED_PROXIES", "127.0.0.1"), ("SIGNET_DATABASE_POOL_SIZE", "8")];
    // What two instances make at one moment must differ, as it does outside of tests.
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    app.variant(Variant { settings: &settings, seed, ..Variant::default() }).await
}

pub async fn change(app: &App, change: SettingsChange) {
    app.admin().change_settings(change).await.unwrap();
    app.synchronise().await;
}

impl App {
    /// A password login that the proxy forwards from an address.
    pub async fn attempt(&self, address: &str, username: &str, password: &str) -> Answer {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        let request = self.http.post(format!("{}/oauth2/token", self.base)).basic_auth("erp", Some(&self.secret));
        Answer::of(request.header("x-forwarded-for", address).form(&form)).await
    }

    pub async fn right(&self, address: &str, username: &str) -> Answer {
        self.attempt(address, username, PASSWORD).await
    }

    pub async fn wrong(&self, address: &str, username: &str) -> Answer {
        self.attempt(address, username, "not the password of anyone").await
    }

    pub fn hashes(&self) -> usize {
        self.provider.passwords.computations()
    }
}
