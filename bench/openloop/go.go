// SPDX-License-Identifier: MIT
// Goroutines of 100 us by the clock arrive at random, at a share `load` of what so many threads could do: how long
// each waits, from when it was to arrive until it starts.
package main

import (
	"math"
	"time"
)

const service = 100 * time.Microsecond

type call struct {
	index    int64
	intended time.Time
	started  time.Time
}

func step(x uint64) uint64 {
	x ^= x << 13
	x ^= x >> 7
	return x ^ x<<17
}

func (c *call) serve() int64 {
	c.started = time.Now()
	for time.Since(c.started) < service {
	}
	return 2 * c.index
}

func serveAll(calls []call, arrivals []float64, gap float64) (sum int64) {
	results := make(chan int64, len(calls))
	start := time.Now()
	for i := range calls {
		c := &calls[i]
		c.index = int64(i)
		c.intended = start.Add(time.Duration(arrivals[i] * gap))
		if wait := time.Until(c.intended); wait > 0 {
			time.Sleep(wait)
		}
		go func() { results <- c.serve() }()
	}
	for range calls {
		sum += <-results
	}
	return sum
}

func schedule(n int64) []float64 {
	arrivals := make([]float64, n) // of a process of rate 1
	seed := uint64(88172645463325252)
	now := 0.0
	for i := range arrivals {
		seed = step(seed)
		now -= math.Log(float64(seed>>11+1) * 0x1p-53)
		arrivals[i] = now
	}
	return arrivals
}

func main() {
	BenchMain(Options{Size: 10000, Load: 0.8}, func(o *Options) (func() int64, func()) {
		calls := make([]call, o.Size)
		arrivals := schedule(o.Size)
		gap := float64(service.Nanoseconds()) / (float64(o.Workers) * o.Load)
		return func() int64 {
			delays := make([]int64, o.Size)
			sum := serveAll(calls, arrivals, gap)
			for i := range calls {
				delays[i] = calls[i].started.Sub(calls[i].intended).Nanoseconds()
			}
			BenchPercentiles(delays)
			BenchTime(delays[(len(delays)-1)/2])
			return sum
		}, nil
	})
}
