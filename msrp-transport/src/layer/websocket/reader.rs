//! What comes in: frames of any cut, as the payload of messages (RFC 6455 §5, §6.2).

use bytes::{Buf, BytesMut};

use super::frame::{CloseCode, FrameError, MAX_CONTROL, MAX_HEADER, Opcode, apply_mask};

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Octets of a message, as they come; `end` with the last of them.
    Data {
        octets: BytesMut,
        end: bool,
    },
    Ping(Vec<u8>),
    Pong,
    /// The peer wants to end, for this reason.
    Close(Option<CloseCode>),
}

/// Reads frames. Payload is handed on as it comes, and nothing is kept but a header, or a control frame, that is not
/// complete.
#[derive(Debug)]
pub(super) struct Reader {
    /// Whether the peer is a client, so that its frames have to be masked.
    from_client: bool,
    max_message: u64,
    header: [u8; MAX_HEADER],
    have: u8,
    frame: Option<Frame>,
    /// The data message that has begun and not ended.
    message: Option<Message>,
    /// Whether the latest data message was a text message.
    text: bool,
}

/// A frame of which the header has come.
#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    mask: Option<[u8; 4]>,
    /// Octets of payload that have come.
    at: u64,
    left: u64,
    /// What a control frame carries.
    control: Vec<u8>,
}

#[derive(Debug)]
struct Message {
    octets: u64,
}

impl Reader {
    pub(super) fn new(from_client: bool, max_message: u64) -> Self {
        Self {
            from_client,
            max_message,
            header: [0; MAX_HEADER],
            have: 0,
            frame: None,
            message: None,
            text: false,
        }
    }

    /// Whether the peer's latest data message was a text message.
    pub(super) fn hears_text(&self) -> bool {
        self.text
    }

    /// Takes the next thing off the front of `input`; `None` when all of it has been taken.
    ///
    /// # Errors
    /// [`FrameError`]; what follows has no meaning.
    pub(super) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Incoming>, FrameError> {
        loop {
            let frame = match &mut self.frame {
                Some(frame) => frame,
                None => match self.take_header(input)? {
                    Some(frame) => self.frame.insert(frame),
                    None => return Ok(None),
                },
            };
            if input.is_empty() && frame.left > 0 {
                return Ok(None);
            }
            let length = usize::try_from(frame.left).map_or(input.len(), |left| left.min(input.len()));
            let mut octets = input.split_to(length);
            if let Some(mask) = frame.mask {
                apply_mask(&mut octets, mask, frame.at);
            }
            frame.at += length as u64;
            frame.left -= length as u64;
            let whole = frame.left == 0;
            if frame.opcode.is_control() {
                frame.control.extend_from_slice(&octets);
                if !whole {
                    return Ok(None);
                }
                let (opcode, carried) = (frame.opcode, std::mem::take(&mut frame.control));
                self.frame = None;
                return Ok(Some(match opcode {
                    Opcode::Ping => Incoming::Ping(carried),
                    Opcode::Close => Incoming::Close(close_code(&carried)?),
                    _ => Incoming::Pong,
                }));
            }
            let end = whole && frame.fin;
            if whole {
                self.frame = None;
            }
            if end {
                self.message = None;
            }
            if end || !octets.is_empty() {
                return Ok(Some(Incoming::Data { octets, end }));
            }
        }
    }

    /// The header of the next frame, once it is complete.
    fn take_header(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            let have = usize::from(self.have);
            let wanted = header_len(&self.header[..have]);
            let taken = (wanted - have).min(input.len());
            self.header[have..have + taken].copy_from_slice(&input[..taken]);
            input.advance(taken);
            self.have += taken as u8;
            let have = have + taken;
            if have >= 2 {
                // What is wrong is said as soon as it is seen.
                self.check(self.header[0], self.header[1])?;
            }
            if have < wanted {
                return Ok(None);
            }
            if wanted == header_len(&self.header[..have]) {
                break;
            }
        }
        self.have = 0;
        self.begin().map(Some)
    }

    fn check(&self, first: u8, second: u8) -> Result<Opcode, FrameError> {
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0xf).ok_or(FrameError::Opcode(first & 0xf))?;
        match (self.from_client, second & 0x80 != 0) {
            (true, false) => return Err(FrameError::NotMasked),
            (false, true) => return Err(FrameError::Masked),
            _ => {}
        }
        if opcode.is_control() {
            if first & 0x80 == 0 {
                return Err(FrameError::FragmentedControl);
            }
            if usize::from(second & 0x7f) > MAX_CONTROL {
                return Err(FrameError::LongControl);
            }
        } else {
            match (opcode, &self.message) {
                (Opcode::Continuation, None) => return Err(FrameError::NothingToContinue),
                (Opcode::Text | Opcode::Binary, Some(_)) => return Err(FrameError::Interleaved),
                _ => {}
            }
        }
        Ok(opcode)
    }

    /// The header is complete: a frame begins.
    fn begin(&mut self) -> Result<Frame, FrameError> {
        let [first, second, rest @ ..] = &self.header;
        let opcode = self.check(*first, *second)?;
        let (len, mask) = match second & 0x7f {
            126 => {
                let [a, b, mask @ ..] = rest;
                let len = u64::from(u16::from_be_bytes([*a, *b]));
                if len < 126 {
                    return Err(FrameError::Length);
                }
                (len, &mask[..4])
            }
            127 => {
                let [a, b, c, d, e, f, g, h, mask @ ..] = rest;
                let len = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                if len <= 0xffff || len > i64::MAX as u64 {
                    return Err(FrameError::Length);
                }
                (len, &mask[..])
            }
            len => (u64::from(len), &rest[..4]),
        };
        let mask = match (self.from_client, mask) {
            (true, &[a, b, c, d]) => Some([a, b, c, d]),
            _ => None,
        };
        if !opcode.is_control() {
            let before = self.message.as_ref().map_or(0, |message| message.octets);
            let octets = before.saturating_add(len);
            if octets > self.max_message {
                let limit = self.max_message;
                return Err(FrameError::TooBig { limit });
            }
            self.message = Some(Message { octets });
            if opcode != Opcode::Continuation {
                self.text = opcode == Opcode::Text;
            }
        }
        Ok(Frame {
            opcode,
            fin: first & 0x80 != 0,
            mask,
            at: 0,
            left: len,
            control: Vec::new(),
        })
    }
}

/// How long a header is, as far as its first octets tell.
fn header_len(have: &[u8]) -> usize {
    let Some(second) = have.get(1) else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 != 0 { 4 } else { 0 }
}

fn close_code(carried: &[u8]) -> Result<Option<CloseCode>, FrameError> {
    match carried {
        [] => Ok(None),
        [a, b, ..] => {
            let code = CloseCode(u16::from_be_bytes([*a, *b]));
            code.may_be_sent().then_some(Some(code)).ok_or(FrameError::Close)
        }
        _ => Err(FrameError::Close),
    }
}
