// SPDX-License-Identifier: MIT

// matmul in Go: three of four quarters are goroutines. See product.h for what all of them do.
package main

import (
	"sync"
	"time"
)

const leaf = 32

// c += a * b on squares that begin at an offset of their matrix.
type product struct {
	a, b, c      []float64
	size, stride int
}

func (p product) leaf() {
	var b [leaf][leaf]float64
	for k := range b {
		copy(b[k][:], p.b[k*p.stride:])
	}
	for i := 0; i < leaf; i++ {
		a := p.a[i*p.stride:][:leaf]
		c := p.c[i*p.stride:][:leaf]
		for k, factor := range a {
			row := b[k][:len(c)]
			for j := range c {
				c[j] += factor * row[j]
			}
		}
	}
}

// quarters gives those with the left half of a and the upper half of b, or (second) with the others.
func (p product) quarters(second int) (quarters [4]product) {
	half := p.size / 2
	down := half * p.stride
	for i := range quarters {
		row, column := i/2*down, i%2*half
		quarters[i] = product{p.a[row+second*half:], p.b[second*down+column:], p.c[row+column:], half, p.stride}
	}
	return
}

func (p product) multiply() {
	if p.size == leaf {
		p.leaf()
		return
	}
	for second := 0; second < 2; second++ {
		quarters := p.quarters(second)
		var forked sync.WaitGroup
		forked.Add(3)
		for i := 0; i < 3; i++ {
			go func(i int) {
				defer forked.Done()
				quarters[i].multiply()
			}(i)
		}
		quarters[3].multiply()
		forked.Wait()
	}
}

func rowWeight(row int) int64       { return int64(row%11 + 1) }
func columnWeight(column int) int64 { return int64(column%13 + 1) }

// fill returns the check to expect.
func (p product) fill() (expected int64) {
	for k := 0; k < p.size; k++ {
		var column, row int64
		for i := 0; i < p.size; i++ {
			ofA, ofB := (i*k+3*i+k)%7, (k*i+k+5*i)%5
			p.a[i*p.size+k] = float64(ofA)
			p.b[k*p.size+i] = float64(ofB)
			column += int64(ofA) * rowWeight(i)
			row += int64(ofB) * columnWeight(i)
		}
		expected += column * row
	}
	return
}

func (p product) check() (sum int64) {
	for i, element := range p.c {
		sum += int64(element) * rowWeight(i/p.size) * columnWeight(i%p.size)
	}
	return
}

func main() {
	BenchMain(Options{Size: 512}, func(o *Options) (func() int64, func()) {
		n := int(o.Size)
		if n < leaf || n > 16384 || n&(n-1) != 0 {
			BenchFail("the size is a power of two from %d to 16384", leaf)
		}
		p := product{make([]float64, n*n), make([]float64, n*n), make([]float64, n*n), n, n}
		expected := p.fill()
		return func() int64 {
			for i := range p.c {
				p.c[i] = 0
			}
			start := time.Now()
			p.multiply()
			BenchTime(time.Since(start).Nanoseconds())
			sum := p.check()
			if sum != expected {
				BenchFail("the product's sum is %d, not %d", sum, expected)
			}
			return sum
		}, nil
	})
}
