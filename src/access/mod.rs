//! Who may do what: tokens with roles, signed buyer tickets, rate limits; all before the ring.
//!
//! [`Access`] is what a server knows of it, shared by all threads and read anew on a reload; a
//! [`Guard`] is one thread's view of it. It reads files at start and on a reload only, and asks
//! nothing of a sale. A server without tokens, tickets and rates pays one branch for it.
//!
//! For each request a protocol makes one call: [`Guard::check`] for what needs a role,
//! [`Guard::buy`] for a purchase; after [`Guard::enter`] or [`Guard::admit`] where a token comes
//! along. The operator's port asks [`Access::require`].
//!
//! Invariant: what was granted by a token ends with that token, at the next request after a reload.

mod files;
mod gcra;
mod guard;
mod keyring;
mod meters;
mod options;
mod role;
mod ticket;
mod token;

use std::fmt;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::RwLock;

pub use files::{add, list, remove};
pub use gcra::{Pace, RATE_MAX};
pub use guard::{Admission, Counts, Guard, Purchase, Refused, Visitor};
pub use keyring::{Grant, Keyring, NamedToken};
pub use options::{AccessOptions, TicketRule};
pub use role::{Denied, Need, Role, Roles};
pub use ticket::{SECRET_BYTES_MIN, Shown, TicketError, Tickets, sign};
pub use token::{TOKEN_BYTES, Token, TokenDigest};

use crate::limits::ADDRESS_ROWS;
use meters::AddressMeters;

/// What the files say at one moment.
struct Page {
    keyring: Keyring,
    /// `None`: purchases need no ticket.
    tickets: Option<Tickets>,
    warnings: Vec<String>,
}

/// What is shared.
struct Shelf {
    options: AccessOptions,
    /// Written after `page` (Release), read before it (Acquire).
    version: AtomicU64,
    page: RwLock<Arc<Page>>,
    token_pace: Option<Pace>,
    address_pace: Option<Pace>,
    addresses: Option<AddressMeters>,
    /// Unix ns.
    unix: fn() -> u64,
}

/// Who may do what on this server.
#[derive(Clone)]
pub struct Access(Arc<Shelf>);

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Access {
    /// Everybody may do everything.
    pub fn open() -> Access {
        let page = Page { keyring: Keyring::open(), tickets: None, warnings: Vec::new() };
        Access::of(&AccessOptions::default(), page, || 0)
    }

    /// Reads the files that the options name. `unix` is the clock that tickets expire by, in ns.
    ///
    /// # Errors
    /// A sentence with file and line, or with the option.
    pub fn load(options: &AccessOptions, unix: fn() -> u64) -> Result<Access, String> {
        options.check()?;
        Ok(Access::of(options, read(options)?, unix))
    }

    fn of(options: &AccessOptions, page: Page, unix: fn() -> u64) -> Access {
        let address_pace = Pace::new(options.rate_per_address, options.burst_per_address);
        Access(Arc::new(Shelf {
            options: options.clone(),
            version: AtomicU64::new(0),
            page: RwLock::new(Arc::new(page)),
            token_pace: Pace::new(options.rate_per_token, options.burst_per_token),
            address_pace,
            addresses: address_pace.map(|_| AddressMeters::new(ADDRESS_ROWS)),
            unix,
        }))
    }

    /// Reads the files again, for all threads from their next socket read on. Rate accounts go on.
    /// Returns what its owner should know.
    ///
    /// # Errors
    /// A sentence with file and line; then what was read before still counts.
    pub fn reload(&self) -> Result<Vec<String>, String> {
        self.prepare()?();
        Ok(self.warnings())
    }

    /// Does all of [`reload`](Self::reload) that can fail; what comes back does the rest.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub fn prepare(&self) -> Result<impl FnOnce() + use<>, String> {
        let mut page = read(&self.0.options)?;
        let shelf = Arc::clone(&self.0);
        Ok(move || {
            let mut slot = shelf.page.write();
            page.keyring = page.keyring.after(&slot.keyring);
            *slot = Arc::new(page);
            shelf.version.fetch_add(1, Ordering::Release);
        })
    }

    /// What the owner of the files should know, as of the last time that they were read.
    pub fn warnings(&self) -> Vec<String> {
        self.0.page.read().warnings.clone()
    }

    /// Whether peers must show a token.
    pub fn asks(&self) -> bool {
        self.0.page.read().keyring.asks()
    }

    /// What a token grants, if that is enough. Takes a lock: for the operator's port, not for
    /// orders.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn require(&self, token: Option<&[u8]>, need: Need) -> Result<Grant, Denied> {
        let page = Arc::clone(&self.0.page.read());
        page.keyring.require(token, need)
    }

    /// One thread's view.
    pub fn guard(&self) -> Guard {
        Guard::new(self.clone())
    }
}

fn read(options: &AccessOptions) -> Result<Page, String> {
    let (mut keyring, mut tickets, mut warnings) = (Keyring::open(), None, Vec::new());
    if let Some(path) = &options.tokens_file {
        let loaded = files::read_tokens(path)?;
        keyring = loaded.what;
        warnings.extend(loaded.warnings);
    }
    if options.tickets == TicketRule::Required {
        let path = options.ticket_secrets_file.as_deref();
        let loaded = files::read_secrets(path.ok_or("tickets: required needs a file")?)?;
        tickets = Some(loaded.what);
        warnings.extend(loaded.warnings);
    }
    Ok(Page { keyring, tickets, warnings })
}
