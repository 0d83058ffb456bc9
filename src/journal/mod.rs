//! Makes decisions durable (being built).
mod durable;
pub use durable::{Durable, Gate, Watermark};
