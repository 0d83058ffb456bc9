//! One delivery, one transaction.

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, CopyInSink, Error};

use super::rows::{self, Encoder, Last, Rows};
use super::session::Fault;
use super::tables::Claim;
use crate::sale::Seq;
use crate::sink::Trouble;

const ORDERS: &str = "id, sale, buyer, key, channel, total, currency, state, seq, changed_at";
const LINES: &str = "order_id, line, item, units, price";
const CHANGES: &str = "seq, order_id, sale, change, at";

/// What a delivery is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// What comes next.
    Next,
    /// What was told before.
    Again,
}

/// Writes rows that tell up to `seq`, if nobody else has taken over. Returns whether it did: not if
/// an order that was taken for a new one is there already; nothing was written then.
pub(super) async fn write(
    client: &Client,
    schema: &str,
    claim: &mut Claim,
    rows: &Rows<'_>,
    seq: Seq,
    how: How,
) -> Result<bool, Fault> {
    client.batch_execute("BEGIN").await?;
    let compare_and_set = format!(
        "UPDATE {schema}.progress SET seq = $1, changed_at = now(), chain_seq = $4, chain = $5 \
         WHERE owner = $2 AND seq = $3"
    );
    let (new, old) = (seq as i64, claim.seq as i64);
    let (at, chain) = claim.proof.map(|at| (at.seq as i64, at.chain.to_vec())).unzip();
    if client.execute(&compare_and_set, &[&new, &claim.owner, &old, &at, &chain]).await? != 1 {
        return Err(lost(client, schema, claim).await?.into());
    }
    if how == How::Again {
        let (from, to) = rows.seqs();
        let sql = format!("DELETE FROM {schema}.changes WHERE seq BETWEEN {from} AND {to}");
        client.batch_execute(&sql).await?;
    }
    if !rows.new.is_empty() {
        match copy(client, schema, ("orders", ORDERS), &rows.new, Last::new_order).await {
            Err(why) if why.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                client.batch_execute("ROLLBACK").await?;
                return Ok(false);
            }
            copied => copied?,
        }
        copy(client, schema, ("lines", LINES), &rows.new, Last::lines).await?;
    }
    copy(client, schema, ("changes", CHANGES), rows.changes, rows::change).await?;
    if !rows.moved.is_empty() {
        moved(client, schema, rows).await?;
    }
    client.batch_execute("COMMIT").await?;
    claim.seq = seq;
    Ok(true)
}

/// Why the row is not as this sink left it.
async fn lost(client: &Client, schema: &str, claim: &Claim) -> Result<Trouble, Fault> {
    let owner = format!("SELECT owner FROM {schema}.progress");
    let row = client.query_opt(&owner, &[]).await?;
    Ok(match row {
        Some(row) if row.try_get::<_, &str>(0)? != claim.owner => Trouble::Stop(format!(
            "another doorbuster has taken over schema {schema}; this one writes nothing there \
             until it is resumed or started again"
        )),
        _ => Trouble::Again(format!("schema {schema} does not stand where it did")),
    })
}

/// Brings rows that are there to what is known now; what is there and newer stays.
async fn moved(client: &Client, schema: &str, rows: &Rows<'_>) -> Result<(), Fault> {
    let (from, to) = rows.moved_ids();
    let moves_lines = rows.moves_lines();
    let tables = format!(
        "CREATE TEMP TABLE IF NOT EXISTS moved_orders ON COMMIT DELETE ROWS AS \
             SELECT {ORDERS}, false AS renews FROM {schema}.orders WITH NO DATA; \
         CREATE TEMP TABLE IF NOT EXISTS moved_lines ON COMMIT DELETE ROWS AS \
             SELECT {LINES} FROM {schema}.lines WITH NO DATA"
    );
    client.batch_execute(&tables).await?;
    let columns = format!("{ORDERS}, renews");
    copy(client, "pg_temp", ("moved_orders", &columns), &rows.moved, Last::moved_order).await?;
    if moves_lines {
        copy(client, "pg_temp", ("moved_lines", LINES), &rows.moved, Last::lines).await?;
        // What is there stays, if nothing new was said of it.
        let known = format!(
            "DELETE FROM moved_lines USING moved_orders moved, {schema}.orders it \
                 WHERE order_id = moved.id AND it.id = moved.id \
                 AND it.id BETWEEN {from} AND {to} AND NOT moved.renews"
        );
        client.batch_execute(&known).await?;
    }
    let orders = format!(
        "INSERT INTO {schema}.orders AS it ({ORDERS}) \
             SELECT {ORDERS} FROM moved_orders WHERE buyer IS NOT NULL \
             ON CONFLICT (id) DO UPDATE SET sale = EXCLUDED.sale, buyer = EXCLUDED.buyer, \
                 key = EXCLUDED.key, channel = EXCLUDED.channel, total = EXCLUDED.total, \
                 currency = EXCLUDED.currency, state = EXCLUDED.state, seq = EXCLUDED.seq, \
                 changed_at = EXCLUDED.changed_at \
             WHERE it.seq <= EXCLUDED.seq; \
         UPDATE {schema}.orders AS it \
             SET state = moved.state, seq = moved.seq, changed_at = moved.changed_at \
             FROM moved_orders moved \
             WHERE moved.buyer IS NULL AND it.id = moved.id AND it.seq <= moved.seq"
    );
    client.batch_execute(&orders).await?;
    if !moves_lines {
        return Ok(());
    }
    // Units are settled once an order is given; those it waited for are good only while it waits.
    let lines = format!(
        "DELETE FROM moved_lines USING moved_orders moved, {schema}.orders it \
             WHERE order_id = moved.id AND it.id = moved.id \
             AND moved.state = 'waiting' AND it.seq <> moved.seq; \
         DELETE FROM {schema}.lines WHERE order_id BETWEEN {from} AND {to} \
             AND order_id IN (SELECT order_id FROM moved_lines); \
         INSERT INTO {schema}.lines ({LINES}) \
             SELECT {LINES} FROM moved_lines ORDER BY order_id, line"
    );
    client.batch_execute(&lines).await?;
    Ok(())
}

/// Copies the rows of each of `items` into a table. They are written while the server works on
/// those before them.
async fn copy<T>(
    client: &Client,
    schema: &str,
    (table, columns): (&str, &str),
    items: &[T],
    write: impl Fn(&T, &mut Encoder),
) -> Result<(), Error> {
    let sql = format!("COPY {schema}.{table} ({columns}) FROM STDIN (FORMAT binary)");
    let sink: CopyInSink<Bytes> = client.copy_in(&sql).await?;
    let mut sink = std::pin::pin!(sink);
    let mut rows = Encoder::begin();
    for item in items {
        write(item, &mut rows);
        if let Some(chunk) = rows.chunk() {
            sink.send(chunk).await?;
        }
    }
    sink.send(rows.end()).await?;
    sink.finish().await?;
    Ok(())
}
