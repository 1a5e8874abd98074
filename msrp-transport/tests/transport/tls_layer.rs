//! TLS without sockets: what comes in large pieces is given block by block, and belongs to one connection only.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
};

use msrp_transport::{
    block::Blocks,
    layer::{Incoming, Layer, ReadOutcome},
};
use rustls::{
    ClientConnection, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use crate::{identities::Authority, raw::tls_client};

const BLOCK: usize = 64 * 1024;

/// What a read finds: each piece as far as there is room, and nothing once all have been read.
#[derive(Default)]
struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    fn of(piece: &[u8]) -> Self {
        Self(VecDeque::from([piece.to_vec()]))
    }
}

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.0.pop_front() else {
            return Err(ErrorKind::WouldBlock.into());
        };
        let read = piece.len().min(room.len());
        room[..read].copy_from_slice(&piece[..read]);
        if read < piece.len() {
            self.0.push_front(piece.split_off(read));
        }
        Ok(read)
    }
}

/// A client of rustls' own, and our layer, which have shaken hands.
fn connected(version: &'static SupportedProtocolVersion, blocks: &mut Blocks) -> (ClientConnection, Layer) {
    let authority = Authority::new();
    let mut layer = Incoming::from(authority.server(&["localhost"])).layer().unwrap();
    let mut client = tls_client(authority.roots(), "localhost", &[version]);
    client.set_buffer_limit(None);
    while client.is_handshaking() || layer.is_handshaking() || client.wants_write() {
        let records = records(&mut client);
        if !records.is_empty() {
            let outcome = layer.read(&mut Pieces::of(&records), blocks).unwrap();
            assert!(matches!(outcome, ReadOutcome::Octets { octets, .. } if octets.is_empty()));
        }
        let mut back = Vec::new();
        layer.flush(&mut back).unwrap();
        let mut back = &back[..];
        while !back.is_empty() {
            client.read_tls(&mut back).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    (client, layer)
}

/// What the client has to send.
fn records(client: &mut ClientConnection) -> Vec<u8> {
    let mut records = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut records).unwrap();
    }
    records
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn what_comes_at_once_is_given_block_by_block() {
    for version in [&TLS12, &TLS13] {
        let mut blocks = Blocks::new(BLOCK);
        let (mut client, mut layer) = connected(version, &mut blocks);
        let said = text(200_000);
        client.writer().write_all(&said).unwrap();
        let mut source = Pieces::of(&records(&mut client));
        let (mut heard, mut given) = (Vec::new(), 0);
        loop {
            match layer.read(&mut source, &mut blocks).unwrap() {
                ReadOutcome::Octets { octets, more, .. } => {
                    assert!((1..=BLOCK).contains(&octets.len()));
                    heard.extend_from_slice(&octets);
                    given += 1;
                    // While blocks wait, more may come without anybody seeing it: the end of what there is says only the source.
                    assert!(more);
                }
                ReadOutcome::WouldBlock => break,
                outcome => panic!("{outcome:?}"),
            }
        }
        assert_eq!(heard, said);
        assert_eq!(given, 4);
        assert!(!layer.holds_received());
        // What is alone has come without others behind it.
        client.writer().write_all(b"x").unwrap();
        let outcome = layer
            .read(&mut Pieces::of(&records(&mut client)), &mut blocks)
            .unwrap();
        assert!(
            matches!(outcome, ReadOutcome::Octets { octets, more: false, .. } if octets == b"x"[..]),
            "{version:?}"
        );
    }
}

#[test]
fn the_end_comes_behind_what_was_said_before() {
    let mut blocks = Blocks::new(BLOCK);
    let (mut client, mut layer) = connected(&TLS13, &mut blocks);
    let said = text(150_000);
    client.writer().write_all(&said).unwrap();
    client.send_close_notify();
    let mut source = Pieces::of(&records(&mut client));
    let mut heard = Vec::new();
    loop {
        match layer.read(&mut source, &mut blocks).unwrap() {
            ReadOutcome::Octets { octets, more, .. } => {
                assert!(more);
                heard.extend_from_slice(&octets);
            }
            ReadOutcome::Eof => break,
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!(heard, said);
}

#[test]
fn what_a_broken_connection_said_is_given_to_no_other() {
    let mut blocks = Blocks::new(BLOCK);
    let (mut broken, mut broken_layer) = connected(&TLS13, &mut blocks);
    let (mut sound, mut sound_layer) = connected(&TLS13, &mut blocks);
    broken.writer().write_all(b"secret").unwrap();
    let mut octets = records(&mut broken);
    broken.writer().write_all(b"forged").unwrap();
    octets.extend(records(&mut broken));
    *octets.last_mut().unwrap() ^= 1;
    let error = broken_layer
        .read(&mut Pieces::of(&octets), &mut blocks)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    sound.writer().write_all(b"hello").unwrap();
    let outcome = sound_layer
        .read(&mut Pieces::of(&records(&mut sound)), &mut blocks)
        .unwrap();
    assert!(matches!(outcome, ReadOutcome::Octets { octets, .. } if octets == b"hello"[..]));
}
