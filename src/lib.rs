//! doorbuster: a flash-sale order matcher.

pub mod bell;
pub mod client;
pub mod clock;
pub mod directory;
pub mod journal;
pub mod limits;
pub mod matcher;
pub mod message;
pub mod metrics;
pub mod operator;
pub mod options;
pub mod pipeline;
pub mod record;
pub mod ring;
pub mod sale;
pub mod sale_file;
pub mod shard;
pub mod wire;
