//! The program is killed between a change and the delivery of its event, and in the midst of the delivery: the event arrives
//! when the program runs again. And the commands around it.

use serde_json::json;
use signet::config::DatabaseUrl;

use crate::support::app::{block_on, claims};
use crate::support::cluster;
use crate::support::program::{Program, new_master_key};
use crate::support::receiver::{Receiver, Reply};
use crate::support::sql;

async fn kill_before_and_during_delivery(program: &Program) {
    crate::crash::register(program).await;
    let address = Receiver::nowhere().await;
    let url = format!("http://{address}/events");
    let made = program.json(&["webhook", "create", "siem", "--endpoint", &url, "--event", "account-disabled"]);
    assert_eq!((&made["delivery"], &made["events"]), (&json!("push"), &json!(["account-disabled"])));

    // Nobody listens: the change is committed, the event is not delivered, the process dies.
    let serving = program.serve();
    program.json(&["user", "disable", "alice"]);
    serving.kill();
    let pending = program.json(&["webhook", "deliveries", "siem", "--state", "pending"]);
    let jti = pending[0]["jti"].as_str().unwrap().to_owned();
    assert_eq!(pending.as_array().unwrap().len(), 1);

    // The receiver is there, but says nothing: the process dies in the midst of the delivery.
    let receiver = Receiver::at(address).await;
    receiver.will(Reply::Silence);
    sql::execute(&database(program), "UPDATE webhook_deliveries SET leased_until = NULL").await.unwrap();
    let serving = program.serve();
    receiver.wait_for(1).await;
    serving.kill();

    // As if the minute of the lease had passed.
    sql::execute(&database(program), "UPDATE webhook_deliveries SET leased_until = NULL").await.unwrap();
    let serving = program.serve();
    receiver.wait_for(2).await;
    let received = receiver.received();
    assert_eq!(received.iter().map(|request| request.jti()).collect::<Vec<_>>(), [jti.clone(), jti.clone()]);
    let event = claims(&received[1].body);
    assert!(event["events"]["https://schemas.openid.net/secevent/risc/event-type/account-disabled"].is_object());

    program.json(&["webhook", "redeliver", &jti]);
    receiver.wait_for(3).await;
    program.json(&["webhook", "update", "siem", "--all-events"]);
    program.json(&["webhook", "test", "siem"]);
    receiver.wait_for(4).await;
    drop(serving);
    assert_eq!(program.json(&["webhook", "disable", "siem"])["events"], json!([]));
    assert!(program.json(&["webhook", "enable", "siem"])["disabled_at"].is_null());
    assert_eq!(program.json(&["webhook", "list"])[0]["name"], "siem");
    assert_eq!(program.json(&["webhook", "show", "siem"])["has_authorization"], false);
    program.json(&["webhook", "delete", "siem"]);
    assert!(program.refused(1, &["webhook", "show", "siem"]).contains("there is no webhook siem"));
}

fn database(program: &Program) -> DatabaseUrl {
    program.config().database_url
}

#[test]
fn an_event_outlives_a_killed_server_on_sqlite() {
    block_on(kill_before_and_during_delivery(&Program::new()));
}

#[test]
fn an_event_outlives_a_killed_server_on_postgres() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let program = Program::new().with("SIGNET_DATABASE_URL", database.url());
    std::fs::create_dir(program.file("")).unwrap();
    new_master_key(&program.file("master.key"));
    block_on(kill_before_and_during_delivery(&program));
}
