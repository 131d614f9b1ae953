// SPDX-License-Identifier: MIT
//! matmul with rayon::join: four quarters are two joins in a join. See product.h for what all of them do.

#[path = "../harness/bench.rs"]
mod bench;

use std::time::Instant;

const LEAF: usize = 32;

/// c += a * b on squares; pointers, since the quarters of c are no slices.
#[derive(Clone, Copy)]
struct Product {
    a: *const f64,
    b: *const f64,
    c: *mut f64,
    size: usize,
    stride: usize,
}

// SAFETY: those that run at once write to quarters of c of their own, and nobody writes to a and b.
unsafe impl Send for Product {}
unsafe impl Sync for Product {}

impl Product {
    #[inline(always)]
    unsafe fn leaf(self) {
        let mut b = [[0.0; LEAF]; LEAF];
        for (k, row) in b.iter_mut().enumerate() {
            row.copy_from_slice(std::slice::from_raw_parts(self.b.add(k * self.stride), LEAF));
        }
        for i in 0..LEAF {
            let a = std::slice::from_raw_parts(self.a.add(i * self.stride), LEAF);
            let c = &mut *self.c.add(i * self.stride).cast::<[f64; LEAF]>();
            let mut sums = *c;
            for (factor, row) in a.iter().zip(&b) {
                for (sum, element) in sums.iter_mut().zip(row) {
                    *sum += factor * element;
                }
            }
            *c = sums;
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn leaf_avx2(self) {
        self.leaf()
    }

    unsafe fn leaf_of_machine(self) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return self.leaf_avx2();
        }
        self.leaf()
    }

    /// Those with the left half of a and the upper half of b, or (second) with the others.
    unsafe fn quarters(self, second: usize) -> [Product; 4] {
        let half = self.size / 2;
        let down = half * self.stride;
        [0, 1, 2, 3].map(|i| Product {
            a: self.a.add(i / 2 * down + second * half),
            b: self.b.add(second * down + i % 2 * half),
            c: self.c.add(i / 2 * down + i % 2 * half),
            size: half,
            stride: self.stride,
        })
    }

    fn multiply(self) {
        if self.size == LEAF {
            // SAFETY: all rows of the leaf are in the matrices.
            return unsafe { self.leaf_of_machine() };
        }
        for second in 0..2 {
            // SAFETY: as are those of quarters.
            let [q0, q1, q2, q3] = unsafe { self.quarters(second) };
            rayon::join(
                || rayon::join(|| q0.multiply(), || q1.multiply()),
                || rayon::join(|| q2.multiply(), || q3.multiply()),
            );
        }
    }
}

fn row_weight(row: usize) -> i64 {
    (row % 11 + 1) as i64
}

fn column_weight(column: usize) -> i64 {
    (column % 13 + 1) as i64
}

/// Returns the check to expect.
fn fill(a: &mut [f64], b: &mut [f64], size: usize) -> i64 {
    let mut expected = 0;
    for k in 0..size {
        let (mut column, mut row) = (0, 0);
        for i in 0..size {
            let of_a = ((i * k + 3 * i + k) % 7) as i64;
            let of_b = ((k * i + k + 5 * i) % 5) as i64;
            a[i * size + k] = of_a as f64;
            b[k * size + i] = of_b as f64;
            column += of_a * row_weight(i);
            row += of_b * column_weight(i);
        }
        expected += column * row;
    }
    expected
}

fn check(c: &[f64], size: usize) -> i64 {
    let weighted = |(i, &element): (usize, &f64)| element as i64 * row_weight(i / size) * column_weight(i % size);
    c.iter().enumerate().map(weighted).sum()
}

fn main() {
    let defaults = bench::Options { size: 512, ..Default::default() };
    bench::main(defaults, |options| {
        let size = options.size as usize;
        if !(LEAF..=16384).contains(&size) || !size.is_power_of_two() {
            bench::fail(format_args!("the size is a power of two from {LEAF} to 16384"));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.workers).build().unwrap();
        let (mut a, mut b, mut c) = (vec![0.0; size * size], vec![0.0; size * size], vec![0.0; size * size]);
        let expected = fill(&mut a, &mut b, size);
        move || {
            c.fill(0.0);
            let whole = Product { a: a.as_ptr(), b: b.as_ptr(), c: c.as_mut_ptr(), size, stride: size };
            let start = Instant::now();
            pool.install(|| whole.multiply());
            bench::time(start.elapsed().as_nanos() as u64);
            let sum = check(&c, size);
            if sum != expected {
                bench::fail(format_args!("the product's sum is {sum}, not {expected}"));
            }
            sum
        }
    });
}
