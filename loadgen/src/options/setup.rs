//! What a rival has to sell, and how to get in. A doorbuster has its sales already: it needs none
//! of this.

use clap::Args;

use super::Spoken;

/// Units that no run sells out.
const STOCK: u64 = 100_000_000;
/// The same where each unit is a row that has to be made.
const UNIT_ROWS: u64 = 1_000_000;
/// Units of one item at most, and where each is a row.
const STOCK_MAX: u64 = 1_000_000_000_000;
const UNIT_ROWS_MAX: u64 = 100_000_000;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rivals (the protocols redis-lua and postgres-...)")]
pub(crate) struct Setup {
    /// Units to put on sale of each item; all of the sale's earlier keys and tables are removed
    /// [default: 100,000,000; postgres-units: 1,000,000]
    #[arg(long, value_name = "UNITS")]
    pub(crate) stock: Option<u64>,
    /// Units of an item that a buyer may have
    #[arg(long, value_name = "UNITS", default_value_t = 1_000_000)]
    pub(crate) limit: u32,
    /// PostgreSQL's user and database; passwords come in PGPASSWORD and REDIS_PASSWORD
    #[arg(long, value_name = "USER/DATABASE", default_value = "postgres/postgres",
        value_parser = database)]
    pub(crate) database: Database,
    /// Of a server that this program started; else the environment is asked.
    #[arg(skip)]
    pub(crate) password: Option<Password>,
}

/// Whose tables, and where.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) user: String,
    pub(crate) name: String,
}

/// Never shown.
#[derive(Clone)]
pub(crate) struct Password(pub(crate) String);

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(hidden)")
    }
}

impl Setup {
    /// What makes no sense, if anything.
    pub(super) fn problem(&self, spoken: Spoken) -> Option<String> {
        let most = if spoken == Spoken::PostgresUnits { UNIT_ROWS_MAX } else { STOCK_MAX };
        if self.stock.is_some_and(|stock| stock > most) {
            Some(format!("--stock: {most} at most"))
        } else if !(1..=i32::MAX.unsigned_abs()).contains(&self.limit) {
            Some(format!("--limit: 1 to {}", i32::MAX))
        } else {
            None
        }
    }

    /// Units of each item.
    pub(crate) fn stock(&self, spoken: Spoken) -> u64 {
        let default = if spoken == Spoken::PostgresUnits { UNIT_ROWS } else { STOCK };
        self.stock.unwrap_or(default)
    }

    /// The password to show, from the environment's `variable` if the server is not ours.
    pub(crate) fn password(&self, variable: &str) -> Option<Password> {
        self.password.clone().or_else(|| std::env::var(variable).ok().map(Password))
    }
}

fn database(text: &str) -> Result<Database, String> {
    match text.split_once('/') {
        Some((user, name)) if !user.is_empty() && !name.is_empty() && !text.contains('\0') => {
            Ok(Database { user: user.to_owned(), name: name.to_owned() })
        }
        _ => Err("a user, a slash and a database: shop/sales".to_owned()),
    }
}
