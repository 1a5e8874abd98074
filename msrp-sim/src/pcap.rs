//! A run as a capture file: classic pcap, raw IPv4, with the TCP that the octets might have travelled in, so that
//! Wireshark's dissectors show it (`tshark -r f.pcap -d tcp.port==2855,msrp`). Its MSRP dissector reads bodies as lines of
//! text and calls binary ones malformed; their octets are right all the same.

use std::{net::SocketAddr, time::Instant};

use crate::{
    checker::naive,
    trace::{Stamp, Trace, Wire},
    world::address,
};

/// Octets in one packet; well below the 65,535 of an IP packet.
const SEGMENT: usize = 60 * 1024;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Writes a capture of all connections. Times count from the first day of 2026.
pub fn capture(trace: &Trace, start: Instant) -> Vec<u8> {
    let mut packets: Vec<(Stamp, Vec<u8>)> = Vec::new();
    for (number, wire) in trace.wires.iter().enumerate() {
        connection(number, wire, &mut packets);
    }
    packets.sort_by_key(|(stamp, _)| *stamp);
    let mut file = Vec::new();
    // Magic, version 2.4, zone, accuracy, longest packet, link type 101 (raw IP).
    file.extend_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
    file.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&262_144_u32.to_le_bytes());
    file.extend_from_slice(&101_u32.to_le_bytes());
    for (stamp, packet) in packets {
        let time = stamp.at.saturating_duration_since(start);
        let seconds = 1_767_225_600 + time.as_secs() as u32;
        for number in [
            seconds,
            time.subsec_micros(),
            packet.len() as u32,
            packet.len() as u32,
        ] {
            file.extend_from_slice(&number.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    file
}

fn connection(number: usize, wire: &Wire, packets: &mut Vec<(Stamp, Vec<u8>)>) {
    // All stand on MSRP's own port, whatever the world called it, so that one rule decodes them all.
    let ends = [
        address(wire.nodes[0], 20_000 + (number % 40_000) as u16),
        address(wire.nodes[1], 2855),
    ];
    let [opener, accepter] = ends;
    let opened = wire.opened;
    packets.push((opened, packet(opener, accepter, 0, 0, SYN, &[])));
    packets.push((opened, packet(accepter, opener, 0, 1, SYN | ACK, &[])));
    packets.push((opened, packet(opener, accepter, 1, 1, ACK, &[])));
    // One packet to a frame where that is possible: the dissector does not join all that TCP may cut. How the octets
    // really travelled is drawn by chance anyway.
    let mut pieces: Vec<(Stamp, usize, usize, usize)> = Vec::new();
    for (direction, stream) in wire.streams.iter().enumerate() {
        let ends = naive::decode(&stream.octets)
            .unwrap_or_default()
            .into_iter()
            .map(|frame| frame.end as usize);
        let mut at = 0;
        for end in ends.chain([stream.octets.len()]) {
            while at < end {
                let until = end.min(at + SEGMENT);
                pieces.push((stream.written_at(until as u64), direction, at, until));
                at = until;
            }
        }
    }
    pieces.sort_unstable();
    let mut sent = [1_u32; 2];
    let mut last = opened;
    for (stamp, direction, at, until) in pieces {
        let other = 1 - direction;
        let octets = &wire.streams[direction].octets[at..until];
        let flags = PSH | ACK;
        packets.push((
            stamp,
            packet(
                ends[direction],
                ends[other],
                1 + at as u32,
                sent[other],
                flags,
                octets,
            ),
        ));
        sent[direction] = 1 + until as u32;
        last = stamp;
    }
    if let Some(stamp) = wire.reset.or(wire.ended) {
        let flag = if wire.reset.is_some() { RST } else { FIN };
        let stamp = stamp.max(last);
        packets.push((stamp, packet(opener, accepter, sent[0], sent[1], flag | ACK, &[])));
        if flag == FIN {
            packets.push((
                stamp,
                packet(accepter, opener, sent[1], sent[0] + 1, FIN | ACK, &[]),
            ));
        }
    }
}

/// An IPv4 packet with a TCP segment.
fn packet(
    from: SocketAddr,
    to: SocketAddr,
    sequence: u32,
    acknowledged: u32,
    flags: u8,
    octets: &[u8],
) -> Vec<u8> {
    let (source, target) = (v4(from), v4(to));
    let mut tcp = Vec::with_capacity(20 + octets.len());
    tcp.extend_from_slice(&from.port().to_be_bytes());
    tcp.extend_from_slice(&to.port().to_be_bytes());
    tcp.extend_from_slice(&sequence.to_be_bytes());
    tcp.extend_from_slice(&(if flags & ACK == 0 { 0 } else { acknowledged }).to_be_bytes());
    tcp.extend_from_slice(&[5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend_from_slice(octets);
    let mut pseudo = Vec::with_capacity(12 + tcp.len());
    pseudo.extend_from_slice(&source);
    pseudo.extend_from_slice(&target);
    pseudo.extend_from_slice(&[0, 6]);
    pseudo.extend_from_slice(&(tcp.len() as u16).to_be_bytes());
    pseudo.extend_from_slice(&tcp);
    let sum = checksum(&pseudo).to_be_bytes();
    tcp[16..18].copy_from_slice(&sum);
    let mut ip = vec![0x45, 0];
    ip.extend_from_slice(&(20 + tcp.len() as u16).to_be_bytes());
    ip.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
    ip.extend_from_slice(&source);
    ip.extend_from_slice(&target);
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    ip.extend_from_slice(&tcp);
    ip
}

fn v4(address: SocketAddr) -> [u8; 4] {
    match address {
        SocketAddr::V4(address) => address.ip().octets(),
        SocketAddr::V6(_) => [0; 4],
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_1071() {
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
        let packet = packet(address(0, 1), address(1, 2), 3, 4, ACK, b"odd");
        assert_eq!(checksum(&packet[..20]), 0);
    }

    #[test]
    fn an_empty_trace_is_a_header() {
        assert_eq!(capture(&Trace::default(), Instant::now()).len(), 24);
    }
}
