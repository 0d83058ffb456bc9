//! Changes as messages of a NATS JetStream stream, under `PREFIX.SALE.CHANGE`, as CloudEvents.
//!
//! The stream itself says where it stands: by its last message, which names its change. Each
//! message says after which it wants to come, so that the stream refuses what would leave a gap,
//! come twice, or come between another's. Thus many are on their way at once, of which only a few
//! are acknowledged. Invariant: the stream holds each change once and in order, whatever was
//! killed. What it has lost is told again, and so is what operators want told again: that says in
//! its head how far the stream has come.

mod link;
mod message;
mod reading;
mod standing;

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

pub use reading::NatsLedger;

use self::link::Link;
use super::{Change, Checkpoint, Proof, Secret, Sink, Standing, Trouble};
use crate::sale::Seq;

/// What a NATS sink is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsTerms {
    /// Servers of one cluster, `nats://` or `tls://`; no secrets.
    pub urls: Vec<String>,
    /// Who it says it is.
    pub login: Login,
    /// Whom to trust (PEM); `None` for the public authorities.
    pub ca: Option<PathBuf>,
    /// The stream's name.
    pub stream: String,
    /// What all subjects begin with.
    pub prefix: String,
    /// Whether it makes the stream if it is not there.
    pub is_made: bool,
    /// How long a connection, or an answer, may take.
    pub timeout: Duration,
    /// Whether messages have a `Nats-Msg-Id`, which the server remembers for a while.
    pub has_ids: bool,
}

/// Who a NATS sink says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    None,
    /// A user with a password.
    User(String, Secret),
    /// Whoever has this token.
    Token(Secret),
    /// Whoever has these credentials: the text of a `.creds` file.
    Credentials(Secret),
}

impl NatsTerms {
    /// All subjects that it publishes to.
    pub fn subjects(&self) -> String {
        format!("{}.>", self.prefix)
    }
}

/// The sink.
pub struct NatsSink {
    terms: NatsTerms,
    /// Other servers have other words: who writes beside us is known by it.
    writer: String,
    /// The last message when it began last: what another has added since is no inheritance.
    known: Option<u64>,
    /// `None` before it has begun, and after trouble.
    link: Option<(Runtime, Link)>,
}

impl NatsSink {
    /// A sink that has done nothing yet.
    pub fn new(terms: NatsTerms) -> NatsSink {
        let mut chance = [0; 8];
        getrandom::fill(&mut chance).expect("the system has chance numbers");
        let writer = chance.iter().map(|byte| format!("{byte:02x}")).collect();
        NatsSink { terms, writer, known: None, link: None }
    }

    fn publish(&mut self, changes: &[Change], seq: Seq, is_new: bool) -> Result<String, Trouble> {
        // What has failed once is not used again: it would go on by itself, unasked.
        let (runtime, mut link) = self.link.take().expect("it has begun");
        runtime.block_on(async {
            link.rouse(&self.terms).await?;
            link.publish(&self.terms, changes, seq, is_new).await
        })?;
        let mark = link.mark();
        self.link = Some((runtime, link));
        Ok(mark)
    }
}

impl Sink for NatsSink {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        self.link = None;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| Trouble::Again(format!("no runtime: {why}")))?;
        let begun = Link::take(&self.terms, &self.writer, self.known, checkpoint);
        let (link, seq) = runtime.block_on(begun)?;
        let standing = Standing { seq, mark: link.mark() };
        self.known = Some(link.last());
        self.link = Some((runtime, link));
        Ok(standing)
    }

    fn proof(&self) -> Option<Proof> {
        self.link.as_ref().and_then(|(_, link)| link.newest()).cloned().map(Proof::Change)
    }

    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble> {
        self.publish(changes, seq, true)
    }

    fn repeat(&mut self, changes: &[Change]) -> Result<String, Trouble> {
        let seq = self.link.as_ref().map_or(0, |(_, link)| link.seq());
        self.publish(changes, seq, false)
    }
}
