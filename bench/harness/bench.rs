// SPDX-License-Identifier: MIT
//! What a benchmark program in Rust shares with all the others: its options, its rounds, its output; as bench.h does.
//! A program says `#[path = "../harness/bench.rs"] mod bench;`.
#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::fmt::{Display, Write};
use std::process::exit;
use std::time::Instant;

/// A zero in the defaults means what it does in bench.h.
#[derive(Clone, Default)]
pub struct Options {
    pub workers: usize,
    pub rounds: usize,
    pub warmup: usize,
    pub producers: usize,
    pub size: i64,
    pub chunk: i64,
    pub load: f64,
}

thread_local! {
    static TIME: Cell<Option<u64>> = Cell::new(None);
    static METRICS: RefCell<String> = RefCell::new(String::new());
}

/// Says so on standard error and ends the process with status 1.
pub fn fail(why: impl Display) -> ! {
    eprintln!("{}: {}", program(), why);
    exit(1)
}

/// A further figure of the round under way. By the thread that runs it, as are the next two.
pub fn metric(name: &str, value: i64) {
    METRICS.with(|told| write!(told.borrow_mut(), " {name}={value}").unwrap());
}

/// This is the time of the round under way, and not all of it.
pub fn time(ns: u64) {
    TIME.with(|told| told.set(Some(ns)));
}

/// Sorts the samples, of which there is at least one, and tells their p50, p99 and p999.
pub fn percentiles(samples: &mut [i64]) {
    samples.sort_unstable();
    for (name, per_mille) in [("p50", 500), ("p99", 990), ("p999", 999)] {
        metric(name, samples[(samples.len() * per_mille + 999) / 1000 - 1]);
    }
}

fn program() -> String {
    std::env::args().next().unwrap_or_default()
}

fn bad_usage(why: impl Display) -> ! {
    eprintln!("{}: {}", program(), why);
    exit(2)
}

fn number<T: std::str::FromStr>(option: &str, text: Option<String>) -> T {
    match text.as_deref().map(str::parse) {
        Some(Ok(value)) => value,
        _ => bad_usage(format_args!("{option} cannot be {}", text.unwrap_or_default())),
    }
}

fn parse(mut o: Options) -> Options {
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--workers" => o.workers = number(&word, words.next()),
            "--rounds" => o.rounds = number(&word, words.next()),
            "--warmup" => o.warmup = number(&word, words.next()),
            "--producers" => o.producers = number(&word, words.next()),
            "--size" => o.size = number(&word, words.next()),
            "--chunk" => o.chunk = number(&word, words.next()),
            "--load" => o.load = number(&word, words.next()),
            _ => bad_usage(format_args!("unknown option {word}")),
        }
    }
    if o.workers == 0 {
        o.workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    }
    if o.rounds == 0 {
        o.rounds = 3;
    }
    o.producers = o.producers.max(1);
    o
}

/// Reads the options, sets up, and runs the rounds. `setup` gives the round, which is timed as a whole and returns the
/// value to check.
pub fn main<R: FnMut() -> i64>(defaults: Options, setup: impl FnOnce(&Options) -> R) {
    let options = parse(defaults);
    let mut round = setup(&options);
    let mut first = None;
    for i in 0..options.warmup + options.rounds {
        TIME.with(|told| told.set(None));
        METRICS.with(|told| told.borrow_mut().clear());
        let start = Instant::now();
        let check = round();
        let all = start.elapsed().as_nanos() as u64;
        let expected = *first.get_or_insert(check);
        if check != expected {
            fail(format_args!("round {i} gives {check}, the first gave {expected}"));
        }
        if i >= options.warmup {
            let ns = TIME.with(Cell::get).unwrap_or(all);
            METRICS.with(|told| println!("ns={ns} check={check}{}", told.borrow()));
        }
    }
}
