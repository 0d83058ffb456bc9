//! The binary protocol on a shard: greetings, cells on their way to the matcher, and what is
//! answered here.
//!
//! It writes no answer of the matcher's. Invariant: as in [`intake`](super::intake), a request is
//! answered here only when all the connection's requests before it are.

use super::connection::{Connection, Protocol};
use super::guarding;
use super::intake::{Flight, Form, Intake, LOADING_RETRY_MS, Stop};
use super::table::Address;
use crate::message::{Cell, Head, Reply, outcome};
use crate::metrics;
use crate::wire::binary::{self, What};

impl Intake {
    pub(super) fn greeting(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
    ) -> Result<usize, Stop> {
        let greeting = binary::parse_hello(input).ok_or(Stop::Incomplete)?;
        let told = guarding::greet(&mut self.guard, &mut connection.visitor, greeting);
        binary::hello(told, self.connection_in_flight_max, &mut connection.out);
        if told != outcome::OK {
            self.broken += u64::from(told == outcome::MALFORMED);
            return Err(Stop::Close);
        }
        connection.protocol = Protocol::Binary;
        Ok(Cell::ZERO.0.len())
    }

    #[inline]
    pub(super) fn binary(
        &mut self,
        address: Address,
        connection: &mut Connection,
        input: &[u8],
        stamp: u64,
        loading: bool,
    ) -> Result<usize, Stop> {
        let frame = binary::parse(input).ok_or(Stop::Incomplete)?;
        let head = frame.head.head();
        let (tag, tails) = (head.tag.to_native(), usize::from(head.tails.to_native()));
        if self.guard.watches() {
            let counts = self.guard.counts;
            let (guard, visitor) = (&mut self.guard, &mut connection.visitor);
            let asked = (&frame, input);
            if let Some(refused) = guarding::binary(guard, visitor, &self.names, asked, stamp) {
                if connection.in_flight > 0 {
                    self.guard.counts = counts;
                    return Err(Stop::Answers);
                }
                let (told, price) = binary::turned_away(refused);
                binary::local(told, tag, |reply| reply.price = price.into(), &mut connection.out);
                let is_over = told == outcome::UNAUTHORIZED;
                return if is_over { Err(Stop::Close) } else { Ok(frame.bytes) };
            }
        }
        if frame.what == What::Ask && !loading {
            let numbers = (head.sale.to_native(), head.item.to_native());
            let (ours, in_flight) = (metrics::Protocol::Binary, connection.in_flight);
            let requests = &mut self.requests;
            let told = self.refusing.sold_out(requests, ours, in_flight, numbers, head, stamp);
            if let Some(told) = told {
                binary::answer(told, tag, &mut connection.out);
                return Ok(frame.bytes);
            }
            self.requests.push(Head { time: stamp.into(), tag: 0.into(), ..*head }.into());
            for index in 0..tails {
                self.requests.push(frame.tail(index, input));
            }
            let promised = self.names.promise(head, head.sale.to_native());
            let (form, sale) = (Form::Binary, head.sale.to_native());
            let waits_in = if head.is_waiting() { sale } else { 0 };
            self.take_off(connection, Flight { address, tag, form, waits_in, promised });
            return Ok(frame.bytes);
        }
        if connection.in_flight > 0 {
            return Err(Stop::Answers);
        }
        let out = &mut connection.out;
        match frame.what {
            What::Ping => binary::local(outcome::OK, tag, |_| {}, out),
            What::Ask => {
                let retry = |reply: &mut Reply| {
                    reply.price = LOADING_RETRY_MS.into();
                };
                binary::local(outcome::OVERLOADED, tag, retry, out);
            }
            What::Resolve => self.resolve(&frame.tails[..tails], tag, out),
            What::Malformed => binary::local(outcome::MALFORMED, tag, |_| {}, out),
            What::Lost => {
                self.broken += 1;
                binary::local(outcome::MALFORMED, tag, |_| {}, out);
                return Err(Stop::Close);
            }
        }
        Ok(frame.bytes)
    }

    fn resolve(&self, names: &[Cell], tag: u32, out: &mut Vec<u8>) {
        let page = self.names.page();
        let sale = binary::name(&names[0]).map_or(0, |name| page.sale(&name));
        let item = match names.get(1).map(binary::name) {
            Some(Some(name)) => page.item(sale, &name),
            _ => 0,
        };
        let told = match (sale, item, names.len()) {
            (0, ..) => outcome::UNKNOWN_SALE,
            (_, 0, 2) => outcome::UNKNOWN_ITEM,
            _ => outcome::OK,
        };
        let fill = |reply: &mut Reply| {
            reply.order = u64::from(sale).into();
            reply.seq = u64::from(item).into();
        };
        binary::local(told, tag, fill, out);
    }
}
