//! All tests of the program and its rooms in one binary: each file says what it is for. One binary
//! is linked once, and the tests of one file run while those of another wait for a disk or a clock.

mod support;

mod access;
mod admin;
mod board;
mod crash;
mod demo;
mod dependencies;
mod deploy;
mod disk_faults;
mod drops;
mod faults;
mod figures;
mod first_come;
mod folders;
mod following;
mod golden;
mod guarantees;
mod http;
mod linearizability;
mod matcher;
mod model;
mod nats_sink;
mod openapi;
mod operation;
mod operator;
mod postgres;
mod receipts;
mod recovery;
mod redis_sink;
mod retention;
mod shard;
mod shard_bounds;
mod shard_pushes;
mod shard_resp;
mod simulation;
mod sink_faults;
mod sinks;
mod snapshots;
mod sockets;
mod stop;
mod tidy;
mod tls;
mod webhook_sink;
mod webhooks;
