// SPDX-License-Identifier: MIT
//
// filch from C++17: handles that clean up, tasks that are lambdas, exceptions in place of codes. Header only.
//
//        filch::pool pool;
//        filch::future<std::string> page = pool.submit([](filch::task &self) { return get("/", self.stop()); });
//        std::cout << page.get();                          // or throws filch::failure
//
//        for (auto &future : filch::as_completed(futures, 10s))
//            std::cout << future.get();
//
// Everything means what it means in filch.h, which has the details; what is not here is reached by native_handle().
//
// A callable given to submit() is called with a filch::task & before its own arguments if it takes one. It and its
// arguments are moved into the task, and are destroyed when it has run, or if it never does with the last handle. The
// arguments are moved into the call, but are passed as const where the task may be tried again: -EINVAL if the callable
// does not take them so.
//
// An exception that leaves a task fails it, with an error of its message and these codes: std::bad_alloc -ENOMEM,
// std::invalid_argument -EINVAL, std::out_of_range -ERANGE, std::system_error its errno value if it has one, any other
// filch::exception_code. What is nested in it becomes the cause; so does a filch::failure that came from another task.
// filch::cancelled makes a task STOPPED if its stop is requested. Where a function fails it throws filch::failure.
//
// No exception goes through the library: callbacks, and destructors of what a task holds, end the program if they throw,
// and so do the C functions in the options.
//
// Pools, stops and errors, and submit() of scopes, are for any thread at any time. A future is used by one thread at a
// time, as any object: share() it and give each a copy.
#ifndef FILCH_FILCH_HPP
#define FILCH_FILCH_HPP

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <filch/filch.h>
#include <filch/fork.h>

namespace filch
{

// ---- Times ---------------------------------------------------------------------------------------------

inline constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

namespace detail
{

// Nanoseconds for filch.h, rounded up; what does not fit is forever, what is negative polls.
template <class Rep, class Period> int64_t timeout_ns(std::chrono::duration<Rep, Period> time)
{
    using namespace std::chrono;
    if (duration<double, std::nano>(time).count() >= static_cast<double>(INT64_MAX))
        return FILCH_FOREVER;
    return std::max<int64_t>(0, ceil<nanoseconds>(time).count());
}

// A handle of its own, and one that is counted; both may be empty.
template <auto Release> struct releaser {
    template <class Handle> void operator()(Handle *handle) const noexcept { Release(handle); }
};
template <class Handle, auto Release> using owned = std::unique_ptr<Handle, releaser<Release>>;

template <class Handle, auto Ref, auto Unref> class counted
{
public:
    counted() noexcept = default;
    explicit counted(Handle *adopted) noexcept : handle_(adopted) {}
    counted(const counted &other) noexcept : handle_(other.handle_ ? Ref(other.handle_) : nullptr) {}
    counted(counted &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    counted &operator=(counted other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~counted() { Unref(handle_); }
    Handle *get() const noexcept { return handle_; }

private:
    Handle *handle_ = nullptr;
};

} // namespace detail

// For filch_task_options::start_at_ns: so long from now.
template <class Rep, class Period> int64_t in(std::chrono::duration<Rep, Period> delay)
{
    int64_t now = filch_now(), ns = detail::timeout_ns(delay);
    return ns == FILCH_FOREVER || ns > INT64_MAX - now ? INT64_MAX : now + ns;
}

// ---- Errors --------------------------------------------------------------------------------------------

inline constexpr int exception_code = -ENOTRECOVERABLE;

// Immutable and shared. An empty one is false, and has nothing to ask.
class error
{
public:
    error() noexcept = default;
    error(int code, const char *message, const error &cause = {}) noexcept
        : error(filch_error_create_from(cause.native_handle(), code, "%s", message))
    {
    }
    explicit error(filch_error *adopted) noexcept : handle_(adopted) {}
    static error share(const filch_error *borrowed) noexcept
    {
        return error(borrowed ? filch_error_ref(borrowed) : nullptr);
    }

    explicit operator bool() const noexcept { return native_handle(); }
    int code() const noexcept { return filch_error_code(native_handle()); }
    const char *message() const noexcept { return filch_error_message(native_handle()); }
    const char *task() const noexcept // its name, or NULL
    {
        return filch_error_task(native_handle());
    }
    unsigned attempt() const noexcept { return filch_error_attempt(native_handle()); }
    error cause() const noexcept // may be empty
    {
        return share(filch_error_cause(native_handle()));
    }
    error root() const noexcept { return share(filch_error_root(native_handle())); }
    size_t suppressed_count() const noexcept { return filch_error_suppressed_count(native_handle()); }
    error suppressed(size_t index) const noexcept // empty: not kept
    {
        return share(filch_error_suppressed(native_handle(), index));
    }
    std::string to_string() const // a line each for it, its causes and what it suppressed
    {
        std::string text(filch_error_format(native_handle(), nullptr, 0), '\0');
        filch_error_format(native_handle(), text.data(), text.size() + 1);
        return text.substr(0, text.find_last_not_of('\n') + 1);
    }
    filch_error *native_handle() const noexcept { return handle_.get(); }

private:
    detail::counted<filch_error, filch_error_ref, filch_error_unref> handle_;
};

// Thrown where something failed, and by a task that wants to fail with a code, a message and perhaps a cause.
class failure : public std::runtime_error
{
public:
    failure(int code, const std::string &message, const filch::error &cause = {})
        : failure(filch::error(code, message.c_str(), cause))
    {
        own_ = true;
    }
    explicit failure(const filch::error &received, std::exception_ptr exception = nullptr)
        : std::runtime_error(received.to_string()), error_(received), exception_(std::move(exception))
    {
    }
    const filch::error &error() const noexcept { return error_; }
    int code() const noexcept { return error_.code(); }
    // What the task threw, for std::rethrow_exception(); null if it threw nothing.
    std::exception_ptr exception() const noexcept { return exception_; }
    bool own() const noexcept // made where it was thrown, not received from another task
    {
        return own_;
    }

private:
    filch::error error_;
    std::exception_ptr exception_;
    bool own_ = false;
};

// What was awaited, or who waits, was cancelled, stopped or (code -EINTR) interrupted.
class cancelled : public failure
{
public:
    using failure::failure;
};

// An iteration has run out of time.
class timeout_error : public failure
{
public:
    timeout_error(size_t unfinished, size_t total)
        : failure(-ETIMEDOUT,
                  std::to_string(unfinished) + " of " + std::to_string(total) + " futures are not done in time"),
          unfinished_(unfinished), total_(total)
    {
    }
    size_t unfinished() const noexcept { return unfinished_; }
    size_t total() const noexcept { return total_; }

private:
    size_t unfinished_, total_;
};

namespace detail
{

[[noreturn]] inline void raise(const error &received, const std::exception_ptr &exception = nullptr)
{
    if (received.code() == -ECANCELED || received.code() == -EINTR)
        throw cancelled(received, exception);
    throw failure(received, exception);
}

// What a function returned that may fail; `received` is the error of another task, if it was that.
inline int check(int rc, const char *called, const error &received = {})
{
    if (rc < 0 && received)
        raise(received);
    if (rc == -ECANCELED || rc == -EINTR)
        throw cancelled(rc, called);
    if (rc < 0)
        throw failure(rc, called);
    return rc;
}

error describe() noexcept;

// The error of what is nested in the exception that is being handled, or an empty one.
inline error nested() noexcept
{
    try {
        throw;
    } catch (const std::nested_exception &outer) {
        if (!outer.nested_ptr())
            return {};
        try {
            outer.rethrow_nested();
        } catch (...) {
            return describe();
        }
    } catch (...) {
    }
    return {};
}

inline int errno_of(const std::error_code &code) noexcept
{
    std::error_condition condition = code.default_error_condition();
    bool known = condition.category() == std::generic_category() && condition.value() > 0;
    return known ? -condition.value() : exception_code;
}

// The error that the exception which is being handled becomes.
inline error describe() noexcept
{
    error cause = nested();
    try {
        throw;
    } catch (const failure &e) {
        if (!e.own())
            return error(e.code(), "a task that it awaited failed", e.error());
        return cause ? error(e.code(), e.error().message(), cause) : e.error();
    } catch (const std::system_error &e) {
        return error(errno_of(e.code()), e.what(), cause);
    } catch (const std::bad_alloc &e) {
        return error(-ENOMEM, e.what(), cause);
    } catch (const std::invalid_argument &e) {
        return error(-EINVAL, e.what(), cause);
    } catch (const std::out_of_range &e) {
        return error(-ERANGE, e.what(), cause);
    } catch (const std::exception &e) {
        return error(exception_code, e.what(), cause);
    } catch (...) {
        return error(exception_code, "unknown exception");
    }
}

// What a task function returns for the exception that is being handled.
inline int fail(filch_task *self) noexcept
{
    try {
        throw;
    } catch (const cancelled &) {
        if (filch_task_stopped(self))
            return -ECANCELED; // which makes it STOPPED
    } catch (...) {
    }
    error what = describe();
    return filch_fail_from(self, what.cause().native_handle(), what.code(), "%s", what.message());
}

} // namespace detail

// ---- Options -------------------------------------------------------------------------------------------

// Those of filch.h, with their defaults. In task_options arg_dtor is not for users.
struct pool_options : filch_pool_options {
    pool_options() noexcept : filch_pool_options(FILCH_POOL_OPTIONS) {}
};
struct task_options : filch_task_options {
    task_options() noexcept : filch_task_options(FILCH_TASK_OPTIONS) {}
};
struct retry_options : filch_retry_options {
    retry_options() noexcept : filch_retry_options(FILCH_RETRY_OPTIONS) {}
};
struct scope_options : filch_scope_options {
    scope_options() noexcept : filch_scope_options(FILCH_SCOPE_OPTIONS) {}
};
struct map_options : filch_map_options {
    map_options() noexcept : filch_map_options(FILCH_MAP_OPTIONS) {}
};

// ---- Stop ----------------------------------------------------------------------------------------------

// A flag in a tree; copies are the same one.
class stop
{
public:
    stop() : stop(nullptr, "filch_stop_create") {}
    static stop below(const stop &parent) { return stop(parent.native_handle(), "filch_stop_create"); }
    static stop share(filch_stop *borrowed) noexcept { return stop(filch_stop_ref(borrowed)); }
    explicit stop(filch_stop *adopted) noexcept : handle_(adopted) {}

    bool request(int reason = -ECANCELED) const noexcept { return filch_stop_request(native_handle(), reason); }
    bool request(const error &reason) const noexcept
    {
        return filch_stop_request_error(native_handle(), reason.native_handle());
    }
    bool requested() const noexcept { return filch_stop_requested(native_handle()); }
    int reason() const noexcept { return filch_stop_reason(native_handle()); }
    filch::error error() const noexcept { return filch::error::share(filch_stop_error(native_handle())); }
    int fd() const // readable once it is requested; belongs to the stop
    {
        int out = -1;
        detail::check(filch_stop_fd(native_handle(), &out), "filch_stop_fd");
        return out;
    }
    filch_stop *native_handle() const noexcept { return handle_.get(); }

private:
    stop(filch_stop *parent, const char *called)
    {
        filch_stop *created = nullptr;
        detail::check(filch_stop_create(&created, parent), called);
        handle_ = decltype(handle_)(created);
    }

    detail::counted<filch_stop, filch_stop_ref, filch_stop_unref> handle_;
};

// Calls a function when the stop is requested, as std::stop_callback does.
template <class F> class stop_callback
{
public:
    explicit stop_callback(const stop &stop, F function) : function_(std::move(function))
    {
        filch_stop_callback *created = nullptr;
        detail::check(filch_stop_on_request(&created, stop.native_handle(), call, this), "filch_stop_on_request");
        handle_.reset(created);
    }
    stop_callback(const stop_callback &) = delete;
    stop_callback &operator=(const stop_callback &) = delete;

private:
    static void call(void *self) noexcept { static_cast<stop_callback *>(self)->function_(); }

    F function_;
    detail::owned<filch_stop_callback, filch_stop_callback_end> handle_;
};

// The first Ctrl-C requests the stop and ends this thread's waits.
class guard
{
public:
    explicit guard(const stop &stop)
    {
        filch_guard *begun = nullptr;
        detail::check(filch_guard_begin(&begun, stop.native_handle()), "filch_guard_begin");
        handle_.reset(begun);
    }
    bool interrupted() const noexcept { return filch_guard_interrupted(handle_.get()); }
    filch_guard *native_handle() const noexcept { return handle_.get(); }

private:
    detail::owned<filch_guard, filch_guard_end> handle_;
};

// ---- What a task holds ---------------------------------------------------------------------------------

class task;
class pool_ref;
template <class T> class future;
template <class T> class shared_future;

namespace detail
{

// Whether the callable takes the task first; and what it returns then, or else without it.
template <class F, class... Args> constexpr bool takes_task = std::is_invocable_v<F, task &, Args...>;

template <class F, class... Args> decltype(auto) call(F &function, task &self, Args &&...args)
{
    if constexpr (takes_task<F &, Args...>)
        return std::invoke(function, self, std::forward<Args>(args)...);
    else
        return std::invoke(function, std::forward<Args>(args)...);
}

template <class F, class... Args>
using returned = decltype(call(std::declval<F &>(), std::declval<task &>(), std::declval<Args>()...));
// A reference to a part of an argument would outlive it.
template <class F, class... Args>
using result_of = std::conditional_t<std::is_rvalue_reference_v<returned<F, Args...>>,
                                     std::remove_reference_t<returned<F, Args...>>, returned<F, Args...>>;

// A value, a reference, or that there was nothing to return.
template <class T> using slot = std::optional<std::conditional_t<std::is_void_v<T>, std::tuple<>, std::tuple<T>>>;

template <class T, class F> void fill(slot<T> &out, F &&make)
{
    if constexpr (std::is_void_v<T>)
        make(), out.emplace();
    else
        out.emplace(make());
}

// The argument of a C task as its futures see it.
struct outcome_base {
    std::exception_ptr exception;
};
template <class T> struct outcome : outcome_base {
    slot<T> value;
    bool taken = false;
};

// The same as the task sees it: what to call, and the place of the result.
template <class F, class... Args> struct cell : outcome<result_of<F, Args...>> {
    using result = result_of<F, Args...>;

    template <class Function, class... Given>
    explicit cell(bool retried, Function &&function, Given &&...given)
        : again(retried), work(std::in_place, std::forward<Function>(function), std::forward<Given>(given)...)
    {
    }

    static constexpr bool repeatable = std::is_invocable_r_v<result, F &, task &, const Args &...> ||
                                       std::is_invocable_r_v<result, F &, const Args &...>;

    result invoke(task &self)
    {
        return std::apply(
            [&](F &function, Args &...args) -> result {
                if constexpr (repeatable)
                    if (again)
                        return call(function, self, std::as_const(args)...);
                return call(function, self, std::move(args)...);
            },
            *work);
    }

    bool again;
    std::optional<std::tuple<F, Args...>> work;
};

template <class Cell> int run(filch_task *self, void *arg) noexcept;

template <class Cell> void destroy(void *arg) noexcept
{
    delete static_cast<Cell *>(static_cast<outcome_base *>(arg));
}

// submit(fn, arg, options, out) with a new cell for the callable; the first of `given` may be task_options.
template <class Submit, class F, class... Args>
auto launch(Submit submit, const filch_task_options &given, F &&function, Args &&...args)
{
    using made = cell<std::decay_t<F>, std::decay_t<Args>...>;
    if (given.retry && !made::repeatable)
        throw failure(-EINVAL, "arguments that are moved are there for one attempt only");
    auto work =
        std::make_unique<made>(given.retry != nullptr, std::forward<F>(function), std::forward<Args>(args)...);
    filch_task_options options = given;
    filch_future *out = nullptr;
    options.arg_dtor = destroy<made>;
    check(submit(run<made>, static_cast<outcome_base *>(work.get()), &options, &out), "filch_submit");
    work.release();
    return future<typename made::result>(out);
}

template <class Submit, class First, class... Rest> auto launch_any(Submit submit, First &&first, Rest &&...rest)
{
    if constexpr (std::is_base_of_v<filch_task_options, std::decay_t<First>>)
        return launch(submit, first, std::forward<Rest>(rest)...);
    else
        return launch(submit, task_options(), std::forward<First>(first), std::forward<Rest>(rest)...);
}

} // namespace detail

// ---- Futures -------------------------------------------------------------------------------------------

// What a future is whatever its result. Inside a task a wait gives the worker to other tasks.
class future_base
{
public:
    future_base() noexcept = default;
    explicit future_base(filch_future *adopted) noexcept : handle_(adopted) {}

    bool valid() const noexcept { return native_handle(); }
    filch_state state() const noexcept { return filch_future_state(native_handle()); }
    bool ready() const noexcept { return filch_future_done(native_handle()); }
    bool cancel() const noexcept { return filch_future_cancel(native_handle()); }
    const char *name() const noexcept { return filch_future_name(native_handle()); }
    unsigned attempts() const noexcept { return filch_future_attempts(native_handle()); }
    // Of one that is FAILED, CANCELLED or STOPPED; else empty.
    filch::error error() const noexcept { return filch::error::share(filch_future_error(native_handle())); }

    void wait() const { wait_for(forever); }
    // True once it is final. Throws if something else but the time ends the wait: see filch_future_wait().
    template <class Rep, class Period> bool wait_for(std::chrono::duration<Rep, Period> time) const
    {
        if (!valid())
            throw std::logic_error("a filch::future without a task");
        int rc = filch_future_wait(native_handle(), detail::timeout_ns(time));
        return rc != -ETIMEDOUT && detail::check(rc, "filch_future_wait") == 0;
    }
    template <class Clock, class Duration> bool wait_until(std::chrono::time_point<Clock, Duration> end) const
    {
        do
            if (wait_for(end - Clock::now()))
                return true;
        while (Clock::now() < end);
        return false;
    }

    // Calls function(future_base) when it is final: on the thread that completes it, or here if it is already.
    template <class F> void on_done(F &&function) const
    {
        using held = std::decay_t<F>;
        auto callback = std::make_unique<held>(std::forward<F>(function));
        auto call = [](filch_future *future, void *arg) noexcept {
            std::unique_ptr<held> owner(static_cast<held *>(arg));
            (*owner)(future_base(filch_future_ref(future)));
        };
        detail::check(filch_future_on_done(native_handle(), call, callback.get()), "filch_future_on_done");
        callback.release();
    }

    filch_future *native_handle() const noexcept { return handle_.get(); }

protected:
    // Waits for the outcome and throws unless there is a result.
    template <class T> detail::outcome<T> &settle() const
    {
        wait();
        auto *found = static_cast<detail::outcome_base *>(filch_future_arg(native_handle()));
        if (state() == FILCH_FAILED)
            detail::raise(error(), found->exception);
        if (state() != FILCH_DONE)
            throw cancelled(error());
        return *static_cast<detail::outcome<T> *>(found);
    }

    detail::counted<filch_future, filch_future_ref, filch_future_unref> handle_;
};

// The result of a task, for one owner. As std::future, but that it still has its name, state and error after get().
template <class T> class [[nodiscard]] future : public future_base
{
public:
    future() noexcept = default;
    // Of a task that submit() made for a T.
    explicit future(filch_future *adopted) noexcept : future_base(adopted) {}
    future(future &&) noexcept = default;
    future &operator=(future &&) noexcept = default;

    // Moves the result out, once.
    T get()
    {
        detail::outcome<T> &outcome = settle<T>();
        if (std::exchange(outcome.taken, true))
            throw std::logic_error("the result of a filch::future was taken already");
        if constexpr (std::is_void_v<T>)
            return;
        else
            return std::get<0>(std::move(*outcome.value));
    }
    shared_future<T> share() { return shared_future<T>(std::move(*this)); }
};

// The same for many owners, who see one result.
template <class T> class shared_future : public future_base
{
public:
    shared_future() noexcept = default;
    shared_future(future<T> &&other) noexcept : future_base(std::move(other)) {}

    std::add_lvalue_reference_t<const T> get() const
    {
        detail::outcome<T> &outcome = settle<T>();
        if constexpr (std::is_void_v<T>)
            return;
        else
            return std::get<0>(std::as_const(*outcome.value));
    }
};

// ---- Pool and task -------------------------------------------------------------------------------------

// A pool that somebody else owns.
class pool_ref
{
public:
    explicit pool_ref(filch_pool *borrowed) noexcept : handle_(borrowed) {}

    // submit(callable, arguments...) or submit(task_options, callable, arguments...) makes a task.
    template <class First, class... Rest> auto submit(First &&first, Rest &&...rest) const
    {
        auto to_pool = [this](filch_fn *fn, void *arg, const filch_task_options *options, filch_future **out) {
            return filch_submit_with(handle_, fn, arg, options, out);
        };
        return detail::launch_any(to_pool, std::forward<First>(first), std::forward<Rest>(rest)...);
    }
    filch::stop stop() const noexcept { return filch::stop::share(filch_pool_stop(handle_)); }
    // One below the pool's, or below `parent`, that is requested with -ETIMEDOUT after that time.
    filch::stop stop_after(std::chrono::nanoseconds time) const { return stop_after(time, stop()); }
    filch::stop stop_after(std::chrono::nanoseconds time, const filch::stop &parent) const
    {
        filch_stop *created = nullptr;
        int rc = filch_stop_create_until(&created, parent.native_handle(), handle_, in(time));
        detail::check(rc, "filch_stop_create_until");
        return filch::stop(created);
    }
    unsigned workers() const noexcept { return filch_pool_workers(handle_); }
    void resize(unsigned workers) const { detail::check(filch_pool_resize(handle_, workers), "filch_pool_resize"); }
    void shutdown(unsigned flags = FILCH_SHUTDOWN_WAIT, std::chrono::nanoseconds timeout = forever) const
    {
        filch_error *stragglers = nullptr;
        int rc = filch_pool_shutdown(handle_, flags, detail::timeout_ns(timeout), &stragglers);
        detail::check(rc, "filch_pool_shutdown", error(stragglers));
    }
    filch_pool *native_handle() const noexcept { return handle_; }

protected:
    filch_pool *handle_;
};

// A pool of its own: the end waits until all that was submitted has run; to be quicker, call shutdown() before.
class pool : public pool_ref
{
public:
    explicit pool(unsigned workers = 0) : pool(with(workers)) {}
    explicit pool(const filch_pool_options &options) : pool_ref(nullptr)
    {
        detail::check(filch_pool_create(&handle_, &options), "filch_pool_create");
    }
    pool(pool &&other) noexcept : pool_ref(std::exchange(other.handle_, nullptr)) {}
    pool &operator=(pool &&other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~pool() { filch_pool_destroy(handle_); }

private:
    static pool_options with(unsigned workers)
    {
        pool_options options;
        options.workers = workers;
        return options;
    }
};

// The task that runs, for its callable; lives as long as the call.
class task
{
public:
    explicit task(filch_task *self = filch_task_current()) noexcept : handle_(self) {}

    bool stopped() const noexcept { return filch_task_stopped(handle_); }
    void check() const // throws cancelled if it is to stop
    {
        if (stopped())
            throw cancelled(-ECANCELED, "the task is to stop");
    }
    filch::stop stop() const noexcept { return filch::stop::share(filch_task_stop(handle_)); }
    pool_ref pool() const noexcept { return pool_ref(filch_task_pool(handle_)); }
    unsigned attempt() const noexcept { return filch_task_attempt(handle_); }
    template <class... Given> auto submit(Given &&...given) const // a sub task
    {
        return pool().submit(std::forward<Given>(given)...);
    }
    filch_task *native_handle() const noexcept { return handle_; }

private:
    filch_task *handle_; // NULL outside of tasks
};

template <class Cell> int detail::run(filch_task *self, void *arg) noexcept
{
    auto *work = static_cast<Cell *>(static_cast<outcome_base *>(arg));
    task here(self);
    try {
        fill<typename Cell::result>(work->value, [&]() -> decltype(auto) { return work->invoke(here); });
        work->work.reset();
        return 0;
    } catch (...) {
        work->exception = std::current_exception();
        if (!work->again)
            work->work.reset();
        return fail(self);
    }
}

// While it lives, the task's worker goes to other tasks. Outside of tasks it does nothing.
class blocking
{
public:
    blocking() noexcept
    {
        if (handle_)
            filch_blocking_begin(handle_);
    }
    ~blocking()
    {
        if (handle_)
            filch_blocking_end(handle_);
    }
    blocking(const blocking &) = delete;
    blocking &operator=(const blocking &) = delete;

private:
    filch_task *handle_ = filch_task_current();
};

// Throws cancelled if a stop, or outside of tasks an interrupt, ends it.
template <class Rep, class Period> void sleep_for(std::chrono::duration<Rep, Period> time)
{
    detail::check(filch_sleep(detail::timeout_ns(time)), "filch_sleep");
}

// ---- Scope ---------------------------------------------------------------------------------------------

// Tasks that fail together; none is left at the end of the block, which stops those that run.
class scope
{
public:
    explicit scope(pool_ref pool, const filch_scope_options &options = scope_options())
    {
        filch_scope *opened = nullptr;
        detail::check(filch_scope_open(&opened, pool.native_handle(), &options), "filch_scope_open");
        handle_.reset(opened);
    }

    template <class First, class... Rest> auto submit(First &&first, Rest &&...rest) // as that of a pool
    {
        auto to_scope = [this](filch_fn *fn, void *arg, const filch_task_options *options, filch_future **out) {
            return filch_scope_submit_with(native_handle(), fn, arg, options, out);
        };
        return detail::launch_any(to_scope, std::forward<First>(first), std::forward<Rest>(rest)...);
    }
    // Waits for all of them; throws the first error, which has the others as suppressed ones.
    void join()
    {
        filch_error *first = nullptr;
        int rc = filch_scope_join(native_handle(), &first);
        detail::check(rc, "filch_scope_join", error(first));
    }
    // The next that is final, in completion order; nothing after the last.
    std::optional<future_base> next()
    {
        filch_future *lent = nullptr;
        if (detail::check(filch_scope_next(native_handle(), FILCH_FOREVER, &lent), "filch_scope_next") == 0)
            return std::nullopt;
        return future_base(filch_future_ref(lent));
    }
    filch::stop stop() const noexcept { return filch::stop::share(filch_scope_stop(native_handle())); }
    filch_scope *native_handle() const noexcept { return handle_.get(); }

private:
    detail::owned<filch_scope, filch_scope_close> handle_;
};

// ---- Many futures --------------------------------------------------------------------------------------

namespace detail
{

template <class Range> std::vector<filch_future *> handles(const Range &futures)
{
    std::vector<filch_future *> out;
    for (const auto &future : futures)
        out.push_back(future.native_handle());
    return out;
}

} // namespace detail

// Waits for a range of futures; returns how many are final, which are enough unless the time is over.
template <class Range>
size_t wait(const Range &futures, filch_wait_mode mode = FILCH_ALL, std::chrono::nanoseconds timeout = forever)
{
    std::vector<filch_future *> list = detail::handles(futures);
    size_t done = 0;
    int rc = filch_wait(list.data(), list.size(), mode, detail::timeout_ns(timeout), &done);
    if (rc != -ETIMEDOUT)
        detail::check(rc, "filch_wait");
    return done;
}

// Cancels what has not started; returns how many are CANCELLED.
template <class Range> size_t cancel_all(const Range &futures)
{
    std::vector<filch_future *> list = detail::handles(futures);
    return filch_cancel_all(list.data(), list.size());
}

// A range over the elements of another one, in the order in which they complete; see as_completed().
template <class Range> class completed
{
    using element = std::remove_reference_t<decltype(*std::begin(std::declval<Range &>()))>;
    using entry = std::pair<filch_future *, element *>;

public:
    struct sentinel {
    };
    class iterator
    {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = element;
        using difference_type = std::ptrdiff_t;
        using pointer = element *;
        using reference = element &;

        explicit iterator(completed *range) : range_(range), at_(range->next()) {}
        element &operator*() const { return *at_; }
        element *operator->() const { return at_; }
        iterator &operator++()
        {
            at_ = range_->next();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &left, sentinel) { return !left.at_; }
        friend bool operator!=(const iterator &left, sentinel) { return left.at_; }

    private:
        completed *range_;
        element *at_; // NULL at the end
    };

    completed(Range &&futures, std::chrono::nanoseconds timeout) : futures_(std::forward<Range>(futures))
    {
        std::vector<filch_future *> list = detail::handles(futures_);
        filch_completed *begun = nullptr;
        int rc = filch_completed_begin(&begun, list.data(), list.size(), detail::timeout_ns(timeout));
        detail::check(rc, "filch_completed_begin");
        handle_.reset(begun);
        for (element &future : futures_)
            elements_.emplace_back(future.native_handle(), &future);
        std::sort(elements_.begin(), elements_.end(),
                  [](const entry &left, const entry &right) { return std::less<>()(left.first, right.first); });
    }
    completed(const completed &) = delete;
    completed &operator=(const completed &) = delete;

    iterator begin() { return iterator(this); }
    sentinel end() const { return {}; }

private:
    element *next()
    {
        filch_future *future = nullptr;
        int rc = filch_completed_next(handle_.get(), &future);
        if (rc == -ETIMEDOUT)
            throw timeout_error(filch_completed_unfinished(handle_.get()), filch_completed_total(handle_.get()));
        if (detail::check(rc, "filch_completed_next") == 0)
            return nullptr;
        auto before = [](const entry &left, filch_future *right) { return std::less<>()(left.first, right); };
        return std::lower_bound(elements_.begin(), elements_.end(), future, before)->second;
    }

    Range futures_;               // a reference to the caller's, or a range of its own
    std::vector<entry> elements_; // by handle
    detail::owned<filch_completed, filch_completed_end> handle_;
};

// `for (auto &future : as_completed(futures))`; throws timeout_error once the time for all of them is over. The range
// and its elements stay where they are meanwhile.
template <class Range> completed<Range> as_completed(Range &&futures, std::chrono::nanoseconds timeout = forever)
{
    return completed<Range>(std::forward<Range>(futures), timeout);
}

// ---- Map and loops -------------------------------------------------------------------------------------

namespace detail
{

// C functions for one element and for a range of indices, whose arg is the callable or has it.
template <class In, class R, class F> int map_one(filch_task *self, const void *in, void *out, void *arg) noexcept
{
    task here(self);
    try {
        auto &element = **static_cast<In *const *>(in);
        fill<R>(*static_cast<slot<R> *>(out), [&] { return call(*static_cast<F *>(arg), here, element); });
        return 0;
    } catch (...) {
        return fail(self);
    }
}

template <class F> struct loop {
    F &body;
    std::atomic_flag failed = ATOMIC_FLAG_INIT;
    std::exception_ptr exception = nullptr; // whoever sets `failed`; read after the loop

    static int walk(size_t begin, size_t end, void *arg) noexcept
    {
        auto *self = static_cast<loop *>(arg);
        try {
            for (size_t i = begin; i < end; i++)
                self->body(i);
            return 0;
        } catch (...) {
            if (!self->failed.test_and_set(std::memory_order_relaxed)) // relaxed: only one may write
                self->exception = std::current_exception();
            return exception_code;
        }
    }
};

} // namespace detail

// function(element) of each element, by several threads at once, as a vector in the order of the range; the first error
// by index is thrown.
template <class Range, class F>
auto map(pool_ref pool, Range &&range, F &&function, const filch_map_options &options = map_options())
{
    using element = std::remove_reference_t<decltype(*std::begin(range))>;
    using result = std::decay_t<detail::result_of<std::remove_reference_t<F>, element &>>;
    std::vector<element *> in;
    for (element &each : range)
        in.push_back(&each);
    std::vector<detail::slot<result>> out(in.size());
    filch_error *first = nullptr;
    int rc = filch_map(pool.native_handle(), detail::map_one<element, result, std::remove_reference_t<F>>,
                       const_cast<void *>(static_cast<const void *>(&function)), in.data(), sizeof(element *),
                       out.data(), sizeof out[0], in.size(), &options, &first);
    detail::check(rc, "filch_map", error(first));
    if constexpr (!std::is_void_v<result>) {
        std::vector<result> results;
        results.reserve(out.size());
        for (auto &each : out)
            results.push_back(std::get<0>(std::move(*each)));
        return results;
    }
}

// body(i) for each index from begin to end - 1; what the first that fails throws is thrown here, as it is.
template <class F> void parallel_for(pool_ref pool, size_t begin, size_t end, F &&body, size_t grain = 0)
{
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    options.grain = grain;
    detail::loop<F> loop { body };
    int rc = filch_parallel_for(pool.native_handle(), begin, end, loop.walk, &loop, &options);
    if (loop.exception)
        std::rethrow_exception(loop.exception);
    detail::check(rc, "filch_parallel_for");
}

} // namespace filch

#endif
