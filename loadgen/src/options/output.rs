//! Where the results go, and what they have to keep to.

use std::path::PathBuf;

use clap::Args;

use crate::report::Rule;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Write one JSON document to stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the JSON document in a file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Keep the report as one page of HTML with plots, which needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Keep the percentiles of all purchases from their intended send as HdrHistogram's text, in ms
    #[arg(long, value_name = "FILE")]
    pub(crate) hgrm: Option<PathBuf>,
    /// Keep a histogram for each second as HdrHistogram's interval log, while the run goes
    #[arg(long, value_name = "FILE")]
    pub(crate) hlog: Option<PathBuf>,
    /// Keep each second as a line of JSON, while the run goes
    #[arg(long, value_name = "FILE")]
    pub(crate) series: Option<PathBuf>,
    /// What the run has to keep to, like 'p99<5ms' or 'oversold==0' (more than one are possible):
    /// exit 99 if it does not
    #[arg(long = "threshold", value_name = "EXPR", value_parser = Rule::parse)]
    pub(crate) thresholds: Vec<Rule>,
}
