//! One thread's view of who may do what, and what it asks of each request.
//!
//! It waits for nobody and allocates nothing for a request. It writes no answer: what a refusal
//! looks like is the protocol's.
//!
//! Invariant: a purchase that a role, a ticket or a rate refuses costs the account of that rate and
//! those after it nothing.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::keyring::Grant;
use super::role::{Denied, Need};
use super::ticket::{Shown, TicketError};
use super::{Access, Page};

const SECOND_NS: u64 = 1_000_000_000;
const MS_NS: u64 = 1_000_000;
/// The least spread of the times after which refused peers are asked to come again, ms.
const JITTER_MS_MIN: u64 = 10;

/// What a connection is to the guard: what it may do, and where it comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visitor {
    grant: Option<Grant>,
    /// What stands for its address; 0 if nobody asks.
    address: u64,
}

impl Visitor {
    /// Takes back what it was granted.
    pub fn forget(&mut self) {
        self.grant = None;
    }

    /// What it was granted, valid at its last request.
    pub fn grant(&self) -> Option<Grant> {
        self.grant
    }
}

/// A purchase that wants to go to the matcher.
#[derive(Clone, Copy)]
pub struct Purchase<'a> {
    /// The sale's name.
    pub sale: &'a [u8],
    /// The buyer's text.
    pub buyer: &'a [u8],
    /// The buyer's ticket.
    pub ticket: Shown<'a>,
    /// When it was read, monotonic ns.
    pub stamp: u64,
}

/// Why a purchase does not go to the matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The peer may not buy.
    Denied(Denied),
    /// The buyer may not.
    Ticket(TicketError),
    /// Too many came; with jitter, so that not all come again at once.
    Busy {
        /// After how long to try again.
        retry_after_ms: u64,
    },
}

/// What became of a token that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It counts.
    Granted,
    /// It does not.
    Refused,
    /// Nobody asks for tokens here.
    Open,
}

/// Requests refused since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// For want of a token or role, wrong tokens included.
    pub denied: u64,
    /// For want of a good ticket.
    pub tickets: u64,
    /// Above a rate.
    pub limited: u64,
}

/// One thread's view.
pub struct Guard {
    access: Access,
    seen: u64,
    page: Arc<Page>,
    watches: bool,
    dice: u64,
    /// What it refused. A request that is shown to it again, because its refusal could not be told
    /// yet, is counted again unless its caller puts back what stood here before.
    pub counts: Counts,
}

impl Guard {
    pub(super) fn new(access: Access) -> Guard {
        let shelf = &access.0;
        // Version first: a page newer than it is only read once more.
        let seen = shelf.version.load(Ordering::Acquire);
        let page = Arc::clone(&shelf.page.read());
        let watches = page.keyring.asks()
            || page.tickets.is_some()
            || shelf.token_pace.is_some()
            || shelf.address_pace.is_some();
        let dice = RandomState::new().hash_one(0) | 1;
        Guard { access, seen, page, watches, dice, counts: Counts::default() }
    }

    /// Looks whether the files were read again. Once for each socket read.
    #[inline]
    pub fn refresh(&mut self) {
        let version = self.access.0.version.load(Ordering::Acquire);
        if version != self.seen {
            self.seen = version;
            self.page = Arc::clone(&self.access.0.page.read());
        }
    }

    /// Whether there is anything to ask; if not, no request needs to be shown to it.
    #[inline]
    pub fn watches(&self) -> bool {
        self.watches
    }

    /// Whether peers must show a token.
    #[inline]
    pub fn asks(&self) -> bool {
        self.page.keyring.asks()
    }

    /// A new connection, from wherever `peer` says, if that matters.
    pub fn visitor(&self, peer: impl FnOnce() -> Option<IpAddr>) -> Visitor {
        let addresses = self.access.0.addresses.as_ref();
        let number = |meters: &super::AddressMeters| peer().map_or(1, |ip| meters.number(ip));
        Visitor { grant: None, address: addresses.map_or(0, number) }
    }

    /// Whether a visitor has still to show a token.
    pub fn is_stranger(&self, visitor: &mut Visitor) -> bool {
        if !self.asks() {
            return false;
        }
        visitor.grant = visitor.grant.and_then(|grant| self.page.keyring.renew(grant));
        visitor.grant.is_none()
    }

    /// Takes a token, and perhaps whose it is said to be. A wrong one leaves the visitor what it
    /// had before.
    pub fn admit(&mut self, visitor: &mut Visitor, name: Option<&[u8]>, token: &[u8]) -> Admission {
        let keyring = &self.page.keyring;
        if !keyring.asks() {
            return Admission::Open;
        }
        let granted = match name {
            Some(name) => keyring.grant_named(name, token),
            None => keyring.grant(token),
        };
        if granted.is_none() {
            self.counts.denied += 1;
            return Admission::Refused;
        }
        visitor.grant = granted;
        Admission::Granted
    }

    /// Takes the token that a request brings along itself, as in HTTP, and checks the role.
    ///
    /// # Errors
    /// [`Denied`]; the visitor then has nothing.
    pub fn enter(
        &mut self,
        visitor: &mut Visitor,
        token: Option<&[u8]>,
        need: Need,
    ) -> Result<(), Denied> {
        let entered = self.page.keyring.require(token, need);
        visitor.grant = entered.ok();
        self.counts.denied += u64::from(entered.is_err());
        entered.map(|_| ())
    }

    /// Whether a visitor may do what it asks for.
    ///
    /// # Errors
    /// [`Denied::NoToken`] or [`Denied::WrongRole`].
    #[inline]
    pub fn check(&mut self, visitor: &mut Visitor, need: Need) -> Result<(), Denied> {
        if !self.asks() {
            return Ok(());
        }
        visitor.grant = visitor.grant.and_then(|grant| self.page.keyring.renew(grant));
        let denied = match visitor.grant {
            Some(grant) if grant.roles.allow(need) => return Ok(()),
            Some(_) => Denied::WrongRole,
            None => Denied::NoToken,
        };
        self.counts.denied += 1;
        Err(denied)
    }

    /// Whether a purchase may go to the matcher: role, ticket, and then the rates, the address's
    /// before the token's, so that one address cannot use up what the token has for all. One that
    /// may go has been charged: ask once, and only when there is room for it.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn buy(&mut self, visitor: &mut Visitor, purchase: &Purchase<'_>) -> Result<(), Refused> {
        self.check(visitor, Need::Buy).map_err(Refused::Denied)?;
        let Purchase { sale, buyer, ticket, stamp } = *purchase;
        if let Some(tickets) = &self.page.tickets {
            let seconds = (self.access.0.unix)() / SECOND_NS;
            if let Err(why) = tickets.check_shown(sale, buyer, ticket, seconds) {
                self.counts.tickets += 1;
                return Err(Refused::Ticket(why));
            }
        }
        self.charge(visitor, stamp).map_err(|wait_ns| {
            self.counts.limited += 1;
            Refused::Busy { retry_after_ms: self.retry_after_ms(wait_ns) }
        })
    }

    /// Whether purchases need tickets.
    #[inline]
    pub fn wants_tickets(&self) -> bool {
        self.page.tickets.is_some()
    }

    fn charge(&self, visitor: &Visitor, stamp: u64) -> Result<(), u64> {
        let shelf = &self.access.0;
        if let (Some(pace), Some(addresses)) = (&shelf.address_pace, &shelf.addresses) {
            addresses.charge(visitor.address, pace, stamp)?;
        }
        if let (Some(pace), Some(grant)) = (&shelf.token_pace, visitor.grant)
            && let Some(token) = grant.token().and_then(|at| self.page.keyring.tokens().get(at))
        {
            token.meter.charge(pace, stamp)?;
        }
        Ok(())
    }

    /// The wait in whole ms, and up to half as much more by chance.
    fn retry_after_ms(&mut self, wait_ns: u64) -> u64 {
        let wait_ms = wait_ns.div_ceil(MS_NS);
        // Marsaglia's xorshift: never 0, and good enough to keep peers from coming all at once.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        wait_ms + (self.dice >> 32) % (wait_ms / 2).max(JITTER_MS_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AccessOptions, Role, TicketRule, Token, add, remove, sign};
    use super::*;
    use crate::sale::Name;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn purchase<'a>(ticket: &'a [u8], stamp: u64) -> Purchase<'a> {
        Purchase { sale: b"drop", buyer: b"alice", ticket: Shown::Text(ticket), stamp }
    }

    #[test]
    fn an_open_server_has_nothing_to_ask() {
        let mut guard = Access::open().guard();
        assert!(!guard.watches() && !guard.asks());
        let mut visitor = guard.visitor(|| unreachable!("nobody asks for the address"));
        assert_eq!(guard.check(&mut visitor, Need::Operate), Ok(()));
        assert_eq!(guard.buy(&mut visitor, &purchase(b"", 0)), Ok(()));
        assert_eq!(guard.admit(&mut visitor, None, b"x"), Admission::Open);
        assert_eq!(guard.counts, Counts::default());
    }

    #[test]
    fn rates_refuse_what_is_above_them_and_a_refusal_costs_nothing() {
        let options =
            AccessOptions { rate_per_address: 10, burst_per_address: 2, ..Default::default() };
        let access = Access::load(&options, || 0).expect("no files");
        // Two shards share the accounts.
        let (mut one, mut two) = (access.guard(), access.guard());
        assert!(one.watches() && !one.asks());
        let peer = |last| Some(IpAddr::from([192, 0, 2, last]));
        let (mut mine, mut yours) = (one.visitor(|| peer(1)), two.visitor(|| peer(2)));
        let mut mine_again = two.visitor(|| peer(1));
        let now = 9 * SECOND_NS;
        assert_eq!(one.buy(&mut mine, &purchase(b"", now)), Ok(()));
        assert_eq!(two.buy(&mut mine_again, &purchase(b"", now)), Ok(()));
        for _ in 0..100 {
            match one.buy(&mut mine, &purchase(b"", now)) {
                Err(Refused::Busy { retry_after_ms }) => {
                    assert!((100..150).contains(&retry_after_ms), "{retry_after_ms}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(two.buy(&mut yours, &purchase(b"", now)), Ok(()));
        let later = now + SECOND_NS / 10;
        assert_eq!(two.buy(&mut mine_again, &purchase(b"", later)), Ok(()));
        assert_eq!((one.counts.limited, two.counts.limited), (100, 0));
    }

    #[test]
    fn a_reload_is_seen_by_all_and_a_bad_file_changes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [tokens, secrets] = ["tokens.toml", "secrets"].map(|name| folder.path().join(name));
        std::fs::write(&secrets, SECRET).expect("written");
        let (old, new) = (Token::new().expect("random"), Token::new().expect("random"));
        let shop = Name::parse(b"shop").expect("a name");
        add(&tokens, &shop, &[Role::Buy], old.digest()).expect("made");
        let options = AccessOptions {
            tokens_file: Some(tokens.clone()),
            tickets: TicketRule::Required,
            ticket_secrets_file: Some(secrets.clone()),
            rate_per_token: 1,
            burst_per_token: 2,
            ..AccessOptions::default()
        };
        let access = Access::load(&options, || 0).expect("good files");
        assert!(access.warnings().iter().any(|warning| warning.contains("chmod 600")));
        let mut guard = access.guard();
        let mut visitor = guard.visitor(|| None);
        let mut enter = |token: Option<&[u8]>, need| guard.enter(&mut visitor, token, need).err();
        let text = old.reveal().as_bytes();
        assert_eq!(enter(Some(text), Need::Buy), None);
        assert_eq!(enter(Some(text), Need::Operate), Some(Denied::WrongRole));
        assert_eq!(enter(Some(&text[1..]), Need::Buy), Some(Denied::WrongToken));
        assert_eq!(enter(None, Need::Buy), Some(Denied::NoToken));
        let ticket = sign(SECRET.as_bytes(), "drop", "alice", u64::MAX);
        let good = purchase(ticket.as_bytes(), 7);
        assert_eq!(guard.buy(&mut visitor, &good), Err(Refused::Denied(Denied::NoToken)));
        assert_eq!(guard.admit(&mut visitor, None, new.reveal().as_bytes()), Admission::Refused);
        let admitted = guard.admit(&mut visitor, Some(b"shop"), old.reveal().as_bytes());
        assert_eq!(admitted, Admission::Granted);
        let without = Err(Refused::Ticket(TicketError::Missing));
        assert_eq!(guard.buy(&mut visitor, &purchase(b"", 7)), without);
        assert_eq!(guard.buy(&mut visitor, &good), Ok(()));

        // Two live tokens, one account.
        add(&tokens, &shop, &[], new.digest()).expect("rotated");
        access.reload().expect("good files");
        guard.refresh();
        let mut other = guard.visitor(|| None);
        let admitted = guard.admit(&mut other, None, new.reveal().as_bytes());
        assert_eq!(admitted, Admission::Granted);
        assert_eq!(guard.buy(&mut visitor, &good), Ok(()));
        assert!(matches!(guard.buy(&mut other, &good), Err(Refused::Busy { .. })));

        std::fs::write(&secrets, "short").expect("written");
        assert!(access.reload().expect_err("a short secret").contains("secrets:1: "));
        guard.refresh();
        assert_eq!(guard.check(&mut visitor, Need::Buy), Ok(()));
        std::fs::write(&secrets, "fedcba9876543210fedcba9876543210").expect("written");
        remove(&tokens, &shop, true).expect("removed");
        access.reload().expect("good files");
        assert_eq!(guard.check(&mut visitor, Need::Buy), Ok(()), "not before the next read");
        guard.refresh();
        assert_eq!(guard.check(&mut visitor, Need::Buy), Err(Denied::NoToken));
        assert_eq!(guard.check(&mut other, Need::Buy), Ok(()));
        let stale = Err(Refused::Ticket(TicketError::WrongSignature));
        assert_eq!(guard.buy(&mut other, &good), stale);
        assert!(guard.is_stranger(&mut visitor) && !guard.is_stranger(&mut other));
    }
}
