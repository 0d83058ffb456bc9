//! What tests have in common: the real program, its peers and servers, disks that lose power.

pub(crate) mod crash_disk;
pub(crate) mod faketime;
pub(crate) mod http_peer;
pub(crate) mod keeper_house;
pub(crate) mod nats;
pub(crate) mod peer;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod resp;
pub(crate) mod server;
pub(crate) mod shard_house;
pub(crate) mod sinks;
pub(crate) mod small_disk;
pub(crate) mod strace;
pub(crate) mod tls;
