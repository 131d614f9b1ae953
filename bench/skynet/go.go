// SPDX-License-Identifier: MIT

// skynet in Go, which is where it comes from: each child of a node is a goroutine that sends its sum to a channel.
package main

const children = 10

func skynet(sums chan<- int64, first, size int64) {
	if size <= 1 {
		sums <- first
		return
	}
	part := size / children
	of := make(chan int64, children)
	for i := int64(0); i < children; i++ {
		go skynet(of, first+i*part, part)
	}
	var sum int64
	for i := 0; i < children; i++ {
		sum += <-of
	}
	sums <- sum
}

func main() {
	BenchMain(Options{Size: 1000000}, func(o *Options) (func() int64, func()) {
		return func() int64 {
			sum := make(chan int64, 1)
			skynet(sum, 0, o.Size)
			return <-sum
		}, nil
	})
}
