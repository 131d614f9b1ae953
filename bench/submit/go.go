// SPDX-License-Identifier: MIT
// Producers start a goroutine for each task; each sums the results of its own, which come through a channel a task.
package main

func twice(i int64) <-chan int64 {
	result := make(chan int64, 1)
	go func() { result <- 2 * i }()
	return result
}

func produce(futures []<-chan int64, from int64) (sum int64) {
	for i := range futures {
		futures[i] = twice(from + int64(i))
	}
	for _, future := range futures {
		sum += <-future
	}
	return sum
}

func main() {
	BenchMain(Options{Size: 100000}, func(o *Options) (func() int64, func()) {
		futures := make([]<-chan int64, o.Size)
		producers := int64(o.Producers)
		return func() (sum int64) {
			sums := make(chan int64)
			for p := int64(0); p < producers; p++ {
				from, to := o.Size*p/producers, o.Size*(p+1)/producers
				go func() { sums <- produce(futures[from:to], from) }()
			}
			for p := int64(0); p < producers; p++ {
				sum += <-sums
			}
			return sum
		}, nil
	})
}
