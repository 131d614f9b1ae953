// SPDX-License-Identifier: MIT
//! fib(size) with rayon::join.

#[path = "../harness/bench.rs"]
mod bench;

fn fib(n: i32) -> i32 {
    if n < 2 {
        return n;
    }
    let (left, right) = rayon::join(|| fib(n - 1), || fib(n - 2));
    left + right
}

fn main() {
    let defaults = bench::Options { size: 30, ..Default::default() };
    bench::main(defaults, |options| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.workers).build().unwrap();
        let size = options.size as i32;
        move || i64::from(pool.install(|| fib(size)))
    });
}
