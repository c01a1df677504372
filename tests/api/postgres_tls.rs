//! PostgreSQL over TLS: whose certificate is believed, under which name, and when it is asked for at all.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use diesel_async::RunQueryDsl as _;
use signet::store::{Connection, Database, Store};

use crate::support::app::block_on;
use crate::support::authority::Authority;
use crate::support::cluster::Cluster;

/// A name that does not resolve: the tests give the address beside it.
const NAME: &str = "db.signet.example";

/// Lets the server speak TLS with a certificate for `names`, and refuse TCP without it.
fn turn_on_tls(cluster: &Cluster, authority: &Authority, names: &[&str]) {
    let signed = authority.sign(names);
    let data = cluster.directory().join("data");
    // The server's own files belong to the account that it runs under.
    let server = std::fs::metadata(&data).unwrap();
    for (name, text) in [("server.crt", signed.chain), ("server.key", signed.key)] {
        let file = data.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&file, Some(server.uid()), Some(server.gid())).unwrap();
    }
    std::fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 trust\n").unwrap();
    cluster.execute("ALTER SYSTEM SET ssl = on");
    cluster.execute("SELECT pg_reload_conf()");
}

/// Connects as the program does. Whether the connection is encrypted, or why there is none.
async fn connect(url: &str) -> Result<bool, String> {
    let store = Store::open(Database::Postgres(url.to_owned()), 1).map_err(|error| error.to_string())?;
    let Connection::Postgres(mut connection) = store.reading().await.map_err(|error| error.to_string())? else {
        panic!("{url} is PostgreSQL");
    };
    let encrypted = "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
    let asked = diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(encrypted));
    Ok(asked.get_result(&mut *connection).await.unwrap())
}

#[test]
fn a_server_is_believed_by_its_certificate_under_the_name_that_was_asked_for() {
    let Some(cluster) = Cluster::start_with_tcp() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (roots, strange_roots) = (file("ca.pem"), file("stranger.pem"));
    authority.write(roots.as_ref());
    stranger.write(strange_roots.as_ref());
    turn_on_tls(&cluster, &authority, &["localhost", "127.0.0.1", NAME]);
    let at = |host: &str, options: &str| format!("postgres://postgres@{host}:{}/postgres?{options}", cluster.port());

    block_on(async {
        let trusted = format!("sslrootcert={roots}");
        let refused = async |host: &str, options: &str, why: &str| {
            let url = at(host, options);
            let error = connect(&url).await.expect_err(&url);
            assert!(error.contains(why), "{url}: {error}");
        };
        // The server reads its settings anew in its own time.
        for attempt in 0.. {
            let outcome = connect(&at("localhost", &format!("sslmode=verify-full&{trusted}"))).await;
            if outcome == Ok(true) {
                break;
            }
            assert!(attempt < 500, "{outcome:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            let options = format!("sslmode={mode}&{trusted}");
            assert_eq!(connect(&at("127.0.0.1", &options)).await, Ok(true), "{mode}");
            refused("127.0.0.1", &format!("sslmode={mode}&sslrootcert={strange_roots}"), "UnknownIssuer").await;
            let elsewhere = format!("{options}&hostaddr=127.0.0.1");
            refused("other.signet.example", &elsewhere, "not valid for name").await;
        }
        // A machine may have no authorities of its own, which is said in other words.
        refused("127.0.0.1", "sslmode=verify-full", "certificate").await;
        refused("127.0.0.1", "sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem").await;
        refused("127.0.0.1", "sslmode=prefer", "sslmode=prefer is not").await;
        // It takes no TCP connection that is not encrypted.
        refused("127.0.0.1", "sslmode=disable", "no encryption").await;
        // Not asked for, encryption is left out where nothing leaves the machine, and nowhere else.
        refused("localhost", "", "no encryption").await;
        assert_eq!(connect(&at(NAME, &format!("hostaddr=127.0.0.1&{trusted}"))).await, Ok(true));
        refused(NAME, "hostaddr=127.0.0.1", "certificate").await;
        refused("other.signet.example", &format!("hostaddr=127.0.0.1&{trusted}"), "not valid for name").await;

        let store = Store::open(Database::Postgres(at("localhost", &format!("sslmode=verify-full&{trusted}"))), 1);
        let store = store.unwrap();
        store.migrate().await.expect("migrations take the same way");
        store.notices().await.expect("so does listening");
    });
}

#[test]
fn without_a_rule_against_it_a_connection_may_be_left_unencrypted_on_purpose() {
    let Some(cluster) = Cluster::start_with_tcp() else { return };
    let url = |options: &str| format!("postgres://postgres@127.0.0.1:{}/postgres{options}", cluster.port());
    block_on(async {
        assert_eq!(connect(&url("?sslmode=disable")).await, Ok(false));
        assert_eq!(connect(&url("")).await, Ok(false));
        connect(&url("?sslmode=require")).await.expect_err("the server does not speak TLS");
    });
}
