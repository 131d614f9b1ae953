// SPDX-License-Identifier: MIT
//! Results are consumed in completion order: all tasks send to one channel.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::ThreadPoolBuilder;
use std::sync::mpsc;

fn main() {
    let defaults = bench::Options { size: 100_000, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let size = o.size;
        move || {
            let (sender, results) = mpsc::channel();
            for i in 0..size {
                let sender = sender.clone();
                pool.spawn(move || sender.send(2 * i).unwrap());
            }
            drop(sender);
            results.iter().sum()
        }
    });
}
