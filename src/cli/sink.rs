//! `doorbuster sink`: what an operator does to sinks, over the operator's port. It never touches a
//! data folder.

use std::io::Write;

use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use doorbuster::taps::{SinkState, SinkView, is_name};
use serde::Deserialize;
use serde_json::{Value, json};

use super::port::{Failure, Port, PortArguments};
use super::words::count;
use super::{CONFIGURATION, delivered, failed};

/// Lists, pauses and resumes sinks over the operator's port, and has them told again.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the sinks and how they do
    List,
    /// Deliver nothing more, also after a restart; nothing is lost
    Pause {
        /// The sink
        sink: String,
    },
    /// Go on with one that was paused, or has stopped over trouble
    Resume {
        /// The sink
        sink: String,
    },
    /// Deliver again what was delivered
    Replay {
        /// The sink
        sink: String,
        /// The first seq
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: u64,
        /// The last seq
        #[arg(long, value_name = "SEQ")]
        to: u64,
    },
}

#[derive(Deserialize)]
struct Listed {
    sinks: Vec<SinkView>,
}

/// Runs the command. Returns the exit code.
pub(super) fn run(arguments: &Arguments) -> i32 {
    let port = match Port::new(&arguments.port) {
        Ok(port) => port,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    match act(&port, &arguments.command) {
        Ok(answer) if arguments.port.json => {
            delivered(writeln!(std::io::stdout().lock(), "{answer}"))
        }
        Ok(answer) => {
            let sinks = match serde_json::from_value::<Listed>(answer.clone()) {
                Ok(listed) => listed.sinks,
                Err(_) => serde_json::from_value(answer).into_iter().collect(),
            };
            delivered(std::io::stdout().lock().write_all(shown(&sinks).as_bytes()))
        }
        Err(failure) => failure.told(),
    }
}

fn act(port: &Port, command: &Command) -> Result<Value, Failure> {
    // What is no name cannot be one of a sink, and may not change the path.
    let path = |sink: &str, verb: &str| match is_name(sink) {
        true => Ok(format!("/v1/sinks/{sink}/{verb}")),
        false => Err(Failure::Refused(format!("`{sink}` is no name of a sink"))),
    };
    match command {
        Command::List => port.ask("GET", "/v1/sinks", None),
        Command::Pause { sink } => port.ask("POST", &path(sink, "pause")?, None),
        Command::Resume { sink } => port.ask("POST", &path(sink, "resume")?, None),
        Command::Replay { sink, from, to } => {
            let body = json!({ "from": from, "to": to });
            port.ask("POST", &path(sink, "replay")?, Some(&body))
        }
    }
}

fn shown(sinks: &[SinkView]) -> String {
    if sinks.is_empty() {
        return "there are no sinks\n".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(["Sink", "Type", "State", "Seq", "Behind", "Delivered"]);
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for sink in sinks {
        let words = [sink.name.clone(), sink.kind.clone(), word(sink.state).to_owned()];
        let numbers = [sink.seq, sink.lag_seqs, sink.delivered].map(count);
        table.add_row(words.into_iter().chain(numbers));
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim())).collect();
    for sink in sinks {
        if let Some(span) = sink.replay {
            let (from, to) = (count(span.from), count(span.to));
            text += &format!("{}: seqs {from} to {to} are being delivered again\n", sink.name);
        }
        if let Some(why) = &sink.trouble {
            text += &format!("{}: {why}\n", sink.name);
        }
    }
    text
}

fn word(state: SinkState) -> &'static str {
    match state {
        SinkState::Running => "running",
        SinkState::Waiting => "waiting",
        SinkState::Paused => "paused",
        SinkState::Stopped => "stopped",
    }
}
