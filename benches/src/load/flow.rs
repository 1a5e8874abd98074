//! The event loop of one thread.

use std::{
    io,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use mio::{Events, Poll};

use super::{
    LoadError, Options,
    body::Text,
    options::Mode,
    pair::{Pair, Shape},
    setup,
};

/// What has arrived.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Whole messages.
    pub messages: u64,
    /// From preparing the first octet to receiving the last, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Arrivals {
    /// Nothing yet.
    pub fn new() -> Self {
        // A minute at most, to three digits.
        let mut latency = Histogram::new_with_max(60_000_000_000, 3).unwrap_or_else(|_| unreachable!());
        latency.auto(true);
        Self { messages: 0, latency }
    }
}

impl Default for Arrivals {
    fn default() -> Self {
        Self::new()
    }
}

/// The pairs of one thread.
#[derive(Debug)]
pub struct Flow {
    poll: Poll,
    events: Events,
    pairs: Vec<Pair>,
    text: Text,
    buffer: Vec<u8>,
    began: Instant,
    arrivals: Arrivals,
    /// Pairs that may have something to send.
    ready: Vec<usize>,
    grace: Duration,
    schedule: Option<Schedule>,
}

/// When messages are due, where there is a rate: one pair after the other, at even distances.
#[derive(Debug)]
struct Schedule {
    /// Nanoseconds from one message to the next.
    distance: f64,
    began: u64,
    /// Messages that were due.
    count: u64,
}

impl Schedule {
    fn new(rate: usize) -> Self {
        Self {
            distance: 1e9 / rate as f64,
            began: 0,
            count: 0,
        }
    }

    /// The next message that is due now, and since when; the first is due when this is asked first.
    fn take(&mut self, now: u64) -> Option<(u64, u64)> {
        if self.count == 0 {
            self.began = now;
        }
        let at = self.began + (self.count as f64 * self.distance) as u64;
        (at <= now).then(|| {
            self.count += 1;
            (self.count - 1, at)
        })
    }
}

impl Flow {
    /// Connects the pairs of these numbers.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn connect(options: &Options, numbers: std::ops::Range<usize>) -> Result<Self, LoadError> {
        let poll = Poll::new().map_err(|error| LoadError::Io("epoll", error))?;
        let shape = Shape {
            size: options.size,
            chunk: options.chunk_octets(),
            window: options.window,
        };
        let mut pairs = numbers
            .enumerate()
            .map(|(slot, index)| {
                Pair::new(
                    index,
                    slot,
                    setup::session(options, index)?,
                    shape,
                    poll.registry(),
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        for pair in &mut pairs {
            if options.mode == Mode::Yardstick {
                pair.order_answers();
            }
            if options.rate.is_some() {
                pair.wait_until_due();
            }
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            ready: (0..pairs.len()).collect(),
            pairs,
            text: Text::new(options.binary),
            buffer: Vec::new(),
            began: Instant::now(),
            arrivals: Arrivals::new(),
            grace: Duration::from_secs_f64(options.grace),
            schedule: options.rate.map(Schedule::new),
        })
    }

    /// The pairs.
    pub fn pairs_mut(&mut self) -> &mut [Pair] {
        &mut self.pairs
    }

    /// What has arrived since the last call.
    pub fn take_arrivals(&mut self) -> Arrivals {
        std::mem::take(&mut self.arrivals)
    }

    /// Sends and receives until then.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn run_until(&mut self, end: Instant) -> Result<(), LoadError> {
        self.ready.clear();
        self.ready.extend(0..self.pairs.len());
        loop {
            self.fall_due();
            self.send_ready()?;
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            // Waiting is too coarse for a schedule: the processor is this thread's own, and it may as well look.
            let at_most = match self.schedule {
                None => end - now,
                Some(_) => Duration::ZERO,
            };
            self.wait(at_most)?;
        }
    }

    /// Tells the pairs whose messages are due.
    fn fall_due(&mut self) {
        let now = nanos(self.began.elapsed());
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        while let Some((number, at)) = schedule.take(now) {
            let slot = (number % self.pairs.len().max(1) as u64) as usize;
            if let Some(pair) = self.pairs.get_mut(slot) {
                pair.due(at);
            }
            self.ready.push(slot);
        }
    }

    /// Begins no more messages and waits for those in flight.
    ///
    /// # Errors
    /// [`LoadError::Lost`] where they do not arrive.
    pub fn drain(&mut self) -> Result<(), LoadError> {
        for pair in &mut self.pairs {
            pair.limit(0);
        }
        self.finish(self.grace)
    }

    /// Waits until all that was begun has arrived.
    ///
    /// # Errors
    /// [`LoadError::Lost`] where that is not so in time.
    pub fn finish(&mut self, patience: Duration) -> Result<(), LoadError> {
        let end = Instant::now() + patience;
        self.ready.clear();
        self.ready.extend(0..self.pairs.len());
        loop {
            self.send_ready()?;
            let (sent, done) = self
                .pairs
                .iter()
                .filter(|pair| !pair.is_deaf())
                .fold((0, 0), |(sent, done), pair| {
                    (sent + pair.begun(), done + pair.completed())
                });
            if sent == done {
                return Ok(());
            }
            let now = Instant::now();
            if now >= end {
                return Err(LoadError::Lost {
                    missing: sent - done,
                    sent,
                    seconds: patience.as_secs_f64(),
                });
            }
            self.wait(end - now)?;
        }
    }

    fn send_ready(&mut self) -> Result<(), LoadError> {
        let now = nanos(self.began.elapsed());
        for slot in self.ready.drain(..) {
            if let Some(pair) = self.pairs.get_mut(slot) {
                pair.send(&self.text, now)?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, at_most: Duration) -> Result<(), LoadError> {
        match self.poll.poll(&mut self.events, Some(at_most)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(LoadError::Io("epoll", error));
            }
            _ => {}
        }
        let Self {
            events,
            pairs,
            text,
            buffer,
            arrivals,
            began,
            ready,
            ..
        } = self;
        for event in &*events {
            let slot = event.token().0 / 2;
            let Some(pair) = pairs.get_mut(slot) else {
                continue;
            };
            if event.token().0 % 2 == 0 {
                if event.is_writable() {
                    pair.sender.set_writable();
                }
                if event.is_readable() {
                    pair.read_answers(buffer)?;
                }
            } else {
                if event.is_writable() {
                    pair.receiver.set_writable();
                    pair.receiver.flush()?;
                }
                if event.is_readable() {
                    let now = nanos(began.elapsed());
                    pair.receive(text, buffer, |begun| {
                        arrivals.messages += 1;
                        arrivals.latency.saturating_record(now.saturating_sub(begun));
                    })?;
                }
            }
            if ready.last() != Some(&slot) {
                ready.push(slot);
            }
        }
        Ok(())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_even_distances_however_late_that_is_noticed() {
        let mut schedule = Schedule::new(1_000);
        let mut due = |now| std::iter::from_fn(|| schedule.take(now)).collect::<Vec<_>>();
        assert_eq!(due(5_000), [(0, 5_000)]);
        assert_eq!(due(1_004_999), []);
        assert_eq!(due(3_500_000), [(1, 1_005_000), (2, 2_005_000), (3, 3_005_000)]);
        assert_eq!(due(4_005_000), [(4, 4_005_000)]);
    }
}
