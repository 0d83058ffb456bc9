//! The sink's tables: made when they are not there, brought to this version when they are older,
//! and whose they are.

use tokio_postgres::Client;

use super::session::Fault;
use crate::chains::ChainAt;
use crate::sale::Seq;
use crate::sink::Trouble;

/// What makes each version of the tables out of the one before it; `%` is the schema. Nothing that
/// was published is changed: what is to be otherwise comes as a further one.
///
/// `lines` and `changes` are written in the order of their numbers, so block ranges find a row, and
/// cost a small part of what a tree would: with trees on all three the server takes half as many
/// orders a second.
const VERSIONS: [&str; 2] = [
    "
    CREATE TABLE %.progress (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        journal text NOT NULL,
        sink text NOT NULL,
        seq bigint NOT NULL,
        owner text NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE %.orders (
        id bigint PRIMARY KEY,
        sale text NOT NULL,
        buyer text NOT NULL,
        key text NOT NULL,
        channel text,
        total bigint NOT NULL,
        currency text,
        state text NOT NULL,
        seq bigint NOT NULL,
        changed_at timestamptz NOT NULL
    );
    CREATE TABLE %.lines (
        order_id bigint NOT NULL,
        line smallint NOT NULL,
        item text NOT NULL,
        units integer NOT NULL,
        price bigint NOT NULL
    );
    CREATE INDEX lines_order ON %.lines
        USING brin (order_id) WITH (pages_per_range = 16, autosummarize = on);
    CREATE TABLE %.changes (
        seq bigint NOT NULL,
        order_id bigint NOT NULL,
        sale text NOT NULL,
        change text NOT NULL,
        at timestamptz NOT NULL
    );
    CREATE INDEX changes_seq ON %.changes
        USING brin (seq) WITH (pages_per_range = 16, autosummarize = on);
    COMMENT ON TABLE %.orders IS 'Orders as they are now; seq is their last change';
    COMMENT ON TABLE %.lines IS 'What is in orders; prices are in minor units, each';
    COMMENT ON TABLE %.changes IS 'What has become of orders, each change once';
    COMMENT ON TABLE %.progress IS 'Up to which seq all that was wanted is told; not to be touched'
",
    "
    ALTER TABLE %.progress ADD COLUMN chain_seq bigint, ADD COLUMN chain bytea;
    COMMENT ON COLUMN %.progress.chain IS 'The chain value of the journal at chain_seq'
",
];

/// What it takes to write.
pub(super) struct Claim {
    /// Everything up to here is told.
    pub(super) seq: Seq,
    /// The journal's chain value there, or somewhere before, if that is known.
    pub(super) proof: Option<ChainAt>,
    /// A word that nobody else has. It is the same as long as the sink lives: a claim of its own
    /// that it gave up, and that the server carries out late, takes nothing from it.
    pub(super) owner: String,
}

/// Makes the tables, or brings them to this version.
pub(super) async fn migrate(client: &Client, schema: &str) -> Result<(), Fault> {
    client.batch_execute("BEGIN").await?;
    // Whoever else begins waits here.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('doorbuster ' || $1, 0))";
    client.execute(lock, &[&schema]).await?;
    let found = "SELECT to_regnamespace($1)::oid IS NOT NULL, to_regclass($2)::oid IS NOT NULL";
    let row = client.query_one(found, &[&schema, &format!("{schema}.migrations")]).await?;
    let (has_schema, has_versions): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if !has_schema {
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
    }
    if !has_versions {
        let table = format!(
            "CREATE TABLE {schema}.migrations \
             (version integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
        );
        client.batch_execute(&table).await?;
    }
    let newest = format!("SELECT coalesce(max(version), 0)::integer FROM {schema}.migrations");
    let there: i32 = client.query_one(&newest, &[]).await?.try_get(0)?;
    let newest = VERSIONS.len() as i32;
    if there > newest {
        let why = format!(
            "the tables in schema {schema} have version {there}, and this program knows up to \
             {newest}: a newer doorbuster made them"
        );
        return Err(Trouble::Stop(why).into());
    }
    for (version, sql) in (1..).zip(VERSIONS).skip(there as usize) {
        client.batch_execute(&sql.replace('%', schema)).await?;
        let done = format!("INSERT INTO {schema}.migrations (version) VALUES ($1)");
        client.execute(&done, &[&version]).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// Takes the tables over from whoever wrote them last, for this journal and this sink, which begins
/// after `start` if nothing was ever written.
pub(super) async fn claim(
    client: &Client,
    schema: &str,
    (journal, sink): (&str, &str),
    owner: &str,
    start: Seq,
) -> Result<Claim, Fault> {
    let take = format!(
        "INSERT INTO {schema}.progress AS it (journal, sink, seq, owner) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (only_row) DO UPDATE SET owner = $4 \
         WHERE it.journal = $1 AND it.sink = $2 RETURNING seq, chain_seq, chain"
    );
    let taken = client.query_opt(&take, &[&journal, &sink, &(start as i64), &owner]).await?;
    if let Some(row) = taken {
        let seq: i64 = row.try_get(0)?;
        let (at, chain): (Option<i64>, Option<&[u8]>) = (row.try_get(1)?, row.try_get(2)?);
        let chain = chain.and_then(|chain| chain.try_into().ok());
        let proof = at.zip(chain).map(|(seq, chain)| ChainAt { seq: seq as Seq, chain });
        return Ok(Claim { seq: seq as Seq, proof, owner: owner.to_owned() });
    }
    let whose = format!("SELECT journal, sink FROM {schema}.progress");
    let row = client.query_one(&whose, &[]).await?;
    let (of_journal, of_sink): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let why = format!(
        "schema {schema} is written by sink {of_sink} of journal {of_journal}, and this is sink \
         {sink} of journal {journal}; give it a schema of its own"
    );
    Err(Trouble::Stop(why).into())
}
