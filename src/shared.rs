//! What a server's two ports have in common, read before either of them opens: the counters, who
//! may do what, and the certificate.
//!
//! It starts nothing. Invariant: what the files say was read and checked whole.

use std::sync::Arc;

use crate::access::Access;
use crate::certificates::Certificates;
use crate::clock;
use crate::metrics::{Fixed, Metrics};
use crate::options::Options;
use crate::taps::Taps;

/// What both ports know.
#[derive(Clone)]
pub struct Shared {
    /// Everything that is counted; during the replay the journal's seq moves.
    pub metrics: Metrics,
    /// Who may do what.
    pub access: Access,
    /// What TLS is spoken with; `None`: it is not.
    pub certificates: Option<Arc<Certificates>>,
    /// The sinks, as operators reach them.
    pub taps: Taps,
}

impl Shared {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// A sentence with the option or the file, and what is wrong.
    pub fn load(options: &Options) -> Result<Shared, String> {
        let certificates = options.tls_files().map(|(cert, key)| Certificates::load(cert, key));
        let fixed = Fixed {
            started_at: clock::monotonic(),
            orders_max: options.orders_max,
            buyers_max: options.buyers_max,
        };
        Ok(Shared {
            metrics: Metrics { fixed, ..Metrics::new(options.shards) },
            access: Access::load(&options.access(), clock::unix)?,
            certificates: certificates.transpose()?.map(Arc::new),
            taps: Taps::default(),
        })
    }

    /// What their owners should know of the files.
    pub fn warnings(&self) -> Vec<String> {
        let certificate = self.certificates.as_ref().and_then(|files| files.warning());
        self.access.warnings().into_iter().chain(certificate).collect()
    }
}
