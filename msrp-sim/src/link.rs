//! One direction of a stream connection: a bounded queue of octets, in flight for a while, never lost, never reordered.

use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use crate::Rng;

/// What a connection is like, in both directions.
#[derive(Clone, Debug)]
pub struct Link {
    /// How long an octet is under way.
    pub latency: Duration,
    /// How much longer it may take, by chance.
    pub jitter: Duration,
    /// Octets a second; none for as many as there are.
    pub rate: Option<u64>,
    /// Octets that the sending side's operating system takes before it blocks.
    pub send_buffer: usize,
    /// Octets that may be under way or unread before the sending side's operating system waits.
    pub recv_window: usize,
    /// Octets that travel together.
    pub segment: RangeInclusive<usize>,
    /// Octets that a node reads at a time.
    pub read: RangeInclusive<usize>,
    /// How long a node waits between two reads; a slow reader has much of it.
    pub read_pause: Duration,
    /// In thousandths: how often the operating system takes only a part of what it could.
    pub short_writes: u64,
}

impl Default for Link {
    /// A good local network.
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(200),
            jitter: Duration::ZERO,
            rate: None,
            send_buffer: 256 * 1024,
            recv_window: 256 * 1024,
            segment: 1..=16 * 1024,
            read: 1..=64 * 1024,
            read_pause: Duration::ZERO,
            short_writes: 0,
        }
    }
}

impl Link {
    /// Some link: mostly a usual one, at times a slow, narrow or very bitty one.
    pub fn random(rng: &mut Rng) -> Self {
        let bitty = rng.chance(80);
        let largest = if bitty {
            7
        } else {
            rng.pick(&[100, 536, 1448, 8192, 65_536])
        };
        Self {
            latency: rng.time(Duration::ZERO..Duration::from_millis(120)),
            jitter: rng.time(Duration::ZERO..Duration::from_millis(20)),
            rate: rng.chance(400).then(|| rng.size(20_000..=20_000_000) as u64),
            send_buffer: rng.size(if bitty { 4096..=9000 } else { 600..=300_000 }),
            recv_window: rng.size(if bitty { 4096..=9000 } else { 2_000..=300_000 }),
            segment: 1..=largest,
            read: if bitty {
                1..=30
            } else {
                1..=rng.pick(&[500, 2048, 16_384, 65_536])
            },
            read_pause: if rng.chance(100) {
                rng.time(Duration::ZERO..Duration::from_millis(30))
            } else {
                Duration::ZERO
            },
            short_writes: rng.pick(&[0, 0, 100, 500]),
        }
    }

    /// The same link with segments and reads of exactly `octets`.
    pub fn split_every(mut self, octets: usize) -> Self {
        self.segment = octets..=octets;
        self.read = octets..=octets;
        self
    }
}

/// Octets from one end of a connection to the other.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Taken by the sender's operating system, not under way yet.
    send: VecDeque<u8>,
    /// Under way: each segment with the time of its arrival.
    flight: VecDeque<(Instant, Vec<u8>)>,
    flying: usize,
    /// Arrived, not read.
    recv: VecDeque<u8>,
    /// The line is busy with the last segment until then.
    busy_until: Instant,
    last_arrival: Instant,
    /// Nothing leaves before.
    pub(crate) stalled_until: Option<Instant>,
    /// The writer was told that it would block, and has to hear when there is room.
    pub(crate) writer_waits: bool,
    /// Octets written, and read, since the connection began.
    pub(crate) written: u64,
    pub(crate) read: u64,
    /// With message framing: where messages end, counted as `written` is.
    boundaries: VecDeque<u64>,
    /// The writer has ended the stream.
    pub(crate) ended: bool,
    /// The reader has been told so.
    pub(crate) end_told: bool,
    /// It broke: what is written from now on goes nowhere, even before the writer has learned of it.
    broken: bool,
    /// When the next look at the queue is on the world's list.
    pub(crate) pump_at: Option<Instant>,
}

impl Pipe {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            send: VecDeque::new(),
            flight: VecDeque::new(),
            flying: 0,
            recv: VecDeque::new(),
            busy_until: now,
            last_arrival: now,
            stalled_until: None,
            writer_waits: false,
            written: 0,
            read: 0,
            boundaries: VecDeque::new(),
            ended: false,
            end_told: false,
            broken: false,
            pump_at: None,
        }
    }

    /// How many octets the sender's operating system would take.
    pub(crate) fn room(&self, link: &Link) -> usize {
        link.send_buffer.saturating_sub(self.send.len())
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        if !self.broken {
            self.send.extend(octets);
        }
        self.written += octets.len() as u64;
    }

    /// The message that the last octets belong to is complete.
    pub(crate) fn mark_boundary(&mut self) {
        self.boundaries.push_back(self.written);
    }

    /// Octets that have arrived and wait to be read.
    pub(crate) fn readable(&self) -> usize {
        self.recv.len()
    }

    /// Whether all that was written has been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.read == self.written
    }

    /// Whether the end of the stream is what the reader would see next.
    pub(crate) fn at_end(&self) -> bool {
        self.ended && self.is_empty()
    }

    /// Sends what may be sent. Tells when to look again: at the next arrival, when the line is free, after a stall.
    pub(crate) fn pump(&mut self, now: Instant, link: &Link, rng: &mut Rng) -> Option<Instant> {
        while self.flight.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, octets)) = self.flight.pop_front() {
                self.flying -= octets.len();
                self.recv.extend(octets);
            }
        }
        if let Some(until) = self.stalled_until {
            if until > now {
                return Some(self.flight.front().map_or(until, |(at, _)| until.min(*at)));
            }
            self.stalled_until = None;
        }
        let mut again = None;
        while !self.send.is_empty() {
            let window = link.recv_window.saturating_sub(self.flying + self.recv.len());
            if window == 0 {
                break;
            }
            if self.busy_until > now {
                again = Some(self.busy_until);
                break;
            }
            let most = rng.within(*link.segment.start() as u64..=*link.segment.end() as u64) as usize;
            let len = self.send.len().min(window).min(most.max(1));
            let octets: Vec<u8> = self.send.drain(..len).collect();
            if let Some(rate) = link.rate {
                self.busy_until = now + Duration::from_nanos(len as u64 * 1_000_000_000 / rate.max(1));
            }
            let jitter = rng.time(Duration::ZERO..link.jitter);
            let at = (self.busy_until.max(now) + link.latency + jitter).max(self.last_arrival);
            self.last_arrival = at;
            self.flying += len;
            self.flight.push_back((at, octets));
        }
        match (again, self.flight.front()) {
            (Some(again), Some((at, _))) => Some(again.min(*at)),
            (again, front) => again.or(front.map(|(at, _)| *at)),
        }
    }

    /// Takes up to `most` octets, never beyond the end of a message; tells whether a message ends behind them.
    pub(crate) fn take(&mut self, most: usize) -> (Vec<u8>, bool) {
        let mut len = most.min(self.recv.len());
        if let Some(boundary) = self.boundaries.front() {
            len = len.min((boundary - self.read) as usize);
        }
        let octets: Vec<u8> = self.recv.drain(..len).collect();
        self.read += len as u64;
        let ends = self.boundaries.front() == Some(&self.read);
        if ends {
            self.boundaries.pop_front();
        }
        (octets, ends)
    }

    /// What was under way is lost; what has arrived stays when `keep_arrived`.
    pub(crate) fn cut(&mut self, keep_arrived: bool) {
        self.broken = true;
        self.send.clear();
        self.flight.clear();
        self.flying = 0;
        if !keep_arrived {
            self.recv.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_arrive_in_order_after_the_latency_and_within_the_window() {
        let link = Link {
            recv_window: 100,
            segment: 1..=40,
            ..Link::default()
        };
        let start = Instant::now();
        let mut rng = Rng::new(3);
        let mut pipe = Pipe::new(start);
        let sent: Vec<u8> = (0..=255).collect();
        pipe.write(&sent);
        let mut got = Vec::new();
        let mut now = start;
        while let Some(next) = pipe.pump(now, &link, &mut rng) {
            assert!(pipe.flying + pipe.recv.len() <= 100);
            assert!(next > now);
            now = next;
            pipe.pump(now, &link, &mut rng);
            while pipe.readable() > 0 {
                got.extend(pipe.take(33).0);
            }
        }
        assert_eq!(got, sent);
        assert!(now >= start + link.latency);
        assert!(pipe.is_empty());
    }

    #[test]
    fn a_window_that_nobody_reads_stops_the_flow() {
        let link = Link {
            recv_window: 100,
            ..Link::default()
        };
        let start = Instant::now();
        let mut rng = Rng::new(3);
        let mut pipe = Pipe::new(start);
        pipe.write(&[0; 300]);
        let mut now = start;
        while let Some(next) = pipe.pump(now, &link, &mut rng) {
            now = next;
        }
        assert_eq!(pipe.readable(), 100);
        assert_eq!(
            pipe.room(&Link {
                send_buffer: 250,
                ..link
            }),
            50
        );
    }

    #[test]
    fn a_broken_pipe_has_no_hole() {
        let link = Link::default();
        let start = Instant::now();
        let mut rng = Rng::new(0);
        let mut pipe = Pipe::new(start);
        pipe.write(b"one");
        let mut now = start;
        while let Some(next) = pipe.pump(now, &link, &mut rng) {
            now = next;
        }
        pipe.write(b"two");
        pipe.cut(true);
        pipe.write(b"three");
        while let Some(next) = pipe.pump(now, &link, &mut rng) {
            now = next;
        }
        assert_eq!(pipe.take(99).0, b"one");
    }

    #[test]
    fn reads_stop_at_the_end_of_a_message() {
        let link = Link::default();
        let start = Instant::now();
        let mut pipe = Pipe::new(start);
        pipe.write(b"one");
        pipe.mark_boundary();
        pipe.write(b"two");
        pipe.mark_boundary();
        let mut rng = Rng::new(0);
        let mut now = start;
        while let Some(next) = pipe.pump(now, &link, &mut rng) {
            now = next;
        }
        assert_eq!(pipe.take(2), (b"on".to_vec(), false));
        assert_eq!(pipe.take(9), (b"e".to_vec(), true));
        assert_eq!(pipe.take(9), (b"two".to_vec(), true));
    }
}
