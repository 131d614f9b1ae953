// SPDX-License-Identifier: MIT
//! nqueens with rayon::join, which has two sides: the boards that a row makes are split in halves until one is left.
//! See board.h for what all of them do.

#[path = "../harness/bench.rs"]
mod bench;

const ROWS: usize = 16;

type Board = [i8; ROWS];

fn allows(above: &[i8], column: i32) -> bool {
    above.iter().rev().zip(1..).all(|(&other, rows)| {
        let apart = column - i32::from(other);
        apart != 0 && apart != rows && apart != -rows
    })
}

fn next(board: &Board, row: usize, size: usize, next: &mut [Board; ROWS]) -> usize {
    let mut count = 0;
    for column in 0..size {
        if allows(&board[..row], column as i32) {
            next[count] = *board;
            next[count][row] = column as i8;
            count += 1;
        }
    }
    count
}

fn solutions(board: &Board, row: usize, size: usize) -> i64 {
    if row == size {
        return 1;
    }
    let mut boards = [[0; ROWS]; ROWS];
    let count = next(board, row, size, &mut boards);
    siblings(&boards[..count], row + 1, size)
}

fn siblings(boards: &[Board], row: usize, size: usize) -> i64 {
    match boards {
        [] => 0,
        [board] => solutions(board, row, size),
        _ => {
            let (left, right) = boards.split_at(boards.len() / 2);
            let (left, right) = rayon::join(|| siblings(left, row, size), || siblings(right, row, size));
            left + right
        }
    }
}

fn main() {
    let defaults = bench::Options { size: 10, ..Default::default() };
    bench::main(defaults, |options| {
        let size = options.size as usize;
        if size < 1 || size > ROWS {
            bench::fail(format_args!("a board has 1 to {ROWS} rows"));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.workers).build().unwrap();
        move || pool.install(|| solutions(&[0; ROWS], 0, size))
    });
}
