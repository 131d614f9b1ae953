// SPDX-License-Identifier: MIT

// fib(size) in Go: one call is a goroutine, the other is made in place, and a WaitGroup joins them.
package main

import "sync"

func fib(n int32) int32 {
	if n < 2 {
		return n
	}
	var left int32
	var forked sync.WaitGroup
	forked.Add(1)
	go func() {
		defer forked.Done()
		left = fib(n - 1)
	}()
	right := fib(n - 2)
	forked.Wait()
	return left + right
}

func main() {
	BenchMain(Options{Size: 30}, func(o *Options) (func() int64, func()) {
		return func() int64 { return int64(fib(int32(o.Size))) }, nil
	})
}
