// SPDX-License-Identifier: MIT
// Many goroutines that sleep for 100 ms.
package main

import "time"

func main() {
	BenchMain(Options{Size: 10000}, func(o *Options) (func() int64, func()) {
		return func() (sum int64) {
			results := make(chan int64, o.Size)
			for i := int64(0); i < o.Size; i++ {
				go func(i int64) {
					time.Sleep(100 * time.Millisecond)
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
