//! Whom to drive, and how to speak with it.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use doorbuster::limits::GROUPS_MAX;

use super::Setup;

/// Connections at most: each is a descriptor and a few KiB.
const CONNECTIONS_MAX: usize = 50_000;

/// How to speak with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Spoken {
    /// 64-byte cells
    Binary,
    /// As any Redis client does
    Resp,
    /// HTTP/1.1, kept alive and pipelined
    Http,
    /// The same through TLS
    Https,
    /// Redis with a Lua script
    RedisLua,
    /// PostgreSQL, one row for the free units of an item
    PostgresRow,
    /// PostgreSQL, one row for each unit
    PostgresUnits,
    /// PostgreSQL, one row for an item, many purchases in one call
    PostgresBatch,
}

impl Spoken {
    /// Whether it is not a doorbuster that speaks so.
    pub(crate) fn is_rival(self) -> bool {
        !matches!(self, Spoken::Binary | Spoken::Resp | Spoken::Http | Spoken::Https)
    }

    /// As on the command line.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().expect("no protocol is skipped").get_name().to_owned()
    }
}

/// Where the target listens: as it was written, and the first address of that.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    written: String,
    pub(crate) socket: SocketAddr,
}

impl Address {
    /// What stands in front of the port, brackets of an IPv6 address aside.
    pub(crate) fn host(&self) -> &str {
        let host = self.written.rsplit_once(':').map_or(&*self.written, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub(crate) struct Target {
    /// Where the server listens for buyers
    #[arg(long = "target", value_name = "ADDRESS", default_value = "127.0.0.1:7400",
        value_parser = address)]
    pub(crate) address: Address,
    /// Protocol to speak
    #[arg(long, value_enum, default_value = "binary")]
    pub(crate) protocol: Spoken,
    /// Speak it through TLS; wants --ca
    #[arg(long)]
    pub(crate) tls: bool,
    /// TLS: trust the servers whose certificates are signed by these (PEM), and no others
    #[arg(long, env = "DOORBUSTER_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// TLS: the name that the certificate must be for [default: the host of --target]
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// A file with the token to show; without it the variable DOORBUSTER_TOKEN
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Name of the sale
    #[arg(long)]
    pub(crate) sale: String,
    /// Names of its items, most wanted first, comma between them; a trace has its own
    #[arg(long, value_delimiter = ',')]
    pub(crate) item: Vec<String>,
    /// Channel whose units to buy, of those set aside for it
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Option<String>,
    /// Limit groups of the sale with the number of members to draw from, in the sale's order:
    /// card=100,device=50
    #[arg(long, value_delimiter = ',', value_parser = group, value_name = "NAME=COUNT")]
    pub(crate) groups: Vec<(String, u64)>,
    /// Connections to open
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Where its operators' port is, to tell what its own figures say of the run
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) admin: Option<Address>,
    /// Its data folder, if it is on this machine: its journal is asked whether every order is there
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    /// Process of the server, to tell its CPU time
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

impl Target {
    /// Whether connections speak TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls || self.protocol == Spoken::Https
    }

    /// What makes no sense, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            return Some(format!("--connections: 1 to {CONNECTIONS_MAX}"));
        }
        if self.is_tls() && self.ca.is_none() {
            let want = "--ca FILE (or DOORBUSTER_CA): with TLS it says which certificates to trust";
            return Some(want.to_owned());
        }
        if self.server_name.is_some() && !self.is_tls() {
            return Some("--server-name: only with --tls or --protocol https".to_owned());
        }
        if self.groups.len() > GROUPS_MAX {
            return Some(format!("--groups: a sale has up to {GROUPS_MAX}"));
        }
        let named = self.channel.iter().chain(self.groups.iter().map(|(name, _)| name));
        let mut names = std::iter::once(&self.sale).chain(&self.item).chain(named);
        let bad_name = names.find_map(|name| doorbuster::sale::Name::parse(name.as_bytes()).err());
        bad_name.or_else(|| self.setup.problem(self.protocol))
    }
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Address {
        Address { written: socket.to_string(), socket }
    }
}

/// A limit group and how many members it has, each of them a number from 1.
fn group(text: &str) -> Result<(String, u64), String> {
    let parts = text.split_once('=').and_then(|(name, count)| Some((name, count.parse().ok()?)));
    match parts {
        Some((name, count @ 1..)) => Ok((name.to_owned(), count)),
        _ => Err("a limit group and a number of members: card=100".to_owned()),
    }
}

fn address(text: &str) -> Result<Address, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    let socket = addresses.next().ok_or_else(|| "no address".to_owned())?;
    Ok(Address { written: text.to_owned(), socket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_host_as_it_was_written() {
        for (text, host) in
            [("127.0.0.1:7400", "127.0.0.1"), ("[::1]:80", "::1"), ("localhost:9", "localhost")]
        {
            let address = address(text).expect("an address");
            assert_eq!((address.host(), &*address.to_string()), (host, text));
        }
        assert!(address("127.0.0.1").is_err() && address("127.0.0.1:x").is_err());
    }
}
