/* SPDX-License-Identifier: MIT */
/*
 * As much of Criterion as the tests use, for where it cannot run: it starts each test as a new program with memory at a
 * fixed address, which neither valgrind nor qemu-user nor the thread sanitizer lets it have. Here a test is a fork() of
 * this program, and one runs after the other.
 *
 *     test_pool [PATTERN...]    runs the tests of which suite/name matches a pattern, as a shell's; else all
 *
 * Of the environment: FILCH_TEST_PATIENCE is what every timeout is multiplied by; FILCH_TESTS_LEFT_OUT is a file with a
 * pattern at the beginning of each line, for tests that are not run.
 */
#ifndef FILCH_TESTS_PLAIN_CRITERION_H
#define FILCH_TESTS_PLAIN_CRITERION_H

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct plain_options {
    int none; /* so that a test may have no options */
    int signal;
    int exit_code;
    double timeout; /* seconds */
    void (*init)(void);
    void (*fini)(void);
};

struct plain_test {
    const char *suite, *name; /* of a suite itself: no name */
    void (*run)(void);
    struct plain_options options;
    struct plain_test *next;
};

static struct plain_test *plain_tests, **plain_last = &plain_tests;
static bool plain_failed; /* by a cr_expect */

static inline void plain_register(struct plain_test *test)
{
    *plain_last = test;
    plain_last = &test->next;
}

#define PLAIN_TEST(id, suite, name, run, ...)                                            \
    static struct plain_test id##_test = { suite, name, run, { 0, __VA_ARGS__ }, NULL }; \
    __attribute__((constructor)) static void id##_register(void)                         \
    {                                                                                    \
        plain_register(&id##_test);                                                      \
    }

#define Test(suite, name, ...)                                                   \
    static void suite##_##name##_run(void);                                      \
    PLAIN_TEST(suite##_##name, #suite, #name, suite##_##name##_run, __VA_ARGS__) \
    static void suite##_##name##_run(void)

#define TestSuite(suite, ...)                                  \
    PLAIN_TEST(suite##_suite, #suite, NULL, NULL, __VA_ARGS__) \
    _Static_assert(1, "takes the semicolon")

/* The test ends here, and counts as passed. */
#define cr_skip_test(...)                                               \
    do {                                                                \
        fprintf(stderr, "%s: skipped: %s\n", __func__, "" __VA_ARGS__); \
        _exit(0);                                                       \
    } while (0)

/* ---- Assertions, each with an optional message ---- */

__attribute__((format(printf, 4, 5))) static inline void plain_not_so(const char *file, int line, const char *what,
                                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: not so: %s", file, line, what);
    if (*format)
        fputs(": ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

#define PLAIN_ASSERT(condition, what, ...)                          \
    do {                                                            \
        if (!(condition)) {                                         \
            plain_not_so(__FILE__, __LINE__, what, "" __VA_ARGS__); \
            exit(1);                                                \
        }                                                           \
    } while (0)
#define PLAIN_COMPARE(a, op, b, ...) PLAIN_ASSERT((a)op(b), #a " " #op " " #b, __VA_ARGS__)

#define cr_assert(condition, ...) PLAIN_ASSERT(condition, #condition, __VA_ARGS__)
#define cr_assert_not(condition, ...) PLAIN_ASSERT(!(condition), "!(" #condition ")", __VA_ARGS__)
#define cr_assert_null(pointer, ...) PLAIN_COMPARE(pointer, ==, NULL, __VA_ARGS__)
#define cr_assert_not_null(pointer, ...) PLAIN_COMPARE(pointer, !=, NULL, __VA_ARGS__)
#define cr_assert_eq(a, b, ...) PLAIN_COMPARE(a, ==, b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) PLAIN_COMPARE(a, !=, b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) PLAIN_COMPARE(a, <, b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) PLAIN_COMPARE(a, <=, b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) PLAIN_COMPARE(a, >, b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) PLAIN_COMPARE(a, >=, b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) PLAIN_COMPARE(strcmp(a, b), ==, 0, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...) PLAIN_COMPARE(memcmp(a, b, size), ==, 0, __VA_ARGS__)
#define cr_assert_float_eq(a, b, epsilon, ...) PLAIN_COMPARE(fabs((double)((a) - (b))), <=, epsilon, __VA_ARGS__)
#define PLAIN_EXPECT(condition, what, ...)                          \
    do {                                                            \
        if (!(condition)) {                                         \
            plain_not_so(__FILE__, __LINE__, what, "" __VA_ARGS__); \
            plain_failed = true;                                    \
        }                                                           \
    } while (0)
#define cr_expect(condition, ...) PLAIN_EXPECT(condition, #condition, __VA_ARGS__)
#define cr_expect_eq(a, b, ...) PLAIN_EXPECT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_log_info(...) (printf(__VA_ARGS__), (void)putchar('\n'))

/* ---- Running ---- */

/* What the test says itself, else its suite. */
static inline struct plain_options plain_options_of(const struct plain_test *test)
{
    struct plain_options options = test->options;
    for (const struct plain_test *suite = plain_tests; suite; suite = suite->next) {
        if (suite->name || strcmp(suite->suite, test->suite) != 0)
            continue;
        options.timeout = options.timeout > 0 ? options.timeout : suite->options.timeout;
        options.init = options.init ? options.init : suite->options.init;
        options.fini = options.fini ? options.fini : suite->options.fini;
    }
    return options;
}

_Noreturn static inline void plain_child(const struct plain_test *test, const struct plain_options *options)
{
    if (options->init)
        options->init();
    test->run();
    if (options->fini)
        options->fini();
    exit(plain_failed);
}

/* The wait status of the test; SIGCHLD is blocked, so that it can be waited for with a timeout. */
static inline int plain_await(pid_t child, double timeout, const sigset_t *child_signal)
{
    const char *patience = getenv("FILCH_TEST_PATIENCE");
    double left = (timeout > 0 ? timeout : 3600) * (patience ? strtod(patience, NULL) : 1);
    struct timespec end = { .tv_sec = (time_t)left, .tv_nsec = 0 };
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (sigtimedwait(child_signal, NULL, &end) < 0 && errno == EAGAIN) {
            fprintf(stderr, "not over after %.0f s\n", left);
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
    }
    return status;
}

static inline bool plain_run(const struct plain_test *test)
{
    struct plain_options options = plain_options_of(test);
    sigset_t child_signal, before;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &before);
    fflush(NULL);

    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        plain_child(test, &options);
    }
    int status = child < 0 ? -1 : plain_await(child, options.timeout, &child_signal);
    sigprocmask(SIG_SETMASK, &before, NULL);

    bool passed = options.signal ? WIFSIGNALED(status) && WTERMSIG(status) == options.signal
                                 : WIFEXITED(status) && WEXITSTATUS(status) == options.exit_code;
    if (!passed)
        fprintf(stderr, "FAILED %s/%s (wait status 0x%x)\n", test->suite, test->name, (unsigned)status);
    return passed;
}

static inline bool plain_left_out(const char *name)
{
    const char *path = getenv("FILCH_TESTS_LEFT_OUT");
    FILE *list = path && *path ? fopen(path, "r") : NULL;
    char line[512];
    bool found = false;
    while (list && !found && fgets(line, sizeof line, list)) {
        line[strcspn(line, " \n")] = '\0';
        found = fnmatch(line, name, 0) == 0;
    }
    if (list)
        fclose(list);
    return found;
}

static inline bool plain_wanted(const struct plain_test *test, int argc, char **argv)
{
    char name[512];
    snprintf(name, sizeof name, "%s/%s", test->suite, test->name ? test->name : "");
    for (int i = 1; test->name && i < argc; i++)
        if (fnmatch(argv[i], name, 0) == 0)
            return true;
    return test->name && argc < 2 && !plain_left_out(name);
}

int main(int argc, char **argv)
{
    unsigned run = 0, failed = 0;
    for (const struct plain_test *test = plain_tests; test; test = test->next) {
        if (!plain_wanted(test, argc, argv))
            continue;
        run++;
        failed += !plain_run(test);
    }
    printf("%u tests, %u failed\n", run, failed);
    return failed > 0;
}

#endif
