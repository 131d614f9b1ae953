// SPDX-License-Identifier: MIT
//! skynet with rayon::join, which has two sides: the children of a node are split in halves until one is left.

#[path = "../harness/bench.rs"]
mod bench;

const CHILDREN: i64 = 10;

fn skynet(first: i64, size: i64) -> i64 {
    if size <= 1 {
        return first;
    }
    siblings(first, size / CHILDREN, CHILDREN)
}

/// The sum of `count` children of `size` leaves each.
fn siblings(first: i64, size: i64, count: i64) -> i64 {
    if count == 1 {
        return skynet(first, size);
    }
    let half = count / 2;
    let (left, right) =
        rayon::join(|| siblings(first, size, half), || siblings(first + half * size, size, count - half));
    left + right
}

fn main() {
    let defaults = bench::Options { size: 1000000, ..Default::default() };
    bench::main(defaults, |options| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.workers).build().unwrap();
        let size = options.size;
        move || pool.install(|| skynet(0, size))
    });
}
