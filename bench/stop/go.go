// SPDX-License-Identifier: MIT
// How long it takes from cancelling a context, with tasks of 10 us queued, until each of them is done or has
// the context's error. A pool of goroutines takes them from a channel: if each had its own goroutine, the one
// that cancels would be queued behind them.
package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const taskTime = 10 * time.Microsecond

type task struct {
	final bool
	err   error
}

func (t *task) run(started *int64) {
	end := time.Now().Add(taskTime)
	atomic.AddInt64(started, 1)
	for time.Now().Before(end) {
	}
}

func worker(ctx context.Context, queue <-chan *task, started *int64) {
	for t := range queue {
		if t.err = ctx.Err(); t.err == nil {
			t.run(started)
		}
		t.final = true
	}
}

func main() {
	BenchMain(Options{Size: 100000}, func(o *Options) (func() int64, func()) {
		return func() (final int64) {
			var started int64
			var workers sync.WaitGroup
			ctx, cancel := context.WithCancel(context.Background())
			tasks := make([]task, o.Size)
			queue := make(chan *task, o.Size)
			for i := range tasks {
				queue <- &tasks[i]
			}
			close(queue)
			for i := 0; i < o.Workers; i++ {
				workers.Add(1)
				go func() {
					defer workers.Done()
					worker(ctx, queue, &started)
				}()
			}
			for atomic.LoadInt64(&started) == 0 {
				time.Sleep(time.Microsecond)
			}
			before := atomic.LoadInt64(&started)
			start := time.Now()
			cancel()
			workers.Wait()
			BenchTime(time.Since(start).Nanoseconds())
			BenchMetric("started", started-before)
			for i := range tasks {
				if tasks[i].final {
					final++
				}
			}
			return final
		}, nil
	})
}
