//! A connection to PostgreSQL, driven to the end of each question, and what its errors mean.

use std::error::Error as _;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresTerms;
use crate::certificates;
use crate::sale::Seq;
use crate::sink::Trouble;

/// Why a question was not answered.
pub(super) enum Fault {
    /// The server, or the way to it.
    Server(Error),
    /// The same, while changes from one seq to another were written.
    Within(Error, Seq, Seq),
    /// Something that nobody expected to find.
    Trouble(Trouble),
}

impl Fault {
    /// The same, while changes from one seq to another were written.
    pub(super) fn within(self, (from, to): (Seq, Seq)) -> Fault {
        match self {
            Fault::Server(why) => Fault::Within(why, from, to),
            fault => fault,
        }
    }
}

impl From<Error> for Fault {
    fn from(why: Error) -> Fault {
        Fault::Server(why)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Fault {
        Fault::Trouble(trouble)
    }
}

/// A connection. Dropped, it is closed, and what was not committed is undone by the server.
pub(super) struct Session {
    runtime: Runtime,
    client: Client,
    /// How the server is called in a sentence.
    server: String,
    timeout: Duration,
}

impl Session {
    /// Connects; the password and the trusted certificates are read anew. What it is asked later
    /// may take so long as `patience`, also for the server: what we gave up is not carried out
    /// long after.
    pub(super) fn open(terms: &PostgresTerms, patience: Duration) -> Result<Session, Trouble> {
        let mut config = terms.server.clone();
        if let Some(secret) = &terms.password {
            config.password(secret.read()?.as_str());
        }
        config.connect_timeout(terms.timeout).tcp_user_timeout(terms.timeout);
        config.application_name("doorbuster");
        let tls = certificates::trusting(terms.ca_file.as_deref()).map_err(Trouble::Again)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| Trouble::Again(why.to_string()))?;
        let server = shown(&config);
        let connecting = async {
            let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await?;
            // How it ends is seen by whoever asks.
            tokio::spawn(async { _ = connection.await });
            Ok::<Client, Error>(client)
        };
        let connected = runtime.block_on(async { timeout(terms.timeout, connecting).await });
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(why)) => return Err(meaning(&server, &why)),
            Err(_) => return Err(too_late(&server, terms.timeout)),
        };
        let mut session = Session { runtime, client, server, timeout: patience };
        let bound = format!("SET statement_timeout = {}", patience.as_millis());
        session.run(async |client| Ok(client.batch_execute(&bound).await?))?;
        Ok(session)
    }

    /// Does something with it, for so long at most. After an error it is not to be used again.
    pub(super) fn run<T>(
        &mut self,
        ask: impl AsyncFnOnce(&Client) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        let client = &self.client;
        let asked = self.runtime.block_on(async { timeout(self.timeout, ask(client)).await });
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Fault::Server(why))) => Err(meaning(&self.server, &why)),
            Ok(Err(Fault::Within(why, from, to))) => Err(match meaning(&self.server, &why) {
                // Whoever looks for the row that is refused need not look at all of them.
                Trouble::Stop(why) => Trouble::Stop(format!("{why}; within seqs {from} to {to}")),
                trouble => trouble,
            }),
            Ok(Err(Fault::Trouble(Trouble::Stop(why)))) => {
                Err(Trouble::Stop(format!("{}: {why}", self.server)))
            }
            Ok(Err(Fault::Trouble(trouble))) => Err(trouble),
            Err(_) => Err(too_late(&self.server, self.timeout)),
        }
    }
}

/// Where it is, without who asks.
fn shown(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
        Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
        None => "?".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or("?");
    format!("postgres {host}:{port}/{database}")
}

fn too_late(server: &str, patience: Duration) -> Trouble {
    Trouble::Again(format!("{server}: no answer within {} ms", patience.as_millis()))
}

/// What an error means: whether trying again may help, and what is to be said.
fn meaning(server: &str, why: &Error) -> Trouble {
    let Some(told) = why.as_db_error() else {
        // The way to it, or TLS: the server may come back, or mend its certificate.
        let mut sentence = format!("{server}: {why}");
        let mut cause = why.source();
        while let Some(deeper) = cause {
            sentence.push_str(&format!(": {deeper}"));
            cause = deeper.source();
        }
        return Trouble::Again(sentence);
    };
    let mut sentence = format!("{server}: {} ({})", told.message(), told.code().code());
    let more = [("", told.detail()), ("constraint ", told.constraint()), ("hint: ", told.hint())];
    for (word, text) in more {
        if let Some(text) = text {
            sentence.push_str(&format!("; {word}{text}"));
        }
    }
    if may_pass(told.code()) { Trouble::Again(sentence) } else { Trouble::Stop(sentence) }
}

/// Whether an error may be over later without anybody looking at us: all that has to do with the
/// server's state (it starts, stops, is full, is busy, is a standby) or with who may come in (its
/// accounts, and our password file, may be mended). What is wrong with tables, rows or rights is
/// not. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn may_pass(code: &SqlState) -> bool {
    const CLASSES: [&str; 8] = ["08", "28", "40", "53", "55", "57", "58", "XX"];
    let code = code.code();
    code.get(..2).is_some_and(|class| CLASSES.contains(&class)) || matches!(code, "25006" | "3D000")
}
