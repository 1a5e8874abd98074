//! Whoever has to be woken is woken, and nobody else: the asynchronous driver on a runtime that forgives nothing.

use std::{
    io::{Read, Write},
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt,
    io::{AsyncRead, AsyncWrite},
    task::noop_waker,
};
use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, ConnectionHandle, PeerInfo, Target},
};
use msrp_transport::{
    DriverConfig,
    driver::{CommandError, Driver},
    layer::Incoming,
};

use crate::{
    identities::Authority,
    manual::{Counting, End, Executor, Manual, pipe},
    node::{Say, Talker, Told},
    peer::octets,
    raw::{answer, send},
};

type Heard = Arc<Mutex<Vec<Told>>>;

fn driver(runtime: &Manual) -> Driver<Talker> {
    Driver::new(Talker::new(), DriverConfig::new(), runtime.clone())
}

/// Runs a driver as a task that keeps what it is told; `first` is done with the first connection.
fn keep(
    executor: &mut Executor,
    mut driver: Driver<Talker>,
    first: impl FnOnce(&mut Driver<Talker>, ConnectionHandle) + Send + 'static,
) -> Heard {
    let heard = Heard::default();
    let kept = heard.clone();
    let mut first = Some(first);
    executor.add(async move {
        while let Some(told) = driver.next_event().await {
            if let Told::Accepted(handle, _) | Told::Connected(handle, _) = &told
                && let Some(first) = first.take()
            {
                first(&mut driver, *handle);
            }
            kept.lock().unwrap().push(told);
        }
    });
    heard
}

fn bodies(heard: &Heard) -> Vec<Vec<u8>> {
    let heard = heard.lock().unwrap();
    heard
        .iter()
        .filter_map(|told| match told {
            Told::Received(_, body) => Some(body.clone()),
            _ => None,
        })
        .collect()
}

fn say(slices: usize, size: usize) -> impl FnOnce(&mut Driver<Talker>, ConnectionHandle) + Send + 'static {
    move |driver, handle| {
        let slices = (0..slices).map(|_| Bytes::from(octets(size))).collect();
        driver.command(Say::Send(handle, slices)).unwrap();
    }
}

#[test]
fn messages_pass_through_pipes_of_any_size_without_a_lost_call() {
    for capacity in [1, 2, 7, 100, 4096, 1 << 20] {
        let runtime = Manual::default();
        let mut executor = Executor::new(&runtime);
        let (one, other) = pipe(capacity);
        let (mut a, mut b) = (driver(&runtime), driver(&runtime));
        assert!(a.accept(one, PeerInfo::new(), Incoming::default()));
        assert!(b.accept(other, PeerInfo::new(), Incoming::default()));
        let a = keep(&mut executor, a, say(3, 5_000));
        let b = keep(&mut executor, b, say(2, 3_000));
        executor.run();
        assert_eq!(bodies(&b), [octets(5_000).repeat(3)], "{capacity}");
        assert_eq!(bodies(&a), [octets(3_000).repeat(2)], "{capacity}");
    }
}

#[test]
fn tls_does_as_well() {
    let authority = Authority::new();
    for capacity in [1, 3, 100, 20_000, 1 << 20] {
        let runtime = Manual::default();
        let mut executor = Executor::new(&runtime);
        let (one, other) = pipe(capacity);
        let (mut a, mut b) = (driver(&runtime), driver(&runtime));
        runtime.provide("192.0.2.1:7777".parse().unwrap(), one);
        a.set_client_tls(authority.client());
        a.command(Say::Connect(
            1,
            Target::new(Scheme::Msrps, "192.0.2.1", Some(7777)),
        ))
        .unwrap();
        assert!(b.accept(other, PeerInfo::new(), authority.server(&["192.0.2.1"])));
        let a = keep(&mut executor, a, say(2, 40_000));
        let b = keep(&mut executor, b, say(3, 20_000));
        executor.run();
        assert_eq!(bodies(&b), [octets(40_000).repeat(2)], "{capacity}");
        assert_eq!(bodies(&a), [octets(20_000).repeat(3)], "{capacity}");
    }
}

/// Writes to, or reads from, an end of a pipe from outside of any task.
struct Outside(End);

impl Write for Outside {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let waker = noop_waker();
        match Pin::new(&mut self.0).poll_write(&mut Context::from_waker(&waker), octets) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(std::io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Outside {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let waker = noop_waker();
        match Pin::new(&mut self.0).poll_read(&mut Context::from_waker(&waker), room) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(std::io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Polls a driver until it has nothing to tell, and again as long as it wants to be.
fn poll(driver: &mut Driver<Talker>, waker: &Arc<Counting>) -> Vec<Told> {
    let task = waker.clone().into();
    let mut told = Vec::new();
    for _ in 0..1_000 {
        while let Poll::Ready(event) = driver.poll_event(&mut Context::from_waker(&task)) {
            told.extend(event);
        }
        if !waker.was_called() {
            return told;
        }
    }
    panic!("the driver wakes itself for ever")
}

#[test]
fn a_poll_without_a_reason_asks_no_socket_anything() {
    let runtime = Manual::default();
    let mut driver = driver(&runtime);
    let mut outside = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..50 {
        let (one, other) = pipe(10_000);
        calls.push(one.calls.clone());
        outside.push(Outside(other));
        assert!(driver.accept(one, PeerInfo::new(), Incoming::default()));
    }
    let waker = Arc::new(Counting::default());
    poll(&mut driver, &waker);
    let reads = || {
        calls
            .iter()
            .map(|calls| calls.reads.load(Ordering::Relaxed))
            .collect::<Vec<_>>()
    };
    let before = reads();
    let task = waker.clone().into();
    for _ in 0..100 {
        assert!(driver.poll_event(&mut Context::from_waker(&task)).is_pending());
    }
    assert_eq!(reads(), before);
    assert_eq!(waker.calls(), 0, "an idle driver does not wake itself");
    // Of fifty sockets only the one that has something is read.
    outside[20].write_all(send("aaaa", "hello").as_bytes()).unwrap();
    assert_eq!(waker.calls(), 1);
    assert!(matches!(&poll(&mut driver, &waker)[..], [Told::Received(_, body)] if body == b"hello"));
    let after = reads();
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        let asked = after - before;
        assert!(
            if index == 20 {
                (1..=3).contains(&asked)
            } else {
                asked == 0
            },
            "{index}: {asked}"
        );
    }
    let mut said = vec![0; answer("aaaa").len()];
    outside[20].read_exact(&mut said).unwrap();
    assert_eq!(said, answer("aaaa").as_bytes());
}

#[test]
fn the_task_that_polled_last_is_the_one_that_is_woken() {
    let runtime = Manual::default();
    let mut driver = driver(&runtime);
    let (one, other) = pipe(10_000);
    let mut outside = Outside(other);
    assert!(driver.accept(one, PeerInfo::new(), Incoming::default()));
    let (former, latter) = (Arc::new(Counting::default()), Arc::new(Counting::default()));
    poll(&mut driver, &former);
    poll(&mut driver, &latter);
    outside.write_all(b"M").unwrap();
    assert_eq!((former.calls(), latter.calls()), (0, 1));
}

#[test]
fn deadlines_that_move_on_cost_no_timer() {
    let runtime = Manual::default();
    let mut driver = driver(&runtime);
    let (one, other) = pipe(100_000);
    let mut outside = Outside(other);
    assert!(driver.accept(one, PeerInfo::new(), Incoming::default()));
    let waker = Arc::new(Counting::default());
    poll(&mut driver, &waker);
    let before = runtime.armed();
    for round in 0..200 {
        runtime.advance(Duration::from_millis(1));
        // Half a head each time arms the time for the other half.
        let message = send(&format!("r{round:03}"), "x");
        let (half, rest) = message.split_at(30);
        outside.write_all(half.as_bytes()).unwrap();
        poll(&mut driver, &waker);
        outside.write_all(rest.as_bytes()).unwrap();
        assert_eq!(poll(&mut driver, &waker).len(), 1);
    }
    assert!(runtime.armed() - before <= 3, "{}", runtime.armed() - before);
}

#[test]
fn a_timer_wakes_the_driver_for_a_handshake_that_does_not_end() {
    let authority = Authority::new();
    let runtime = Manual::default();
    let mut driver = driver(&runtime);
    let (one, other) = pipe(10_000);
    assert!(driver.accept(one, PeerInfo::new(), authority.server(&["localhost"])));
    let waker = Arc::new(Counting::default());
    poll(&mut driver, &waker);
    runtime.advance(Duration::from_millis(9_990));
    poll(&mut driver, &waker);
    let mut outside = Outside(other);
    assert_eq!(
        outside.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    runtime.advance(Duration::from_millis(20));
    assert!(waker.was_called());
    assert!(poll(&mut driver, &waker).is_empty());
    assert_eq!(outside.read(&mut [0]).unwrap(), 0, "the connection is gone");
}

/// Each look at the deadlines costs as much as there are sockets; that each of them ends at another time must not make it
/// the square of that.
#[test]
fn many_deadlines_close_together_are_looked_at_together() {
    let authority = Authority::new();
    let runtime = Manual::default();
    let mut driver = driver(&runtime);
    let waker = Arc::new(Counting::default());
    let tls = authority.server(&["localhost"]);
    let mut outside = Vec::new();
    for _ in 0..500 {
        let (one, other) = pipe(100);
        assert!(driver.accept(one, PeerInfo::new(), tls.clone()));
        outside.push(Outside(other));
        runtime.advance(Duration::from_millis(1));
        poll(&mut driver, &waker);
    }
    runtime.advance(Duration::from_millis(9_400));
    poll(&mut driver, &waker);
    let before = runtime.armed();
    for _ in 0..700 {
        runtime.advance(Duration::from_millis(1));
        if waker.was_called() {
            poll(&mut driver, &waker);
        }
    }
    let looks = runtime.armed() - before;
    assert!((2..=20).contains(&looks), "{looks}");
    for end in &mut outside {
        assert_eq!(end.read(&mut [0]).unwrap(), 0, "all have ended");
    }
}

#[test]
fn a_connect_that_is_refused_is_told_at_once() {
    let runtime = Manual::default();
    let mut driver = driver(&runtime);
    driver
        .command(Say::Connect(
            1,
            Target::new(Scheme::Msrp, "192.0.2.9", Some(7777)),
        ))
        .unwrap();
    let waker = Arc::new(Counting::default());
    let told = poll(&mut driver, &waker);
    assert!(
        matches!(told[..], [Told::NotConnected(ConnectFailure::Refused)]),
        "{told:?}"
    );
}

/// The application that does not pull holds the node up, not the sockets' octets in some queue of the driver's.
#[test]
fn without_pulling_events_stay_in_the_node() {
    let runtime = Manual::default();
    let mut driver = driver(&runtime);
    let (one, other) = pipe(10_000);
    let mut outside = Outside(other);
    assert!(driver.accept(one, PeerInfo::new(), Incoming::default()));
    let waker = Arc::new(Counting::default());
    outside.write_all(send("aaaa", "hello").as_bytes()).unwrap();
    let task = waker.clone().into();
    for _ in 0..3 {
        assert!(driver.poll_io(&mut Context::from_waker(&task)).is_pending());
    }
    // It was answered all the same.
    let mut said = vec![0; answer("aaaa").len()];
    outside.read_exact(&mut said).unwrap();
    assert!(matches!(
        &poll(&mut driver, &waker)[..],
        [Told::Accepted(..), Told::Received(..)]
    ));
}

#[test]
fn in_a_task_of_its_own_it_lives_as_long_as_somebody_cares() {
    let runtime = Manual::default();
    let mut executor = Executor::new(&runtime);
    let (handle, mut events) = driver(&runtime).spawn();
    let other = handle.clone();
    executor.add(async move {
        assert_eq!(other.command(Say::Measure).await, Ok(()));
        assert!(matches!(
            other.command(Say::Nonsense).await,
            Err(CommandError::Rejected(_))
        ));
        assert!(matches!(events.next_event().await, Some(Told::Measured(0, 0))));
        // Nobody listens any more; the driver goes on.
        drop(events);
        assert_eq!(other.command(Say::Measure).await, Ok(()));
        assert_eq!(
            other
                .visit(|node| format!("{node:?}").starts_with("Talker"))
                .await,
            Some(true)
        );
    });
    executor.run();
    assert_eq!(executor.running(), 1, "the driver, as there is a handle");
    drop(handle);
    executor.run();
    assert_eq!(executor.running(), 0);
}

#[test]
fn events_that_nobody_takes_are_bounded_and_none_is_lost() {
    let runtime = Manual::default();
    let mut executor = Executor::new(&runtime);
    let config = DriverConfig::new().max_events(4);
    let (handle, mut events) = Driver::new(Talker::new(), config, runtime.clone()).spawn();
    executor.add(async move {
        for _ in 0..100 {
            handle.command(Say::Measure).await.unwrap();
        }
        let waiting = handle.visit(Talker::events_waiting).await.unwrap();
        assert_eq!(waiting, 96, "four have left the node");
        handle.shutdown(Duration::from_secs(1)).await;
    });
    executor.run();
    let taken = Arc::new(Mutex::new(0));
    let count = taken.clone();
    executor.add(async move {
        for _ in 0..100 {
            events.next_event().await.unwrap();
            *count.lock().unwrap() += 1;
        }
    });
    executor.run();
    assert_eq!(*taken.lock().unwrap(), 100);
    assert_eq!(executor.running(), 0);
}

#[test]
fn lookups_are_bounded() {
    let runtime = Manual::default();
    let config = DriverConfig::new().max_lookups(2);
    let mut driver = Driver::new(Talker::new(), config, runtime);
    let (open, gate) = futures::channel::oneshot::channel::<()>();
    let gate = gate.shared();
    driver.set_lookup(move |query| {
        let gate = gate.clone();
        async move {
            let _opened = gate.await;
            query
        }
    });
    for query in ["one", "two", "three"] {
        driver.command(Say::Ask(query.to_owned())).unwrap();
    }
    let waker = Arc::new(Counting::default());
    assert!(poll(&mut driver, &waker).is_empty());
    open.send(()).unwrap();
    assert!(waker.was_called());
    let mut answered: Vec<_> = poll(&mut driver, &waker)
        .into_iter()
        .map(|told| match told {
            Told::Answered(answer) => answer,
            other => panic!("{other:?}"),
        })
        .collect();
    answered.sort();
    assert_eq!(answered, ["one", "two"], "the third was dropped");
}
