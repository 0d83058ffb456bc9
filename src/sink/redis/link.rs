//! The connection to Redis: takes a stream, and adds to it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::streams::StreamInfoStreamReply;
use redis::{
    Client, Cmd, Connection, ConnectionInfo, IntoConnectionInfo as _, RedisError, TlsCertificates,
    Value, cmd, pipe,
};

use super::RedisTerms;
use super::standing::{Found, Position};
use crate::sale::Seq;
use crate::sink::{Change, Checkpoint, Proof, Standing, Trouble};

/// After such a rest it is asked whether it is still there: what stands between may have forgotten.
const REST: Duration = Duration::from_secs(30);
/// Entries that one script adds: Redis does nothing else meanwhile.
const ENTRIES_MAX: usize = 512;
/// Scripts on their way at once, so that Redis works while the next is written.
const SCRIPTS_MAX: usize = 4;

/// Adds entries if the stream is still the caller's and stands where the caller believes. What
/// would be the last id is noted first: entries above that are somebody else's.
///
/// Arguments: epoch, where it stands, where it will, the last entry's seq, about how many are kept
/// (0 for all), and for each entry its seq, change, sale, order and data.
const SCRIPT: &str = "\
local slip = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'last')
if not slip[1] then return {err = 'LOST its slip is gone'} end
if tonumber(slip[1]) > tonumber(ARGV[1]) then return {err = 'TAKEN by another'} end
if slip[1] ~= ARGV[1] or slip[2] ~= ARGV[2] then return {err = 'LOST it was set back'} end
if slip[3] ~= '0' and redis.call('EXISTS', KEYS[1]) == 0 then return {err = 'LOST it is gone'} end
local noted = redis.pcall('HSET', KEYS[2], 'last', ARGV[4])
if type(noted) == 'table' and noted.err then return noted end
for at = 6, #ARGV, 5 do
  local id, added = ARGV[at] .. '-0', nil
  if ARGV[5] == '0' then
    added = redis.pcall('XADD', KEYS[1], id, 'change', ARGV[at + 1], 'sale', ARGV[at + 2],
      'order', ARGV[at + 3], 'data', ARGV[at + 4])
  else
    added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], id, 'change', ARGV[at + 1],
      'sale', ARGV[at + 2], 'order', ARGV[at + 3], 'data', ARGV[at + 4])
  end
  if type(added) == 'table' and added.err then return added end
end
return redis.pcall('HSET', KEYS[2], 'seq', ARGV[3])
";

/// A stream that was taken.
pub(super) struct Link {
    connection: Connection,
    position: Position,
    proof: Option<Proof>,
    used: Instant,
}

impl Link {
    /// Connects, sees where the stream stands, and takes it from whoever had it.
    pub(super) fn take(
        terms: &RedisTerms,
        sink: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(Link, Standing), Trouble> {
        let mut connection = connect(terms)?;
        let told = |why| trouble(terms, &why);
        let found = look(&mut connection, terms).map_err(told)?;
        let mut position = found.position(sink, checkpoint).map_err(|why| at(terms, why))?;
        position.epoch = position.epoch.saturating_add(1);
        let fields = [
            ("journal", checkpoint.journal.clone()),
            ("sink", sink.to_owned()),
            ("base", position.base.to_string()),
            ("seq", position.seq.to_string()),
            ("last", position.last.to_string()),
            ("epoch", position.epoch.to_string()),
        ];
        let mut transaction = pipe();
        transaction.atomic().cmd("HSET").arg(terms.slip()).arg(&fields[..]);
        let taken: Option<(i64,)> = transaction.query(&mut connection).map_err(told)?;
        if taken.is_none() {
            // Watched, and changed since.
            let why = "somebody else has written it just now".to_owned();
            return Err(at(terms, Trouble::Again(why)));
        }
        let link = Link { connection, position, proof: found.proof(), used: Instant::now() };
        let standing = Standing { seq: position.seq, mark: link.mark() };
        Ok((link, standing))
    }

    /// What the stream said last when it was taken.
    pub(super) fn proof(&self) -> Option<Proof> {
        self.proof.clone()
    }

    /// What the checkpoint is to keep: where it began, should everything be lost.
    pub(super) fn mark(&self) -> String {
        self.position.base.to_string()
    }

    /// After a rest: connects anew if nobody answers. The stream stays taken.
    pub(super) fn rouse(&mut self, terms: &RedisTerms) -> Result<(), Trouble> {
        let is_there = self.used.elapsed() < REST || {
            let answer: Result<Value, RedisError> = cmd("PING").query(&mut self.connection);
            answer.is_ok()
        };
        if !is_there {
            self.connection = connect(terms)?;
        }
        Ok(())
    }

    /// Adds an entry for each change; then everything up to `seq` is told.
    pub(super) fn add(
        &mut self,
        terms: &RedisTerms,
        changes: &[Change],
        seq: Seq,
    ) -> Result<(), Trouble> {
        let told = |why| trouble(terms, &why);
        let mut open = 0;
        let mut left = changes.chunks(ENTRIES_MAX).peekable();
        while let Some(changes) = left.next() {
            if open == SCRIPTS_MAX {
                self.answered().map_err(told)?;
                open -= 1;
            }
            let last = changes.last().map_or(seq, |change| change.seq);
            let to = if left.peek().is_some() { last } else { seq };
            let script = self.script(terms, changes, last, to).get_packed_command();
            self.connection.send_packed_command(&script).map_err(told)?;
            (self.position.seq, self.position.last) = (to, last);
            open += 1;
        }
        for _ in 0..open {
            self.answered().map_err(told)?;
        }
        self.used = Instant::now();
        Ok(())
    }

    fn answered(&mut self) -> Result<(), RedisError> {
        self.connection.recv_response()?.extract_error().map(|_| ())
    }

    fn script(&self, terms: &RedisTerms, changes: &[Change], last: Seq, to: Seq) -> Cmd {
        let mut script = cmd("EVAL");
        script.arg(SCRIPT).arg(2).arg(&terms.stream).arg(terms.slip());
        script.arg(self.position.epoch).arg(self.position.seq).arg(to).arg(last);
        script.arg(terms.entries_max);
        let mut data = Vec::new();
        for change in changes {
            data.clear();
            change.write_json(&mut data);
            script.arg(change.seq).arg(change.kind.word()).arg(change.sale.as_str());
            script.arg(change.order).arg(&data[..]);
        }
        script
    }
}

/// Both keys, watched: what changes after this look keeps a transaction from being made.
fn look(connection: &mut Connection, terms: &RedisTerms) -> Result<Found, RedisError> {
    let (stream, slip) = (&terms.stream, terms.slip());
    cmd("WATCH").arg(stream).arg(&slip).exec(connection)?;
    let kind: String = cmd("TYPE").arg(stream).query(connection)?;
    let (last_id, data) = if kind == "stream" {
        let info: StreamInfoStreamReply =
            cmd("XINFO").arg("STREAM").arg(stream).query(connection)?;
        (info.last_generated_id, info.last_entry.get("data"))
    } else {
        ("0-0".to_owned(), None)
    };
    let slip: HashMap<String, String> = cmd("HGETALL").arg(&slip).query(connection)?;
    Ok(Found { kind, last_id, data, slip })
}

pub(super) fn connect(terms: &RedisTerms) -> Result<Connection, Trouble> {
    let told = |why| trouble(terms, &why);
    let info: ConnectionInfo = terms.url.as_str().into_connection_info().map_err(told)?;
    let mut redis = info.redis_settings().clone();
    if let Some(user) = &terms.user {
        redis = redis.set_username(user);
    }
    if let Some(password) = &terms.password {
        redis = redis.set_password(password.read()?.as_str());
    }
    let info = info.set_redis_settings(redis);
    let client = match &terms.ca {
        None => Client::open(info).map_err(told)?,
        Some(path) => {
            let read = std::fs::read(path);
            let root = read.map_err(|why| Trouble::Again(format!("{}: {why}", path.display())))?;
            let trusted = TlsCertificates { client_tls: None, root_cert: Some(root) };
            Client::build_with_tls(info, trusted).map_err(told)?
        }
    };
    let connection = client.get_connection_with_timeout(terms.timeout).map_err(told)?;
    connection.set_read_timeout(Some(terms.timeout)).map_err(told)?;
    connection.set_write_timeout(Some(terms.timeout)).map_err(told)?;
    Ok(connection)
}

/// Most of what Redis refuses it will take later: it is full, is loading, is a replica, cannot
/// save; and a password is read anew each time, so that one that was changed needs nobody here.
pub(super) fn trouble(terms: &RedisTerms, why: &RedisError) -> Trouble {
    let stop = |why: &str| at(terms, Trouble::Stop(why.to_owned()));
    match why.code() {
        // The system says of a timeout that a resource is unavailable.
        None if why.is_timeout() => {
            let ms = terms.timeout.as_millis();
            Trouble::Again(format!("{}: no answer within {ms} ms", terms.url))
        }
        // The slot may come back: a replica that was the master is it again.
        Some(code @ ("MOVED" | "ASK")) => Trouble::Again(format!(
            "{}: {code} {}: a redirect of a Redis Cluster, which is not followed; name the master \
             that has the stream's slot, or a server that is no cluster",
            terms.url,
            why.detail().unwrap_or("")
        )),
        Some("WRONGTYPE") => stop("it, or what lies beside it, is no longer what it was"),
        Some("TAKEN") => stop("another server writes it now"),
        Some("LOST") => at(terms, Trouble::Again(why.detail().unwrap_or("it is lost").to_owned())),
        Some(code) => {
            Trouble::Again(format!("{}: {code} {}", terms.url, why.detail().unwrap_or("")))
        }
        None => Trouble::Again(format!("{}: {why}", terms.url)),
    }
}

/// A trouble with the stream, which it names.
fn at(terms: &RedisTerms, why: Trouble) -> Trouble {
    let told = |why: String| format!("{}, stream {}: {why}", terms.url, terms.stream);
    why.map(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_of_a_cluster_says_what_is_supported() {
        let terms = RedisTerms {
            url: "redis://h:1".to_owned(),
            user: None,
            password: None,
            ca: None,
            stream: "s".to_owned(),
            entries_max: 0,
            timeout: Duration::from_secs(1),
        };
        for answer in ["-MOVED 3999 10.0.0.2:6381\r\n", "-ASK 3999 10.0.0.2:6381\r\n"] {
            let answer = redis::parse_redis_value(answer.as_bytes()).expect("an answer");
            let why = answer.extract_error().expect_err("a redirect");
            let Trouble::Again(said) = trouble(&terms, &why) else { panic!("{why}") };
            for part in ["redis://h:1: ", "3999 10.0.0.2:6381: ", "Redis Cluster", "the master"] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
}
