//! Whom to drive, and how to speak with it.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::{Args, ValueEnum};

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
    /// As on the command line.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().expect("no protocol is skipped").get_name().to_owned()
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub(crate) struct Target {
    /// Where the server listens for buyers
    #[arg(long = "target", value_name = "ADDRESS", default_value = "127.0.0.1:7400",
        value_parser = address)]
    pub(crate) address: SocketAddr,
    /// Protocol to speak
    #[arg(long, value_enum, default_value = "binary")]
    pub(crate) protocol: Spoken,
    /// Name of the sale
    #[arg(long)]
    pub(crate) sale: String,
    /// Names of its items, most wanted first, comma between them
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) item: Vec<String>,
    /// Connections to open
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Process of the server, to tell its CPU time
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

impl Target {
    /// What makes no sense, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            return Some(format!("--connections: 1 to {CONNECTIONS_MAX}"));
        }
        let mut names = std::iter::once(&self.sale).chain(&self.item);
        let bad_name = names.find_map(|name| doorbuster::sale::Name::parse(name.as_bytes()).err());
        bad_name.or_else(|| self.setup.problem(self.protocol))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no address".to_owned())
}
