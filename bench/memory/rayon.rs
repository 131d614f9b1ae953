// SPDX-License-Identifier: MIT
//! By how many bytes the process grows for each task that is pending; its slot was there before. The workers
//! are held meanwhile.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Barrier;

const PAGE: i64 = 4096;

fn resident() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * PAGE
}

fn round(pool: &ThreadPool, results: &mut [i64], before: &mut Option<i64>) -> i64 {
    let gate = Barrier::new(pool.current_num_threads() + 1);
    let size = results.len() as i64;
    pool.in_place_scope(|scope| {
        // In a first barrier the holders tell that they are there, in a second one they are let go.
        for _ in 0..pool.current_num_threads() {
            scope.spawn(|_| {
                gate.wait();
                gate.wait();
            });
        }
        gate.wait();
        let before = *before.get_or_insert_with(resident);
        for (i, result) in (0..).zip(results.iter_mut()) {
            scope.spawn(move |_| *result = 2 * i);
        }
        bench::metric("bytes", (resident() - before) / size);
        gate.wait();
    });
    results.iter().sum()
}

fn main() {
    let defaults = bench::Options { size: 100_000, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let mut results = vec![1; o.size as usize]; // not 0, so that it is resident from the start
        let mut before = None;
        move || round(&pool, &mut results, &mut before)
    });
}
