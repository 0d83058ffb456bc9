//! Targets that are no doorbuster, or not one that speaks as it is asked to: one clear line, before
//! any load, and no wait without an end.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use crate::PROTOCOLS;
use crate::program::run;

const WEB: &str = "HTTP/1.1 400 Bad Request\r\nServer: web\r\nContent-Length: 6\r\n\
                   Connection: close\r\n\r\nWhat?\n";
const REDIS: &str = "-ERR unknown command 'STOCK', with args beginning with: 'drop' 'tee' \r\n";

/// What a stranger does with whoever comes.
#[derive(Clone, Copy)]
enum Manner {
    /// Says this to the first bytes, and parts.
    Says(&'static str),
    /// Parts at once.
    Parts,
    /// Listens and never says a word.
    Listens,
}

fn stranger(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || receive(client, manner));
        }
    });
    address
}

fn receive(mut client: TcpStream, manner: Manner) -> io::Result<()> {
    match manner {
        Manner::Parts => return Ok(()),
        Manner::Says(text) => {
            client.read_exact(&mut [0])?;
            client.write_all(text.as_bytes())?;
            client.shutdown(std::net::Shutdown::Write)?;
        }
        Manner::Listens => {}
    }
    // To the end, so that what was said is not lost in a reset.
    io::copy(&mut client, &mut io::sink()).map(drop)
}

#[test]
fn another_tongue_is_told_and_quoted() {
    for protocol in PROTOCOLS {
        for (says, heard) in [(WEB, "400"), (REDIS, "ERR unknown command 'STOCK'")] {
            let ended = run(stranger(Manner::Says(says)), &format!("--protocol {protocol}")).end();
            ended.refused(69, " as a doorbuster does: ");
            // Of a greeting the first bytes are enough.
            assert!(protocol == "binary" || ended.stderr.contains(heard), "{}", ended.stderr);
        }
    }
    let ended = run(stranger(Manner::Says(WEB)), "--protocol resp").end();
    ended.refused(69, "does not speak RESP as a doorbuster does: it answered 'HTTP/1.1 400");
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let ended = run(stranger(Manner::Says(chunks)), "--protocol http").end();
    ended.refused(69, "an answer in chunks");
}

#[test]
fn whoever_parts_is_gone() {
    for protocol in PROTOCOLS {
        let ended = run(stranger(Manner::Parts), &format!("--protocol {protocol}")).end();
        assert_eq!(ended.exit, 69, "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn silence_is_waited_for_with_a_bound() {
    let address = stranger(Manner::Listens);
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.cert.pem()).expect("written");
    let tls = format!("--protocol https --ca {}", file.display());
    let mut words: Vec<String> = PROTOCOLS.map(|name| format!("--protocol {name}")).into();
    words.push(tls);
    // All at once: each takes as long as the program is patient.
    thread::scope(|scope| {
        for words in &words {
            scope.spawn(move || run(address, words).end().refused(69, "no answer in time"));
        }
    });
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("blank"), " \n").expect("written");
    std::fs::write(path("two"), "two words\n").expect("written");
    std::fs::write(path("short"), "db_short\n").expect("written");
    let address = stranger(Manner::Parts);
    for (words, part) in [
        (format!("--token-file {}", path("none")), "--token-file: "),
        (format!("--token-file {}", path("blank")), "the token is no single word"),
        (format!("--token-file {}", path("two")), "the token is no single word"),
        (format!("--token-file {}", path("short")), "the token is not 46 characters"),
        (format!("--tls --ca {}", path("none")), "--ca: "),
        (format!("--tls --ca {}", path("blank")), "no certificate in it"),
        (format!("--tls --ca {} --server-name a/b", path("blank")), "--ca: "),
        ("--tls".to_owned(), "--ca FILE"),
        ("--protocol https".to_owned(), "--ca FILE"),
        ("--server-name localhost".to_owned(), "--server-name: only with --tls"),
    ] {
        run(address, &words).end().refused(2, part);
    }
    let ended = run(address, "").variable("DOORBUSTER_TOKEN", "db_short").end();
    ended.refused(2, "the token is not 46 characters");
}
