//! What an operator says about access, and what of it makes sense together.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::gcra::RATE_MAX;

/// Whether a purchase needs a signed buyer ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TicketRule {
    /// It needs none; one that is shown is not looked at.
    #[default]
    Off,
    /// It needs one.
    Required,
}

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOptions {
    /// The tokens; without it nobody is asked for one.
    pub tokens_file: Option<PathBuf>,
    /// Whether everybody in the network may do everything, if there are no tokens.
    pub allow_open: bool,
    /// Whether purchases need tickets.
    pub tickets: TicketRule,
    /// The secrets that tickets are signed with.
    pub ticket_secrets_file: Option<PathBuf>,
    /// Purchases a second for each name of a token, over the whole server; 0 for no limit.
    pub rate_per_token: u32,
    /// Purchases that may come at once after a rest; 0 for as many as in a second.
    pub burst_per_token: u32,
    /// Purchases a second for each IPv4 address or IPv6 /64 network; 0 for no limit.
    pub rate_per_address: u32,
    /// As `burst_per_token`.
    pub burst_per_address: u32,
}

impl AccessOptions {
    /// Checks what belongs together.
    ///
    /// # Errors
    /// A sentence that names the option and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if self.tickets == TicketRule::Required && self.ticket_secrets_file.is_none() {
            return Err("tickets: required needs ticket_secrets_file".into());
        }
        if self.rate_per_token != 0 && self.tokens_file.is_none() {
            return Err("rate_per_token: there are no tokens; give tokens_file".into());
        }
        for (name, rate, burst) in [
            ("token", self.rate_per_token, self.burst_per_token),
            ("address", self.rate_per_address, self.burst_per_address),
        ] {
            for (what, value) in [("rate", rate), ("burst", burst)] {
                if value > RATE_MAX {
                    return Err(format!(
                        "{what}_per_{name}: {value} is not between 0 and {RATE_MAX}"
                    ));
                }
            }
            if rate == 0 && burst != 0 {
                return Err(format!("burst_per_{name}: there is no rate_per_{name}"));
            }
        }
        Ok(())
    }

    /// Checks that a port that others can reach asks for tokens, or is meant to ask for none.
    /// `option` is the name of the option that says where it is.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn check_listen(&self, option: &str, address: SocketAddr) -> Result<(), String> {
        let inside = address.ip().to_canonical().is_loopback();
        if inside || self.tokens_file.is_some() || self.allow_open {
            return Ok(());
        }
        Err(format!(
            "{option}: {address} can be reached from other machines, and without tokens everybody \
             there may do everything: give tokens_file (doorbuster token new makes one), listen on \
             127.0.0.1, or say allow_open = true (--allow-open)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_others_can_reach_needs_tokens_or_a_loud_word() {
        let none = AccessOptions::default();
        let tokens = AccessOptions { tokens_file: Some("t.toml".into()), ..none.clone() };
        let open = AccessOptions { allow_open: true, ..none.clone() };
        for (address, loopback) in [
            ("127.0.0.1:7400", true),
            ("127.9.9.9:7400", true),
            ("[::1]:7400", true),
            ("[::ffff:127.0.0.1]:7400", true),
            ("0.0.0.0:7400", false),
            ("[::]:7400", false),
            ("192.0.2.7:7400", false),
            ("[2001:db8::1]:7400", false),
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(none.check_listen("listen", address).is_ok(), loopback, "{address}");
            assert!(tokens.check_listen("listen", address).is_ok());
            assert!(open.check_listen("listen", address).is_ok());
        }
        let address = "0.0.0.0:7401".parse().expect("an address");
        let why = none.check_listen("admin_listen", address).expect_err("open to all");
        assert!(why.starts_with("admin_listen: 0.0.0.0:7401") && why.contains("--allow-open"));
    }

    #[test]
    fn options_that_do_not_belong_together_are_refused_by_name() {
        let tokens = || AccessOptions { tokens_file: Some("t".into()), ..AccessOptions::default() };
        let required = AccessOptions { tickets: TicketRule::Required, ..tokens() };
        let fast = AccessOptions { rate_per_address: 1_000_000_001, ..tokens() };
        let burst = AccessOptions { burst_per_token: 5, ..tokens() };
        let nobody = AccessOptions { rate_per_token: 5, ..AccessOptions::default() };
        for (options, expected) in [
            (required, "ticket_secrets_file"),
            (fast, "rate_per_address: 1000000001 is not between 0 and 1000000000"),
            (burst, "burst_per_token: there is no rate_per_token"),
            (nobody, "rate_per_token: there are no tokens"),
        ] {
            let why = options.check().expect_err(expected);
            assert!(why.contains(expected), "{why}");
        }
        assert_eq!(
            AccessOptions { rate_per_token: 5, burst_per_token: 9, ..tokens() }.check(),
            Ok(())
        );
    }
}
