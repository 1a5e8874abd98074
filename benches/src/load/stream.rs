//! A socket of the generator, plain or below TLS.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
    net,
    sync::Arc,
};

use mio::event::Source;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// Octets of a socket that are read with one call at most.
const READ: usize = 64 * 1024;
/// More than a record has.
const RECORD: usize = 17 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket, and the TLS session on it if there is one.
#[derive(Debug)]
pub struct Stream<S> {
    socket: S,
    tls: Option<Box<ClientConnection>>,
}

impl<S> Stream<S> {
    /// Without TLS.
    pub fn plain(socket: S) -> Self {
        Self { socket, tls: None }
    }

    /// With TLS to the server of this name; the handshake goes on with the first reads and writes.
    ///
    /// # Errors
    /// The name is neither a host nor an address.
    pub fn tls(socket: S, config: &Arc<ClientConfig>, name: &ServerName<'static>) -> io::Result<Self> {
        let session = ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
        Ok(Self {
            socket,
            tls: Some(Box::new(session)),
        })
    }

    /// The socket.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Whether TLS holds octets that the socket has not taken.
    pub fn holds_output(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Whether a read that does not fill the buffer has emptied the socket.
    pub fn short_read_empties(&self) -> bool {
        self.tls.is_none()
    }
}

impl Stream<net::TcpStream> {
    /// Completes the handshake, on a socket that blocks.
    ///
    /// # Errors
    /// Those of the socket and of TLS.
    pub fn handshake(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.is_handshaking() {
                tls.complete_io(&mut self.socket)?;
            }
        }
        Ok(())
    }

    /// For an event loop.
    ///
    /// # Errors
    /// As the socket call.
    pub fn into_mio(self) -> io::Result<Stream<mio::net::TcpStream>> {
        self.socket.set_nonblocking(true)?;
        Ok(Stream {
            socket: mio::net::TcpStream::from_std(self.socket),
            tls: self.tls,
        })
    }
}

impl Stream<mio::net::TcpStream> {
    /// What an event loop watches.
    pub fn source(&mut self) -> &mut impl Source {
        &mut self.socket
    }
}

impl<S: Read + Write> Stream<S> {
    /// Lets the socket take what TLS holds.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn push(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
        }
        Ok(())
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                told => return told,
            }
            let filled = if buffer.len() > 2 * RECORD {
                SCRATCH.with_borrow_mut(|scratch| read_many(tls, &mut self.socket, scratch, buffer))?
            } else {
                if tls.read_tls(&mut self.socket)? == 0 {
                    return Ok(0);
                }
                process(tls)?;
                0
            };
            // What a handshake owes the server.
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if filled > 0 {
                return Ok(filled);
            }
        }
    }
}

/// Reads once, as much as there is room for when decrypted: rustls by itself would read 4 KiB.
fn read_many(
    tls: &mut ClientConnection,
    socket: &mut impl Read,
    scratch: &mut Vec<u8>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    scratch.resize(READ, 0);
    let room = READ.min(buffer.len() - RECORD);
    let mut rest = match socket.read(&mut scratch[..room])? {
        0 => return Err(ErrorKind::ConnectionReset.into()),
        len => &scratch[..len],
    };
    let mut filled = 0;
    while !rest.is_empty() {
        tls.read_tls(&mut rest)?;
        process(tls)?;
        match tls.reader().read(&mut buffer[filled..]) {
            Ok(len) => filled += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn process(tls: &mut ClientConnection) -> io::Result<()> {
    match tls.process_new_packets() {
        Ok(_) => Ok(()),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(octets);
        };
        let taken = tls.writer().write(octets)?;
        match self.push() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => Ok(taken),
            Err(error) => Err(error),
            Ok(()) => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

/// What clients need for TLS. The server's certificate is not looked at: who measures knows his server.
#[must_use]
pub fn unchecked() -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Unchecked(provider.clone()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| {
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        })
        .unwrap_or_else(|_| unreachable!("ring knows both versions"));
    // Every handshake is a whole one, so that runs can be compared.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
