//! The figures as OpenMetrics text, for Prometheus. Names begin with `doorbuster_`, units are base
//! units, counters end in `_total`. No buyer, order or sale is ever in a label.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::{Counter, Metrics, OUTCOMES, Protocol, ShardCounters, SinkCounters, Tally};
use crate::clock;
use crate::message::outcome;

/// What [`Metrics::render`] is, for the header of an HTTP answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The word for numbers that have none; they share one line.
const UNNAMED: &str = "unknown_outcome";
/// Prefix of every name.
const PREFIX: &str = "doorbuster";

impl Metrics {
    /// All figures as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a string takes everything");
        text
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        self.peers(&mut page)?;
        self.orders(&mut page)?;
        self.stages(&mut page)?;
        self.disk(&mut page)?;
        self.kept(&mut page)?;
        self.behind(&mut page)?;
        self.process(&mut page)
    }
}

/// Where the figures are written, one after another.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    fn seconds(&mut self, name: &str, help: &str, ns: u64) -> Result<(), Error> {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Gauge);
        let mut metric = self.0.encode_descriptor(name, help, unit, kind)?;
        metric.encode_gauge(&(ns as f64 / 1e9))
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        tally: &Tally,
    ) -> Result<(), Error> {
        let kind = MetricType::Histogram;
        let mut metric = self.0.encode_descriptor(name, help, unit, kind)?;
        metric.encode_histogram::<NoLabelSet>(tally.sum, tally.count(), &tally.buckets, None)
    }
}

impl Metrics {
    fn tally(&self, pick: impl Fn(&ShardCounters) -> Tally) -> Tally {
        self.shards.iter().map(|shard| pick(shard)).fold(Tally::default(), Tally::with)
    }

    fn peers(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let (accepted, closed) =
            (self.over_shards(|shard| &shard.accepted), self.over_shards(|shard| &shard.closed));
        page.gauge("connections", "Connections open", accepted.saturating_sub(closed))?;
        page.counter("connections_accepted", "Connections taken", accepted)?;
        let turned_away = self.over_shards(|shard| &shard.turned_away);
        let help = "Connections turned away at connections_max";
        page.counter("connections_turned_away", help, turned_away)?;
        let broken = self.over_shards(|shard| &shard.protocol_errors);
        page.counter("protocol_errors", "Peers that broke their protocol", broken)?;
        let refused: [(&str, &str, u64); 3] = [
            ("denied", "Requests without a token or role", self.over_shards(|shard| &shard.denied)),
            (
                "tickets_refused",
                "Purchases without a good ticket",
                self.over_shards(|shard| &shard.ticket_refused),
            ),
            (
                "rate_limited",
                "Purchases above a rate",
                self.over_shards(|shard| &shard.rate_limited),
            ),
        ];
        for (name, help, count) in refused {
            page.counter(name, help, count)?;
        }
        let (bytes_in, bytes_out) =
            (self.over_shards(|shard| &shard.bytes_in), self.over_shards(|shard| &shard.bytes_out));
        page.counter("received_bytes", "Bytes read from buyers", bytes_in)?;
        page.counter("sent_bytes", "Bytes written to buyers", bytes_out)?;
        let watches = self.over_shards(|shard| &shard.watches);
        page.gauge("watches", "Orders watched by connections", watches)?;
        let pushes = self.over_shards(|shard| &shard.pushes);
        page.counter("pushes", "Changes of watched orders told unasked", pushes)?;

        let help = "Answers told, by protocol and by what they said";
        let mut answers = page.0.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for protocol in Protocol::ALL {
            let mut unnamed = 0;
            for number in 0..OUTCOMES {
                let count = |shard: &ShardCounters| shard.answers.value(protocol, number);
                let told: u64 = self.shards.iter().map(|shard| count(shard)).sum();
                let word = outcome::word(number as u8);
                if word == UNNAMED {
                    unnamed += told;
                    continue;
                }
                let labels = [("protocol", protocol.word()), ("outcome", word)];
                let mut one = answers.encode_family(&labels)?;
                one.encode_counter::<NoLabelSet, _, u64>(&told, None)?;
            }
            let labels = [("protocol", protocol.word()), ("outcome", UNNAMED)];
            let mut one = answers.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(&unnamed, None)?;
        }
        Ok(())
    }

    fn orders(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let matcher = &self.matcher;
        page.counter("decisions", "Requests decided", matcher.decided.value())?;
        page.counter("orders_given", "Orders given, repeats not counted", matcher.given.value())?;
        page.counter("orders_confirmed", "Holds confirmed", matcher.confirmed.value())?;
        page.counter("orders_released", "Holds released", matcher.released.value())?;
        page.counter("orders_expired", "Holds that ran out", matcher.expired.value())?;
        page.counter("orders_extended", "Holds extended", matcher.extended.value())?;
        page.counter("orders_cancelled", "Purchases given back", matcher.cancelled.value())?;
        page.counter("orders_waited", "Purchases that waited", matcher.waited.value())?;
        page.counter("orders_offered", "Of these offered units", matcher.offered.value())?;
        page.counter("orders_left", "Of these ended by their sale", matcher.left.value())?;
        page.gauge("waiters", "Orders waiting", matcher.waiting.value())?;
        let here = self.over_shards(|shard| &shard.sold_out_here);
        page.counter("refusals", "Requests refused", matcher.refused.value() + here)?;
        let help = "Of these purchases refused as sold out without asking the matcher";
        page.counter("sold_out_at_shard", help, here)?;
        page.counter("shed", "Purchases that waited too long", matcher.shed.value())?;
        page.gauge("holds", "Holds live", matcher.held.value())?;
        page.gauge("orders", "Orders remembered", matcher.orders.value())?;
        page.gauge("orders_max", "Orders that can be remembered", self.fixed.orders_max as u64)?;
        page.gauge("buyers", "Entries in the table of buyers", matcher.buyers.value())?;
        page.gauge("buyers_max", "Room in the table of buyers", self.fixed.buyers_max as u64)?;
        let cells = matcher.queued_cells.value();
        page.gauge("queue_cells", "Cells of requests that wait for the matcher", cells)?;
        let age = match matcher.oldest_arrival.value() {
            0 => 0,
            stamp => clock::monotonic().saturating_sub(stamp),
        };
        page.seconds("queue_age", "Age of the oldest request that waits for the matcher", age)?;
        let help = "Requests decided after one that arrived later";
        page.counter("arrival_inversions", help, matcher.inversions.value())?;
        let help = "The largest difference of arrival in an inversion";
        page.seconds("arrival_inversion_max", help, matcher.inversion_ns_max.value())
    }

    fn stages(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let help = "Time to each stage: ring and matched from the read, durable from the \
            decision, written from durable, answered from the read to the written answer";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut stages = page.0.encode_descriptor("stage", help, unit, kind)?;
        for (stage, tally) in [
            ("ring", self.tally(|shard| shard.ring_time.tally())),
            ("matched", self.matcher.matched_time.tally()),
            ("durable", self.journal.durable_time.tally()),
            ("written", self.tally(|shard| shard.written_time.tally())),
            ("answered", self.tally(|shard| shard.answer_time.tally())),
        ] {
            let labels = [("stage", stage)];
            let mut one = stages.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(tally.sum, tally.count(), &tally.buckets, None)?;
        }
        Ok(())
    }

    fn disk(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let journal = &self.journal;
        let tally = journal.sync_time.tally();
        page.histogram("sync", "Time of a sync of the journal", Some(&Unit::Seconds), &tally)?;
        let tally = journal.batch_records.tally();
        page.histogram("batch_records", "Records of a batch", None, &tally)?;
        let tally = journal.batch_bytes.tally();
        page.histogram("batch", "Bytes of a batch", Some(&Unit::Bytes), &tally)?;
        page.counter("journal_written_bytes", "Bytes written", journal.bytes.value())?;
        page.counter("journal_segments", "Segments begun", journal.segments.value())?;
        page.gauge("journal_seq_decided", "The newest seq decided", self.matcher.seq.value())?;
        page.gauge("journal_seq_durable", "The newest durable seq", journal.seq.value())?;
        let help = "Room left in the segments that are made";
        page.gauge("journal_room_bytes", help, journal.room_bytes.value())?;
        let help = "1 while the disk refuses another segment";
        page.gauge("journal_disk_full", help, journal.refused.value())
    }

    fn kept(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let keeper = &self.keeper;
        page.counter("snapshots", "Snapshots made", keeper.snapshots.value())?;
        let help = "Snapshots that could not be made and are tried again";
        page.counter("snapshot_failures", help, keeper.failures.value())?;
        page.gauge("snapshot_seq", "The seq of the newest snapshot", keeper.snapshot_seq.value())?;
        let help = "Bytes of the journal behind the newest snapshot";
        page.gauge("snapshot_behind_bytes", help, keeper.unsnapped_bytes.value())?;
        page.gauge("journal_first_seq", "The first seq in the journal", keeper.first_seq.value())?;
        page.gauge("journal_bytes", "Bytes of all segments", keeper.journal_bytes.value())?;
        let help = "Segments removed for which snapshots stand";
        page.counter("journal_removed_segments", help, keeper.removed_segments.value())?;
        let help = "Times that segments were removed of which a sink had not been told";
        page.counter("sink_losses", help, keeper.lost_to_sinks.value())
    }

    fn behind(&self, page: &mut Page<'_>) -> Result<(), Error> {
        type Figure = (&'static str, &'static str, fn(&SinkCounters) -> &Counter);
        const COUNTED: [Figure; 3] = [
            ("sink_changes", "Changes delivered", |sink| &sink.delivered),
            ("sink_failures", "Deliveries that failed, the last ones too", |s| &s.failures),
            ("sink_dead_letters", "Messages given up and written down", |sink| &sink.dead),
        ];
        const SHOWN: [Figure; 2] = [
            ("sink_postponed", "Messages put aside and tried later", |s| &s.postponed),
            ("sink_stopped", "1 if it has given up", |sink| &sink.stopped),
        ];
        let sinks = self.sinks.all();
        let (now, durable) = (clock::unix(), self.journal.seq.value());
        let help = "Durable records not dealt with yet";
        let mut lag = page.0.encode_descriptor("sink_lag_seqs", help, None, MetricType::Gauge)?;
        for (sink, counters) in &sinks {
            let seqs = durable.saturating_sub(counters.seq.value());
            lag.encode_family(&[("sink", sink.as_str())])?.encode_gauge(&seqs)?;
        }
        let families = COUNTED.map(|figure| (MetricType::Counter, figure));
        let families = families.into_iter().chain(SHOWN.map(|figure| (MetricType::Gauge, figure)));
        for (kind, (name, help, pick)) in families {
            let mut family = page.0.encode_descriptor(name, help, None, kind)?;
            for (sink, counters) in &sinks {
                let (labels, value) = ([("sink", sink.as_str())], pick(counters).value());
                let mut one = family.encode_family(&labels)?;
                match kind {
                    MetricType::Counter => {
                        one.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
                    }
                    _ => one.encode_gauge(&value)?,
                }
            }
        }
        let help = "How long ago the last record dealt with was made, if others wait";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Gauge);
        let mut lag = page.0.encode_descriptor("sink_lag", help, unit, kind)?;
        for (sink, counters) in &sinks {
            let seconds = match counters.behind_since.value() {
                0 => 0.0,
                time => now.saturating_sub(time) as f64 / 1e9,
            };
            lag.encode_family(&[("sink", sink.as_str())])?.encode_gauge(&seconds)?;
        }
        Ok(())
    }

    fn process(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let help = "Time in which a thread had something to do; of the journal, syncs included";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Counter);
        let mut busy = page.0.encode_descriptor("thread_busy", help, unit, kind)?;
        for (name, counters) in self.threads.all() {
            let labels = [("thread", name.as_str())];
            let seconds = counters.busy_ns.value() as f64 / 1e9;
            let mut one = busy.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(&seconds, None)?;
        }
        let uptime = match self.fixed.started_at {
            0 => 0,
            start => clock::monotonic().saturating_sub(start),
        };
        page.seconds("uptime", "Time since the start", uptime)?;
        let mut build =
            page.0.encode_descriptor("build", "What this is", None, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown_under_its_name_and_unit() {
        let metrics = Metrics::new(2);
        for shard in &*metrics.shards {
            shard.answers.count(Protocol::Resp, outcome::HELD);
            shard.answers.count(Protocol::Binary, outcome::SOLD_OUT);
            shard.ring_time.record(30_000, 5);
        }
        metrics.shards[0].accepted.add(3);
        metrics.shards[1].closed.add(1);
        metrics.matcher.inversion_ns_max.raise(2_000_000);
        drop(metrics.threads.add("matcher"));
        let text = metrics.render();
        for line in [
            "doorbuster_connections 2",
            "doorbuster_requests_total{protocol=\"resp\",outcome=\"held\"} 2",
            "doorbuster_requests_total{protocol=\"binary\",outcome=\"sold_out\"} 2",
            "doorbuster_stage_seconds_bucket{le=\"0.000025\",stage=\"ring\"} 0",
            "doorbuster_stage_seconds_bucket{le=\"0.00005\",stage=\"ring\"} 10",
            "doorbuster_stage_seconds_bucket{le=\"+Inf\",stage=\"ring\"} 10",
            "doorbuster_stage_seconds_sum{stage=\"ring\"} 0.0003",
            "doorbuster_arrival_inversion_max_seconds 0.002",
            "doorbuster_thread_busy_seconds_total{thread=\"matcher\"} 0.0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_name_is_declared_once_and_begins_with_ours() {
        let text = Metrics::new(1).render();
        let mut declared = std::collections::BTreeSet::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().expect("a name");
            assert!(name.starts_with("doorbuster_"), "{line}");
            assert!(declared.insert(name), "{name} is declared twice");
        }
        assert!(declared.len() > 30);
    }
}
