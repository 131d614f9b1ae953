// SPDX-License-Identifier: MIT

// nqueens in Go: each board that a row makes but the last is a goroutine. See board.h for what all of them do.
package main

import "sync"

const rows = 16

type board [rows]int8

func (b *board) allows(row, column int) bool {
	for above := 0; above < row; above++ {
		apart := column - int(b[above])
		if apart == 0 || apart == row-above || apart == above-row {
			return false
		}
	}
	return true
}

func (b *board) next(row, size int, next *[rows]board) (count int) {
	for column := 0; column < size; column++ {
		if b.allows(row, column) {
			next[count] = *b
			next[count][row] = int8(column)
			count++
		}
	}
	return
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
