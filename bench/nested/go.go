// SPDX-License-Identifier: MIT
// Each main starts a goroutine for each of its sub tasks, and collects them in completion order, from its channel.
package main

func mainTask(index, subs int64) (sum int64) {
	results := make(chan int64, subs)
	for i := index * subs; i < (index+1)*subs; i++ {
		go func(i int64) { results <- 2 * i }(i)
	}
	for i := int64(0); i < subs; i++ {
		sum += <-results
	}
	return sum
}

func main() {
	BenchMain(Options{Size: 1000, Chunk: 100}, func(o *Options) (func() int64, func()) {
		return func() (sum int64) {
			mains := make(chan int64, o.Size)
			for i := int64(0); i < o.Size; i++ {
				go func(i int64) { mains <- mainTask(i, o.Chunk) }(i)
			}
			for i := int64(0); i < o.Size; i++ {
				sum += <-mains
			}
			return sum
		}, nil
	})
}
