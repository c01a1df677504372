//! The harness's own SQL: a superuser's connection on a thread of its own, because a `Drop` inside an asynchronous test
//! can neither await nor start a runtime.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

const LONGEST_START: Duration = Duration::from_secs(60);

struct Statement {
    sql: String,
    answer: mpsc::Sender<Result<Option<String>, Error>>,
}

pub struct Connection {
    statements: UnboundedSender<Statement>,
}

impl Connection {
    /// Connects at the first statement, and again after an outage. The thread ends with this value.
    pub fn to(url: String) -> Self {
        let (statements, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        std::thread::spawn(move || runtime.block_on(execute_all(&url, received)));
        Self { statements }
    }

    /// Executes one statement, and returns the first value of its first row. Blocks.
    pub fn execute(&self, sql: String) -> Result<Option<String>, Error> {
        let (answer, answered) = mpsc::channel();
        self.statements.send(Statement { sql, answer }).expect("the thread lives as long as its sender");
        answered.recv().expect("every statement is answered")
    }

    /// A server that has just been started refuses connections until it has recovered.
    ///
    /// # Panics
    /// With the server's log, when it does not come to that.
    pub fn wait_until_answered(&self, directory: &Path) {
        let started = Instant::now();
        while let Err(error) = self.execute("SELECT 1".to_owned()) {
            if started.elapsed() > LONGEST_START {
                let log = std::fs::read_to_string(directory.join("server.log")).unwrap_or_default();
                panic!("the test server does not answer: {error:?}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn execute_all(url: &str, mut statements: UnboundedReceiver<Statement>) {
    let mut open = None;
    while let Some(Statement { sql, answer }) = statements.recv().await {
        let client = match open.take().filter(|client: &Client| !client.is_closed()) {
            Some(client) => Ok(client),
            None => connect(url).await,
        };
        // Whoever asked may have panicked since: nobody misses the answer then.
        let _ = match client {
            Ok(client) => answer.send(first_value(open.insert(client), &sql).await),
            Err(error) => answer.send(Err(error)),
        };
    }
}

async fn connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // Its error reaches the statement that it breaks.
    tokio::spawn(connection);
    Ok(client)
}

async fn first_value(client: &Client, sql: &str) -> Result<Option<String>, Error> {
    let rows = client.simple_query(sql).await?;
    Ok(rows.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
