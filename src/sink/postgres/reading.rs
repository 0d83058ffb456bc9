//! What the tables hold, read back to be compared with the journal.

use std::time::Duration;

use tokio_postgres::{Error, Row};

use super::PostgresTerms;
use super::session::Session;
use crate::clock;
use crate::sale::{Seq, State};
use crate::sink::{Found, Kind, Ledger, Told, ToldFacts, ToldLine, Trouble};

/// Rows that are fetched at once.
const PAGE_ROWS: usize = 5_000;
/// Putting large tables in order takes its time, and nobody waits behind this.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// One sight of the tables, however they change meanwhile.
pub struct PostgresLedger {
    session: Session,
    seq: Seq,
    /// Fetched, the next one last.
    page: Vec<Found>,
    is_over: bool,
}

impl PostgresLedger {
    /// Looks at them.
    ///
    /// # Errors
    /// [`Trouble`]: the server, or tables that are not those of this journal and sink.
    pub fn open(
        terms: &PostgresTerms,
        (journal, sink): (&str, &str),
    ) -> Result<PostgresLedger, Trouble> {
        let mut session = Session::open(terms, PATIENCE)?;
        let schema = &terms.schema;
        let seq = session.run(async |client| {
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let whose = format!("SELECT journal, sink, seq FROM {schema}.progress");
            let row = client.query_opt(&whose, &[]).await?;
            let (mut of_journal, mut of_sink, mut seq) = ("", "", 0_i64);
            if let Some(row) = &row {
                (of_journal, of_sink, seq) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            }
            if !of_sink.is_empty() && (of_journal, of_sink) != (journal, sink) {
                return Err(Trouble::Stop(format!(
                    "schema {schema} is written by sink {of_sink} of journal {of_journal}"
                ))
                .into());
            }
            let rows = format!(
                "DECLARE told CURSOR FOR \
                 SELECT c.seq, (extract(epoch FROM c.at) * 1000000)::bigint, c.change, c.sale, \
                     c.order_id, o.buyer, o.key, o.channel, o.total, o.currency, o.state, o.seq, \
                     o.sale, l.items, l.units, l.prices \
                 FROM {schema}.changes c LEFT JOIN {schema}.orders o ON o.id = c.order_id \
                 LEFT JOIN (SELECT order_id, array_agg(item ORDER BY line) AS items, \
                     array_agg(units ORDER BY line) AS units, \
                     array_agg(price ORDER BY line) AS prices \
                     FROM {schema}.lines GROUP BY order_id) l ON l.order_id = c.order_id \
                 ORDER BY c.seq"
            );
            client.batch_execute(&rows).await?;
            Ok(seq)
        })?;
        Ok(PostgresLedger { session, seq: seq as Seq, page: Vec::new(), is_over: false })
    }
}

impl Ledger for PostgresLedger {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn next(&mut self) -> Result<Option<Found>, Trouble> {
        if self.page.is_empty() && !self.is_over {
            let fetch = format!("FETCH {PAGE_ROWS} FROM told");
            self.page = self.session.run(async |client| {
                let rows = client.query(&fetch, &[]).await?;
                let page: Result<Vec<Found>, Error> = rows.iter().rev().map(found).collect();
                Ok(page?)
            })?;
            self.is_over = self.page.len() < PAGE_ROWS;
        }
        Ok(self.page.pop())
    }
}

fn found(row: &Row) -> Result<Found, Error> {
    let change: String = row.try_get(2)?;
    let (seq, order): (i64, i64) = (row.try_get(0)?, row.try_get(4)?);
    let time: i64 = row.try_get(1)?;
    let told = Told {
        seq: seq as Seq,
        time: clock::iso((time.max(0) as u64).saturating_mul(1000)),
        sale: row.try_get::<_, String>(3)?.into(),
        order: order.to_string(),
        // Of what was sold before nothing else is told.
        facts: if change == Kind::Now(State::Cancelled).word() { None } else { facts(row)? },
        change: change.clone().into(),
    };
    let fault = fault_of(row, seq, &change)?;
    // What an order waits for is settled when it is given: of an earlier change nothing else is
    // known any more.
    let is_settled = change != Kind::Now(State::Waiting).word();
    let has_facts = is_settled || row.try_get::<_, Option<i64>>(11)? == Some(seq);
    Ok(Found { told, has_facts, fault })
}

fn facts(row: &Row) -> Result<Option<ToldFacts<'static>>, Error> {
    let items: Vec<String> = row.try_get::<_, Option<_>>(13)?.unwrap_or_default();
    let units: Vec<i32> = row.try_get::<_, Option<_>>(14)?.unwrap_or_default();
    let prices: Vec<i64> = row.try_get::<_, Option<_>>(15)?.unwrap_or_default();
    let line = |((item, units), price): ((String, i32), i64)| ToldLine {
        item: item.into(),
        units: units as u32,
        price: price as u64,
    };
    let Some(buyer) = row.try_get::<_, Option<String>>(5)? else { return Ok(None) };
    Ok(Some(ToldFacts {
        buyer: buyer.into(),
        key: row.try_get::<_, String>(6)?.into(),
        channel: row.try_get::<_, Option<String>>(7)?.map(Into::into),
        lines: items.into_iter().zip(units).zip(prices).map(line).collect(),
        total: row.try_get::<_, i64>(8)? as u64,
        currency: row.try_get::<_, Option<String>>(9)?.map(Into::into),
    }))
}

/// What the row of the order says that its changes do not.
fn fault_of(row: &Row, seq: i64, change: &str) -> Result<Option<String>, Error> {
    let state: Option<String> = row.try_get(10)?;
    let (Some(state), Some(last)) = (state, row.try_get::<_, Option<i64>>(11)?) else {
        // One of which nothing but its end was wanted has no row.
        let is_cancelled = change == Kind::Now(State::Cancelled).word();
        return Ok((!is_cancelled).then(|| "orders has no row for it".to_owned()));
    };
    let (of_sale, sale): (Option<String>, String) = (row.try_get(12)?, row.try_get(3)?);
    if of_sale.as_ref() != Some(&sale) {
        return Ok(Some(format!("orders has it in sale {}", of_sale.unwrap_or_default())));
    }
    if last < seq {
        return Ok(Some(format!("orders knows it only up to seq {last}")));
    }
    let after = Kind::from_word(change).map_or("?", super::rows::state_after);
    Ok((last == seq && state != after).then(|| format!("orders says {state}, not {after}")))
}
