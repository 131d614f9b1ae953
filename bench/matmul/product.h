/* SPDX-License-Identifier: MIT */
/*
 * The matrices of the matmul programs in C and C++, how a product is divided, and its leaves.
 *
 * c += a * b on row-major squares of doubles is twice four products of quarters; the four can be made at once, each
 * in a quarter of c of its own. All programs, in whatever language, divide in this way until squares have LEAF rows;
 * those in C and C++ share this leaf. The elements are small integers, so that sums are exact in whatever order.
 */
#ifndef PRODUCT_H
#define PRODUCT_H

#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { LEAF = 32 };

struct product {
    const double *a, *b;
    double *c;
    int size;   /* rows */
    int stride; /* from a row to the next, the same for all three */
};

struct matrices {
    struct product whole;
    double *a, *b;
    int64_t expected; /* product_check() of a right result */
};

/* The widest vectors of the machine, chosen when the program is loaded: just-in-time compilers do that, too. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define LEAF_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define LEAF_CLONES
#endif

LEAF_CLONES static void product_leaf(const struct product *leaf)
{
    const size_t stride = (size_t)leaf->stride;
    const double *a = leaf->a;
    double b[LEAF][LEAF]; /* a copy: rows a power of two apart share few sets of the cache */
    for (int k = 0; k < LEAF; k++)
        memcpy(b[k], leaf->b + (size_t)k * stride, sizeof b[k]);
    for (size_t i = 0; i < LEAF; i++) {
        double row[LEAF];
        memcpy(row, leaf->c + i * stride, sizeof row);
        for (int k = 0; k < LEAF; k++)
            for (int j = 0; j < LEAF; j++)
                row[j] += a[i * stride + (size_t)k] * b[k][j];
        memcpy(leaf->c + i * stride, row, sizeof row);
    }
}

/* The four products of quarters: with the left half of a and the upper half of b, or (second) with the others. */
static inline void product_quarters(const struct product *whole, int second, struct product quarters[4])
{
    const int half = whole->size / 2;
    const int down = half * whole->stride;
    const double *a = whole->a + (second ? half : 0);
    const double *b = whole->b + (second ? down : 0);
    for (int i = 0; i < 4; i++) {
        const int row = i / 2, column = i % 2;
        quarters[i].a = a + row * down;
        quarters[i].b = b + column * half;
        quarters[i].c = whole->c + row * down + column * half;
        quarters[i].size = half;
        quarters[i].stride = whole->stride;
    }
}

/* ---- The matrices, and what a round does with them --------------------------------------------------------- */

static inline int64_t product_row_weight(int64_t row)
{
    return row % 11 + 1;
}

static inline int64_t product_column_weight(int64_t column)
{
    return column % 13 + 1;
}

/* The sum of a result's elements, each times the weights of its row and its column. */
static inline int64_t product_check(const double *c, int64_t size)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j < size; j++)
            sum += (int64_t)c[i * size + j] * product_row_weight(i) * product_column_weight(j);
    return sum;
}

static inline double *product_matrix(int64_t size)
{
    double *matrix = (double *)aligned_alloc(64, (size_t)(size * size) * sizeof *matrix);
    if (!matrix)
        bench_fail("no memory for a matrix");
    return matrix;
}

/* With (row weights * a) * (b * column weights) as what to expect, which takes no product of matrices. */
static inline void *product_setup(const struct bench_options *options)
{
    const int64_t size = options->size;
    if (size < LEAF || size > 16384 || (size & (size - 1)) != 0)
        bench_fail("the size is a power of two from %d to 16384", LEAF);
    struct matrices *m = (struct matrices *)calloc(1, sizeof *m);
    if (!m)
        bench_fail("no memory");
    m->a = product_matrix(size);
    m->b = product_matrix(size);
    for (int64_t k = 0; k < size; k++) {
        int64_t column = 0, row = 0; /* weighted sums of column k of a and of row k of b */
        for (int64_t i = 0; i < size; i++) {
            int64_t of_a = (i * k + 3 * i + k) % 7, of_b = (k * i + k + 5 * i) % 5;
            m->a[i * size + k] = (double)of_a;
            m->b[k * size + i] = (double)of_b;
            column += of_a * product_row_weight(i);
            row += of_b * product_column_weight(i);
        }
        m->expected += column * row;
    }
    m->whole = (struct product) { m->a, m->b, product_matrix(size), (int)size, (int)size };
    return m;
}

static inline void product_teardown(struct matrices *m)
{
    free(m->whole.c);
    free(m->b);
    free(m->a);
    free(m);
}

/* What comes before the time of a round. */
static inline void product_begin(struct matrices *m)
{
    const size_t size = (size_t)m->whole.size;
    memset(m->whole.c, 0, size * size * sizeof *m->whole.c);
}

/* What comes after it: returns what the round is to return. */
static inline int64_t product_end(const struct matrices *m)
{
    int64_t check = product_check(m->whole.c, m->whole.size);
    if (check != m->expected)
        bench_fail("the product's sum is %lld, not %lld", (long long)check, (long long)m->expected);
    return check;
}

#endif
