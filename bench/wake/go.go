// SPDX-License-Identifier: MIT
// How long it takes from starting a goroutine while none runs until it does.
package main

import (
	"runtime"
	"time"
)

func main() {
	BenchMain(Options{Size: 200}, func(o *Options) (func() int64, func()) {
		// The submitter has a thread of its own, as with the other pools; else its thread, which is awake, would go on
		// with the new goroutine, and nobody be woken.
		runtime.LockOSThread()
		return func() (sum int64) {
			latencies := make([]int64, o.Size)
			for i := range latencies {
				var started time.Time
				result := make(chan int64, 1)
				time.Sleep(2 * time.Millisecond) // until they are asleep
				submitted := time.Now()
				go func(i int64) {
					started = time.Now()
					result <- 2 * i
				}(int64(i))
				sum += <-result
				latencies[i] = started.Sub(submitted).Nanoseconds()
			}
			BenchPercentiles(latencies)
			BenchTime(latencies[(len(latencies)-1)/2])
			return sum
		}, nil
	})
}
