//! What a run was made under, in words: for the page, and to see whether two runs can be compared.

use super::document::Document;
use crate::figures::{grouped, memory, time};

const TARGET: &str = "Target";
const SCHEDULE: &str = "Schedule";
const SEED: &str = "Seed";

/// Name and value of what has to be the same where runs are compared. Other addresses and seeds are
/// no other conditions, and how the schedule was kept is a result.
pub(crate) fn compared(document: &Document) -> Vec<(String, String)> {
    let mut rows = stated(document);
    rows.retain(|(name, _)| ![TARGET, SCHEDULE, SEED].contains(&name.as_str()));
    rows
}

/// Name and value of all that a run was made under.
pub(crate) fn stated(document: &Document) -> Vec<(String, String)> {
    let (run, machine) = (&document.run, &document.machine);
    let mut rows = Vec::new();
    let mut state = |name: &str, value: String| rows.push((name.to_owned(), value));
    let tls = if run.tls { " over TLS" } else { "" };
    state(TARGET, run.target.clone());
    state("Protocol", format!("{}{tls}", run.protocol.word()));
    state("Sale and items", format!("{}: {}", run.sale, run.items.join(", ")));
    state("Connections", grouped(run.connections as u64));
    let outstanding = match (run.pipeline, run.outstanding) {
        (Some(pipeline), _) => Some(pipeline.to_string()),
        (None, most) => most.map(|most| format!("{most} at most")),
    };
    if let Some(outstanding) = outstanding {
        state("Requests outstanding on each", outstanding);
    }
    state("Generator threads", run.threads.to_string());
    state("Profile", run.profile.clone().unwrap_or_else(|| "closed loop".to_owned()));
    if let Some(kept) = &document.schedule {
        let late = (kept.late_generator_share + kept.late_connection_share) * 100.0;
        let latest = time(kept.latest_ns);
        state(SCHEDULE, format!("{late:.2} % late; the generator itself at most {latest}"));
    }
    state("Warm-up", format!("{} s, not counted", run.warmup_seconds));
    let population = run.buyers.map_or("a new one for every purchase".to_owned(), grouped);
    state("Buyers", population);
    state("Skew of items", format!("zipf {}", run.zipf));
    for (name, value) in &run.mix {
        state(&format!("Mix: {}", name.replace('_', " ")), value.clone());
    }
    state(SEED, run.seed.to_string());
    let processor = machine.processor.as_deref().unwrap_or("processors");
    state("Generator's machine", format!("{} x {processor}", machine.processors));
    if let Some(bytes) = machine.memory_bytes {
        state("Memory", memory(bytes));
    }
    state("System", machine.system.clone());
    let server = document.server.as_ref().and_then(|server| server.version.as_deref());
    let versions =
        format!("loadgen {}, server {}", document.loadgen, server.unwrap_or("not asked"));
    state("Versions", versions);
    rows
}
