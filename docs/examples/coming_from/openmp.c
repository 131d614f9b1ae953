/* SPDX-License-Identifier: MIT */
/* The same as filch.c, by OpenMP tasks; run it with OMP_CANCELLATION=true. */
#include <stdio.h>
#include <stdlib.h>

static int steps(int number)
{
    int n = 0;
    for (long x = number; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
        n++;
    return n;
}

int main(int argc, char **argv)
{
    int tasks = argc > 1 ? atoi(argv[1]) : 20, unlucky = argc > 2 ? atoi(argv[2]) : 0;
    int done = 0, failed = 0, sum = 0;
    char error[64] = "";
#pragma omp parallel num_threads(2)
#pragma omp single
#pragma omp taskgroup
    for (int i = 1; i <= tasks; i++) {
#pragma omp task firstprivate(i)
        {
            int unlucky_one = i == unlucky;
            int n = unlucky_one ? 0 : steps(i);
#pragma omp critical
            if (unlucky_one) {
                snprintf(error, sizeof error, "%d is unlucky", i);
                failed++;
            } else {
                printf("%d: %d\n", i, n);
                sum += n;
                done++;
            }
#pragma omp cancel taskgroup if (unlucky_one)
        }
    }
    printf("%d tasks: %d done, %d failed, %d cancelled\n", tasks, done, failed, tasks - done - failed);
    if (failed)
        printf("failed: %s\n", error);
    else
        printf("sum: %d\n", sum);
    return failed;
}
