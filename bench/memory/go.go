// SPDX-License-Identifier: MIT
// By how many bytes the process grows for each goroutine that cannot go on yet, and its channel.
package main

import (
	"fmt"
	"os"
)

func resident() int64 {
	var all, pages int64
	statm, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(statm), &all, &pages)
	}
	if err != nil {
		BenchFail("cannot read /proc/self/statm: %v", err)
	}
	return pages * int64(os.Getpagesize())
}

func main() {
	BenchMain(Options{Size: 100000}, func(o *Options) (func() int64, func()) {
		futures := make([]chan int64, o.Size)
		for i := range futures {
			futures[i] = nil // resident from the start
		}
		before := resident()
		return func() (sum int64) {
			gate := make(chan struct{})
			for i := range futures {
				future := make(chan int64, 1)
				futures[i] = future
				go func(i int64) {
					<-gate
					future <- 2 * i
				}(int64(i))
			}
			BenchMetric("bytes", (resident()-before)/o.Size)
			close(gate)
			for _, future := range futures {
				sum += <-future
			}
			return sum
		}, nil
	})
}
