//! The server's own figures, from its OpenMetrics page before and after the measured time.
//!
//! Two looks at `/metrics` and the difference between them. Percentiles come from the buckets of
//! histograms: the bound above the bucket in which the percentile lies.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use crate::report::document::{Server, Spread};

/// How long to wait for the page.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest page that is read, in bytes.
const PAGE_BYTES_MAX: u64 = 4 << 20;
const STAGES: &str = "doorbuster_stage_seconds_bucket";
const SYNCS: &str = "doorbuster_sync_seconds_bucket";

/// One look: the sample's name with its labels, to its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    samples: BTreeMap<String, f64>,
}

impl Page {
    /// Asks for the page; a sentence if it cannot be had.
    pub(crate) fn fetch(operators: SocketAddr, token: Option<&str>) -> Result<Page, String> {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        let mut request = agent.get(format!("http://{operators}/metrics"));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let text = request.call().and_then(|mut response| {
            response.body_mut().with_config().limit(PAGE_BYTES_MAX).read_to_string()
        });
        text.map(|text| Page::parse(&text))
            .map_err(|error| format!("no figures from http://{operators}/metrics: {error}"))
    }

    fn parse(text: &str) -> Page {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
        Page { samples: samples.collect() }
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.samples.get(name).copied()
    }

    /// Values of `label` among the samples of `name`, each once.
    fn values_of(&self, name: &str, label: &str) -> Vec<String> {
        let of_name = |sample: &&String| sample.starts_with(&format!("{name}{{"));
        let mut values: Vec<String> = self
            .samples
            .keys()
            .filter(of_name)
            .filter_map(|sample| Some(label_of(sample, label)?.to_owned()))
            .collect();
        values.sort_unstable();
        values.dedup();
        values
    }
}

/// What the server did between two looks, `seconds` apart.
pub(crate) fn between(before: &Page, after: &Page, seconds: f64) -> Server {
    let grown = |name: &str| Some(after.value(name)? - before.value(name).unwrap_or(0.0));
    let count = |name: &str| grown(name).map(|grown| grown.max(0.0) as u64);
    let batches = grown("doorbuster_batch_records_count").filter(|batches| *batches > 0.0);
    let records = grown("doorbuster_batch_records_sum");
    let stages = after.values_of(STAGES, "stage").into_iter().filter_map(|stage| {
        let spread = spread(before, after, STAGES, Some(("stage", &stage)))?;
        Some((stage, spread))
    });
    let busy = |thread: String| {
        let name = format!("doorbuster_thread_busy_seconds_total{{thread=\"{thread}\"}}");
        Some((thread, grown(&name)? / seconds.max(1e-9)))
    };
    let threads = after.values_of("doorbuster_thread_busy_seconds_total", "thread");
    Server {
        version: after.values_of("doorbuster_build_info", "version").pop(),
        syncs: count("doorbuster_sync_seconds_count"),
        records_per_batch: records.zip(batches).map(|(records, batches)| records / batches),
        sync: spread(before, after, SYNCS, None),
        shed: count("doorbuster_shed_total"),
        inversions: count("doorbuster_arrival_inversions_total"),
        stages: stages.collect(),
        busy: threads.into_iter().filter_map(busy).collect(),
    }
}

/// Percentiles of what a histogram in seconds gained, in ns; `None` if that is nothing.
fn spread(before: &Page, after: &Page, name: &str, label: Option<(&str, &str)>) -> Option<Spread> {
    let belongs = |sample: &str| match label {
        Some((label, value)) => label_of(sample, label) == Some(value),
        None => true,
    };
    let buckets = after
        .samples
        .iter()
        .filter(|(sample, _)| sample.starts_with(&format!("{name}{{")) && belongs(sample));
    let mut gained: Vec<(f64, f64)> = buckets
        .filter_map(|(sample, value)| {
            let bound = match label_of(sample, "le")? {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().ok()?,
            };
            Some((bound, value - before.value(sample).unwrap_or(0.0)))
        })
        .collect();
    gained.sort_by(|left, right| left.0.total_cmp(&right.0));
    let all = gained.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let largest = gained.iter().rev().find(|(bound, _)| bound.is_finite())?.0;
    let at = |quantile: f64| {
        let bucket = gained.iter().find(|(_, count)| *count >= all * quantile);
        (bucket.map_or(largest, |(bound, _)| bound.min(largest)) * 1e9).round() as u64
    };
    Some(Spread { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: at(1.0) })
}

/// The value of a label in `name{a="1",b="2"}`.
fn label_of<'a>(sample: &'a str, label: &str) -> Option<&'a str> {
    let labels = sample.split_once('{')?.1.strip_suffix('}')?;
    let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == label)?.1.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(syncs: [u64; 3], records: u64) -> Page {
        Page::parse(&format!(
            "# TYPE doorbuster_sync_seconds histogram\n\
             doorbuster_sync_seconds_bucket{{le=\"0.0001\"}} {}\n\
             doorbuster_sync_seconds_bucket{{le=\"0.001\"}} {}\n\
             doorbuster_sync_seconds_bucket{{le=\"+Inf\"}} {}\n\
             doorbuster_sync_seconds_count {}\n\
             doorbuster_stage_seconds_bucket{{le=\"0.5\",stage=\"ring\"}} {records}\n\
             doorbuster_stage_seconds_bucket{{le=\"+Inf\",stage=\"ring\"}} {records}\n\
             doorbuster_batch_records_sum {records}.0\n\
             doorbuster_batch_records_count {}\n\
             doorbuster_thread_busy_seconds_total{{thread=\"journal\"}} {records}\n\
             doorbuster_build_info{{version=\"0.1.0\"}} 1\n# EOF\n",
            syncs[0], syncs[1], syncs[2], syncs[2], syncs[2]
        ))
    }

    #[test]
    fn figures_are_what_was_gained_between_two_looks() {
        let server = between(&page([100, 110, 110], 500), &page([100, 209, 210], 1500), 2000.0);
        assert_eq!((server.syncs, server.records_per_batch), (Some(100), Some(10.0)));
        let sync = server.sync.expect("there were syncs");
        assert_eq!((sync.p50, sync.p99, sync.max), (1_000_000, 1_000_000, 1_000_000));
        assert_eq!(server.version.as_deref(), Some("0.1.0"));
        assert_eq!(server.stages["ring"].p50, 500_000_000);
        assert_eq!(server.busy["journal"], 0.5);
        assert_eq!(server.shed, None);
    }

    #[test]
    fn a_page_of_something_else_says_nothing() {
        let server = between(&Page::default(), &Page::parse("<html>hello</html>"), 1.0);
        assert!(server.syncs.is_none() && server.sync.is_none() && server.stages.is_empty());
    }
}
