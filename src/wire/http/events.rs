//! The events of an order over HTTP (server-sent events, as the HTML standard has them): the head
//! of the stream, one event for each change, and signs of life between.
//!
//! The stream's length is told by nothing but its end, so that HTTP/1.0 and every proxy understand
//! it: its connection closes with it.
//!
//! Invariant: an event is whole, and its data one line.

use super::Manner;
use super::answers::{Teller, push};
use crate::wire::answers::Shown;
use crate::wire::push_decimal;

/// A sign of life: a comment, which readers pass over.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// Proxies are asked not to keep events back.
const EVENTS: &[u8] = b"Content-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\r\n";

impl Teller {
    /// Begins a stream; a request that wants no body has all of it with this.
    pub fn stream(&mut self, manner: Manner, out: &mut Vec<u8>) {
        self.begin_head(200, manner, out);
        push(out, EVENTS);
    }
}

/// An order as it now stands, as an event. Its id is the newest seq that this was decided from, so
/// later ones are higher; the change lies there or before.
pub fn event(shown: &Shown<'_>, out: &mut Vec<u8>) {
    push(out, b"id: ");
    push_decimal(shown.reply.after.to_native(), out);
    push(out, b"\nevent: order\ndata: ");
    Teller::push_order(shown, out);
    push(out, b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Head, Reply, kind, outcome};
    use crate::sale::{Ident, Name};
    use bytemuck::Zeroable;

    #[test]
    fn an_event_is_the_order_on_one_line_behind_its_id() {
        let mut head = Head::new(kind::BUY);
        head.set_buyer(Ident::parse(b"u1").expect("good"));
        head.set_key(Ident::parse(b"k\"1").expect("good"));
        (head.item, head.units) = (1.into(), 2.into());
        let reply = Reply { kind: kind::REPLY, outcome: outcome::WAITING, ..Reply::zeroed() };
        let reply = Reply { order: 42.into(), after: 43.into(), expires_in_ms: 7.into(), ..reply };
        let items = [Name::parse(b"tee").expect("a name")];
        let tails = [head.into()];
        let mut out = Vec::new();
        let (reply, tails, receipt) = (&reply, &tails, None);
        event(&Shown { reply, receipt, tails, sale: "drop", items: &items }, &mut out);
        let text = String::from_utf8(out).expect("ASCII");
        let data = text.strip_prefix("id: 43\nevent: order\ndata: ").expect("the fields");
        let order: serde_json::Value =
            serde_json::from_str(data.strip_suffix("\n\n").expect("a blank line")).expect("JSON");
        assert_eq!(data.lines().count(), 2);
        assert_eq!((&order["state"], &order["position"]), (&"waiting".into(), &7.into()));
        assert_eq!(order["key"], "k\"1");
    }

    #[test]
    fn a_stream_ends_with_its_connection_and_is_kept_by_nobody() {
        let mut out = Vec::new();
        Teller::new(1).stream(Manner::CLOSE, &mut out);
        let text = String::from_utf8(out).expect("ASCII");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"));
        for line in ["Connection: close", "Cache-Control: no-store", "X-Accel-Buffering: no"] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{text}");
        }
        assert!(!text.contains("Content-Length") && !text.contains("Transfer-Encoding"));
    }
}
