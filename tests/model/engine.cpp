/* SPDX-License-Identifier: MIT */
/*
 * The engine: filch's atomic operations on Relacy's fibers and by its memory model.
 *
 * Relacy keeps, for every atomic object, the values that a thread may still read, and a vector clock for every
 * thread; its own classes want sources written for it, so its core is called from here instead: operations come
 * with an address, and a table finds the object that shadows it (shadow.cpp).
 */
#include "shadow.h"

namespace
{

char fault[256];
unsigned long operations;
struct model_mutation mutation;
bool mutated;
unsigned turn; /* of executions at random: another thread's turn comes after so many operations, on average */

/* What a history shows of one operation. */
struct event {
    const struct model_site *site;
    void *address;
    uint64_t before, after;
    void output(std::ostream &s) const
    {
        s << model_operation_name(site->operation) << " " << model_order_name(site->order) << " " << address << ": "
          << std::hex << before;
        if (after != before)
            s << " -> " << after;
        s << std::dec << " (" << model_short(site->file) << ":" << site->line << ")";
    }
};

/* Before each operation. Some faults need one thread to stand still while another does much, others need them to take
 * turns: so how long a turn is differs from execution to execution. */
void let_others()
{
    rl::context &c = rl::ctx();
    if (!c.is_random_sched() || c.rand(turn, rl::sched_type_user) == 0)
        c.sched();
}

/* ---- Atomics ---- */

/* Whether the mutation asked for is at this place; and lists the place. */
void meet(struct model_site *site)
{
    if (!site->known) {
        site->known = 1;
        site->next = model_sites;
        model_sites = site;
        site->weaker = mutated && site->line == mutation.line && site->operation == mutation.operation &&
                       site->order == mutation.order && site->failure == mutation.failure &&
                       strcmp(model_short(site->file), mutation.file) == 0;
    }
    operations++;
}

int order_of(const struct model_site *site)
{
    return site->weaker && mutation.kind == MODEL_ORDER ? mutation.weaker : site->order;
}

/* The halves of an order, for a read-modify-write that is split. */
int order_of_load(int order)
{
    return order == rl::mo_release ? (int)rl::mo_relaxed : order == rl::mo_acq_rel ? (int)rl::mo_acquire : order;
}

int order_of_store(int order)
{
    return order == rl::mo_acquire ? (int)rl::mo_relaxed : order == rl::mo_acq_rel ? (int)rl::mo_release : order;
}

uint64_t load_now(struct model_site *site, void *address, size_t size, int order)
{
    rl::context &c = rl::ctx();
    rl::debug_info info = where(site);
    shadow_touch(address, size, false, site, NULL);
    cell *at = shadow_cell(address, size);
    unsigned index = order == rl::mo_relaxed   ? me().atomic_load_relaxed(at->relacy)
                     : order == rl::mo_seq_cst ? me().atomic_load_seq_cst(at->relacy)
                                               : me().atomic_load_acquire(at->relacy);
    if (index == (unsigned)-1)
        fail(rl::test_result_unitialized_access, info, "read of what is not initialised as this thread sees it");
    uint64_t value = at->past[index];
    RL_HIST(event) { site, address, value, value } RL_HIST_END();
    return value;
}

void store_now(struct model_site *site, void *address, size_t size, uint64_t value, int order)
{
    rl::context &c = rl::ctx();
    rl::debug_info info = where(site);
    shadow_touch(address, size, true, site, NULL);
    cell *at = shadow_cell(address, size);
    unsigned index = order == rl::mo_relaxed   ? me().atomic_store_relaxed(at->relacy)
                     : order == rl::mo_seq_cst ? me().atomic_store_seq_cst(at->relacy)
                                               : me().atomic_store_release(at->relacy);
    shadow_core->cut(at->relacy, index, order != rl::mo_relaxed);
    RL_HIST(event) { site, address, at->newest, value } RL_HIST_END();
    at->past[index] = at->newest = value;
    shadow_set_value(address, size, value);
}

uint64_t mask_of(size_t size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
}

uint64_t computed(int operation, uint64_t old, uint64_t operand, size_t size)
{
    switch (operation) {
    case MODEL_ADD:
        return (old + operand) & mask_of(size);
    case MODEL_SUB:
        return (old - operand) & mask_of(size);
    case MODEL_OR:
        return old | operand;
    case MODEL_AND:
        return old & operand;
    default:
        return operand;
    }
}

uint64_t rmw_now(struct model_site *site, void *address, size_t size, uint64_t value, bool computes, int order)
{
    rl::context &c = rl::ctx();
    rl::debug_info info = where(site);
    shadow_touch(address, size, true, site, NULL);
    cell *at = shadow_cell(address, size);
    bool aba = false;
    rl::atomic_data *relacy = at->relacy;
    unsigned index = order == rl::mo_relaxed   ? me().atomic_rmw_relaxed(relacy, aba)
                     : order == rl::mo_acquire ? me().atomic_rmw_acquire(relacy, aba)
                     : order == rl::mo_release ? me().atomic_rmw_release(relacy, aba)
                     : order == rl::mo_acq_rel ? me().atomic_rmw_acq_rel(relacy, aba)
                                               : me().atomic_rmw_seq_cst(relacy, aba);
    uint64_t old = at->newest;
    uint64_t next = computes ? computed(site->operation, old, value, size) : value;
    RL_HIST(event) { site, address, old, next } RL_HIST_END();
    at->past[index] = at->newest = next;
    shadow_set_value(address, size, next);
    return old;
}

} // namespace

void fail(rl::test_result_e kind, rl::debug_info const &info, const char *what)
{
    snprintf(fault, sizeof fault, "%s", what);
    rl::ctx().fail_test(what, kind, info);
}

rl::debug_info where(const struct model_site *site)
{
    return rl::debug_info(model_operation_name(site->operation), site->file, (unsigned)site->line);
}

rl::thread_info_base &me()
{
    return *rl::ctx().threadx_;
}

bool simulated(void)
{
    return rl::is_ctx() && rl::ctx().threadx_;
}

/* ---- What search.cpp asks for ---- */

struct model_site *model_sites;

void model_begin(const struct model *model, const struct model_core *core)
{
    shadow_begin(core);
    shadow_stack_begin(__builtin_frame_address(0));
    if (model_os_begin)
        model_os_begin();
    threads_begin(model);
    turn = rl::ctx().is_random_sched() ? 1u << rl::ctx().rand(8, rl::sched_type_user) : 1;
    fault[0] = '\0';
}

void model_end(void)
{
    shadow_end();
}

void model_weaken(const struct model_mutation *wanted)
{
    mutated = wanted != NULL;
    if (wanted)
        mutation = *wanted;
    while (model_sites) {
        model_sites->known = model_sites->weaker = 0;
        model_sites = model_sites->next;
    }
}

const char *model_fault(void)
{
    return fault;
}

unsigned long model_operations(void)
{
    return operations;
}

const char *model_operation_name(int operation)
{
    static const char *const names[] = { "load",     "store",     "exchange", "fetch_add", "fetch_sub",
                                         "fetch_or", "fetch_and", "CAS",      "CAS",       "fence" };
    return names[operation];
}

const char *model_order_name(int order)
{
    return rl::format((rl::memory_order)order);
}

/* The path within the project. */
const char *model_short(const char *file)
{
    size_t root = strlen(MODEL_ROOT);
    return strncmp(file, MODEL_ROOT, root) == 0 ? file + root + 1 : file;
}

/* ---- What the sources call ---- */

struct model_site *model_site_in(struct model_site *site, const char *function)
{
    site->function = function;
    return site;
}

void model_init(void *address, size_t size, uint64_t value)
{
    if (simulated()) {
        shadow_touch(address, size, true, NULL, __builtin_return_address(0));
        shadow_set_value(address, size, value);
        shadow_cell(address, size);
        return;
    }
    shadow_set_value(address, size, value);
}

uint64_t model_load(struct model_site *site, void *address, size_t size)
{
    if (!simulated())
        return shadow_value(address, size);
    switching around;
    meet(site);
    let_others();
    return load_now(site, address, size, order_of(site));
}

void model_store(struct model_site *site, void *address, size_t size, uint64_t value)
{
    if (!simulated()) {
        shadow_set_value(address, size, value);
        return;
    }
    switching around;
    meet(site);
    let_others();
    store_now(site, address, size, value, order_of(site));
}

uint64_t model_rmw(struct model_site *site, void *address, size_t size, uint64_t operand)
{
    switching around;
    meet(site);
    let_others();
    if (!(site->weaker && mutation.kind == MODEL_SPLIT))
        return rmw_now(site, address, size, operand, true, order_of(site));
    uint64_t old = load_now(site, address, size, order_of_load(site->order));
    let_others();
    store_now(site, address, size, computed(site->operation, old, operand, size), order_of_store(site->order));
    return old;
}

bool model_cas(struct model_site *site, void *address, size_t size, uint64_t *expected, uint64_t desired)
{
    switching around;
    meet(site);
    rl::context &c = rl::ctx();
    let_others();
    if (site->weaker && mutation.kind == MODEL_SPLIT) {
        uint64_t old = load_now(site, address, size, order_of_load(site->order));
        if (old != *expected) {
            *expected = old;
            return false;
        }
        let_others();
        store_now(site, address, size, desired, order_of_store(site->order));
        return true;
    }
    cell *at = shadow_cell(address, size);
    bool fails = at->newest != *expected;
    if (!fails && site->operation == MODEL_CAS_WEAK && c.is_random_sched())
        fails = c.rand(8, rl::sched_type_cas_fail) == 0;
    if (!fails) {
        rmw_now(site, address, size, desired, false, order_of(site));
        return true;
    }
    /* A failed one is a load; Relacy, which reads the newest value here, allows a little less than C11. */
    shadow_touch(address, size, false, site, NULL);
    int order = site->weaker && mutation.kind == MODEL_FAILURE ? mutation.weaker : site->failure;
    if (order == rl::mo_relaxed)
        me().atomic_load_relaxed_rmw(at->relacy);
    else
        me().atomic_load_acquire_rmw(at->relacy);
    *expected = at->newest;
    return false;
}

void model_fence(struct model_site *site)
{
    if (!simulated())
        return;
    switching around;
    meet(site);
    if (site->weaker && mutation.kind == MODEL_DROP)
        return;
    let_others();
    rl::atomic_thread_fence((rl::memory_order)site->order, where(site));
}

void model_fail(const char *file, int line, const char *what)
{
    fail(rl::test_result_user_assert_failed, rl::debug_info("", file, (unsigned)line), what);
}

unsigned model_choose(unsigned n)
{
    return rl::ctx().rand(n, rl::sched_type_user);
}
