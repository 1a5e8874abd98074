//! TLS by rustls, without a socket.

use std::{
    collections::VecDeque,
    io::{self, BufRead, ErrorKind, IoSlice, Read, Write},
    sync::Arc,
};

use bytes::{Buf, Bytes, BytesMut};
use msrp_core::{
    connection::Transmit,
    node::{Security, TlsPeer},
};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;

use super::{ReadOutcome, WriteOutcome};
use crate::block::Blocks;

/// Octets that may wait in the layer, encrypted, to be sent: what a read block leads to goes into one write.
const SEND_LIMIT: usize = 96 * 1024;

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
/// It holds at most 96 KiB to be sent, one record received in part, and, of the four blocks' worth that it asks the socket
/// for at a time, the plain text that has not been read yet: with the default block 256 KiB.
#[derive(Debug)]
pub struct Tls {
    session: Connection,
    /// Whether the peer's certificate chained to a trusted root (as opposed to a fingerprint).
    chained: bool,
    /// Plain text that has come and is given with the next reads.
    received: VecDeque<BytesMut>,
    /// Behind it the peer has ended its stream.
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
            received: VecDeque::new(),
            eof: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    /// Whether the next read has something without asking the source.
    pub(super) fn holds_received(&self) -> bool {
        !self.received.is_empty()
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
        // Of what was left, nobody knows what has come behind it meanwhile.
        let mut more = true;
        if self.received.is_empty() && !self.eof {
            // rustls by itself would ask the socket for 4 KiB at a time. Each read that makes room lets the peer send more,
            // so that a few large ones cost much less.
            let mut records = blocks.lend_records();
            let outcome = self.read_records(source, &mut records, blocks);
            blocks.give_back(records);
            match outcome? {
                Some(full) => more = full,
                None => return Ok(ReadOutcome::WouldBlock),
            }
        }
        // A stream that ends without close_notify may have been cut by anybody; the connection is over either way.
        if self.received.is_empty() && self.eof {
            return Ok(ReadOutcome::Eof);
        }
        let octets = self.received.pop_front().unwrap_or_default();
        if self.received.is_empty() {
            // An idle connection keeps no queue.
            self.received = VecDeque::new();
        } else {
            more = true;
        }
        Ok(ReadOutcome::Octets {
            octets,
            message_end: false,
            more: more || self.eof,
        })
    }

    /// Reads records from the source, or its end; whether it may hold more. None where it has none now.
    fn read_records(
        &mut self,
        source: &mut impl Read,
        records: &mut [u8],
        blocks: &mut Blocks,
    ) -> io::Result<Option<bool>> {
        let taken = loop {
            match source.read(records) {
                Ok(taken) => break taken,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        };
        let more = taken == records.len();
        self.eof = taken == 0;
        let mut rest = records.get(..taken).unwrap_or_default();
        while !rest.is_empty() && !self.eof {
            if self.session.read_tls(&mut rest)? == 0 {
                return Err(ErrorKind::InvalidData.into());
            }
            let state = self
                .session
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            self.eof = state.peer_has_closed();
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let mut reader = self.session.reader();
                let text = reader.fill_buf()?;
                let length = text.len();
                if let Some(full) = blocks.append(text) {
                    self.received.push_back(full);
                }
                reader.consume(length);
                left = left.checked_sub(length).ok_or(ErrorKind::InvalidData)?;
            }
        }
        if let Some(last) = blocks.appended() {
            self.received.push_back(last);
        }
        Ok(Some(more))
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
