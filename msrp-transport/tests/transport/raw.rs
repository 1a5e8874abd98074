//! Peers that are nothing but a socket, for what no decent peer does.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::{
    identities::Made,
    peer::{PATIENCE, wait_until},
};

/// A TCP connection that does not wait for ever.
pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A message of ours.
pub(crate) fn send(id: &str, body: &str) -> String {
    format!(
        "MSRP {id} SEND\r\nTo-Path: msrp://test.invalid:1/s;tcp\r\nFrom-Path: msrp://raw.invalid:2/r;tcp\r\n\
         Message-ID: msg{id}\r\nByte-Range: 1-{0}/{0}\r\nContent-Type: text/plain\r\n\r\n{body}\r\n-------{id}$\r\n",
        body.len()
    )
}

/// The answer to it, as the node gives it.
pub(crate) fn answer(id: &str) -> String {
    format!(
        "MSRP {id} 200 OK\r\nTo-Path: msrp://raw.invalid:2/r;tcp\r\nFrom-Path: msrp://test.invalid:1/s;tcp\r\n\
         -------{id}$\r\n"
    )
}

/// Reads exactly what is expected.
#[track_caller]
pub(crate) fn expect(stream: &mut impl Read, text: &str) {
    let mut room = vec![0; text.len()];
    stream.read_exact(&mut room).unwrap();
    assert_eq!(String::from_utf8_lossy(&room), text);
}

/// Says something on new connections until one of them is let in and answered; the others end.
#[track_caller]
pub(crate) fn wait_for_room<T: Read + Write>(dial: impl Fn() -> T, id: &str, body: &str) -> T {
    let mut let_in = None;
    wait_until("somebody is let in", || {
        let mut stream = dial();
        let mut room = vec![0; answer(id).len()];
        let said = stream.write_all(send(id, body).as_bytes());
        if said.and_then(|()| stream.read_exact(&mut room)).is_err() {
            return false;
        }
        assert_eq!(String::from_utf8_lossy(&room), answer(id));
        let_in = Some(stream);
        true
    });
    let_in.unwrap()
}

/// Whether the peer closes, in whatever way, before it says anything.
pub(crate) fn is_closed(stream: &mut impl Read) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// A TLS client with nothing of ours in it.
pub(crate) fn tls_client(
    roots: RootCertStore,
    name: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConnection {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
}

/// One that presents a certificate.
pub(crate) fn tls_client_with(roots: RootCertStore, made: &Made) -> ClientConnection {
    let chain = vec![CertificateDer::from(made.der.clone())];
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

/// It, on a socket.
pub(crate) fn dial_tls(
    address: SocketAddr,
    roots: RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
) -> StreamOwned<ClientConnection, TcpStream> {
    StreamOwned::new(tls_client(roots, "localhost", versions), dial(address))
}

/// Writes slowly: octet by octet, each in a segment of its own as far as the kernel goes along.
pub(crate) fn dribble(stream: &mut TcpStream, octets: &[u8]) {
    stream.set_nodelay(true).unwrap();
    for (index, octet) in octets.iter().enumerate() {
        stream.write_all(&[*octet]).unwrap();
        if index % 16 == 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
