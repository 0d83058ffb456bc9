//! Before the first request: names become known, and connections come to be.
//!
//! All of it blocks, with a bound on every wait; the run itself never blocks on a socket. What goes
//! wrong here is one sentence with the target in front, before any load: 69 if nobody is there or
//! speaks otherwise, 1 if the sale, the item or the token is refused.

mod binary;
mod http;
mod resp;
mod sampler;
mod talk;
#[cfg(test)]
mod tests;
mod trust;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use doorbuster::client::Item;
use rustls::{ClientConfig, pki_types::ServerName};

use super::stream::Stream;
use crate::Failure;
use crate::options::{Spoken, Target};
pub(crate) use sampler::Sampler;
use talk::Talk;
pub(crate) use trust::Token;

/// The longest wait for a server that is asked something.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is shown of an answer in another tongue, in bytes.
const SHOWN_BYTES: usize = 60;

/// What the server says of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shop {
    /// How long a hold lasts; `None` where the protocol does not tell.
    pub(crate) hold_ms: Option<u64>,
    /// Units that one buyer may have of the whole sale; `None` for no limit, and where the protocol
    /// does not tell.
    pub(crate) limit: Option<u32>,
    /// In the order in which they were asked for.
    pub(crate) items: Vec<ItemSight>,
    /// Their numbers, likewise; only the binary protocol has them.
    pub(crate) numbers: Vec<Item>,
    /// The number of the channel to buy from, likewise; 0 for none.
    pub(crate) channel: u8,
    /// Whether the protocol tells limits, prices and the length of holds: HTTP alone does.
    pub(crate) tells_terms: bool,
}

/// What the server says of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemSight {
    pub(crate) stock: u64,
    pub(crate) free: u64,
    pub(crate) held: u64,
    pub(crate) confirmed: u64,
    pub(crate) waiting: u64,
    /// In minor units; `None` where the protocol does not tell.
    pub(crate) price: Option<u64>,
    /// Units that one buyer may have of it; `None` for no limit, and where the protocol does not
    /// tell.
    pub(crate) limit: Option<u32>,
}

impl ItemSight {
    /// From stock, free, held, confirmed, waiting.
    fn of([stock, free, held, confirmed, waiting]: [u64; 5]) -> ItemSight {
        ItemSight { stock, free, held, confirmed, waiting, price: None, limit: None }
    }
}

/// Knows the way to a target: where it is, how it speaks, what it wants to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    target: Target,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    token: Option<Token>,
}

impl Connector {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// [`Failure::USAGE`], when a file cannot be read or holds nothing that can be used.
    pub(crate) fn new(target: &Target) -> Result<Connector, Failure> {
        let tls = target.is_tls().then(|| trust::client(target)).transpose()?;
        let token = trust::token(target.token_file.as_deref())?;
        if let (Spoken::Binary, Some(token)) = (target.protocol, &token) {
            binary::hello(Some(token))?;
        }
        Ok(Connector { target: target.clone(), tls, token })
    }

    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    fn address(&self) -> SocketAddr {
        self.target.address.socket
    }

    /// Puts the target in front of the sentence.
    fn place(&self, failure: Failure) -> Failure {
        Failure::new(failure.exit, format!("{}: {}", self.target.address, failure.sentence))
    }

    /// Asks what there is of each item, and whether the token lets one buy.
    ///
    /// # Errors
    /// See the room's header.
    pub(crate) fn look_up(&self) -> Result<Shop, Failure> {
        let look = || {
            let mut talk = self.greeted(PATIENCE)?;
            talk.allow(PATIENCE);
            let Target { sale, item: items, .. } = &self.target;
            match self.target.protocol {
                Spoken::Binary => binary::look_up(&mut talk, &self.target, self.token()),
                Spoken::Resp => resp::look_up(&mut talk, sale, items, self.token()),
                // Rivals are not asked: they are prepared.
                _ => http::look_up(&mut talk, &self.target, self.token()),
            }
        };
        look().map_err(|failure| self.place(failure))
    }

    /// Looks at the first item now and then, on a connection of its own.
    pub(crate) fn sampler(&self, shop: &Shop) -> Sampler {
        Sampler::new(self.clone(), shop.numbers.first().copied())
    }

    /// Opens all connections, with greetings exchanged and the token shown. Returns them with the
    /// least number of requests that the server takes at once on one of them.
    ///
    /// # Errors
    /// See the room's header.
    pub(crate) fn connect(&self) -> Result<(Vec<Stream>, usize), Failure> {
        raise_descriptor_limit();
        let connect = || {
            let mut talks = Vec::with_capacity(self.target.connections);
            for _ in 0..self.target.connections {
                let mut talk = Talk::open(self.address(), self.tls.as_ref(), PATIENCE)?;
                self.greet(&mut talk)?;
                talks.push(talk);
            }
            let mut bound = usize::MAX;
            for talk in &mut talks {
                talk.allow(PATIENCE);
                bound = bound.min(self.welcome(talk)?);
            }
            let streams: io::Result<Vec<Stream>> = talks.into_iter().map(Talk::release).collect();
            Ok((streams.map_err(gone)?, bound))
        };
        connect().map_err(|failure| self.place(failure))
    }

    /// A connection on which a question can be asked.
    fn greeted(&self, patience: Duration) -> Result<Talk, Failure> {
        let mut talk = Talk::open(self.address(), self.tls.as_ref(), patience)?;
        self.greet(&mut talk)?;
        self.welcome(&mut talk)?;
        Ok(talk)
    }

    /// Says what must be said first.
    fn greet(&self, talk: &mut Talk) -> Result<(), Failure> {
        match self.target.protocol {
            Spoken::Binary => talk.say(&binary::hello(self.token())?),
            Spoken::Resp => resp::hello(self.token()).map_or(Ok(()), |hello| talk.say(&hello)),
            _ => Ok(()),
        }
    }

    /// Hears the answer to that; returns how many requests the server takes at once.
    fn welcome(&self, talk: &mut Talk) -> Result<usize, Failure> {
        match self.target.protocol {
            Spoken::Binary => binary::welcome(talk, self.token()),
            Spoken::Resp => resp::welcome(talk, self.token()),
            _ => Ok(usize::MAX),
        }
    }

    /// Asks for the first item.
    fn sight(&self, talk: &mut Talk, number: Option<Item>) -> Result<ItemSight, Failure> {
        let (sale, item) = (&self.target.sale, &self.target.item[0]);
        match (self.target.protocol, number) {
            (Spoken::Binary, Some(number)) => binary::stock(talk, number),
            (Spoken::Binary, None) => Err(Failure::new(Failure::USAGE, "no number for the item")),
            (Spoken::Resp, _) => resp::stock(talk, sale, item, self.token()),
            _ => {
                let shop = http::look(talk, &self.target, &self.target.item[..1], self.token())?;
                Ok(shop.items[0])
            }
        }
    }
}

/// Nobody is there, or went away.
fn gone(error: io::Error) -> Failure {
    Failure::new(Failure::UNAVAILABLE, error.to_string())
}

/// It answers, but in another tongue.
fn foreign(tongue: &str, heard: &[u8]) -> Failure {
    let said = match heard {
        [] => "it closed the connection without an answer".to_owned(),
        _ => format!("it answered '{}'", shown(heard)),
    };
    let tls_only = if heard.starts_with(&[0x15, 3]) { " (which is TLS: --tls)" } else { "" };
    let sentence = format!("does not speak {tongue} as a doorbuster does: {said}{tls_only}");
    Failure::new(Failure::UNAVAILABLE, sentence)
}

/// The beginning of an answer, so that it stays on its line.
fn shown(heard: &[u8]) -> String {
    let mut text = String::new();
    for byte in heard[..heard.len().min(SHOWN_BYTES)].trim_ascii_end() {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.extend(other.escape_ascii().map(char::from)),
        }
    }
    text
}

fn unknown(word: &str, sale: &str, item: &str) -> Failure {
    Failure::new(Failure::CHECK, format!("{word}: sale '{sale}', item '{item}'"))
}

/// The server asks for a token and got none that counts.
fn no_token(shown: Option<&Token>) -> Failure {
    let sentence = match shown {
        Some(_) => "unauthorized: the server does not know the token",
        None => "unauthorized: the server asks for a token: --token-file FILE or DOORBUSTER_TOKEN",
    };
    Failure::new(Failure::CHECK, sentence)
}

fn not_for_buyers() -> Failure {
    Failure::new(Failure::CHECK, "forbidden: the token may not buy; it wants the role buy")
}

/// As many descriptors as the system lets us have; if it refuses, connecting will say so.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
