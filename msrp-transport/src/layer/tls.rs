//! TLS by rustls, without a socket.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    sync::Arc,
};

use bytes::{Buf, Bytes};
use msrp_core::{
    connection::Transmit,
    node::{Security, TlsPeer},
};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;

use super::{ReadOutcome, WriteOutcome};
use crate::block::{Blocks, MAX_RECORD};

/// Octets of plain text that may wait in the layer to be encrypted and sent.
const SEND_LIMIT: usize = 64 * 1024;

/// Slices of plain text that are encrypted together.
const MAX_SLICES: usize = 64;

/// Why a TLS layer could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The host is neither a DNS name nor an IP address.
    #[error("not a host name: {0}")]
    ServerName(String),
    /// rustls refuses the configuration.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// A TLS session, as client or server.
///
/// It holds at most 64 KiB of plain text to be sent and one record received.
#[derive(Debug)]
pub struct Tls {
    session: Connection,
    /// Whether the peer's certificate chained to a trusted root (as opposed to a fingerprint).
    chained: bool,
    eof: bool,
}

impl Tls {
    /// A client that expects `host` to be named by the certificate, and names it in SNI unless it is an IP address.
    /// `chained` says that the configuration verifies certificates against roots.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn client(config: Arc<ClientConfig>, host: &str, chained: bool) -> Result<Self, TlsError> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TlsError::ServerName(host.to_owned()))?;
        let session = ClientConnection::new(config, name)?;
        Ok(Self::new(session.into(), chained))
    }

    /// A server. `chained` says that the configuration takes only client certificates that chain to a trusted root.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn server(config: Arc<ServerConfig>, chained: bool) -> Result<Self, TlsError> {
        Ok(Self::new(ServerConnection::new(config)?.into(), chained))
    }

    fn new(mut session: Connection, chained: bool) -> Self {
        session.set_buffer_limit(Some(SEND_LIMIT));
        Self {
            session,
            chained,
            eof: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    pub(super) fn security(&self) -> Security {
        let certificate = self.session.peer_certificates().and_then(|chain| chain.first());
        let mut peer = TlsPeer::default();
        if let Some(certificate) = certificate {
            peer.certificate = Some(Bytes::copy_from_slice(certificate));
            if self.chained
                && let Ok(certificate) = webpki::EndEntityCert::try_from(certificate)
            {
                peer.verified_names = certificate.valid_dns_names().map(str::to_owned).collect();
            }
        }
        if let Connection::Server(server) = &self.session {
            peer.server_name = server.server_name().map(str::to_owned);
        }
        Security::Tls(Arc::new(peer))
    }

    pub(super) fn read(&mut self, source: &mut impl Read, blocks: &mut Blocks) -> io::Result<ReadOutcome> {
        if self.eof {
            return Ok(ReadOutcome::Eof);
        }
        // rustls by itself would ask the socket for 4 KiB at a time.
        let mut records = blocks.lend_records();
        let outcome = self.read_records(source, &mut records, blocks);
        blocks.give_back(records);
        outcome
    }

    fn read_records(
        &mut self,
        source: &mut impl Read,
        records: &mut [u8],
        blocks: &mut Blocks,
    ) -> io::Result<ReadOutcome> {
        let taken = loop {
            match source.read(records) {
                Ok(taken) => break taken,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(ReadOutcome::WouldBlock),
                Err(error) => return Err(error),
            }
        };
        let more = taken == records.len();
        // A record of which a part came before may be complete now.
        let room = blocks.room_for(taken + MAX_RECORD);
        let mut rest = records.get(..taken).unwrap_or_default();
        let mut filled = 0;
        let mut over = taken == 0;
        while !rest.is_empty() && !over {
            if self.session.read_tls(&mut rest)? == 0 {
                return Err(ErrorKind::InvalidData.into());
            }
            let state = self
                .session
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            let octets = state.plaintext_bytes_to_read();
            if octets > 0 {
                let room = room
                    .get_mut(filled..filled + octets)
                    .ok_or(ErrorKind::InvalidData)?;
                self.session.reader().read_exact(room)?;
                filled += octets;
            }
            over = state.peer_has_closed();
        }
        self.eof = over;
        // A stream that ends without close_notify may have been cut by anybody; the connection is over either way.
        if over && filled == 0 {
            return Ok(ReadOutcome::Eof);
        }
        Ok(ReadOutcome::Octets {
            octets: blocks.take(filled),
            message_end: false,
            more: more || over,
        })
    }

    pub(super) fn write(
        &mut self,
        sink: &mut impl Write,
        transmit: &mut Transmit<'_>,
    ) -> io::Result<WriteOutcome> {
        loop {
            while transmit.has_remaining() {
                // Together, as each slice by itself would begin a record of its own.
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let filled = transmit.chunks_vectored(&mut slices);
                let slices = slices.get(..filled).unwrap_or_default();
                let taken = self.session.writer().write_vectored(slices)?;
                if taken == 0 {
                    break;
                }
                transmit.advance(taken);
            }
            if self.flush(sink)? == WriteOutcome::WouldBlock {
                return Ok(WriteOutcome::WouldBlock);
            }
            if !transmit.has_remaining() {
                return Ok(WriteOutcome::Done);
            }
        }
    }

    /// Takes some of these octets, to be encrypted and sent; [`flush`](Self::flush) sends what there is no room for.
    #[cfg(feature = "websocket")]
    pub(super) fn write_some(&mut self, sink: &mut impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let taken = self.session.writer().write_vectored(slices)?;
            if taken > 0 {
                return Ok(taken);
            }
            if self.flush(sink)? == WriteOutcome::WouldBlock || self.session.is_handshaking() {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
    }

    pub(super) fn flush(&mut self, sink: &mut impl Write) -> io::Result<WriteOutcome> {
        while self.session.wants_write() {
            match self.session.write_tls(sink) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(WriteOutcome::WouldBlock),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(WriteOutcome::Done)
    }

    pub(super) fn close(&mut self) {
        self.session.send_close_notify();
    }
}
