//! A relay between a client and a server that does something to what the server says.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

/// What it does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trick {
    /// Hands every byte on by itself.
    Drip,
    /// Says something else after so many bytes, and no more.
    Babble(usize),
}

/// Starts it on a free port of the loopback.
pub(crate) fn relay(server: SocketAddr, trick: Trick) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // How a client goes is its own business.
            thread::spawn(move || hand_on(client, TcpStream::connect(server)?, trick));
        }
    });
    address
}

fn hand_on(mut client: TcpStream, mut server: TcpStream, trick: Trick) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let done = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write).and(done)
    });
    let mut bytes = [0; 4096];
    let mut said = 0;
    loop {
        let count = server.read(&mut bytes)?;
        if count == 0 {
            return client.shutdown(Shutdown::Write);
        }
        match trick {
            Trick::Drip => {
                for byte in &bytes[..count] {
                    client.write_all(&[*byte])?;
                }
            }
            Trick::Babble(after) if said + count > after => {
                client.write_all(&bytes[..after - said])?;
                client
                    .write_all(b"\0no answer at all, in no tongue, and long enough for a cell: ")?;
                client.write_all(b"it goes on and on until nobody listens any more.\r\n\r\n")?;
                return client.shutdown(Shutdown::Both);
            }
            Trick::Babble(_) => client.write_all(&bytes[..count])?,
        }
        said += count;
    }
}
