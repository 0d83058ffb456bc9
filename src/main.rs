//! doorbuster, the program: arguments -> options -> pipeline -> wait for a signal -> drain. Only
//! this file and `cli` print and end the process.

mod cli;

use clap::Parser;

fn main() {
    // A thread that broke an invariant must not leave the others serving without it.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    let code = cli::run(cli::Arguments::parse());
    std::process::exit(code);
}
