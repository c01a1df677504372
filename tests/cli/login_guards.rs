//! What an administrator sets around password logins.

use super::{API, Desk, PASSWORD, assert_says};

#[test]
fn the_password_grant_is_fenced_by_network_and_user_and_its_brake_is_set() {
    let desk = Desk::new();
    desk.create_api();
    let create =
        ["client", "create", "erp", "--grant-type", "password", "--audience", API, "--allowed-network", "10.0.0.0/8"];
    assert_eq!(desk.json(&create)["allowed_networks"], serde_json::json!(["10.0.0.0/8"]));
    let update = |networks: &[&str]| {
        let flags = networks.iter().flat_map(|network| ["--allowed-network", network]);
        let arguments: Vec<&str> = ["client", "update", "erp"].into_iter().chain(flags).collect();
        desk.json(&arguments)["allowed_networks"].clone()
    };
    assert_eq!(update(&["192.0.2.1", "::1"]), serde_json::json!(["192.0.2.1/32", "::1/128"]));
    assert_eq!(update(&[])[0], "192.0.2.1/32", "what is not given stays");
    assert_eq!(update(&["any"]), serde_json::json!([]));
    assert_says(&desk.refused(2, &["client", "update", "erp", "--allowed-network", "10.1.0.0/8"]), &["10.0.0.0/8"]);

    assert_eq!(desk.run_with(PASSWORD, &["user", "create", "ada", "--password-stdin"]).status, 0);
    let off = desk.json(&["user", "update", "ada", "--password-grant", "off"]);
    assert!(off["password_grant_disabled_at"].is_string(), "{off}");
    assert!(desk.json(&["user", "update", "ada", "--password-grant", "on"])["password_grant_disabled_at"].is_null());
    desk.refused(2, &["user", "update", "ada"]);

    let set = ["settings", "set", "--login-throttling", "off", "--login-limit-per-name", "7", "--login-window", "1h"];
    let settings = desk.json(&set);
    let changed = (&settings["login_throttling"], &settings["login_limit_per_name"], &settings["login_window"]);
    assert_eq!(changed, (&false.into(), &7.into(), &3600.into()));
    assert_eq!(desk.json(&["settings", "show"])["login_limit_per_known_pair"], 20);
}
