// SPDX-License-Identifier: MIT
//! How long it takes from asking tasks of 10 us that are queued to stop until their scope has ended. rayon
//! cannot cancel: each task looks at a flag when it starts. The workers are held until all is queued.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Barrier;
use std::thread::yield_now;
use std::time::{Duration, Instant};

const TASK: Duration = Duration::from_micros(10);

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Pending,
    Done,
    Cancelled,
}

fn work(started: &AtomicI64) -> Outcome {
    let end = Instant::now() + TASK;
    started.fetch_add(1, Ordering::Relaxed);
    while Instant::now() < end {}
    Outcome::Done
}

fn round(pool: &ThreadPool, outcomes: &mut [Outcome]) -> i64 {
    let (stopped, started) = (AtomicBool::new(false), AtomicI64::new(0));
    let gate = Barrier::new(pool.current_num_threads() + 1);
    let mut request = (0, Instant::now());
    outcomes.fill(Outcome::Pending);
    pool.in_place_scope(|scope| {
        // In a first barrier the holders tell that they are there, in a second one they are let go.
        for _ in 0..pool.current_num_threads() {
            scope.spawn(|_| {
                gate.wait();
                gate.wait();
            });
        }
        gate.wait();
        for outcome in outcomes.iter_mut() {
            let (stopped, started) = (&stopped, &started);
            scope.spawn(move |_| {
                *outcome = if stopped.load(Ordering::Relaxed) { Outcome::Cancelled } else { work(started) }
            });
        }
        gate.wait();
        while started.load(Ordering::Relaxed) == 0 {
            yield_now();
        }
        request = (started.load(Ordering::Relaxed), Instant::now());
        stopped.store(true, Ordering::Relaxed);
    });
    let (before, start) = request;
    bench::time(start.elapsed().as_nanos() as u64);
    bench::metric("started", started.into_inner() - before);
    outcomes.iter().filter(|outcome| **outcome != Outcome::Pending).count() as i64
}

fn main() {
    let defaults = bench::Options { size: 100_000, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let mut outcomes = vec![Outcome::Pending; o.size as usize];
        move || round(&pool, &mut outcomes)
    });
}
