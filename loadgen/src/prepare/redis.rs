//! Redis before a run: scripts loaded, the sale's keys made anew.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::{broken, open, refused};
use crate::Failure;
use crate::options::{Setup, Spoken, Target};
use crate::speech::redis::{BUY, CONFIRM, Keys, RELEASE, Scripts};
use crate::speech::resp::bulk;

/// Where the password of a server that the user started comes from.
const PASSWORD_VARIABLE: &str = "REDIS_PASSWORD";
/// Bytes of a bulk string that is no answer of ours.
const BULK_BYTES_MAX: usize = 1 << 20;
const LINE_BYTES_MAX: u64 = 4096;

/// Loads the scripts, removes what an earlier run left and puts the stock there.
pub(crate) fn stage(target: &Target) -> Result<Scripts, Failure> {
    let mut talk = Talk::open(target.address.socket, &target.setup)?;
    let keys = Keys::new(&target.sale);
    let items: Vec<[String; 2]> = target.item.iter().map(|item| keys.item(item)).collect();
    let mut old = vec!["UNLINK", &keys.keys, &keys.orders, &keys.states, &keys.last];
    old.extend(items.iter().flatten().map(String::as_str));
    talk.ask(&old)?;
    let stock = target.setup.stock(Spoken::RedisLua).to_string();
    for [free, _] in &items {
        talk.ask(&["SET", free, &stock])?;
    }
    let [buy, confirm, release] =
        [BUY, CONFIRM, RELEASE].map(|script| talk.ask(&["SCRIPT", "LOAD", script]));
    Ok(Scripts { buy: buy?, confirm: confirm?, release: release? })
}

/// Version, and when what was written is synced.
pub(super) fn conditions(target: &Target) -> Result<(String, String), Failure> {
    let mut talk = Talk::open(target.address.socket, &target.setup)?;
    let about = talk.ask(&["INFO", "server"])?;
    let version = about.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let server = format!("Redis {}", version.unwrap_or("of no known version"));
    // Where CONFIG is forbidden the run goes on all the same.
    let mut setting = |name: &str| talk.ask(&["CONFIG", "GET", name]).ok();
    let durability = match (setting("appendonly").as_deref(), setting("appendfsync")) {
        (Some("yes"), Some(when)) => format!("appendonly yes, appendfsync {when}"),
        (Some("no"), _) => "appendonly no: nothing is written".to_owned(),
        _ => "not known: the server does not tell".to_owned(),
    };
    Ok((server, durability))
}

/// Shows the password on a connection that is to be driven.
pub(crate) fn greet(stream: TcpStream, target: &Target) -> Result<(), Failure> {
    Talk { address: target.address.socket, stream: BufReader::new(stream) }.log_in(&target.setup)
}

/// Whether it answers, for one that was just started.
pub(crate) fn is_ready(address: SocketAddr, setup: &Setup) -> Result<(), Failure> {
    Talk::open(address, setup).map(drop)
}

/// A blocking conversation: one request, one answer.
struct Talk {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Talk {
    fn open(address: SocketAddr, setup: &Setup) -> Result<Talk, Failure> {
        let mut talk = Talk { address, stream: BufReader::new(open(address)?) };
        talk.log_in(setup)?;
        talk.ask(&["PING"])?;
        Ok(talk)
    }

    fn log_in(&mut self, setup: &Setup) -> Result<(), Failure> {
        match setup.password(PASSWORD_VARIABLE) {
            Some(password) => self.ask(&["AUTH", &password.0]).map(drop),
            None => Ok(()),
        }
    }

    /// The answer's text; of an array the last element's.
    fn ask(&mut self, words: &[&str]) -> Result<String, Failure> {
        let head = format!("*{}\r\n", words.len());
        let request = words.iter().fold(head, |request, word| request + &bulk(word));
        let answer = self.stream.get_mut().write_all(request.as_bytes()).and_then(|()| self.read());
        match answer.map_err(|error| broken(self.address, &error))? {
            Ok(text) => Ok(text),
            Err(text) if text.starts_with("NOAUTH") => {
                let hint = format!("{text} (it is taken from {PASSWORD_VARIABLE})");
                Err(refused(self.address, words[0], &hint))
            }
            Err(text) => Err(refused(self.address, words[0], &text)),
        }
    }

    /// One answer; the inner error is the server's.
    fn read(&mut self) -> io::Result<Result<String, String>> {
        let bad = |what: &str| io::Error::other(format!("no Redis: {what}"));
        let mut line = String::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or_else(|| bad("closed, or an odd answer"))?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| bad("an empty line"))?;
        match kind {
            "+" | ":" => Ok(Ok(rest.to_owned())),
            "-" => Ok(Err(rest.to_owned())),
            "$" => {
                let length: usize = rest.parse().map_err(|_| bad("a string of no length"))?;
                let mut text = vec![0; length.min(BULK_BYTES_MAX) + 2];
                self.stream.read_exact(&mut text)?;
                Ok(Ok(String::from_utf8_lossy(&text[..text.len() - 2]).into_owned()))
            }
            "*" => {
                let count: u8 = rest.parse().map_err(|_| bad("an array of no length"))?;
                let mut last = Ok(String::new());
                for _ in 0..count {
                    last = self.read()?;
                }
                Ok(last)
            }
            _ => Err(bad(line)),
        }
    }
}
