//! The binary protocol on a shard: greetings, cells on their way to the matcher, and what is
//! answered here.
//!
//! It writes no answer of the matcher's. Invariant: as in [`intake`](super::intake), a request is
//! answered here only when all the connection's requests before it are.

use super::connection::{Connection, Protocol};
use super::guarding;
use super::intake::{Flight, Form, Intake, LOADING_RETRY_MS, Stop};
use super::siding;
use super::table::Address;
use crate::message::{Cell, Head, Reply, kind, outcome};
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
        let mut frame = binary::parse(input).ok_or(Stop::Incomplete)?;
        let tag = frame.head.head().tag.to_native();
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
        siding::fit(&self.names, &mut frame);
        let head = frame.head.head();
        let tails = usize::from(head.tails.to_native());
        if frame.what == What::Ask && !loading {
            let numbers = (head.sale.to_native(), head.item.to_native());
            let (ours, in_flight) = (metrics::Protocol::Binary, connection.in_flight);
            let (requests, wanted) = (&mut self.requests, (numbers, head, &frame.side));
            let told = self.refusing.sold_out(requests, ours, in_flight, wanted, stamp);
            if let Some(told) = told {
                binary::answer(told, tag, None, &mut connection.out);
                return Ok(frame.bytes);
            }
            self.requests.push(Head { time: stamp.into(), tag: 0.into(), ..*head }.into());
            for index in 0..tails {
                self.requests.push(frame.tail(index, input));
            }
            let promised = self.names.promise(head, head.sale.to_native());
            let (form, sale) = (Form::Binary, head.sale.to_native());
            let is_purchase = matches!(head.kind, kind::BUY | kind::BASKET);
            let waits_in = if is_purchase { sale } else { 0 };
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
        // One that is all zero is not asked for.
        let wanted = names.get(1).filter(|cell| names.len() == 2 || **cell != Cell::ZERO);
        let item = wanted.map(|cell| binary::name(cell).map_or(0, |name| page.item(sale, &name)));
        let channel = names.get(2).map(|cell| {
            let channels = page.names(sale).map_or(&[][..], |names| &names.channels);
            let at = binary::name(cell).and_then(|name| channels.iter().position(|c| *c == name));
            at.map_or(0, |at| at as u64 + 1)
        });
        let told = match (sale, item, channel) {
            (0, ..) => outcome::UNKNOWN_SALE,
            (_, Some(0), _) => outcome::UNKNOWN_ITEM,
            (.., Some(0)) => outcome::UNKNOWN_CHANNEL,
            _ => outcome::OK,
        };
        let fill = |reply: &mut Reply| {
            reply.order = u64::from(sale).into();
            reply.seq = u64::from(item.unwrap_or(0)).into();
            reply.price = channel.unwrap_or(0).into();
        };
        binary::local(told, tag, fill, out);
    }
}
