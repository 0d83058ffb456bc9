//! PostgreSQL before a run: its tables made anew, and connections that are logged in and have
//! their statements prepared.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    },
    escape::escape_identifier,
    message::{
        backend::{ErrorResponseBody, Message},
        frontend,
    },
};

use super::{LONG_PATIENCE, broken, gone, open, refused};
use crate::Failure;
use crate::options::{Spoken, Target};
use crate::speech::postgres::{BUY_BATCH, STATEMENTS};

/// Where the password of a server that the user started comes from.
const PASSWORD_VARIABLE: &str = "PGPASSWORD";
/// Bytes of a message that a server may send us here.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

const ROW: &str = include_str!("sql/row.sql");
const BATCH: &str = include_str!("sql/batch.sql");
const UNITS: &str = include_str!("sql/units.sql");
const CONFIRM: &str = include_str!("sql/confirm.sql");

/// Makes the sale's schema anew, with the stock in it.
pub(crate) fn stage(target: &Target) -> Result<(), Failure> {
    let mut session = Session::open(target.address.socket, target)?;
    let schema = schema(target);
    session.query(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"))?;
    let patient = session.stream.set_read_timeout(Some(LONG_PATIENCE));
    patient.map_err(|error| broken(target.address.socket, &error))?;
    let scripts: &[&str] = match target.protocol {
        Spoken::PostgresBatch => &[ROW, CONFIRM, BATCH],
        Spoken::PostgresUnits => &[UNITS, CONFIRM],
        _ => &[ROW, CONFIRM],
    };
    let stock = target.setup.stock(target.protocol).to_string();
    let items = target.item.len().to_string();
    for script in scripts {
        session.query(&script.replace(":stock", &stock).replace(":items", &items))?;
    }
    if target.protocol == Spoken::PostgresUnits {
        session.query("VACUUM ANALYZE unit")?;
    }
    Ok(())
}

/// Version, and when a commit is on disk.
pub(super) fn conditions(target: &Target) -> Result<(String, String), Failure> {
    let mut session = Session::open(target.address.socket, target)?;
    let mut show = |name: &str| session.query(&format!("SHOW {name}"));
    let version = show("server_version")?;
    let version = version.split(' ').next().unwrap_or_default();
    let (commit, fsync) = (show("synchronous_commit")?, show("fsync")?);
    Ok((format!("PostgreSQL {version}"), format!("synchronous_commit {commit}, fsync {fsync}")))
}

/// Logs in on a connection that is to be driven, and prepares its statements.
pub(crate) fn greet(stream: TcpStream, target: &Target) -> Result<(), Failure> {
    let mut session = Session { stream, input: BytesMut::new(), address: target.address.socket };
    session.log_in(target)?;
    let [buy, others @ ..] = STATEMENTS;
    let buy = if target.protocol == Spoken::PostgresBatch { BUY_BATCH } else { buy };
    let mut out = BytesMut::new();
    for (name, text) in [buy].into_iter().chain(others) {
        frontend::parse(name, text, [], &mut out).expect("a short text without a zero");
    }
    frontend::sync(&mut out);
    session.send(&out)?;
    session.finish("preparing").map(drop)
}

/// Whether it answers, for one that was just started.
pub(crate) fn is_ready(target: &Target) -> Result<(), Failure> {
    Session::open(target.address.socket, target).map(drop)
}

/// The name that all of the sale's tables are in.
fn schema(target: &Target) -> String {
    escape_identifier(&format!("loadgen_{}", target.sale))
}

/// A blocking conversation.
struct Session {
    address: SocketAddr,
    stream: TcpStream,
    input: BytesMut,
}

impl Session {
    fn open(address: SocketAddr, target: &Target) -> Result<Session, Failure> {
        let mut session = Session { address, stream: open(address)?, input: BytesMut::new() };
        session.log_in(target)?;
        Ok(session)
    }

    fn log_in(&mut self, target: &Target) -> Result<(), Failure> {
        let (database, schema) = (&target.setup.database, schema(target));
        let parameters = [
            ("user", database.user.as_str()),
            ("database", &database.name),
            ("application_name", "loadgen"),
            ("client_encoding", "UTF8"),
            ("client_min_messages", "warning"),
            ("search_path", &schema),
        ];
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out)
            .map_err(|error| Failure::new(Failure::USAGE, format!("--database: {error}")))?;
        self.send(&out)?;
        let mut scram = None;
        loop {
            out.clear();
            let step = match self.receive()? {
                Message::AuthenticationOk => break,
                Message::AuthenticationCleartextPassword => {
                    frontend::password_message(self.password(target)?.as_bytes(), &mut out)
                }
                Message::AuthenticationMd5Password(body) => {
                    let password = self.password(target)?;
                    let user = database.user.as_bytes();
                    let hash = md5_hash(user, password.as_bytes(), body.salt());
                    frontend::password_message(hash.as_bytes(), &mut out)
                }
                Message::AuthenticationSasl(body) => {
                    let known = body.mechanisms().any(|name| Ok(name == SCRAM_SHA_256));
                    if !known.unwrap_or(false) {
                        return Err(self.no(&"it wants an authentication that is not known here"));
                    }
                    let password = self.password(target)?;
                    let binding = ChannelBinding::unsupported();
                    let begun = scram.insert(ScramSha256::new(password.as_bytes(), binding));
                    frontend::sasl_initial_response(SCRAM_SHA_256, begun.message(), &mut out)
                }
                Message::AuthenticationSaslContinue(body) => match &mut scram {
                    Some(scram) => scram
                        .update(body.data())
                        .and_then(|()| frontend::sasl_response(scram.message(), &mut out)),
                    None => return Err(self.no(&"it went on with what was not begun")),
                },
                Message::AuthenticationSaslFinal(body) => match &mut scram {
                    Some(scram) => scram.finish(body.data()),
                    None => return Err(self.no(&"it ended what was not begun")),
                },
                Message::ErrorResponse(body) => return Err(self.error("log-in", &body)),
                _ => return Err(self.no(&"it wants an authentication that is not known here")),
            };
            step.map_err(|error| self.no(&error))?;
            self.send(&out)?;
        }
        self.finish("log-in").map(drop)
    }

    fn password(&self, target: &Target) -> Result<String, Failure> {
        let password = target.setup.password(PASSWORD_VARIABLE);
        let missing = || self.no(&format!("it wants a password; put it into {PASSWORD_VARIABLE}"));
        password.map(|password| password.0).ok_or_else(missing)
    }

    /// Does a query of one or more statements; returns the first column of its last row.
    fn query(&mut self, text: &str) -> Result<String, Failure> {
        let mut out = BytesMut::new();
        frontend::query(text, &mut out).map_err(|error| self.no(&error))?;
        self.send(&out)?;
        self.finish(text.lines().next().unwrap_or_default())
    }

    /// Reads on until the server is ready for more.
    fn finish(&mut self, what: &str) -> Result<String, Failure> {
        let (mut value, mut failure) = (String::new(), None);
        loop {
            match self.receive()? {
                Message::ReadyForQuery(_) => return failure.map_or(Ok(value), Err),
                Message::ErrorResponse(body) => {
                    let last = body.fields().any(|field| Ok(field.value_bytes() == b"FATAL"));
                    let error = self.error(what, &body);
                    if last.unwrap_or(true) {
                        return Err(error);
                    }
                    failure = Some(error);
                }
                Message::DataRow(body) => {
                    let first = body.ranges().next().map_err(|error| self.no(&error))?.flatten();
                    let bytes = first.map_or(&[][..], |range| &body.buffer()[range]);
                    value = String::from_utf8_lossy(bytes).into_owned();
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).map_err(|error| broken(self.address, &error))
    }

    fn receive(&mut self) -> Result<Message, Failure> {
        loop {
            match Message::parse(&mut self.input) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) if self.input.len() <= MESSAGE_BYTES_MAX => {}
                Ok(None) => return Err(self.no(&"a message that is too long: no PostgreSQL")),
                Err(error) => return Err(self.no(&format!("no PostgreSQL: {error}"))),
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(self.no(&"closed, or no PostgreSQL")),
                Ok(count) => self.input.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(self.address, &error)),
            }
        }
    }

    fn no(&self, why: &dyn std::fmt::Display) -> Failure {
        gone(self.address, why)
    }

    /// The server's own words.
    fn error(&self, what: &str, body: &ErrorResponseBody) -> Failure {
        let message = body.fields().find(|field| Ok(field.type_() == b'M')).ok().flatten();
        let text = message.map(|field| String::from_utf8_lossy(field.value_bytes()).into_owned());
        refused(self.address, what, &text.unwrap_or_else(|| "an error without a text".to_owned()))
    }
}
