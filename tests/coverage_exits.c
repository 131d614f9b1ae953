/* SPDX-License-Identifier: MIT */
/*
 * The coverage build's way out for processes that end without exit(): a child of fork() that calls _exit(), a test
 * that an assertion or its own signal is to end. The linker puts these in the place of the originals; they save the
 * counts first.
 */
#include <gcov.h>
#include <signal.h>

_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_raise(int number);
int __wrap_raise(int number);
_Noreturn void __real___assert_fail(const char *what, const char *file, unsigned line, const char *function);
_Noreturn void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function);

void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}

int __wrap_raise(int number)
{
    struct sigaction action;
    if (sigaction(number, 0, &action) == 0 && action.sa_handler == SIG_DFL) /* else it goes on, and counts on */
        __gcov_dump();
    return __real_raise(number);
}

void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
    __gcov_dump();
    __real___assert_fail(what, file, line, function);
}
