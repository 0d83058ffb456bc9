//! PostgreSQL, in its own protocol: statements prepared before the run, values in binary, many
//! requests on their way at once.
//!
//! The tables and functions are in `prepare/sql`. Each request here is a transaction of its own,
//! ended by its Sync; what the crate `postgres-protocol` cannot encode without a copy is copied
//! once, from its buffer into the connection's. Invariant: an answer counts when the server is
//! ready for the next query, which it says after the commit, and never before.

mod answers;
mod batch;

use bytes::{BufMut, BytesMut};
use postgres_protocol::{
    IsNull,
    message::frontend::{BindError, bind, execute, sync},
};

use super::{Command, Parsed, Protocol};
use crate::load::content::{Buyer, Purchase};
use crate::speech::decimal::Decimal;

pub(crate) use batch::Batch;

/// Statements that every connection has prepared: name and text.
pub(crate) const STATEMENTS: [(&str, &str); 3] = [
    ("buy", "SELECT outcome, given, again FROM buy($1, $2, $3, $4, $5)"),
    ("confirm", "SELECT outcome, given, again FROM confirm($1)"),
    ("release", "SELECT outcome, given, again FROM release($1)"),
];
/// What takes the place of `buy` for batches.
pub(crate) const BUY_BATCH: (&str, &str) =
    ("buy", "SELECT outcome, given, again, trouble FROM buy_batch($1, $2, $3, $4, $5)");

const IN_MEMORY: &str = "short values into memory";
/// All values, and all columns, in binary.
const BINARY: [i16; 1] = [1];

/// One purchase a transaction: the hot row, and a row a unit.
pub(crate) struct Postgres {
    limit: i32,
    run: u128,
    scratch: BytesMut,
}

impl Postgres {
    pub(crate) fn new(limit: u32, run: u128) -> Postgres {
        let limit = i32::try_from(limit).expect("the options have the same bound");
        Postgres { limit, run, scratch: BytesMut::with_capacity(64 * 1024) }
    }

    /// The purchase's key, as a UUID holds it.
    fn key(&self, purchase: &Purchase<'_>) -> u128 {
        self.run + u128::from(purchase.number)
    }
}

/// A parameter.
enum Value<'a> {
    Key(u128),
    Text(&'a [u8]),
    Units(u32),
    Int(i32),
    Order(u64),
}

/// Appends a call of a prepared statement; it is a transaction of its own.
fn call(statement: &str, values: &[Value<'_>], scratch: &mut BytesMut, out: &mut Vec<u8>) {
    let put = |value: &Value<'_>, buffer: &mut BytesMut| {
        match value {
            Value::Key(key) => buffer.put_u128(*key),
            Value::Text(text) => buffer.put_slice(text),
            Value::Units(units) => buffer.put_u32(*units),
            Value::Int(number) => buffer.put_i32(*number),
            Value::Order(order) => buffer.put_u64(*order),
        }
        Ok(IsNull::No)
    };
    let bound = bind("", statement, BINARY, values, put, BINARY, scratch);
    end_call(bound, scratch, out);
}

/// Runs what was bound, and ends the transaction.
fn end_call(bound: Result<(), BindError>, scratch: &mut BytesMut, out: &mut Vec<u8>) {
    let bound = bound.map_err(|_| IN_MEMORY);
    bound.and_then(|()| execute("", 0, scratch).map_err(|_| IN_MEMORY)).expect(IN_MEMORY);
    sync(scratch);
    out.extend_from_slice(scratch);
    scratch.clear();
}

/// Appends a confirm or release.
fn call_command(command: Command, order: u64, scratch: &mut BytesMut, out: &mut Vec<u8>) {
    let statement = match command {
        Command::Confirm => "confirm",
        Command::Release => "release",
    };
    call(statement, &[Value::Order(order)], scratch, out);
}

/// The buyer's name; `digits` is where a number is spelt.
fn buyer<'a>(purchase: &Purchase<'a>, key: u128, digits: &'a mut Decimal) -> &'a [u8] {
    *digits = match purchase.buyer {
        Buyer::New => Decimal::new(key),
        Buyer::Number(number) => Decimal::new(number.into()),
        Buyer::Named(name) => return name.as_bytes(),
    };
    digits.text()
}

impl Protocol for Postgres {
    const TAGGED: bool = false;
    const SAYS_REPLAYED: bool = true;

    fn buy(&mut self, purchase: &Purchase<'_>, _: u32, out: &mut Vec<u8>) {
        let key = self.key(purchase);
        let mut digits = Decimal::new(0);
        let values = [
            Value::Key(key),
            Value::Text(buyer(purchase, key, &mut digits)),
            Value::Int(purchase.item as i32),
            Value::Units(purchase.units),
            Value::Int(self.limit),
        ];
        call("buy", &values, &mut self.scratch, out);
    }

    fn command(&mut self, command: Command, order: u64, _: u32, out: &mut Vec<u8>) {
        call_command(command, order, &mut self.scratch, out);
    }

    fn parse(&mut self, bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String> {
        answers::all(bytes, answers, answers::OnError::OneAnswer)
    }
}
