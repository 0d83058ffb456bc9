//! A receiver that shows a certificate which is not good: nothing is posted, and it is said why.

use doorbuster::sink::Sink as _;

use super::receiver::Receiver;
use super::{Home, again, changes, checkpoint, tls};

#[test]
fn a_certificate_of_another_authority_is_not_trusted() {
    let (ours, theirs) = (tls::Authority::new(), tls::Authority::new());
    let files = tls::Files::new(&ours);
    let receiver = Receiver::with_tls(files.load().current());
    let mut home = Home::new(&format!("https://localhost:{}/", receiver.address.port()));
    home.terms.in_flight = 2;
    // Public authorities, another one, and a file that is none.
    let why = again(home.begun().deliver(&changes([1]), 1));
    assert!(why.contains("certificate"), "{why}");
    home.terms.ca_file = Some(home.path("ca.pem"));
    std::fs::write(home.path("ca.pem"), theirs.pem()).expect("written");
    let why = again(home.begun().deliver(&changes([1]), 1));
    assert!(why.contains("certificate"), "{why}");
    std::fs::write(home.path("ca.pem"), "no PEM").expect("written");
    let why = home.sink().begin(&checkpoint()).expect_err("no certificate").sentence();
    assert!(why.contains("ca.pem: no certificate in it"), "{why}");
    assert_eq!(receiver.count(), 0);
    std::fs::write(home.path("ca.pem"), ours.pem()).expect("written");
    home.begun().deliver(&changes(1..=20), 20).expect("taken");
    assert_eq!(receiver.count(), 20);
}

#[test]
fn a_certificate_of_another_name_or_another_time_is_not_trusted() {
    let ours = tls::Authority::new();
    let files = tls::Files::new(&ours);
    for (name, until, says) in [
        ("elsewhere.example", 4096, "not valid for name \"localhost\""),
        ("localhost", 2020, "certificate expired"),
    ] {
        files.put(&ours.issue_for(name, until));
        let receiver = Receiver::with_tls(files.load().current());
        let mut home = Home::new(&format!("https://localhost:{}/", receiver.address.port()));
        home.terms.ca_file = Some(home.path("ca.pem"));
        std::fs::write(home.path("ca.pem"), ours.pem()).expect("written");
        let why = again(home.begun().deliver(&changes([1]), 1));
        assert!(why.contains(says), "{why}");
        assert_eq!(receiver.count(), 0);
    }
}
