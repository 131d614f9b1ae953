// SPDX-License-Identifier: MIT
//! What CPU time a pool takes that has run one task and now has nothing to do, for `size` milliseconds.
#[path = "../harness/bench.rs"]
mod bench;

use rayon::ThreadPoolBuilder;
use std::sync::mpsc;
use std::thread::sleep;
use std::time::Duration;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;

fn cpu_time() -> i64 {
    let mut used = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the structure is that of 64 bit Linux, and outlives the call.
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used.seconds * 1_000_000_000 + used.nanoseconds
}

fn main() {
    let defaults = bench::Options { size: 500, ..Default::default() };
    bench::main(defaults, |o| {
        let pool = ThreadPoolBuilder::new().num_threads(o.workers).build().unwrap();
        let idle = Duration::from_millis(o.size as u64);
        move || {
            let (sender, results) = mpsc::channel();
            pool.spawn(move || sender.send(2 * 21).unwrap());
            let result = results.recv().unwrap();
            let before = cpu_time();
            sleep(idle);
            let used = cpu_time() - before;
            bench::metric("cpu_ns", used);
            bench::time(used as u64);
            result
        }
    });
}
