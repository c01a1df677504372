//! What a stolen database gives away: no password, client secret, token or key; only hashes and sealed values.

use futures_util::TryStreamExt as _;
use signet::store::users;

use crate::support::app::{Backend, block_on};
use crate::support::disclosure::contains;
use crate::support::recorded::Program;
use crate::support::usage::{PASSWORD, Usage};

/// Every byte of the database: SQLite's files, or a binary copy of each table of PostgreSQL.
async fn dump(program: &Program, backend: Backend) -> Vec<u8> {
    if backend == Backend::Sqlite {
        let file = program.sqlite_file();
        let mut all = std::fs::read(&file).unwrap();
        for beside in ["-wal", "-shm", "-journal"] {
            all.extend(std::fs::read(format!("{}{beside}", file.display())).unwrap_or_default());
        }
        return all;
    }
    let (client, io) = tokio_postgres::connect(&program.database_url(), tokio_postgres::NoTls).await.unwrap();
    let io = tokio::spawn(io);
    let tables = client.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[]).await.unwrap();
    assert!(tables.len() >= 12);
    let mut all = Vec::new();
    for table in tables {
        let copy = format!("COPY {} TO STDOUT (FORMAT binary)", table.get::<_, &str>(0));
        let rows: Vec<_> = client.copy_out(&copy).await.unwrap().try_collect().await.unwrap();
        rows.iter().for_each(|row| all.extend_from_slice(row));
    }
    io.abort();
    all
}

fn scan(backend: Backend) {
    let Some(program) = Program::new(backend) else { return };
    block_on(async {
        let usage = Usage::of(&program).await;
        let stored = dump(&program, backend).await;
        for known in ["alice@example.com", "refresh_token.replayed", "user.set_password"] {
            assert!(contains(&stored, known.as_bytes()), "the dump is not of the whole database: no {known}");
        }
        usage.secrets.assert_hidden("the database", &stored);
        // PKCS#8 of P-256 and of Ed25519, and PEM, in DER and in base64.
        for prefix in [
            &b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04"[..],
            b"\x30\x05\x06\x03\x2b\x65\x70\x04\x22",
            b"PRIVATE KEY",
            b"MIGHAgEAMBMGByqGSM49",
            b"signet-master-key",
            b"sgs_",
            b"sga_",
            b"sgr_",
        ] {
            assert!(!contains(&stored, prefix), "{prefix:?}");
        }
        check_hash(&program).await;
    });
}

/// OWASP's parameters, beside a salt of 128 bits that is each user's own, and 256 bits of hash.
async fn check_hash(program: &Program) {
    let form = ["user", "create", "dora", "--password-stdin"];
    assert_eq!(program.run(PASSWORD, &form).status, 0);
    let rows = users::list(&mut program.store().reading().await.unwrap(), "", "", 10).await.unwrap();
    let hashes: Vec<String> = rows.into_iter().filter_map(|user| user.password_hash).collect();
    assert_eq!(hashes.len(), 2, "alice and dora have the same password");
    let salts: Vec<&str> = hashes
        .iter()
        .map(|hash| {
            let rest = hash.strip_prefix("$argon2id$v=19$m=19456,t=2,p=1$").unwrap_or_else(|| panic!("{hash}"));
            let (salt, output) = rest.split_once('$').unwrap();
            assert_eq!((salt.len(), output.len()), (22, 43), "16 and 32 bytes in base64 without padding");
            salt
        })
        .collect();
    assert_ne!(salts[0], salts[1]);
}

#[test]
fn a_stolen_sqlite_file_gives_nothing_away() {
    scan(Backend::Sqlite);
}

#[test]
fn a_stolen_postgres_dump_gives_nothing_away() {
    scan(Backend::Postgres);
}
