//! doorbuster: a flash-sale order matcher.

pub mod bell;
pub mod directory;
pub mod journal;
pub mod limits;
pub mod matcher;
pub mod message;
pub mod metrics;
pub mod record;
pub mod ring;
pub mod sale;
