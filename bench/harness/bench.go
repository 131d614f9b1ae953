// SPDX-License-Identifier: MIT
// What a benchmark program in Go shares with all the others: its options, its rounds, its output; as bench.h does.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"time"
)

// Options of a program; a zero in the defaults means what it does in bench.h.
type Options struct {
	Workers, Rounds, Warmup, Producers int
	Size, Chunk                        int64
	Load                               float64
}

var (
	benchTime    int64
	benchMetrics string
)

// BenchFail says so on standard error and ends the process with status 1.
func BenchFail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, os.Args[0]+": "+format+"\n", args...)
	os.Exit(1)
}

// BenchMetric tells a further figure of the round under way.
func BenchMetric(name string, value int64) {
	benchMetrics += fmt.Sprintf(" %s=%d", name, value)
}

// BenchTime says that this is the time of the round under way, and not all of it.
func BenchTime(ns int64) {
	benchTime = ns
}

// BenchPercentiles sorts the samples, of which there is at least one, and tells their p50, p99 and p999.
func BenchPercentiles(samples []int64) {
	if len(samples) == 0 {
		BenchFail("no samples to take percentiles of")
	}
	sort.Slice(samples, func(i, j int) bool { return samples[i] < samples[j] })
	for _, rank := range []struct {
		name     string
		perMille int
	}{{"p50", 500}, {"p99", 990}, {"p999", 999}} {
		BenchMetric(rank.name, samples[(len(samples)*rank.perMille+999)/1000-1])
	}
}

func parseOptions(o Options) Options {
	if o.Workers == 0 {
		o.Workers = runtime.NumCPU()
	}
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.Producers == 0 {
		o.Producers = 1
	}
	flag.IntVar(&o.Workers, "workers", o.Workers, "threads that run tasks")
	flag.IntVar(&o.Rounds, "rounds", o.Rounds, "measured rounds")
	flag.IntVar(&o.Warmup, "warmup", o.Warmup, "rounds before them")
	flag.IntVar(&o.Producers, "producers", o.Producers, "those who submit")
	flag.Int64Var(&o.Size, "size", o.Size, "of the problem")
	flag.Int64Var(&o.Chunk, "chunk", o.Chunk, "elements of a task")
	flag.Float64Var(&o.Load, "load", o.Load, "arrivals as a share of capacity")
	flag.Parse()
	if flag.NArg() > 0 || o.Workers < 1 || o.Rounds < 1 || o.Warmup < 0 || o.Producers < 1 || o.Size < 0 || o.Chunk < 0 {
		fmt.Fprintf(os.Stderr, "%s: bad options\n", os.Args[0])
		os.Exit(2)
	}
	return o
}

// BenchMain reads the options, sets GOMAXPROCS to the number of workers, sets up, and runs the rounds. setup gives the
// round, which is timed as a whole and returns the value to check, and what ends it all, which may be nil.
func BenchMain(defaults Options, setup func(o *Options) (round func() int64, teardown func())) {
	o := parseOptions(defaults)
	runtime.GOMAXPROCS(o.Workers)
	round, teardown := setup(&o)
	var first int64
	for i := 0; i < o.Warmup+o.Rounds; i++ {
		benchTime, benchMetrics = -1, ""
		start := time.Now()
		check := round()
		ns := time.Since(start).Nanoseconds()
		if benchTime >= 0 {
			ns = benchTime
		}
		if i == 0 {
			first = check
		}
		if check != first {
			BenchFail("round %d gives %d, the first gave %d", i, check, first)
		}
		if i >= o.Warmup {
			fmt.Printf("ns=%d check=%d%s\n", ns, check, benchMetrics)
		}
	}
	if teardown != nil {
		teardown()
	}
}
