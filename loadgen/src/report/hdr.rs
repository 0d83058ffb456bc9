//! Histograms in the forms that HdrHistogram's own tools open: the percentile text (`.hgrm`, for
//! the online plotter) and the lines of an interval log (`.hlog`, for HistogramLogProcessor and
//! HistogramLogAnalyzer). Values in a text are ms; the log keeps them in ns and shows maxima in ms.

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

const MS: f64 = 1e6;
/// Steps for each halving of the distance to 100 %, as the tools have it.
const STEPS: u32 = 5;

/// The percentile distribution as text.
pub(crate) fn percentile_text(histogram: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    let mut line = |value: f64, share: f64, total: u64| {
        let _ = write!(text, "{value:12.3} {share:2.12} {total:10}");
        // The last line has no column for what would be infinite.
        if share < 1.0 {
            let _ = write!(text, " {:14.2}", 1.0 / (1.0 - share));
        }
        text.push('\n');
    };
    for step in histogram.iter_quantiles(STEPS).filter(|_| !histogram.is_empty()) {
        total += step.count_since_last_iteration();
        line(step.value_iterated_to() as f64 / MS, step.quantile_iterated_to(), total);
    }
    let (mean, deviation) = (histogram.mean() / MS, histogram.stdev() / MS);
    let (max, count) = (histogram.max() as f64 / MS, histogram.len());
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {count:12}]");
    let parts = (2.0 * 10_f64.powi(histogram.sigfig().into())).log2().ceil().exp2();
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {parts:12}]", histogram.buckets());
    text
}

/// How an interval log begins.
pub(crate) fn log_head(started_at: SystemTime) -> String {
    let since = started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    format!(
        "#[Latencies in ns from the intended send; one histogram a second. Written by loadgen {}]\n\
         #[Histogram log format version 1.3]\n\
         #[StartTime: {since:.3} (seconds since epoch)]\n\
         #[BaseTime: {since:.3} (seconds since epoch)]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\
         \"Interval_Compressed_Histogram\"\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// A line of the log: a histogram, and when it began, in seconds since the start.
pub(crate) fn log_line(start_seconds: f64, seconds: f64, histogram: &Histogram<u64>) -> Vec<u8> {
    let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let mut line = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    // The library's writer borrows what it writes to as long as it lives, and says its divisor
    // once: so there is one for each line, and what it says before the line is dropped.
    IntervalLogWriterBuilder::new()
        .with_max_value_divisor(MS)
        .begin_log_with(&mut line, &mut serializer)
        .expect("memory takes every write")
        .write_histogram(histogram, duration(start_seconds), duration(seconds), None)
        .expect("a histogram of counts fits its own form, and memory takes every write");
    let comment = line.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    line.split_off(comment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn filled(from: u64) -> Histogram<u64> {
        let mut filled = histogram();
        (0..1000).for_each(|step| filled.saturating_record((from + step) * 1_000_000));
        filled
    }

    #[test]
    fn the_text_has_the_columns_that_the_plotter_reads() {
        let text = percentile_text(&filled(1));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>(),
            ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
        );
        let rows: Vec<Vec<f64>> = lines[2..]
            .iter()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()).collect())
            .collect();
        assert!(rows.len() > 30, "{text}");
        assert!(rows.is_sorted_by(|a, b| a[1] <= b[1] && a[0] <= b[0] && a[2] <= b[2]), "{text}");
        let half = rows.iter().find(|row| row[1] >= 0.5).expect("half of them");
        assert!((half[0] - 500.0).abs() < 1.0 && half[3] == 2.0, "{text}");
        let last = rows.last().expect("a last line");
        assert_eq!((last.len(), last[1], last[2]), (3, 1.0, 1000.0), "{text}");
        assert!(text.contains("Total count    =         1000]"), "{text}");
        assert!(text.contains("SubBuckets     =         2048]"), "{text}");
    }

    #[test]
    fn nothing_recorded_is_a_text_without_rows() {
        assert_eq!(percentile_text(&histogram()).lines().count(), 5);
    }

    #[test]
    fn the_log_is_read_back_as_it_was() {
        let began = UNIX_EPOCH + Duration::from_millis(1_764_273_600_250);
        let mut log = log_head(began).into_bytes();
        log.extend(log_line(0.0, 1.0, &filled(1)));
        log.extend(log_line(1.0, 0.5, &filled(5)));
        crate::report::sample::keep("run.hlog", &log);
        crate::report::sample::keep("run.hgrm", percentile_text(&filled(1)));
        let entries: Vec<_> =
            IntervalLogIterator::new(&log).map(|entry| entry.expect("a good line")).collect();
        let since = Duration::from_millis(1_764_273_600_250);
        assert_eq!(entries[..2], [LogEntry::StartTime(since), LogEntry::BaseTime(since)]);
        let LogEntry::Interval(second) = &entries[3] else { panic!("{entries:?}") };
        assert_eq!(second.start_timestamp(), Duration::from_secs(1));
        assert_eq!(second.duration(), Duration::from_millis(500));
        assert!((second.max() - 1004.0).abs() < 1.0, "in ms: {}", second.max());
        let bytes = base64(second.encoded_histogram());
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).expect("V2");
        assert_eq!(read, filled(5));
    }

    /// Enough of it for a test.
    fn base64(text: &str) -> Vec<u8> {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let value = |byte| letters.iter().position(|letter| *letter == byte).expect("a letter");
        let text = text.trim_end_matches('=').as_bytes();
        let bits =
            text.iter().flat_map(|byte| (0..6).rev().map(move |bit| value(*byte) >> bit & 1));
        let bits: Vec<usize> = bits.collect();
        let bytes = bits.as_chunks::<8>().0;
        bytes.iter().map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect()
    }
}
