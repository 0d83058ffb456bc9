//! Many purchases in one call: what a connection has to send in one round becomes one transaction.
//!
//! While a batch is on its way the next one collects, as in any program that batches. Invariant:
//! what `buy` collected is of one connection, and `flush` ends it before the next one's turn.

use bytes::{BufMut, BytesMut};
use postgres_protocol::{
    IsNull,
    message::frontend::bind,
    types::{ArrayDimension, array_to_sql},
};

use super::super::{Command, Parsed, Protocol};
use super::{BINARY, Postgres, answers, buyer, call_command, end_call};
use crate::load::content::Purchase;
use crate::speech::decimal::Decimal;

/// PostgreSQL's numbers of the types in its arrays.
const UUID: u32 = 2950;
const TEXT: u32 = 25;
const INT4: u32 = 23;

/// One transaction for what was appended in one round.
pub(crate) struct Batch {
    one: Postgres,
    keys: Vec<u128>,
    /// Buyers' names, one behind the other, and where each ends.
    names: Vec<u8>,
    ends: Vec<usize>,
    items: Vec<i32>,
    units: Vec<i32>,
}

impl Batch {
    pub(crate) fn new(limit: u32, run: u128) -> Batch {
        Batch {
            one: Postgres::new(limit, run),
            keys: Vec::new(),
            names: Vec::new(),
            ends: Vec::new(),
            items: Vec::new(),
            units: Vec::new(),
        }
    }

    fn name(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[begin..self.ends[index]]
    }
}

type Written = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

/// Writes an array of `count` values.
fn array(
    count: usize,
    kind: u32,
    buffer: &mut BytesMut,
    put: impl Fn(usize, &mut BytesMut),
) -> Written {
    let dimension = ArrayDimension { len: i32::try_from(count)?, lower_bound: 1 };
    let each = |index: usize, buffer: &mut BytesMut| {
        put(index, buffer);
        Ok(IsNull::No)
    };
    array_to_sql([dimension], kind, 0..count, each, buffer)?;
    Ok(IsNull::No)
}

impl Protocol for Batch {
    const TAGGED: bool = false;
    const SAYS_REPLAYED: bool = true;
    const TAKES_TURNS: bool = true;

    fn buy(&mut self, purchase: &Purchase<'_>, _: u32, _: &mut Vec<u8>) {
        let key = self.one.key(purchase);
        self.keys.push(key);
        self.names.extend_from_slice(buyer(purchase, key, &mut Decimal::new(0)));
        self.ends.push(self.names.len());
        self.items.push(purchase.item as i32);
        self.units.push(purchase.units.cast_signed());
    }

    fn command(&mut self, command: Command, order: u64, _: u32, out: &mut Vec<u8>) {
        // Answers come in the order of requests.
        self.flush(out);
        call_command(command, order, &mut self.one.scratch, out);
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.keys.is_empty() {
            return;
        }
        let count = self.keys.len();
        let mut scratch = std::mem::take(&mut self.one.scratch);
        let put = |parameter: usize, buffer: &mut BytesMut| match parameter {
            0 => array(count, UUID, buffer, |index, to| to.put_u128(self.keys[index])),
            1 => array(count, TEXT, buffer, |index, to| to.put_slice(self.name(index))),
            2 => array(count, INT4, buffer, |index, to| to.put_i32(self.items[index])),
            3 => array(count, INT4, buffer, |index, to| to.put_i32(self.units[index])),
            _ => {
                buffer.put_i32(self.one.limit);
                Ok(IsNull::No)
            }
        };
        let bound = bind("", "buy", BINARY, 0..5_usize, put, BINARY, &mut scratch);
        end_call(bound, &mut scratch, out);
        self.one.scratch = scratch;
        self.keys.clear();
        self.names.clear();
        self.ends.clear();
        self.items.clear();
        self.units.clear();
    }

    fn parse(&mut self, bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String> {
        answers::all(bytes, answers, answers::OnError::TheEnd)
    }
}
