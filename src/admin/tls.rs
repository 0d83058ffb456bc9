//! TLS on the operator's port: spoken with whoever begins with it.
//!
//! It never keeps a certificate: each handshake is made with the one that is in force.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::server::{Handshake, Stream};
use crate::certificates::Certificates;

/// The first byte of a TLS connection: a handshake record.
const TLS_FIRST_BYTE: u8 = 0x16;

/// TLS for those who begin it; others are served plainly, or turned away if it is `required`.
pub fn tls(certificates: Arc<Certificates>, required: bool) -> Handshake {
    Arc::new(move |socket: TcpStream| {
        let certificates = Arc::clone(&certificates);
        Box::pin(async move {
            let mut first = [0];
            let begins_tls = socket.peek(&mut first).await? == 1 && first[0] == TLS_FIRST_BYTE;
            if begins_tls {
                let acceptor = TlsAcceptor::from(certificates.current());
                return Ok(Box::new(acceptor.accept(socket).await?) as Box<dyn Stream>);
            }
            if required {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "this port speaks TLS only",
                ));
            }
            Ok(Box::new(socket) as Box<dyn Stream>)
        })
    })
}
