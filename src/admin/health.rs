//! Whether the server can be sent to: a phase that only moves on.

use tokio::sync::watch;

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The journal is being read.
    Loading,
    /// Orders are taken.
    Ready,
    /// What was read is answered, and nothing more is taken.
    Draining,
    /// The port closes.
    Stopping,
}

/// Moves the phase on; never back.
pub(super) fn advance(phase: &watch::Sender<Phase>, to: Phase) {
    phase.send_if_modified(|phase| {
        let later = *phase < to;
        *phase = to.max(*phase);
        later
    });
}

/// Until the phase is reached.
pub(super) async fn reaches(phase: &mut watch::Receiver<Phase>, at_least: Phase) {
    // Without a sender the port is gone, and everything is reached.
    let _ = phase.wait_for(|phase| *phase >= at_least).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_never_goes_back() {
        let (phase, seen) = watch::channel(Phase::Loading);
        advance(&phase, Phase::Draining);
        advance(&phase, Phase::Ready);
        assert_eq!(*seen.borrow(), Phase::Draining);
    }
}
