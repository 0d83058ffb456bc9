//! `doorbuster sale`: what an operator does to sales, over the operator's port. Tables for people,
//! the port's own JSON for scripts. It never touches a data folder.

mod seed;
mod table;
mod times;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use doorbuster::admin::show::{Listed, Shown};
use doorbuster::sale::Name;
use doorbuster::sale_file;
use serde_json::{Value, json};

use super::port::{Failure, Port, PortArguments};
use super::{CONFIGURATION, delivered, failed};

/// Runs sales over the operator's port. The token, if one is needed, comes from the variable
/// DOORBUSTER_TOKEN or from a file, never from the command line, where others could read it.
#[derive(Args)]
pub(super) struct Sale {
    #[command(flatten)]
    port: PortArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a sale from a file, TOML or JSON; the same again changes nothing
    Create {
        /// What is sold, and on which terms
        file: PathBuf,
    },
    /// Open a sale now
    Open(One),
    /// Refuse new orders for now; what is held goes on
    Pause(One),
    /// Go on with a paused sale
    Resume(One),
    /// End a sale for good; what is held goes on
    Close(One),
    /// Forget a closed sale
    Remove(One),
    /// Show a sale and its items
    Show(One),
    /// List the sales
    List,
    /// Add units of an item (+100), now or at a time, or withdraw free ones (-50)
    #[command(allow_negative_numbers = true)]
    Stock {
        /// The sale
        #[arg(value_parser = name)]
        sale: Name,
        /// The item
        #[arg(value_parser = name)]
        sku: Name,
        /// +100 or -50
        #[arg(value_parser = change, allow_hyphen_values = true)]
        units: Change,
        #[command(flatten)]
        at: times::At,
    },
    /// Set free units of an item aside for a channel (+200); +0 changes the time alone
    Channel {
        /// The sale
        #[arg(value_parser = name)]
        sale: Name,
        /// The item
        #[arg(value_parser = name)]
        sku: Name,
        /// The channel; a name that is new makes a new one
        #[arg(value_parser = name)]
        channel: Name,
        /// +200
        #[arg(value_parser = aside)]
        units: u64,
        #[command(flatten)]
        until: times::Until,
    },
    /// Call off units that were planned
    CallOff {
        /// The sale
        #[arg(value_parser = name)]
        sale: Name,
        /// The wave's id, as `sale show` has it
        wave: u64,
    },
    /// Make the seed of a draw, and the commitment that goes into the sale's file
    Seed {
        /// Where the seed is kept, in a new file that only you may read [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Reveal the seed of a draw
    Draw {
        /// The sale
        #[arg(value_parser = name)]
        sale: Name,
        /// The file that `sale seed --out` made
        #[arg(long, value_name = "FILE")]
        seed_file: PathBuf,
    },
    /// Set the price of an item, in minor units; what is held keeps its price
    Price {
        /// The sale
        #[arg(value_parser = name)]
        sale: Name,
        /// The item
        #[arg(value_parser = name)]
        sku: Name,
        /// Minor units, as 1900 for 19.00
        price: u64,
    },
}

/// One sale.
#[derive(Args)]
struct One {
    /// The sale
    #[arg(value_parser = name)]
    sale: Name,
}

/// Units in or out.
#[derive(Clone, Copy)]
enum Change {
    Add(u64),
    Withdraw(u64),
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text.as_bytes())
}

fn change(text: &str) -> Result<Change, String> {
    let wrong = || "write +100 to add units or -50 to withdraw them".to_owned();
    let (make, digits): (fn(u64) -> Change, &str) = match text.split_at_checked(1) {
        Some(("+", digits)) => (Change::Add, digits),
        Some(("-", digits)) => (Change::Withdraw, digits),
        _ => return Err(wrong()),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let units = digits.parse().ok().filter(|units| is_number && *units > 0);
    units.map(make).ok_or_else(wrong)
}

fn aside(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('+').filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let units = digits.and_then(|digits| digits.parse().ok());
    units.ok_or_else(|| "write +200 to set units aside, or +0 to change the time alone".to_owned())
}

/// Runs the command. Returns the exit code.
pub(super) fn run(arguments: Sale) -> i32 {
    if let Command::Seed { out } = &arguments.command {
        return seed::make(out.as_deref(), arguments.port.json);
    }
    let port = match Port::new(&arguments.port) {
        Ok(port) => port,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    match act(&port, &arguments.command) {
        Ok(done) => delivered(tell(&done, arguments.port.json)),
        Err(failure) => failure.told(),
    }
}

/// What there is to tell, and how.
enum Tale {
    Changed(Value),
    Shown(Value),
    Listed(Vec<Value>),
}

fn act(port: &Port, command: &Command) -> Result<Tale, Failure> {
    let change = |sale: &Name, verb: &str| {
        port.ask("POST", &format!("/v1/sales/{sale}/{verb}"), None).map(Tale::Changed)
    };
    match command {
        Command::Create { file } => {
            let (name, body) = sale_of(file).map_err(Failure::File)?;
            port.ask("PUT", &format!("/v1/sales/{name}"), Some(&body)).map(Tale::Changed)
        }
        Command::Open(one) => change(&one.sale, "open"),
        Command::Pause(one) => change(&one.sale, "pause"),
        Command::Resume(one) => change(&one.sale, "resume"),
        Command::Close(one) => change(&one.sale, "close"),
        Command::Remove(one) => {
            port.ask("DELETE", &format!("/v1/sales/{}", one.sale), None).map(Tale::Changed)
        }
        Command::Show(one) => {
            port.ask("GET", &format!("/v1/sales/{}", one.sale), None).map(Tale::Shown)
        }
        Command::List => list(port).map(Tale::Listed),
        Command::Stock { sale, sku, units, at } => {
            let mut body = match units {
                Change::Add(units) => json!({ "add": units }),
                Change::Withdraw(units) => json!({ "withdraw": units }),
            };
            if let Some(at) = at.moment() {
                body["at"] = at.into();
            }
            let path = format!("/v1/sales/{sale}/items/{sku}/stock");
            port.ask("POST", &path, Some(&body)).map(Tale::Changed)
        }
        Command::Price { sale, sku, price } => {
            let path = format!("/v1/sales/{sale}/items/{sku}/price");
            port.ask("PUT", &path, Some(&json!({ "price": price }))).map(Tale::Changed)
        }
        Command::Channel { sale, sku, channel, units, until } => {
            let body = json!({ "set_aside": units, "until": until.moment() });
            let path = format!("/v1/sales/{sale}/items/{sku}/channels/{channel}");
            port.ask("POST", &path, Some(&body)).map(Tale::Changed)
        }
        Command::CallOff { sale, wave } => {
            let path = format!("/v1/sales/{sale}/waves/{wave}");
            port.ask("DELETE", &path, None).map(Tale::Changed)
        }
        Command::Draw { sale, seed_file } => {
            let body = json!({ "seed": seed::read(seed_file)? });
            port.ask("POST", &format!("/v1/sales/{sale}/draw"), Some(&body)).map(Tale::Changed)
        }
        Command::Seed { .. } => unreachable!("it asks no port"),
    }
}

/// All pages.
fn list(port: &Port) -> Result<Vec<Value>, Failure> {
    let (mut sales, mut after) = (Vec::new(), String::new());
    loop {
        let mut page = port.ask("GET", &format!("/v1/sales{after}"), None)?;
        if let Value::Array(more) = page["sales"].take() {
            sales.extend(more);
        }
        match page["next"].as_str() {
            Some(next) => after = format!("?after={next}"),
            None => return Ok(sales),
        }
    }
}

/// A sale file as the body that the port takes, and its name.
fn sale_of(path: &Path) -> Result<(Name, Value), String> {
    // What is wrong in it is told with file and line before anything is sent.
    let terms = sale_file::read(path)?;
    let at = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| at(&why))?;
    let body = match serde_json::from_str(&text) {
        Ok(body) => body,
        Err(_) => plain(toml::from_str(&text).map_err(|why| at(&why))?),
    };
    Ok((terms.name, body))
}

/// TOML as JSON: times become text.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(plain).collect(),
        toml::Value::Table(fields) => {
            fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
        }
    }
}

fn tell(tale: &Tale, as_json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match tale {
        Tale::Changed(value) | Tale::Shown(value) if as_json => writeln!(out, "{value}"),
        Tale::Listed(values) if as_json => {
            writeln!(out, "{}", json!({ "sales": values, "next": null }))
        }
        Tale::Changed(value) => match serde_json::from_value::<Shown>(value.clone()) {
            Ok(sale) => out.write_all(table::change(&sale).as_bytes()),
            Err(_) => writeln!(out, "{value}"),
        },
        Tale::Shown(value) => match serde_json::from_value::<Shown>(value.clone()) {
            Ok(sale) => out.write_all(table::sale(&sale).as_bytes()),
            Err(_) => writeln!(out, "{value}"),
        },
        Tale::Listed(values) => {
            let whole = json!({ "sales": values, "next": null });
            match serde_json::from_value::<Listed>(whole) {
                Ok(list) => out.write_all(table::list(&list.sales).as_bytes()),
                Err(_) => writeln!(out, "{}", Value::Array(values.clone())),
            }
        }
    }
}
