// SPDX-License-Identifier: MIT
//! A function is applied to each element of an array.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::prelude::*;
use rayon::ThreadPoolBuilder;
use std::time::Instant;

fn main() {
    let defaults = bench::Options { size: 1_000_000, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let numbers: Vec<i64> = (0..o.size).collect();
        let mut results = vec![0; numbers.len()];
        let chunk = o.chunk as usize;
        move || {
            let start = Instant::now();
            pool.install(|| {
                let pairs = numbers.par_iter().zip(results.par_iter_mut());
                if chunk > 0 {
                    pairs.with_max_len(chunk).for_each(|(number, result)| *result = 2 * number);
                } else {
                    pairs.for_each(|(number, result)| *result = 2 * number);
                }
            });
            bench::time(start.elapsed().as_nanos() as u64);
            results.iter().sum()
        }
    });
}
