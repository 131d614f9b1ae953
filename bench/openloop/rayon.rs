// SPDX-License-Identifier: MIT
//! Tasks of 100 us by the clock arrive at random, at a share `load` of what so many workers could do: how long each
//! waits, from when it was to arrive until it starts.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SERVICE: Duration = Duration::from_micros(100);

#[derive(Clone, Default)]
struct Call {
    delay: i64,
    result: i64,
}

fn step(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ x << 17
}

fn serve(call: &mut Call, index: usize, intended: Instant) {
    let started = Instant::now();
    call.delay = (started - intended).as_nanos() as i64;
    while started.elapsed() < SERVICE {}
    call.result = 2 * index as i64;
}

fn serve_all(pool: &ThreadPool, calls: &mut [Call], arrivals: &[f64], gap: f64) -> i64 {
    let start = Instant::now();
    pool.in_place_scope(|scope| {
        for (i, call) in calls.iter_mut().enumerate() {
            let intended = start + Duration::from_nanos((arrivals[i] * gap) as u64);
            let wait = intended.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                sleep(wait);
            }
            scope.spawn(move |_| serve(call, i, intended));
        }
    });
    calls.iter().map(|call| call.result).sum()
}

/// Of a process of rate 1.
fn schedule(n: usize) -> Vec<f64> {
    let mut seed = 88172645463325252;
    let mut now = 0.0;
    (0..n)
        .map(|_| {
            seed = step(seed);
            now -= (((seed >> 11) + 1) as f64 / (1u64 << 53) as f64).ln();
            now
        })
        .collect()
}

fn main() {
    let defaults = bench::Options { size: 10_000, load: 0.8, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let mut calls = vec![Call::default(); o.size as usize];
        let arrivals = schedule(calls.len());
        let gap = SERVICE.as_nanos() as f64 / (o.workers as f64 * o.load);
        move || {
            let sum = serve_all(&pool, &mut calls, &arrivals, gap);
            let mut delays: Vec<i64> = calls.iter().map(|call| call.delay).collect();
            bench::percentiles(&mut delays);
            bench::time(delays[(delays.len() - 1) / 2] as u64);
            sum
        }
    });
}
