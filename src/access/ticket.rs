//! Signed buyer tickets: who was let in to buy, in which sale, as whom, and until when.
//!
//! The shop signs `doorbuster-ticket-v1`, sale, buyer and expiry, one a line, with HMAC-SHA256 and
//! hands out `<buyer>.<expiry>.<mac>`: expiry in Unix seconds, the mac as 64 hex digits. Two
//! secrets may be live, so that one can replace the other. A ticket is for one buyer and not for
//! one purchase: used twice it is the same buyer, whose limits hold. It reads no clock and no file.
//!
//! Invariant: a ticket that passes was signed for exactly this sale and this buyer.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::limits::{TEXT_BYTES_MAX, TICKET_SECRET_BYTES_MAX, TICKET_SECRETS_MAX};
use crate::message::{TicketText, split_ticket};

const VERSION_LINE: &[u8] = b"doorbuster-ticket-v1\n";
/// The shortest secret: as long as the mac.
pub const SECRET_BYTES_MIN: usize = 32;

/// Why a ticket does not let its buyer buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum TicketError {
    /// There is none.
    #[error("missing: a purchase needs one")]
    Missing = 1,
    /// It does not read like one.
    #[error("malformed: it reads <buyer>.<expiry in Unix seconds>.<64 hex digits>")]
    Malformed = 2,
    /// It is for another buyer than the request.
    #[error("for another buyer")]
    OtherBuyer = 3,
    /// It is for another sale, or no live secret signed it.
    #[error("for another sale, or its signature is wrong")]
    WrongSignature = 4,
    /// Its time is over.
    #[error("expired")]
    Expired = 5,
}

/// A ticket as a protocol carries it.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// There is none.
    Nothing,
    /// Its text; empty is none.
    Text(&'a [u8]),
    /// Its expiry and mac; its buyer is the request's.
    Parts {
        /// Unix seconds.
        expiry: u64,
        /// HMAC-SHA256.
        mac: &'a [u8; 32],
    },
}

/// The live secrets, ready to be used.
#[derive(Clone)]
pub struct Tickets {
    secrets: Vec<Hmac<Sha256>>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({} secrets)", self.secrets.len())
    }
}

impl Tickets {
    /// Reads secrets, one a line; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The line (0 for the whole) and a sentence, which never tells a secret.
    pub fn parse(text: &[u8]) -> Result<Tickets, (usize, String)> {
        let mut secrets = Vec::new();
        for (line, number) in text.split(|byte| *byte == b'\n').zip(1_usize..) {
            let secret = line.trim_ascii();
            if secret.is_empty() || secret.starts_with(b"#") {
                continue;
            }
            if !(SECRET_BYTES_MIN..=TICKET_SECRET_BYTES_MAX).contains(&secret.len()) {
                let len = secret.len();
                return Err((
                    number,
                    format!(
                        "a ticket secret of {len} bytes; it must have {SECRET_BYTES_MIN} to \
                         {TICKET_SECRET_BYTES_MAX}"
                    ),
                ));
            }
            if secrets.len() == TICKET_SECRETS_MAX {
                return Err((number, format!("more than {TICKET_SECRETS_MAX} ticket secrets")));
            }
            secrets.push(Hmac::new_from_slice(secret).expect("HMAC takes keys of every length"));
        }
        if secrets.is_empty() {
            return Err((0, "no ticket secret; write one a line".into()));
        }
        Ok(Tickets { secrets })
    }

    /// Checks a ticket's text for a purchase of `buyer` in `sale` at `unix_seconds`. It counts
    /// strictly before its expiry.
    ///
    /// # Errors
    /// The first [`TicketError`] that applies.
    pub fn check(
        &self,
        sale: &[u8],
        buyer: &[u8],
        ticket: &[u8],
        unix_seconds: u64,
    ) -> Result<(), TicketError> {
        if ticket.is_empty() {
            return Err(TicketError::Missing);
        }
        let TicketText { buyer: whose, expiry, mac } =
            split_ticket(ticket).ok_or(TicketError::Malformed)?;
        if whose != buyer {
            return Err(TicketError::OtherBuyer);
        }
        self.check_parts(sale, buyer, expiry, &mac, unix_seconds)
    }

    /// As [`check`](Self::check), for a ticket that comes in parts.
    ///
    /// # Errors
    /// [`TicketError::WrongSignature`] or [`TicketError::Expired`].
    pub fn check_parts(
        &self,
        sale: &[u8],
        buyer: &[u8],
        expiry: u64,
        mac: &[u8; 32],
        unix_seconds: u64,
    ) -> Result<(), TicketError> {
        // No line of what is signed may run into the next.
        let plain = |text: &[u8]| {
            (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
        };
        let signed = plain(sale)
            && plain(buyer)
            && self.secrets.iter().any(|secret| {
                signing(secret.clone(), sale, buyer, expiry).verify_slice(mac).is_ok()
            });
        if !signed {
            return Err(TicketError::WrongSignature);
        }
        if unix_seconds >= expiry { Err(TicketError::Expired) } else { Ok(()) }
    }

    /// Whatever form it was shown in.
    pub(super) fn check_shown(
        &self,
        sale: &[u8],
        buyer: &[u8],
        shown: Shown<'_>,
        unix_seconds: u64,
    ) -> Result<(), TicketError> {
        match shown {
            Shown::Nothing => Err(TicketError::Missing),
            Shown::Text(text) => self.check(sale, buyer, text, unix_seconds),
            Shown::Parts { expiry, mac } => {
                self.check_parts(sale, buyer, expiry, mac, unix_seconds)
            }
        }
    }
}

/// Makes a ticket, as a shop does.
///
/// # Panics
/// Never: HMAC takes keys of every length.
pub fn sign(secret: &[u8], sale: &str, buyer: &str, expiry: u64) -> Zeroizing<String> {
    let mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of every length");
    let mac = signing(mac, sale.as_bytes(), buyer.as_bytes(), expiry).finalize().into_bytes();
    let mut text = Zeroizing::new(format!("{buyer}.{expiry}."));
    mac.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
    text
}

fn signing(mut mac: Hmac<Sha256>, sale: &[u8], buyer: &[u8], expiry: u64) -> Hmac<Sha256> {
    let mut digits = [0; 20];
    for part in [VERSION_LINE, sale, b"\n", buyer, b"\n", decimal(expiry, &mut digits)] {
        mac.update(part);
    }
    mac
}

fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    /// Made by `openssl dgst -sha256 -hmac`, and the same by Python's hmac and Node's crypto.
    const KNOWN: [(&str, &str, u64, &str); 3] = [
        (
            "drop",
            "alice",
            1_795_809_600,
            "1b8e31da6b88c811b6b7584f5dff9d47efb3f1d388cbf209a32ee5e5490b4d48",
        ),
        (
            "drop",
            "a.b.c@example.com",
            1_795_809_600,
            "3aea6a2cceb4d4e264d3727b61ad34dbdba8e39a2ad2e82b5fa4aa61afe8dd48",
        ),
        (
            "live-2",
            "42",
            4_102_444_800,
            "c00fe15c4ddb764d171d3532a10b81439cccc92125a256890d33512f398857e9",
        ),
    ];

    fn tickets() -> Tickets {
        let file = [b"# of this week\n", SECRET, b"\n\nanother-secret-of-more-than-32-bytes!\r\n"];
        Tickets::parse(&file.concat()).expect("two good secrets")
    }

    #[test]
    fn tickets_are_what_other_languages_make() {
        for (sale, buyer, expiry, mac) in KNOWN {
            let ticket = sign(SECRET, sale, buyer, expiry);
            assert_eq!(*ticket, format!("{buyer}.{expiry}.{mac}"));
            let check = tickets().check(sale.as_bytes(), buyer.as_bytes(), ticket.as_bytes(), 0);
            assert_eq!(check, Ok(()));
        }
    }

    #[test]
    fn each_fault_of_a_ticket_has_its_name() {
        use TicketError::{Expired, Malformed, Missing, OtherBuyer, WrongSignature};
        let (_, _, expiry, mac) = KNOWN[0];
        let good = format!("alice.{expiry}.{mac}");
        let second = sign(b"another-secret-of-more-than-32-bytes!", "drop", "alice", expiry);
        let stranger = sign(b"a-secret-that-nobody-has-configured-x", "drop", "alice", expiry);
        let forged_expiry = format!("alice.{}.{mac}", expiry + 1);
        let (before, after) = (expiry - 1, expiry);
        for (sale, buyer, ticket, now, expected) in [
            ("drop", "alice", good.as_str(), before, Ok(())),
            ("drop", "alice", &good.replace("d4d48", "D4D48"), before, Ok(())),
            ("drop", "alice", &second, before, Ok(())),
            ("drop", "alice", "", before, Err(Missing)),
            ("drop", "alice", &good[..good.len() - 1], before, Err(Malformed)),
            ("drop", "alice", &format!("{good}0"), before, Err(Malformed)),
            ("drop", "alice", &good.replace("alice.", "alice.0"), before, Err(Malformed)),
            ("drop", "alice", &good.replace("alice.", "alice.+"), before, Err(Malformed)),
            ("drop", "alice", &good[6..], before, Err(Malformed)),
            ("drop", "alice", &format!(".{}", &good[6..]), before, Err(Malformed)),
            ("drop", "alice", &good.replace('f', "g"), before, Err(Malformed)),
            ("drop", "alice", "alice", before, Err(Malformed)),
            ("drop", "bob", &good, before, Err(OtherBuyer)),
            ("next", "alice", &good, before, Err(WrongSignature)),
            ("drop", "alice", &stranger, before, Err(WrongSignature)),
            ("drop", "alice", &forged_expiry, before, Err(WrongSignature)),
            ("drop", "alice", &good, after, Err(Expired)),
            // What is forged is not told that it came late.
            ("drop", "alice", &stranger, after, Err(WrongSignature)),
        ] {
            let got = tickets().check(sale.as_bytes(), buyer.as_bytes(), ticket.as_bytes(), now);
            assert_eq!(got, expected, "{sale} {buyer} {ticket} {now}");
        }
    }

    #[test]
    fn lines_of_what_is_signed_do_not_run_into_each_other() {
        let ticket = sign(SECRET, "drop", "x\ny", 9);
        let TicketText { mac, .. } = split_ticket(ticket.as_bytes()).expect("well formed");
        let check = tickets().check_parts(b"drop\nx", b"y", 9, &mac, 0);
        assert_eq!(check, Err(TicketError::WrongSignature));
    }

    #[test]
    fn bad_secrets_are_refused_with_their_line_and_never_shown() {
        let long = "x".repeat(1025);
        let three = format!("{0}\n{0}\n{0}", "y".repeat(32));
        for (text, line, expected) in [
            ("", 0, "no ticket secret"),
            ("# nothing\n\n", 0, "no ticket secret"),
            ("# short\nhunter2", 2, "a ticket secret of 7 bytes; it must have 32 to 1024"),
            (&long, 1, "of 1025 bytes"),
            (&three, 3, "more than 2"),
        ] {
            let (at, why) = Tickets::parse(text.as_bytes()).expect_err(expected);
            assert!(at == line && why.contains(expected), "{at} {why}");
            assert!(!why.contains("hunter2"));
        }
        assert_eq!(format!("{:?}", tickets()), "Tickets(2 secrets)");
    }
}
