//! Who may do what, over real ports: every command with every kind of token, tickets with every
//! fault, rates, and what the program says of tokens.

#[path = "access/house.rs"]
mod house;
use super::support::{resp, server};

#[path = "access/program.rs"]
mod program;
#[path = "access/rates.rs"]
mod rates;
#[path = "access/roles.rs"]
mod roles;
#[path = "access/tickets.rs"]
mod tickets;
