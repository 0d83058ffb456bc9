//! Where the results go.

use clap::Args;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Write one JSON document to stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}
