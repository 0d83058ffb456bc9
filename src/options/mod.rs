//! Text to options. A flag comes before an environment variable, that before the file, that before
//! the default. What is not understood is refused, with its place and what is allowed; nothing is
//! guessed and nothing is ignored.
//!
//! An option is one row of the table below and nothing else: the row makes its flag, its variable,
//! its TOML key, its checks, its place in every listing, and says whether a reload may change it.

mod declare;
mod print;
mod sinks;
mod sources;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use declare::{Change, Said, Setting};
pub use print::{Changed, example, table};
pub use sinks::{SinkOptions, SinkTable};
pub use sources::VARIABLE_PREFIX;

use crate::access::{AccessOptions, RATE_MAX, TicketRule};
use crate::journal::Durability;
use crate::limits::{
    CONNECTIONS_MAX, DEADLINE_MS_MAX, JOURNAL_MIB_MAX, RECEIPTS_MAX, SALES_MAX, SEGMENTS_AHEAD_MAX,
    SHARDS_MAX,
};
use crate::sale::{BUYERS_SPARE, Bounds, Shop};
use crate::sink::OPEN_BYTES;

/// How rooms share threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// `shared` on machines of up to three cores, `apart` on larger ones.
    #[default]
    Auto,
    /// The first shard and the matcher on one thread: no hand-over between them.
    Shared,
    /// Each room on a thread of its own.
    Apart,
}

/// The form of what a server says on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is not said: everything below this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What ends the server.
    Error,
    /// What somebody should look at.
    Warn,
    /// What happens to the server as a whole.
    Info,
    /// What happens to single connections too.
    Debug,
}

declare::options! {
    /// The data folder: all the state there is.
    [Restart] data: PathBuf = PathBuf::from("doorbuster-data");
    /// Where buyers connect.
    [Restart] listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7400));
    /// Where operators connect.
    [Restart] admin_listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7401));
    /// When a buyer may be told: synced to disk, handed to the system, or at once.
    [Restart] durability: Durability = Durability::Fsync;
    /// Files of sales to create if they are not there, and to open unless they have a time for it.
    [Restart] sale: Vec<PathBuf> = Vec::new();
    /// Socket threads.
    [Restart] shards: usize = default_shards(),
        said "one for each four cores", within 1..=SHARDS_MAX;
    /// First shard and matcher on one thread, or each on its own; auto: shared below four cores.
    [Restart] threads: Threads = Threads::Auto;
    /// Bind each thread to a core of its own.
    [Restart] pin: bool = false;
    /// Orders remembered; 90 bytes each, allocated and touched at the start.
    [Restart] orders_max: usize = 2_000_000, within 1..=1_000_000_000;
    /// Buyers remembered per sale, once more for each further limited item; 45 bytes each.
    [Restart] buyers_max: usize = orders_max.saturating_add(BUYERS_SPARE),
        said "orders_max + 4", within BUYERS_SPARE..=2_000_000_000;
    /// Buyers and keys of over 16 characters that are neither numbers nor UUIDs.
    [Restart] long_texts_max: usize = orders_max.saturating_mul(2).saturating_add(2),
        said "2 x orders_max + 2", within 2..=4_000_000_000;
    /// A purchase that waited longer for its decision is refused as overloaded, ms.
    [Reload] shed_after_ms: u64 = 2_000, within 1..=DEADLINE_MS_MAX;
    /// Connections at once.
    [Reload] connections_max: usize = 10_000, within 1..=CONNECTIONS_MAX;
    /// A connection that says nothing for so long is closed, ms; 0 for never.
    [Reload] idle_ms: u64 = 300_000, within 0..=DEADLINE_MS_MAX;
    /// Time to finish a request that was begun, ms.
    [Reload] request_ms: u64 = 10_000, within 1..=DEADLINE_MS_MAX;
    /// Time to take answers that wait, ms.
    [Reload] write_stall_ms: u64 = 30_000, within 1..=DEADLINE_MS_MAX;
    /// Size of a journal segment, MiB.
    [Restart] segment_mib: u64 = 64, within 4..=4096;
    /// Journal segments made ahead of need.
    [Restart] segments_ahead: usize = 2, within 1..=SEGMENTS_AHEAD_MAX;
    /// Journal after which a snapshot of the state is made, MiB; 0 for never: each start reads all.
    [Restart] snapshot_mib: u64 = 1024, within 0..=JOURNAL_MIB_MAX;
    /// Journal kept for audits behind the snapshots, MiB at least; before it, segments are removed.
    [Restart] keep_mib: u64 = 16_384, within 0..=JOURNAL_MIB_MAX;
    /// Journal kept for sinks that are behind, MiB at most; then they lose it, which is said.
    [Restart] keep_for_sinks_mib: u64 = 65_536, within 0..=JOURNAL_MIB_MAX;
    /// Batches of the journal whose receipts are at hand; 40 bytes each, taken as they come.
    [Restart] receipts_max: usize = 1_048_576, within 1024..=RECEIPTS_MAX;
    /// Time between two signed heads of the journal's chain, ms; 0 for none.
    [Restart] heads_ms: u64 = 1_000, within 0..=DEADLINE_MS_MAX;
    /// The private key of heads, made if it is not there; not said: heads/key in the data folder.
    [Restart] heads_key_file: Option<PathBuf> = None;
    /// Where changes of orders are told, see "Sinks"; each a table of its own.
    [Restart] sink: Vec<SinkTable> = Vec::new();
    /// The tokens that peers must show; made by doorbuster token new.
    [Restart] tokens_file: Option<PathBuf> = None;
    /// Listen beyond this machine without tokens: everybody there may do everything.
    [Restart] allow_open: bool = false;
    /// Whether purchases need a signed buyer ticket.
    [Restart] tickets: TicketRule = TicketRule::Off;
    /// The secrets that tickets are signed with: one or two, one a line.
    [Restart] ticket_secrets_file: Option<PathBuf> = None;
    /// Purchases a second for each token's name; 0 for no limit.
    [Restart] rate_per_token: u32 = 0, within 0..=RATE_MAX;
    /// Of these at once after a rest; 0 for as many as in a second.
    [Restart] burst_per_token: u32 = 0, within 0..=RATE_MAX;
    /// Purchases a second for each IPv4 address or IPv6 /64; 0 for no limit.
    [Restart] rate_per_address: u32 = 0, within 0..=RATE_MAX;
    /// Of these at once after a rest; 0 for as many as in a second.
    [Restart] burst_per_address: u32 = 0, within 0..=RATE_MAX;
    /// Speak TLS too, with this certificate chain (PEM, the server's own first); needs tls_key.
    [Restart] tls_cert: Option<PathBuf> = None;
    /// The certificate's private key (PEM).
    [Restart] tls_key: Option<PathBuf> = None;
    /// Turn away whoever speaks without TLS, on both ports.
    [Restart] tls_required: bool = false;
    /// The form of what is said on stderr: lines for people, or one JSON object a line.
    [Restart] log: LogForm = LogForm::Text;
    /// What is said at all: this and what is graver.
    [Reload] log_level: LogLevel = LogLevel::Info;
}

impl Options {
    /// Checks what no option can check alone.
    fn agree(self) -> Result<Options, String> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err("tls_key: wanted with tls_cert: both or neither".into()),
            (None, Some(_)) => return Err("tls_cert: wanted with tls_key: both or neither".into()),
            (None, None) if self.tls_required => {
                return Err("tls_required: wants tls_cert and tls_key".into());
            }
            _ => {}
        }
        self.sinks()?;
        if !self.sink.is_empty() && self.durability != Durability::Fsync {
            let why = "sink: wants durability `fsync`: what a crash can undo is not to be told";
            return Err(why.to_owned());
        }
        let access = self.access();
        access.check()?;
        access.check_listen("listen", self.listen)?;
        access.check_listen("admin_listen", self.admin_listen)?;
        Ok(self)
    }

    /// The files of certificate chain and key, if TLS is spoken.
    pub fn tls_files(&self) -> Option<(&Path, &Path)> {
        Some((self.tls_cert.as_deref()?, self.tls_key.as_deref()?))
    }

    /// Who may do what.
    pub fn access(&self) -> AccessOptions {
        AccessOptions {
            tokens_file: self.tokens_file.clone(),
            allow_open: self.allow_open,
            tickets: self.tickets,
            ticket_secrets_file: self.ticket_secrets_file.clone(),
            rate_per_token: self.rate_per_token,
            burst_per_token: self.burst_per_token,
            rate_per_address: self.rate_per_address,
            burst_per_address: self.burst_per_address,
        }
    }

    /// What the tables hold.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            orders_max: self.orders_max,
            buyers_max: self.buyers_max,
            long_texts_max: self.long_texts_max,
            lines_max: self.orders_max,
            waiters_max: self.orders_max,
            sales_max: SALES_MAX,
        }
    }

    /// Bytes of a journal segment.
    pub fn segment_bytes(&self) -> u64 {
        self.segment_mib << 20
    }

    /// Checks that the tables fit into this machine's memory, before they are touched.
    ///
    /// # Errors
    /// A sentence with what they need and what there is.
    pub fn check_memory(&self) -> Result<(), String> {
        let Bounds { orders_max, buyers_max, .. } = self.bounds();
        let sinks = self.sink.len();
        // Each remembers what is in orders that may still change.
        let told = (sinks * OPEN_BYTES) as u128 * orders_max as u128;
        // Who makes snapshots has the state a second time.
        let states = if self.snapshot_mib > 0 { 2 } else { 1 };
        let needed = states * Shop::bytes_needed(&self.bounds()) + told;
        let info = rustix::system::sysinfo();
        let there = info.totalram as u128 * u128::from(info.mem_unit);
        if needed <= there {
            return Ok(());
        }
        let gib = |bytes: u128| bytes as f64 / f64::from(1 << 30);
        Err(format!(
            "orders_max: {orders_max} orders, {buyers_max} buyers and {sinks} sinks need {:.1} GiB \
             of memory; this machine has {:.1} GiB",
            gib(needed),
            gib(there)
        ))
    }

    /// Whether the first shard and the matcher live on one thread.
    pub fn shares_thread(&self) -> bool {
        match self.threads {
            Threads::Shared => true,
            Threads::Apart => false,
            Threads::Auto => cores() < 4,
        }
    }
}

/// One shard for each four cores: a shard feeds the matcher long before it is short of time itself.
fn default_shards() -> usize {
    (cores() / 4).clamp(1, SHARDS_MAX)
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests;
