//! `loadgen run`: drives a server over its own protocols and says what it did.
//!
//! The wait of a request counts from when it was meant to be sent, and orders are never mixed with
//! refusals.

use std::sync::{Arc, atomic::AtomicBool};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::Failure;
use crate::options::{self, Output};
use crate::report::{Document, make, table};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    run: options::Arguments,
    #[command(flatten)]
    output: Output,
}

/// Does the run and prints the report; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.run.check()?;
    let stop = stop_on_signal()?;
    tell(&measure(&arguments.run, &stop)?, &arguments.output)
}

/// Prints the report; returns the exit code.
pub(crate) fn tell(document: &Document, output: &Output) -> Result<u8, Failure> {
    if output.json {
        crate::print_json(document)?;
    } else {
        crate::print(&table::text(document))?;
    }
    table::print_warnings(document);
    Ok(document.exit_code())
}

/// One run and its document.
pub(crate) fn measure(
    arguments: &options::Arguments,
    stop: &Arc<AtomicBool>,
) -> Result<Document, Failure> {
    let conditions = crate::prepare::conditions(&arguments.target)?;
    let mut document = make(arguments, crate::load::run(arguments, stop)?);
    document.run.mix.extend(conditions);
    Ok(document)
}

/// A flag that the first SIGINT or SIGTERM sets; the second ends the program.
pub(crate) fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal sets the flag, the second finds it set.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::new(Failure::CHECK, format!("no signals: {error}")))?;
    }
    Ok(stop)
}
