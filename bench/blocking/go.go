// SPDX-License-Identifier: MIT
// Goroutines that each block for 20 ms: in a system call, as time.Sleep does not hold a thread.
package main

import (
	"syscall"
	"time"
)

func block() {
	wait := syscall.NsecToTimespec((20 * time.Millisecond).Nanoseconds())
	for syscall.Nanosleep(&wait, &wait) == syscall.EINTR { // the runtime's own signals
	}
}

func main() {
	BenchMain(Options{Size: 100}, func(o *Options) (func() int64, func()) {
		return func() (sum int64) {
			results := make(chan int64, o.Size)
			for i := int64(0); i < o.Size; i++ {
				go func(i int64) {
					block()
					results <- 2 * i
				}(i)
			}
			for i := int64(0); i < o.Size; i++ {
				sum += <-results
			}
			return sum
		}, nil
	})
}
