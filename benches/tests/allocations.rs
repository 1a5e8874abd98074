//! How many allocations a short message costs the relay: hardly any.

#[path = "../benches/forwarding/mod.rs"]
mod forwarding;

use std::alloc::System;

use forwarding::Forwarding;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations, and growths, for each message, as the relay takes `window` messages out of each read.
fn allocations(window: usize) -> f64 {
    const BATCHES: usize = 100;
    let mut forwarding = Forwarding::new(200, window);
    // The first batches size the tables.
    for _ in 0..20 {
        forwarding.batch(|work| work());
    }
    let mut count = 0;
    for _ in 0..BATCHES {
        forwarding.batch(|work| {
            let region = Region::new(ALLOCATOR);
            work();
            let change = region.change();
            count += change.allocations + change.reallocations;
        });
    }
    count as f64 / (BATCHES * window) as f64
}

// One test, as the allocator counts for all threads.
#[test]
fn a_short_message_costs_the_relay_hardly_an_allocation() {
    let [one, many] = [1, 32].map(allocations);
    println!("one in a read: {one}, 32 in a read: {many}");
    // What is read into is not the relay's; buffers for output are used again.
    assert!(one <= 0.1, "{one}");
    assert!(many <= 0.1, "{many}");
}
