/* SPDX-License-Identifier: MIT */
/* Map: which of the numbers given are prime, and which primes come next after the last of them. */
#include <stdlib.h>

#include <filch/filch.h>

enum { MOST_NUMBERS = 1000, NEXT_PRIMES = 5 };

static bool is_prime(uintptr_t number)
{
    for (uintptr_t divisor = 2; divisor <= number / divisor; divisor++)
        if (number % divisor == 0)
            return false;
    return number > 1;
}

/* For the map: from an element of the input makes one of the output. */
static int test(filch_task *self, const void *in, void *out, void *unused)
{
    (void)self, (void)unused;
    *(bool *)out = is_prime(*(const uintptr_t *)in);
    return 0;
}

/* For the stream: the source, which has no end, and the task for each of its items. */
static int give_next(void *arg, void **item)
{
    uintptr_t *number = arg;
    *item = (void *)++*number;
    return 1;
}

static int keep_prime(filch_task *self, void *item)
{
    return filch_return(self, is_prime((uintptr_t)item) ? item : NULL);
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_stream_cleanup) filch_stream *stream = NULL;
    uintptr_t numbers[MOST_NUMBERS] = { 0 }, last;
    bool primes[MOST_NUMBERS];
    void *result;
    size_t n = 0, found = 0;
    for (; n < MOST_NUMBERS && (int)n + 1 < argc; n++)
        numbers[n] = strtoul(argv[n + 1], NULL, 10);
    if (n == 0 || filch_pool_create(&pool, NULL) ||
        filch_map(pool, test, NULL, numbers, sizeof *numbers, primes, sizeof *primes, n, NULL, NULL))
        return 1;
    for (size_t i = 0; i < n; i++)
        printf("%lu is %s\n", (unsigned long)numbers[i], primes[i] ? "prime" : "not prime");

    last = numbers[n - 1];
    if (filch_stream_begin(&stream, pool, keep_prime, give_next, &last, NULL))
        return 1;
    while (found < NEXT_PRIMES && filch_stream_next(stream, &result) > 0)
        if (result)
            printf("next %zu: %lu\n", ++found, (unsigned long)(uintptr_t)result);
    return 0;
}
