//! How many answers a shard has told, by protocol and by what they said.
//!
//! Counted when an answer goes out, so that what nobody was told is not in it.

use super::Counter;

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2 or RESP3.
    Resp,
    /// Cells.
    Binary,
    /// HTTP/1.1.
    Http,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 3] = [Protocol::Resp, Protocol::Binary, Protocol::Http];

    /// Its name, as labels have it.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Resp => "resp",
            Protocol::Binary => "binary",
            Protocol::Http => "http",
        }
    }
}

/// Numbers of outcomes that are counted apart; there are none beyond.
pub const OUTCOMES: usize = 72;

/// Answers told, by protocol and outcome.
#[derive(Debug)]
pub struct Answers([[Counter; OUTCOMES]; Protocol::ALL.len()]);

impl Default for Answers {
    fn default() -> Answers {
        Answers(std::array::from_fn(|_| std::array::from_fn(|_| Counter::default())))
    }
}

impl Answers {
    /// Counts one. To be called by its one writer only.
    #[inline]
    pub fn count(&self, protocol: Protocol, outcome: u8) {
        self.0[protocol as usize][usize::from(outcome).min(OUTCOMES - 1)].add(1);
    }

    /// How many there were.
    pub fn value(&self, protocol: Protocol, outcome: usize) -> u64 {
        self.0[protocol as usize][outcome].value()
    }
}
