// SPDX-License-Identifier: MIT
// What CPU time the runtime takes that has run one goroutine and now has nothing to do, for `size` milliseconds.
package main

import (
	"syscall"
	"time"
	"unsafe"
)

const clockProcessCPUTime = 2

func cpuTime() int64 {
	var used syscall.Timespec
	out := uintptr(unsafe.Pointer(&used))
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPUTime, out, 0); err != 0 {
		BenchFail("no clock: %v", err)
	}
	return used.Nano()
}

func main() {
	BenchMain(Options{Size: 500}, func(o *Options) (func() int64, func()) {
		return func() int64 {
			future := make(chan int64, 1)
			go func() { future <- 2 * 21 }()
			result := <-future
			before := cpuTime()
			time.Sleep(time.Duration(o.Size) * time.Millisecond)
			used := cpuTime() - before
			BenchMetric("cpu_ns", used)
			BenchTime(used)
			return result
		}, nil
	})
}
