// SPDX-License-Identifier: MIT
//! How long it takes from submitting a task to a pool that sleeps until the task starts.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::ThreadPoolBuilder;
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

const UNTIL_ASLEEP: Duration = Duration::from_millis(2);

fn main() {
    let defaults = bench::Options { size: 200, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let size = o.size;
        move || {
            let mut sum = 0;
            let mut latencies = Vec::new();
            for i in 0..size {
                let (sender, results) = mpsc::channel();
                sleep(UNTIL_ASLEEP);
                let submitted = Instant::now();
                pool.spawn(move || sender.send((Instant::now(), 2 * i)).unwrap());
                let (started, result) = results.recv().unwrap();
                latencies.push((started - submitted).as_nanos() as i64);
                sum += result;
            }
            bench::percentiles(&mut latencies);
            bench::time(latencies[(latencies.len() - 1) / 2] as u64);
            sum
        }
    });
}
