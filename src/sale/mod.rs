//! The pure room: sales, items, stock, limits, keys and holds, and the decision who gets what.
//!
//! It never does I/O, never reads a clock, draws no random number, knows no thread and no other
//! room, and allocates nothing for an order. What it is told, in which order and at which stamps,
//! is all that its state depends on.
//!
//! | file | what |
//! |---|---|
//! | `command` | what can be asked and answered |
//! | `shop` | the decision about a purchase |
//! | `basket` | the decision about a basket |
//! | `change` | what becomes of an order |
//! | `waiting`, `waiters` | the waiting list |
//! | `entering`, `draw` | the draw |
//! | `groups` | limits of cards, households, devices |
//! | `pools`, `agenda` | what is set aside for channels, what the host has planned |
//! | `clearing` | what becomes of a removed sale |
//! | `rule` | what an operator says of a sale |
//! | `show` | what can be read |
//! | `stock` | a sale's items and their units |
//! | `orders`, `index`, `buyers`, `lines`, `holds`, `texts` | its tables |
//! | `image` | the whole state as bytes, and its hash |
//! | `proof` | that a state keeps the law |
//! | `ident`, `terms` | the words |
//! | `hash`, `memory` | what the tables stand on |

mod agenda;
mod basket;
mod buyers;
mod change;
mod clearing;
mod command;
mod draw;
mod entering;
mod groups;
mod hash;
mod holds;
mod ident;
mod image;
mod index;
mod lines;
mod memory;
mod orders;
mod pools;
mod proof;
mod rule;
mod shop;
mod show;
mod stock;
mod terms;
mod texts;
mod waiters;
mod waiting;

pub use agenda::{Event, Happened, WAVES_PER_SALE_MAX, Wave};
pub use command::{
    About, Basket, BasketRefusal, Buy, Command, Fill, Given, OrderView, Outcome, Party, Refusal,
    Seq, Side, Stamp, Stock, condition,
};
pub use hash::Seed;
pub use holds::LANES_MAX;
pub use ident::{BadIdent, Form, Ident, Label, TEXT_BYTES_MAX, Text, text_len};
pub use image::{
    BadImage, Filing, ImageOrder, ImagePart, ImageSale, Line, LineSource, Pile, Unfiled, read_image,
};
pub use lines::{BASKET_LINES_MAX, OrderLine};
pub use orders::State;
pub use proof::Totals;
pub use rule::{Aside, Rule, Ruling};
pub use shop::{BUYERS_SPARE, Bounds, Shop};
pub use show::{Drawn, Kept, SoldOut};
pub use stock::{CHANNELS_PER_SALE_MAX, DrawState, POOLS_PER_SALE_MAX, Phase, PoolView};
pub use terms::{DrawTerms, GROUPS_MAX, GroupTerms, ItemTerms, Name, PRICE_MAX, STOCK_MAX, Terms};
pub use waiting::Turn;
