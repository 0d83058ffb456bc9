//! The shop's HTTP/1.1, in the form of the real server's: orders, refusals, the sale.

use std::io::Write;

use doorbuster::message::outcome;
use memchr::memmem;

use super::{SALE, Shop};

impl Shop {
    /// The sale as it is shown.
    fn shown(&self) -> String {
        let [stock, free, held, confirmed] = self.sight();
        format!(
            "{{\"name\":\"drop\",\"seq\":1,\"state\":\"open\",\"hold_ms\":60000,\"limit\":null,\
             \"items\":[{{\"sku\":\"tee\",\"stock\":{stock},\"free\":{free},\"held\":{held},\
             \"confirmed\":{confirmed},\"waiting\":0,\"price\":2500,\"limit\":2}}]}}"
        )
    }

    /// Answers the first request; bytes used, and whether it was a purchase.
    pub(super) fn http(&self, input: &[u8], output: &mut Vec<u8>) -> Option<(usize, bool)> {
        let head = memmem::find(input, b"\r\n\r\n")? + 4;
        let length = value(&input[..head], b"\r\nContent-Length: ").unwrap_or(b"0");
        let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
        let used = head + length;
        if input.len() < used {
            return None;
        }
        let line = input[..head].split(|byte| *byte == b'\r').next()?;
        let mut words = line.split(|byte| *byte == b' ');
        let (method, path) = (words.next()?, words.next()?);
        let mut path = path.split(|byte| *byte == b'/').skip(3);
        let (sale, order, word) = (path.next()?, path.nth(1), path.next());
        match (method, order, word) {
            _ if sale != SALE.as_bytes() => refuse(404, "unknown_sale", output),
            (b"GET", ..) => answer("200 OK", &self.shown(), output),
            (_, Some(order), Some(b"confirm")) => {
                self.decide(true);
                tell(order, "confirmed", false, output);
            }
            (_, Some(order), Some(_)) => {
                self.decide(false);
                tell(order, "released", false, output);
            }
            _ => {
                let key = value(&input[..head], b"\r\nIdempotency-Key: ")?;
                match self.pause().then(|| self.buy(key)) {
                    None => {}
                    Some(Err(outcome::OVERLOADED)) => refuse(503, "overloaded", output),
                    Some(Err(_)) => refuse(409, "sold_out", output),
                    Some(Ok((order, again))) => {
                        tell(order.to_string().as_bytes(), "held", again, output);
                    }
                }
            }
        }
        Some((used, true))
    }
}

/// The value of a header that is spelt so.
fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = &head[memmem::find(head, name)? + name.len()..];
    value.split(|byte| *byte == b'\r').next()
}

fn tell(order: &[u8], state: &str, again: bool, output: &mut Vec<u8>) {
    let order = String::from_utf8_lossy(order);
    let body = format!(
        "{{\"order\":\"{order}\",\"seq\":{order},\"sale\":\"drop\",\"state\":\"{state}\",\
         \"buyer\":\"somebody\",\"key\":\"a-key\",\
         \"lines\":[{{\"item\":\"tee\",\"units\":1,\"price\":2500}}],\
         \"expires_at\":\"2026-11-22T22:42:13.557Z\",\"expires_in_ms\":60000,\"position\":null,\
         \"replayed\":{again},\"receipt\":null}}"
    );
    answer(if again { "200 OK" } else { "201 Created" }, &body, output);
}

fn refuse(status: u16, word: &str, output: &mut Vec<u8>) {
    let body = format!(
        "{{\"type\":\"urn:doorbuster:{word}\",\"title\":\"No\",\"status\":{status},\
         \"detail\":\"no\"}}"
    );
    answer(&format!("{status} No"), &body, output);
}

fn answer(status: &str, body: &str, output: &mut Vec<u8>) {
    let length = body.len();
    let head = format_args!(
        "HTTP/1.1 {status}\r\nDate: Sun, 22 Nov 2026 22:42:13 GMT\r\nCache-Control: no-store\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    output.write_fmt(head).expect("writing into memory cannot fail");
}
