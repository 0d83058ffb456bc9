//! Who takes part, and with which command line: each run can be repeated by itself.

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use super::{Arguments, Shape};
use crate::Failure;
use crate::options;
use crate::rival::Rival;

/// Units of an item that a buyer may have. Buyers come once: the limit is looked at all the same.
const LIMIT: u32 = 4;
/// Rows of units: more than a run sells, and soon made.
const UNIT_ROWS: u32 = 200_000;
/// Connections of a program that batches: one collects while the other waits.
const BATCH_CONNECTIONS: usize = 2;
/// Requests that a connection may have outstanding in an open loop.
const OUTSTANDING: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contestant {
    /// Ours, over its binary protocol
    Doorbuster,
    /// Ours, over RESP
    DoorbusterResp,
    /// Ours, over HTTP
    DoorbusterHttp,
    /// Redis, every answer after its sync
    RedisAlways,
    /// Redis, synced once a second
    RedisEverysec,
    /// Redis, synced when the system likes
    RedisOff,
    /// PostgreSQL, one row for an item
    PostgresRow,
    /// PostgreSQL, one row for each unit
    PostgresUnits,
    /// PostgreSQL, many purchases in one call
    PostgresBatch,
}

impl Contestant {
    /// Those that a buyer of a shop system would look at. Redis without a sync loses all that the
    /// system held back: who wants to see that asks for it.
    pub(crate) const USUAL: [Contestant; 8] = [
        Contestant::Doorbuster,
        Contestant::DoorbusterResp,
        Contestant::DoorbusterHttp,
        Contestant::RedisAlways,
        Contestant::RedisEverysec,
        Contestant::PostgresRow,
        Contestant::PostgresUnits,
        Contestant::PostgresBatch,
    ];

    /// As on the command line.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().expect("no contestant is skipped").get_name().to_owned()
    }

    pub(crate) fn rival(self) -> Rival {
        match self {
            Contestant::Doorbuster | Contestant::DoorbusterResp | Contestant::DoorbusterHttp => {
                Rival::Doorbuster
            }
            Contestant::RedisAlways => Rival::RedisAlways,
            Contestant::RedisEverysec => Rival::RedisEverysec,
            Contestant::RedisOff => Rival::RedisOff,
            Contestant::PostgresRow => Rival::PostgresRow,
            Contestant::PostgresUnits => Rival::PostgresUnits,
            Contestant::PostgresBatch => Rival::PostgresBatch,
        }
    }

    /// When what an answer says is on disk.
    pub(crate) fn synced(self) -> &'static str {
        match self.rival() {
            Rival::RedisEverysec => "each second",
            Rival::RedisOff => "by the system",
            _ => "each answer",
        }
    }

    /// How it is driven, in a few words.
    pub(crate) fn how(self) -> &'static str {
        match self {
            Contestant::Doorbuster => "binary protocol",
            Contestant::DoorbusterResp => "RESP",
            Contestant::DoorbusterHttp => "HTTP/1.1, kept alive and pipelined",
            Contestant::RedisAlways | Contestant::RedisEverysec | Contestant::RedisOff => {
                "one Lua script a purchase"
            }
            Contestant::PostgresRow => "one transaction a purchase, one row an item",
            Contestant::PostgresUnits => "one transaction a purchase, one row a unit, SKIP LOCKED",
            Contestant::PostgresBatch => {
                "one transaction for what waits; as much outstanding, on 2 connections"
            }
        }
    }

    /// The options of a run, and the command line that does it alone.
    pub(super) fn options(
        self,
        suite: &Arguments,
        shape: Option<Shape>,
    ) -> Result<(options::Arguments, String), Failure> {
        let (_, warmup, duration) = suite.extent();
        let whole = suite.connections;
        // As much outstanding in all as the others have.
        let connections =
            if self == Contestant::PostgresBatch { whole.min(BATCH_CONNECTIONS) } else { whole };
        let each = whole / connections;
        let mut words = format!(
            "--connections {connections} --limit {LIMIT} --duration {}ms --warmup {}ms",
            duration.as_millis(),
            warmup.as_millis()
        );
        match self {
            Contestant::DoorbusterResp => words += " --protocol resp",
            Contestant::DoorbusterHttp => words += " --protocol http",
            Contestant::PostgresUnits => words += &format!(" --stock {UNIT_ROWS}"),
            _ => {}
        }
        match shape {
            Some(Shape::Closed { pipeline }) => {
                words += &format!(" --pipeline {}", pipeline * each)
            }
            Some(Shape::Open { rate }) => {
                words += &format!(" --rate {rate} --outstanding {}", OUTSTANDING * each);
            }
            None => {}
        }
        let options = parse(&words)?;
        let dir = suite.dir.as_ref().map(|dir| format!(" --dir {}", dir.display()));
        let rival = self.rival().word();
        let command = format!("loadgen rival {rival}{} {words}", dir.unwrap_or_default());
        Ok((options, command))
    }
}

/// Options as the command line of a rival has them.
fn parse(words: &str) -> Result<options::Arguments, Failure> {
    let command = options::Arguments::augment_args(Command::new("loadgen"));
    let command = command
        .mut_arg("sale", |sale| sale.required(false).default_value("drop"))
        .mut_arg("item", |item| item.required(false).default_value("tee"));
    let all = std::iter::once("loadgen").chain(words.split_whitespace());
    let matches: Result<ArgMatches, clap::Error> = command.try_get_matches_from(all);
    let options = matches.and_then(|matches| options::Arguments::from_arg_matches(&matches));
    options.map_err(|error| Failure::new(Failure::USAGE, error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        suite: Arguments,
    }

    #[test]
    fn every_run_has_a_command_line_of_its_own() {
        let suite = Line::parse_from(["loadgen", "--connections", "50"]).suite;
        for contestant in Contestant::value_variants().iter().copied() {
            for shape in suite.shapes() {
                let (options, command) =
                    contestant.options(&suite, Some(shape)).expect("these are options");
                options.check().expect("they make sense");
                let rival = contestant.rival().word();
                assert!(command.starts_with(&format!("loadgen rival {rival} ")), "{command}");
                assert_eq!(options.pace.rate.is_some(), matches!(shape, Shape::Open { .. }));
                let each_has = options.pace.closed().unwrap_or_default();
                let pipeline = each_has * options.target.connections;
                if let Shape::Closed { pipeline: each } = shape {
                    assert_eq!(pipeline, 50 * each, "{command}");
                }
            }
        }
    }
}
