// SPDX-License-Identifier: MIT

// nqueens in Go: each board that a row makes but the last is a goroutine. See board.h for what all of them do.
package main

import "sync"

const rows = 16

type board [rows]int8

func (b *board) safe(rows int) bool {
	for high := 0; high < rows; high++ {
		for low := high + 1; low < rows; low++ {
			apart := int(b[low]) - int(b[high])
			if apart == 0 || apart == low-high || apart == high-low {
				return false
			}
		}
	}
	return true
}

func (b *board) next(row, size int, next *[rows]board) int {
	safe := 0
	for column := 0; column < size; column++ {
		next[safe] = *b
		next[safe][row] = int8(column)
		if next[safe].safe(row + 1) {
			safe++
		}
	}
	return safe
}

func solutions(b *board, row, size int) int64 {
	if row == size {
		return 1
	}
	var next [rows]board
	last := b.next(row, size, &next) - 1
	if last < 0 {
		return 0
	}
	var found [rows]int64
	var forked sync.WaitGroup
	forked.Add(last)
	for i := 0; i < last; i++ {
		go func(i int) {
			defer forked.Done()
			found[i] = solutions(&next[i], row+1, size)
		}(i)
	}
	sum := solutions(&next[last], row+1, size)
	forked.Wait()
	for _, n := range found[:last] {
		sum += n
	}
	return sum
}

func main() {
	BenchMain(Options{Size: 10}, func(o *Options) (func() int64, func()) {
		if o.Size < 1 || o.Size > rows {
			BenchFail("a board has 1 to %d rows", rows)
		}
		return func() int64 { return solutions(&board{}, 0, int(o.Size)) }, nil
	})
}
