//! The relay as a node: what forwarding costs without sockets.
#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

mod forwarding;

use criterion::{Criterion, Throughput, criterion_group};
use forwarding::Forwarding;

/// One SEND in and out, its 200 to the sender, and the receiver's 200.
fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("relay");
    for (size, window) in [(200, 1), (200, 32), (2_000, 32)] {
        group.throughput(Throughput::Elements(window as u64));
        group.bench_function(format!("{size} octets, {window} in a read"), |b| {
            b.iter_custom(|batches| Forwarding::new(size, window).time(batches));
        });
    }
    group.finish();
}

criterion_group!(benches, messages);

/// `MSRP_BATCHES=N` does N batches of 32 messages (or `MSRP_WINDOW`) and nothing else: a fixed amount of work, whose
/// instructions `perf stat` or callgrind count where wall time is noise.
fn main() {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    match number("MSRP_BATCHES") {
        Some(batches) => {
            let window = number("MSRP_WINDOW").unwrap_or(32);
            Forwarding::new(200, window as usize).time(batches);
        }
        None => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
