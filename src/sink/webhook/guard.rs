//! Keeps messages from addresses inside: a name is looked up here, and what is connected to is what
//! was looked at, so that nobody who owns a name can send us to a neighbour.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer to a look-up is used. Each request asks.
const KNOWN: Duration = Duration::from_secs(5);

/// Looks up the one host that its agent speaks to.
#[derive(Debug)]
pub(super) struct Guard {
    is_private_allowed: bool,
    inner: DefaultResolver,
    known: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

/// A name that means nothing but addresses inside.
#[derive(Debug)]
struct Inside(IpAddr);

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its address {} is not public, and allow_private is false", self.0)
    }
}

impl std::error::Error for Inside {}

impl Guard {
    pub(super) fn new(is_private_allowed: bool) -> Guard {
        Guard { is_private_allowed, inner: DefaultResolver::default(), known: Mutex::new(None) }
    }

    fn allowed(&self, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, ureq::Error> {
        let is_good = |address: &&SocketAddr| self.is_private_allowed || is_public(address.ip());
        let good: Vec<SocketAddr> = found.iter().filter(is_good).copied().collect();
        match (good.is_empty(), found.first()) {
            (false, _) => Ok(good),
            (true, None) => Err(ureq::Error::HostNotFound),
            (true, Some(first)) => Err(ureq::Error::Other(Box::new(Inside(first.ip())))),
        }
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let fresh = |known: &&(Instant, Vec<SocketAddr>)| known.0.elapsed() < KNOWN;
        let known = self.known.lock().as_ref().filter(fresh).map(|known| known.1.clone());
        let good = match known {
            Some(good) => good,
            None => {
                let good = self.allowed(&self.inner.resolve(uri, config, timeout)?)?;
                *self.known.lock() = Some((Instant::now(), good.clone()));
                good
            }
        };
        let mut addresses = self.empty();
        good.into_iter().for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

/// Whether an address is one of the public internet, as far as its number says.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let inside = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation();
    // This network, shared by carriers, for protocols, for benchmarks, kept back.
    let kept = match address.octets() {
        [0, ..] | [192, 0, 0, _] | [198, 18..=19, ..] => true,
        [100, second, ..] => second & 0xC0 == 64,
        [first, ..] => first >= 240,
    };
    !inside && !kept
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // An IPv4 address inside: mapped, translated, or tunnelled.
        [0, 0, 0, 0, 0, 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => {
            inner(high, low)
        }
        [0x2002, high, low, ..] => inner(high, low),
        // Teredo and others for protocols, and two for documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xDB8 => false,
        [0x3FFF, second, ..] if second < 0x1000 => false,
        // All that is global so far begins so.
        [first, ..] => first & 0xE000 == 0x2000,
    }
}
