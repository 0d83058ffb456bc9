//! Changes as rows of PostgreSQL: `orders` as they are now, `lines` (what is in them), and
//! `changes`, in a schema of the sink's own.
//!
//! Rows and the seq up to which they tell are written in one transaction, so each change is there
//! exactly once, whatever was killed: when the sink begins it asks the database where it stands,
//! not its checkpoint. Whoever begins puts its word into the same row, and writes only while that
//! stands there, so of two servers the older one stops.
//!
//! `session` (the connection and what its errors mean), `tables` (the tables and their versions),
//! `rows` (changes to rows), `writing` (rows to the server), `reading` (back, to be compared).

mod reading;
mod rows;
mod session;
mod tables;
mod writing;

use std::path::PathBuf;
use std::time::Duration;

pub use reading::PostgresLedger;

use rows::Rows;
use session::Session;
use tables::Claim;
use writing::How;

use super::{Change, Checkpoint, Kind, Place, Proof, Secret, Sink, Standing, Trouble, Wanted};
use crate::chains::ChainAt;
use crate::heads::hex;
use crate::sale::{Seq, State};

/// What a PostgreSQL sink is told.
#[derive(Clone, Debug)]
pub struct PostgresTerms {
    /// Where it is, as whom, and which database; without a password.
    pub server: tokio_postgres::Config,
    /// The password, if it wants one.
    pub password: Option<Secret>,
    /// Whom to trust with TLS; `None`: the public authorities.
    pub ca_file: Option<PathBuf>,
    /// In which schema the tables are.
    pub schema: String,
    /// How long a connection, or a transaction, may take.
    pub timeout: Duration,
}

/// The sink.
pub struct PostgresSink {
    terms: PostgresTerms,
    name: String,
    wanted: Wanted,
    /// Our word.
    owner: String,
    /// `None` before it has begun, and after trouble.
    open: Option<Open>,
}

struct Open {
    session: Session,
    claim: Claim,
}

/// Where it stands is asked of the database.
const MARK: &str = "in the database";

impl PostgresSink {
    /// A sink that has done nothing yet.
    pub fn new(terms: PostgresTerms, place: &Place<'_>) -> PostgresSink {
        let (name, wanted) = (place.name.to_owned(), place.wanted.clone());
        let mut chance = [0; 16];
        getrandom::fill(&mut chance).expect("the system has chance numbers");
        PostgresSink { terms, name, wanted, owner: hex(&chance), open: None }
    }

    /// Whether the order of a change was not told before: then its row is new.
    fn is_first(&self, change: &Change) -> bool {
        let earlier = [Kind::Now(State::Waiting), Kind::Now(State::Held), Kind::Extended];
        change.seq == change.order
            || change.facts.is_some()
                && !earlier.iter().any(|kind| self.wanted.kinds.contains(kind))
    }
}

impl PostgresSink {
    /// Whether what is in the order may be other than was told: units are settled when it is held,
    /// and where that is not told, with whatever comes after it.
    fn renews(&self, change: &Change) -> bool {
        let held = Kind::Now(State::Held);
        change.kind == held
            || change.kind != Kind::Now(State::Waiting) && !self.wanted.kinds.contains(&held)
    }
}

impl Sink for PostgresSink {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        self.open = None;
        let mut session = Session::open(&self.terms, self.terms.timeout)?;
        let terms = &self.terms;
        let (name, owner) = (&self.name, &self.owner);
        let claim = session.run(async |client| {
            tables::migrate(client, &terms.schema).await?;
            // What is lost with its tables is told again from where this sink began.
            let whose = (checkpoint.journal.as_str(), name.as_str());
            tables::claim(client, &terms.schema, whose, owner, checkpoint.start).await
        })?;
        let seq = claim.seq;
        self.open = Some(Open { session, claim });
        Ok(Standing { seq, mark: MARK.to_owned() })
    }

    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble> {
        self.write(changes, seq, How::Next)
    }

    fn prove(&mut self, at: ChainAt) {
        if let Some(open) = &mut self.open {
            open.claim.proof = Some(at);
        }
    }

    fn proof(&self) -> Option<Proof> {
        self.open.as_ref().and_then(|open| open.claim.proof).map(Proof::Chain)
    }

    fn repeat(&mut self, changes: &[Change]) -> Result<String, Trouble> {
        let seq = self.open.as_ref().map_or(0, |open| open.claim.seq);
        self.write(changes, seq, How::Again)
    }
}

impl PostgresSink {
    fn write(&mut self, changes: &[Change], seq: Seq, how: How) -> Result<String, Trouble> {
        // After trouble it is not used again.
        let open = self.open.take();
        let mut open = open.ok_or_else(|| Trouble::Again("it is not connected".to_owned()))?;
        let is_again = how == How::Again;
        let renews = |change: &Change| is_again || self.renews(change);
        let rows = Rows::of(changes, |change| !is_again && self.is_first(change), renews);
        let schema = &self.terms.schema;
        let claim = &mut open.claim;
        let mut write = |rows: &Rows<'_>| {
            let wrote = async |client: &_| {
                let wrote = writing::write(client, schema, claim, rows, seq, how).await;
                wrote.map_err(|why| why.within(rows.seqs()))
            };
            open.session.run(wrote)
        };
        if !write(&rows)? {
            // This sink was told to tell more before.
            write(&Rows::of(changes, |_| false, renews))?;
        }
        self.open = Some(open);
        Ok(MARK.to_owned())
    }
}
