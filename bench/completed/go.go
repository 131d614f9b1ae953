// SPDX-License-Identifier: MIT
// Results are consumed in completion order: all goroutines send to one channel.
package main

func main() {
	BenchMain(Options{Size: 100000}, func(o *Options) (func() int64, func()) {
		return func() (sum int64) {
			results := make(chan int64, o.Size)
			for i := int64(0); i < o.Size; i++ {
				go func(i int64) { results <- 2 * i }(i)
			}
			for i := int64(0); i < o.Size; i++ {
				sum += <-results
			}
			return sum
		}, nil
	})
}
