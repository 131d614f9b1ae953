// SPDX-License-Identifier: MIT
//! Threads outside the pool submit tasks; each sums the results of its own. rayon has no futures: a task of a scope
//! writes to its slot, and the end of the scope waits for all of them.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::{ThreadPool, ThreadPoolBuilder};

fn produce(pool: &ThreadPool, results: &mut [i64], from: i64) -> i64 {
    pool.in_place_scope(|scope| {
        for (i, result) in (from..).zip(results.iter_mut()) {
            scope.spawn(move |_| *result = 2 * i);
        }
    });
    results.iter().sum()
}

fn main() {
    let defaults = bench::Options { size: 100_000, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let mut results = vec![0; o.size as usize];
        let share = results.len().div_ceil(o.producers).max(1);
        move || {
            let pool = &pool;
            std::thread::scope(|threads| {
                let producers: Vec<_> = results
                    .chunks_mut(share)
                    .enumerate()
                    .map(|(i, part)| threads.spawn(move || produce(pool, part, (i * share) as i64)))
                    .collect();
                producers.into_iter().map(|producer| producer.join().unwrap()).sum()
            })
        }
    });
}
