// SPDX-License-Identifier: MIT
//! Tasks that each block for 20 ms.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::ThreadPoolBuilder;
use std::thread::sleep;
use std::time::Duration;

fn main() {
    let defaults = bench::Options { size: 100, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let mut results = vec![0; o.size as usize];
        move || {
            pool.in_place_scope(|scope| {
                for (i, result) in (0..).zip(results.iter_mut()) {
                    scope.spawn(move |_| {
                        sleep(Duration::from_millis(20));
                        *result = 2 * i;
                    });
                }
            });
            results.iter().sum()
        }
    });
}
