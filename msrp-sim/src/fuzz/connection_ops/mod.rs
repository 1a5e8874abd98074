//! Two connections in memory, and whatever their nodes, their drivers, the time and a peer may do to them.

mod side;
mod wire;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use msrp_core::{
    codec::DecoderLimits,
    connection::{CloseReason, ConnectionConfig},
    grammar::{ContinuationFlag, FailureReport},
};

use self::side::Side;
use super::input::Input;

const MAX_OPS: usize = 400;

const TIMES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(61),
];

/// Bounds so small that the input reaches them.
fn config(options: u8) -> ConnectionConfig {
    let limits = DecoderLimits::default().with_max_head(1024).with_max_lines(16);
    ConnectionConfig::new()
        .decoder_limits(limits)
        .rx_limit(2048)
        .send_high(16 * 1024)
        .control_high(16 * 1024)
        .lane_watermarks(4096, 1024)
        .max_lanes(4)
        .max_transactions(12)
        .max_deferred(3)
        .max_chunk(match options & 3 {
            0 | 1 => None,
            2 => Some(500),
            _ => Some(5000),
        })
        .auto_200(options & 4 == 0)
}

/// Input: one octet of options, then operations, each an octet with its operands behind it; see `Pair::operate`.
///
/// # Panics
/// When a bound is broken, when what is sent is not MSRP or not what was written, when what is received is not what was
/// sent, or when the connections do not come to rest.
pub fn connection_ops(data: &[u8]) {
    let mut input = Input(data);
    let options = input.octet();
    let mut pair = Pair {
        now: Instant::now(),
        sides: [0, 1].map(|name| Side::new(name, config(options))),
    };
    let mut ops = 0;
    while !input.is_empty() && ops < MAX_OPS {
        ops += 1;
        let code = input.octet();
        pair.operate(code, &mut input);
        pair.sides.iter_mut().for_each(Side::check_bounds);
    }
    pair.come_to_rest();
    pair.judge();
}

struct Pair {
    now: Instant,
    sides: [Side; 2],
}

impl Pair {
    /// One operation: the highest bit of `code` names the side, the lowest four what to do.
    fn operate(&mut self, code: u8, input: &mut Input<'_>) {
        let name = usize::from(code >> 7);
        let now = self.now;
        let side = &mut self.sides[name];
        let report = [FailureReport::Yes, FailureReport::Partial, FailureReport::No]
            [usize::from(code >> 5 & 3).min(2)];
        match code & 15 {
            0 => side.open_send(input.octet(), report),
            1 => {
                let lane = input.octet();
                let len = usize::from(input.number() % 5000);
                side.write(now, lane, len, code & 16 != 0);
            }
            2 => side.finish(now, input.octet(), flag(input.octet())),
            3 => side.abort(now, input.octet()),
            4 => side.restart_at(input.octet(), u64::from(input.number())),
            5 => side.send_chunk(
                now,
                usize::from(input.number() % 2500),
                flag(input.octet()),
                report,
            ),
            6 => side.send_request(now, input.octet(), usize::from(input.number() % 11_000), report),
            7 | 8 => {
                let most = usize::from(input.number());
                self.transfer(name, most);
            }
            9 => side.answer(input.octet(), input.octet()),
            10 => {
                side.pull(now, usize::from(input.octet()));
            }
            11 => self.pass(TIMES[usize::from(input.octet() & 7)]),
            12 => {
                let len = usize::from(input.octet());
                side.inject(now, input.octets(len));
            }
            13 => side.connection.settle(),
            14 => side.pull_sent(),
            _ => match input.octet() {
                0 => side.connection.handle_read_eof(now),
                1 => side.connection.handle_reset(now),
                2 => side.connection.close(now, CloseReason::Done),
                _ => side.misuse(now),
            },
        }
    }

    /// Moves up to `most` octets from one side to the other, if the other wants to read; gives how many, and one
    /// for the end of the stream.
    fn transfer(&mut self, from: usize, most: usize) -> usize {
        let now = self.now;
        let to = 1 - from;
        if !self.sides[to].connection.wants_read() {
            // A driver that writes goes on all the same: what it takes is in the socket's buffers.
            return 0;
        }
        let octets: Bytes = self.sides[from].take(now, most);
        self.sides[to]
            .connection
            .handle_read(now, BytesMut::from(&octets[..]));
        if self.sides[from].connection.is_drained() {
            self.sides[to].connection.handle_read_eof(now);
            return octets.len() + 1;
        }
        octets.len()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for side in &mut self.sides {
            side.connection.handle_timeout(self.now);
        }
    }

    /// Everybody reads, writes and pulls until nothing is left to do but for the time to pass, and then that.
    fn come_to_rest(&mut self) {
        for steps in 0.. {
            assert!(steps < 2000, "deadlines without end");
            self.exchange();
            let due = self
                .sides
                .iter()
                .filter_map(|side| side.connection.poll_timeout())
                .min();
            let Some(due) = due else { break };
            self.now = self.now.max(due);
            self.pass(Duration::ZERO);
            let again = self
                .sides
                .iter()
                .filter_map(|side| side.connection.poll_timeout())
                .min();
            assert!(
                again.is_none_or(|at| at > self.now),
                "a deadline that has passed is told again"
            );
        }
    }

    fn exchange(&mut self) {
        for rounds in 0.. {
            assert!(rounds < 10_000, "the connections never come to rest");
            let mut moved = 0;
            for name in [0, 1] {
                moved += self.sides[name].pull(self.now, usize::MAX);
                moved += self.transfer(name, 1500);
                moved +=
                    self.sides[name].write_to_nobody(self.now, self.sides[1 - name].connection.is_closed());
            }
            self.sides.iter_mut().for_each(Side::check_bounds);
            if moved == 0 {
                return;
            }
        }
    }

    fn judge(&self) {
        let [a, b] = &self.sides;
        for (from, to) in [(a, b), (b, a)] {
            from.check_rest();
            let frames = wire::check_sent(from);
            if !to.tainted {
                wire::check_received(&frames, to);
            }
        }
    }
}

fn flag(octet: u8) -> ContinuationFlag {
    match octet % 3 {
        0 => ContinuationFlag::Complete,
        1 => ContinuationFlag::Abort,
        _ => ContinuationFlag::More,
    }
}
