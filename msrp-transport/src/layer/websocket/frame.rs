//! Frames as they are written, and what can be wrong with those that come (RFC 6455 §5, §7.4).

use bytes::{BufMut, BytesMut};

/// Octets of the longest frame header: two, an eight octet length, a mask.
pub(super) const MAX_HEADER: usize = 14;

/// Octets that a control frame may carry (RFC 6455 §5.5).
pub(super) const MAX_CONTROL: usize = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xa,
        }
    }

    pub(super) fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// Why a connection ends (RFC 6455 §7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CloseCode(pub(super) u16);

impl CloseCode {
    /// All is done.
    pub(super) const NORMAL: Self = Self(1000);
    pub(super) const PROTOCOL_ERROR: Self = Self(1002);
    pub(super) const TOO_BIG: Self = Self(1009);

    /// Whether a peer may say it in a Close frame.
    pub(super) fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// What a peer's frames break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// RSV bits, for which no extension has been agreed (RFC 6455 §5.2).
    #[error("reserved bits of a frame are set")]
    ReservedBits,
    /// An opcode without meaning.
    #[error("unknown opcode {0:#x}")]
    Opcode(u8),
    /// A client's frame that is not masked (RFC 6455 §5.1).
    #[error("a client's frame is not masked")]
    NotMasked,
    /// A server's frame that is masked (RFC 6455 §5.1).
    #[error("a server's frame is masked")]
    Masked,
    /// A length in more octets than it needs, or above 2^63 (RFC 6455 §5.2).
    #[error("the length of a frame is not written in the shortest way")]
    Length,
    /// A control frame in fragments (RFC 6455 §5.5).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame of more than 125 octets (RFC 6455 §5.5).
    #[error("a control frame has more than 125 octets")]
    LongControl,
    /// A continuation of nothing (RFC 6455 §5.4).
    #[error("a continuation frame continues nothing")]
    NothingToContinue,
    /// A message begins in the middle of another (RFC 6455 §5.4).
    #[error("a message begins before the one before it has ended")]
    Interleaved,
    /// A Close frame of one octet, or with a code that must not be sent (RFC 6455 §5.5.1, §7.4).
    #[error("a Close frame without a legal code")]
    Close,
    /// A message of more octets than the configured bound.
    #[error("a message of more than {limit} octets")]
    TooBig {
        /// The bound.
        limit: u64,
    },
}

impl FrameError {
    /// What the peer is told.
    pub(super) fn close_code(self) -> CloseCode {
        match self {
            FrameError::TooBig { .. } => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// Writes the header of a frame.
pub(super) fn put_header(out: &mut BytesMut, fin: bool, opcode: Opcode, len: usize, mask: Option<[u8; 4]>) {
    out.put_u8(u8::from(fin) << 7 | opcode.bits());
    let masked = u8::from(mask.is_some()) << 7;
    match len {
        0..=125 => out.put_u8(masked | len as u8),
        126..=0xffff => {
            out.put_u8(masked | 126);
            out.put_u16(len as u16);
        }
        _ => {
            out.put_u8(masked | 127);
            out.put_u64(len as u64);
        }
    }
    if let Some(mask) = mask {
        out.put_slice(&mask);
    }
}

/// Masks octets, or takes the mask off (RFC 6455 §5.3); `at` is the position of the first in the frame's payload.
pub(super) fn apply_mask(octets: &mut [u8], mask: [u8; 4], at: u64) {
    let mut turned = mask;
    turned.rotate_left((at % 4) as usize);
    let word = u32::from_ne_bytes(turned);
    let wide = u64::from(word) << 32 | u64::from(word);
    let mut eights = octets.chunks_exact_mut(8);
    for eight in &mut eights {
        let mut whole = [0; 8];
        whole.copy_from_slice(eight);
        eight.copy_from_slice(&(u64::from_ne_bytes(whole) ^ wide).to_ne_bytes());
    }
    for (octet, mask) in eights.into_remainder().iter_mut().zip(turned.iter().cycle()) {
        *octet ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_short_as_they_can_be() {
        for (len, expected) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (0xffff, &[0x82, 126, 0xff, 0xff]),
            (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = BytesMut::new();
            put_header(&mut out, true, Opcode::Binary, len, None);
            assert_eq!(&out[..], expected);
        }
        let mut out = BytesMut::new();
        put_header(&mut out, false, Opcode::Text, 3, Some([1, 2, 3, 4]));
        assert_eq!(&out[..], [0x01, 0x83, 1, 2, 3, 4]);
        assert!(out.len() <= MAX_HEADER);
    }

    /// RFC 6455 §5.7: the masked "Hello".
    #[test]
    fn a_mask_is_applied_from_any_position() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut octets = *b"Hello";
        apply_mask(&mut octets, mask, 0);
        assert_eq!(octets, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        let plain: Vec<u8> = (0..100).collect();
        let mut whole = plain.clone();
        apply_mask(&mut whole, mask, 0);
        for cut in 0..plain.len() {
            let mut parts = plain.clone();
            let (front, back) = parts.split_at_mut(cut);
            apply_mask(front, mask, 0);
            apply_mask(back, mask, cut as u64);
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }
}
