//! doorbuster decides who gets the last unit when a hundred thousand people press "buy" in the same
//! second: first come, first served, durable before told, and so that anybody can check it.
//!
//! # The walk of one order
//!
//! A buyer's bytes reach a [`shard`], the one thread that owns that socket, plain or through TLS.
//! It stamps the whole read with one clock reading and lets [`wire`] turn the bytes, be they RESP,
//! HTTP or binary, into a request: a 64-byte cell ([`message`]), with names replaced by numbers
//! from the [`directory`]. [`access`] says whether its sender may ask for that: token, ticket,
//! rate. The cell goes through a [`ring`], which has one writer and one reader and no lock.
//!
//! The [`matcher`] takes, among all rings, the request that arrived first. It gives it a time and
//! asks the [`sale`], a pure room that knows no clock, no thread and no disk. What the sale grants
//! becomes a [`record`] with the next seq, in the ring to the [`journal`]; the answer goes into the
//! ring back to the shard at once, marked with the seq that it was decided from.
//!
//! The journal writes what is there as one batch, syncs, and raises its watermark. Only then does
//! the shard's [`Gate`](journal::Gate) turn the answer into a [`Durable`](journal::Durable) one,
//! and only a durable answer can be written to a socket.
//!
//! Those who run sales speak to [`admin`], a port on a thread of its own, which asks the
//! [`operator`]: a room with a door to the matcher as a shard has. What it says of a sale takes its
//! place among the buyers' requests and in the journal.
//!
//! [`pipeline`] makes all of this on one page and says who starts and stops when. A crash loses
//! nothing that was told: at the next start the journal is replayed into an empty sale, every
//! record decided again with the same answer.
//!
//! [`client`] is the other end of the wire, for programs that buy. [`drill`] is the same house on
//! one thread, under a seed, with everything going wrong that can.

// The page, and what it is told.
pub mod crew;
pub mod drill;
pub mod options;
pub mod pipeline;
pub mod reload;
pub mod sale_file;
pub mod shared;

// The rooms, in the order in which an order walks through them.
pub mod shard;
pub mod wire;

pub mod matcher;
pub mod operator;
pub mod record;
pub mod sale;

pub mod journal;
pub mod keeper;
pub mod sink;

// Those who run sales.
pub mod admin;

// What lies between them.
pub mod access;
pub mod bell;
pub mod board;
pub mod certificates;
pub mod chains;
pub mod clock;
pub mod directory;
pub mod heads;
pub mod limits;
pub mod live;
pub mod message;
pub mod metrics;
mod mutant;
pub mod news;
pub mod ring;
pub mod taps;

// The other end.
pub mod client;

// For those whose interleavings loom tries: it puts its own in their place.
use std::sync::atomic;
