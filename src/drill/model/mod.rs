//! The law, written down once more without any cleverness: what the sale is held against, by the
//! drill in every round and by `tests/model.rs` with millions of commands.
//!
//! It is slow, keeps everything, and asks nothing of the room that it judges but its words.

// Its fields are what the sale's are, under the same names.
#![allow(missing_docs)]

mod naive;
mod rules;
mod turns;

pub use naive::{MS, Naive, Order, Place, Plan, Pool, Sale, Wanted};
