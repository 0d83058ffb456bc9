//! Text to options. A flag comes before an environment variable, that before the file, that before
//! the default. What is not understood is refused, with its place and what is allowed; nothing is
//! guessed and nothing is ignored.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::journal::Durability;
use crate::limits::{CONNECTIONS_MAX, SHARDS_MAX};
use crate::sale::{Bounds, Shop};

/// `DOORBUSTER_*` that are for `doorbuster sale`; a server that has them too is not disturbed.
const CLIENT_VARIABLES: [&str; 2] = ["admin", "token"];

/// How rooms share threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Threads {
    /// `shared` on machines of up to three cores, `apart` on larger ones.
    #[default]
    Auto,
    /// The first shard and the matcher on one thread: no hand-over between them.
    Shared,
    /// Each room on a thread of its own.
    Apart,
}

/// What a server is told. Every bound that depends on the user's machine is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    /// Where buyers connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub admin_listen: SocketAddr,
    /// What "durable" means.
    pub durability: Durability,
    /// Socket threads.
    pub shards: usize,
    /// How rooms share threads.
    pub threads: Threads,
    /// Whether each thread is bound to a core of its own.
    pub pin: bool,
    /// What the tables hold.
    pub bounds: Bounds,
    /// Connections at once.
    pub connections_max: usize,
    /// A connection that says nothing for so long is closed; 0 for never. In ms.
    pub idle_ms: u64,
    /// Time to finish a request that was begun, in ms.
    pub request_ms: u64,
    /// Time to take answers that wait, in ms.
    pub write_stall_ms: u64,
    /// A purchase that waited longer for its decision is refused as overloaded, ms.
    pub shed_after_ms: u64,
    /// Bytes of a journal segment.
    pub segment_bytes: u64,
    /// Segments made ahead of need.
    pub segments_ahead: usize,
    /// Files of sales to create at the start.
    pub sales: Vec<PathBuf>,
}

/// One layer: what the file, the environment or the flags say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// See [`Options::data`].
    pub data: Option<PathBuf>,
    /// See [`Options::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Options::admin_listen`].
    pub admin_listen: Option<SocketAddr>,
    /// `fsync`, `os` or `none`.
    pub durability: Option<DurabilityWord>,
    /// See [`Options::shards`].
    pub shards: Option<usize>,
    /// `auto`, `shared` or `apart`.
    pub threads: Option<Threads>,
    /// See [`Options::pin`].
    pub pin: Option<bool>,
    /// See [`Bounds::orders_max`].
    pub orders_max: Option<usize>,
    /// See [`Bounds::buyers_max`].
    pub buyers_max: Option<usize>,
    /// See [`Bounds::long_texts_max`].
    pub long_texts_max: Option<usize>,
    /// See [`Options::connections_max`].
    pub connections_max: Option<usize>,
    /// See [`Options::idle_ms`].
    pub idle_ms: Option<u64>,
    /// See [`Options::request_ms`].
    pub request_ms: Option<u64>,
    /// See [`Options::write_stall_ms`].
    pub write_stall_ms: Option<u64>,
    /// See [`Options::shed_after_ms`].
    pub shed_after_ms: Option<u64>,
    /// Size of a journal segment, MiB.
    pub segment_mib: Option<u64>,
    /// See [`Options::segments_ahead`].
    pub segments_ahead: Option<usize>,
    /// See [`Options::sales`].
    pub sale: Option<Vec<PathBuf>>,
}

/// [`Durability`] as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityWord {
    /// Told once synced to disk.
    Fsync,
    /// Told once the operating system has it.
    Os,
    /// Told at once.
    None,
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// A sentence with file, line and what is allowed.
    pub fn from_file(path: &Path) -> Result<Layer, String> {
        let text =
            std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
        toml::from_str(&text).map_err(|why| {
            let before = why.span().map_or("", |span| &text[..span.start.min(text.len())]);
            let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
            format!("{}:{line}: {}", path.display(), why.message())
        })
    }

    /// Reads `DOORBUSTER_*` out of the environment. Lists are separated by commas.
    ///
    /// # Errors
    /// A sentence with the variable and what is allowed.
    pub fn from_environment(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Layer, String> {
        let mut layer = Layer::default();
        for (name, value) in variables {
            let Some(key) = name.strip_prefix("DOORBUSTER_") else { continue };
            let key = key.to_ascii_lowercase();
            if CLIENT_VARIABLES.contains(&key.as_str()) {
                continue;
            }
            let one = Layer::from_variable(&key, &value).map_err(|why| format!("{name}: {why}"))?;
            layer = one.over(layer);
        }
        Ok(layer)
    }

    fn from_variable(key: &str, value: &str) -> Result<Layer, String> {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let bare = format!("{key} = {value}");
        let text = format!("{key} = {}", quoted(value));
        let list: Vec<String> = value.split(',').map(quoted).collect();
        let list = format!("{key} = [{}]", list.join(", "));
        let result: Result<Layer, _> = toml::from_str(&bare);
        let result = result.or_else(|_| toml::from_str(&text));
        match result {
            Ok(layer) => Ok(layer),
            Err(why) => toml::from_str(&list).map_err(|_| why.message().to_owned()),
        }
    }

    /// This layer laid over another.
    pub fn over(self, below: Layer) -> Layer {
        Layer {
            data: self.data.or(below.data),
            listen: self.listen.or(below.listen),
            admin_listen: self.admin_listen.or(below.admin_listen),
            durability: self.durability.or(below.durability),
            shards: self.shards.or(below.shards),
            threads: self.threads.or(below.threads),
            pin: self.pin.or(below.pin),
            orders_max: self.orders_max.or(below.orders_max),
            buyers_max: self.buyers_max.or(below.buyers_max),
            long_texts_max: self.long_texts_max.or(below.long_texts_max),
            connections_max: self.connections_max.or(below.connections_max),
            idle_ms: self.idle_ms.or(below.idle_ms),
            request_ms: self.request_ms.or(below.request_ms),
            write_stall_ms: self.write_stall_ms.or(below.write_stall_ms),
            shed_after_ms: self.shed_after_ms.or(below.shed_after_ms),
            segment_mib: self.segment_mib.or(below.segment_mib),
            segments_ahead: self.segments_ahead.or(below.segments_ahead),
            sale: self.sale.or(below.sale),
        }
    }

    /// Fills the gaps with defaults and checks the whole.
    ///
    /// # Errors
    /// A sentence that names the option and what is allowed.
    pub fn options(self) -> Result<Options, String> {
        let within = |name: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(format!("{name}: {value} is not between {least} and {most}"))
            }
        };
        let orders_max =
            within("orders_max", self.orders_max.unwrap_or(2_000_000), 1, 1_000_000_000)?;
        // Room for one order's two entries is kept free.
        let buyers_max = self.buyers_max.unwrap_or(orders_max.saturating_add(2));
        let segment_mib = self.segment_mib.unwrap_or(64) as usize;
        Ok(Options {
            data: self.data.unwrap_or_else(|| PathBuf::from("doorbuster-data")),
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7400))),
            admin_listen: self
                .admin_listen
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7401))),
            durability: match self.durability.unwrap_or(DurabilityWord::Fsync) {
                DurabilityWord::Fsync => Durability::Fsync,
                DurabilityWord::Os => Durability::Os,
                DurabilityWord::None => Durability::None,
            },
            shards: within("shards", self.shards.unwrap_or_else(default_shards), 1, SHARDS_MAX)?,
            threads: self.threads.unwrap_or_default(),
            pin: self.pin.unwrap_or(false),
            bounds: Bounds {
                orders_max,
                buyers_max: within("buyers_max", buyers_max, 3, 2_000_000_000)?,
                long_texts_max: within(
                    "long_texts_max",
                    self.long_texts_max.unwrap_or(orders_max.saturating_mul(2) + 2),
                    2,
                    4_000_000_000,
                )?,
                sales_max: crate::limits::SALES_MAX,
            },
            connections_max: within(
                "connections_max",
                self.connections_max.unwrap_or(10_000),
                1,
                CONNECTIONS_MAX,
            )?,
            idle_ms: self.idle_ms.unwrap_or(300_000),
            request_ms: within(
                "request_ms",
                self.request_ms.unwrap_or(10_000) as usize,
                1,
                usize::MAX,
            )? as u64,
            write_stall_ms: within(
                "write_stall_ms",
                self.write_stall_ms.unwrap_or(30_000) as usize,
                1,
                usize::MAX,
            )? as u64,
            shed_after_ms: within(
                "shed_after_ms",
                self.shed_after_ms.unwrap_or(2_000) as usize,
                1,
                usize::MAX,
            )? as u64,
            segment_bytes: (within("segment_mib", segment_mib, 4, 4096)? as u64) << 20,
            segments_ahead: within("segments_ahead", self.segments_ahead.unwrap_or(2), 1, 64)?,
            sales: self.sale.unwrap_or_default(),
        })
    }
}

impl Options {
    /// Checks that the tables fit into this machine's memory, before they are touched.
    ///
    /// # Errors
    /// A sentence with what they need and what there is.
    pub fn check_memory(&self) -> Result<(), String> {
        let Bounds { orders_max, buyers_max, .. } = self.bounds;
        let needed = Shop::bytes_needed(&self.bounds);
        let info = rustix::system::sysinfo();
        let there = info.totalram as u128 * u128::from(info.mem_unit);
        if needed <= there {
            return Ok(());
        }
        let gib = |bytes: u128| bytes as f64 / f64::from(1 << 30);
        Err(format!(
            "orders_max: {orders_max} orders and {buyers_max} buyers need {:.1} GiB of memory; \
             this machine has {:.1} GiB",
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
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Result<Layer, String> {
        Layer::from_environment(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn a_flag_comes_before_the_environment_before_the_file_before_the_default() {
        let file = Layer { shards: Some(2), idle_ms: Some(7), ..Layer::default() };
        let variables = [("DOORBUSTER_SHARDS", "3"), ("DOORBUSTER_LISTEN", "127.0.0.1:9")];
        let environment = environment(&variables).expect("good variables");
        let flags = Layer { shards: Some(4), ..Layer::default() };
        let options = flags.over(environment).over(file).options().expect("good options");
        assert_eq!((options.shards, options.idle_ms, options.request_ms), (4, 7, 10_000));
        assert_eq!(options.listen.port(), 9);
    }

    #[test]
    fn an_unknown_or_bad_variable_is_refused_by_name() {
        let why = environment(&[("DOORBUSTER_SHRADS", "3")]).expect_err("no such option");
        assert!(why.contains("DOORBUSTER_SHRADS") && why.contains("shards"), "{why}");
        let why = environment(&[("DOORBUSTER_DURABILITY", "maybe")]).expect_err("no such word");
        assert!(why.contains("fsync") && why.contains("os"), "{why}");
        let layer = environment(&[("DOORBUSTER_SALE", "a.toml,b.json")]).expect("a list");
        assert_eq!(layer.sale.expect("given").len(), 2);
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("doorbuster.toml");
        std::fs::write(&path, "shards = 1\n\nlisten = \"nowhere\"\n").expect("written");
        let why = Layer::from_file(&path).expect_err("not an address");
        assert!(why.contains("doorbuster.toml:3:"), "{why}");
        std::fs::write(&path, "shards = 1\ncolour = \"red\"\n").expect("written");
        let why = Layer::from_file(&path).expect_err("no such key");
        assert!(why.contains(":2:") && why.contains("colour") && why.contains("listen"), "{why}");
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_what_is_allowed() {
        let why = Layer { shards: Some(0), ..Layer::default() }.options().expect_err("none");
        assert_eq!(why, "shards: 0 is not between 1 and 64");
    }
}
