/* SPDX-License-Identifier: MIT */
/* The shadow of a model's memory (shadow.h), the memory that models get, and the calls by which the compiler tells of
 * accesses that are not atomic. */
#include "shadow.h"

#include <sys/mman.h>

const struct model_core *shadow_core;

namespace
{

struct use {
    size_t when; /* the thread's own clock */
    const struct model_site *site;
    void *code;
    uint8_t thread, bytes; /* a bit for each of the eight */
    bool writes, atomic;
};

size_t const kept = 8 * MODEL_THREADS;

struct shadow {
    uintptr_t word; /* the address / 8; 0: free */
    cell *cells;
    use uses[kept];
    unsigned n;
    bool listed; /* among those of its stack */
};

size_t const stack_words = 2048, /* used on one stack, in frames that live */
    stack_size = 60 << 10;       /* a little less than Relacy's */

/* The stack of a thread: filch's waiters and parkers lie on stacks, and others use them there. */
struct stack {
    uintptr_t top;               /* 0: not known yet */
    uintptr_t low;               /* while others run: what lies below is no frame's */
    uint32_t words[stack_words]; /* places in the table */
    size_t n;
};

size_t const table_size = 1 << 15, arena_size = 16 << 20, blocks_most = 4096;

struct block {
    uintptr_t begin, end;
    size_t when;
    uint8_t thread;
    bool freed;
};

shadow table[table_size];
uint32_t used[table_size];
size_t n_used;
char *arena;
size_t arena_used;
block blocks[blocks_most];
size_t n_blocks;
stack stacks[MODEL_THREADS];

extern "C" char __start_model_thread_local[] __attribute__((weak));
extern "C" char __stop_model_thread_local[] __attribute__((weak));

/* ---- The table ---- */

stack *stack_of(uintptr_t address)
{
    for (stack &one : stacks)
        if (address < one.top && address >= one.top - stack_size)
            return &one;
    return NULL;
}

shadow *entry_of(uintptr_t address)
{
    uintptr_t word = address >> 3;
    for (size_t i = word * UINT64_C(0x9E3779B97F4A7C15) >> 49;; i = (i + 1) % table_size) {
        if (table[i].word == word)
            return &table[i];
        if (table[i].word)
            continue;
        model_must(n_used < table_size - 1);
        table[i].word = word;
        table[i].cells = NULL;
        table[i].n = 0;
        table[i].listed = false;
        used[n_used++] = (uint32_t)i;
        return &table[i];
    }
}

shadow *shadow_of(uintptr_t address)
{
    shadow *at = entry_of(address);
    if (at->listed)
        return at;
    stack *its = stack_of(address);
    if (its) {
        model_must(its->n < stack_words);
        its->words[its->n++] = (uint32_t)(at - table);
        at->listed = true;
    }
    return at;
}

void drop_cell(shadow *at, cell **link)
{
    (void)at;
    cell *gone = *link;
    *link = gone->next;
    rl::ctx().atomic_dtor(gone->relacy);
    (free)(gone);
}

block *block_of(uintptr_t address)
{
    size_t low = 0, high = n_blocks;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (blocks[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n_blocks && blocks[low].begin <= address ? &blocks[low] : NULL;
}

/* The last plain write of these bytes, or NULL. */
const use *last_write(const shadow *at, uint8_t bytes)
{
    const use *last = NULL;
    for (unsigned i = 0; i < at->n; i++) {
        const use *one = &at->uses[i];
        if (one->writes && !one->atomic && one->bytes & bytes)
            last = one;
    }
    return last;
}

/* ---- Races ---- */

void describe(char *out, size_t size, const struct model_site *site, void *code, bool writes)
{
    if (site)
        snprintf(out, size, "atomic %s at %s:%d", model_operation_name(site->operation), model_short(site->file),
                 site->line);
    else
        snprintf(out, size, "%s at %p", writes ? "write" : "read", code);
}

void raced(const use &old, const struct model_site *site, bool writes, void *code)
{
    char text[200], one[80], two[80];
    describe(one, sizeof one, old.site, old.code, old.writes);
    describe(two, sizeof two, site, code, writes);
    snprintf(text, sizeof text, "data race: thread %u's %s, thread %u's %s", (unsigned)old.thread, one,
             (unsigned)me().index_, two);
    fail(rl::test_result_data_race, site ? where(site) : RL_INFO, text);
}

/* No memory may be used that was freed, or that lies in a frame which its function has left. */
void must_live(uintptr_t address, const struct model_site *site, void *code)
{
    char text[120], use[80];
    const block *home = block_of(address);
    const stack *its = home ? NULL : stack_of(address);
    bool left = its && its != &stacks[me().index_] && address < its->low;
    if (!left && !(home && home->freed))
        return;
    describe(use, sizeof use, site, code, true);
    snprintf(text, sizeof text, "%s: %s", left ? "use after return" : "use after free", use);
    fail(rl::test_result_access_to_freed_memory, site ? where(site) : RL_INFO, text);
}

/* One access of some bytes of one word: a race if an earlier one by another thread has not happened before it. */
void touch_word(uintptr_t address, uint8_t bytes, bool writes, const struct model_site *site, void *code)
{
    must_live(address, site, code);
    shadow *at = shadow_of(address);
    rl::thread_info_base &self = me();
    bool atomic = site != NULL;
    if (!atomic && writes)
        for (cell **link = &at->cells; *link;) {
            uint8_t its = (uint8_t)(((1u << (*link)->size) - 1) << (*link)->offset);
            if (its & bytes)
                drop_cell(at, link);
            else
                link = &(*link)->next;
        }
    unsigned left = 0;
    for (unsigned i = 0; i < at->n; i++) {
        use &old = at->uses[i];
        bool ordered = old.thread == self.index_ || old.when <= self.acq_rel_order_[old.thread];
        if (!ordered && old.bytes & bytes && (old.writes || writes) && !(old.atomic && atomic))
            raced(old, site, writes, code);
        /* What happened before this write, or is this thread's own and no stronger, says nothing more. */
        bool covered = (old.bytes & ~bytes) == 0 && ordered &&
                       (writes ? !atomic || old.thread == self.index_ : !old.writes && old.thread == self.index_);
        if (!(covered && (old.atomic == atomic || (writes && !atomic))))
            at->uses[left++] = old;
    }
    at->n = left;
    model_must(at->n < kept); /* else a race with what is forgotten would go unseen */
    self.own_acq_rel_order_ += 1;
    use now = { self.own_acq_rel_order_, site, code, (uint8_t)self.index_, bytes, writes, atomic };
    at->uses[at->n++] = now;
}

cell *make_cell(shadow *at, void *address, size_t size, unsigned thread, size_t when)
{
    cell *made = (cell *)(calloc)(1, sizeof *made);
    made->relacy = rl::ctx().atomic_ctor(made);
    made->offset = (uint8_t)((uintptr_t)address % 8);
    made->size = (uint8_t)size;
    made->newest = shadow_value(address, size);
    unsigned index = me().atomic_init(made->relacy);
    made->past[index] = made->newest;
    shadow_core->date(made->relacy, index, thread, when);
    made->next = at->cells;
    at->cells = made;
    return made;
}

bool is_local(uintptr_t address)
{
    return address >= (uintptr_t)__start_model_thread_local && address < (uintptr_t)__stop_model_thread_local;
}

/* The frame of a function that ends here has used what lies below: whoever else did so must have done it before, and
 * the next frame there knows nothing of it. */
void leave_frame(stack *its, uintptr_t frame, void *code)
{
    for (size_t i = 0; i < its->n;) {
        shadow *at = &table[its->words[i]];
        uintptr_t address = at->word << 3;
        if (address >= frame) {
            i++;
            continue;
        }
        touch_word(address, 0xff, true, NULL, code);
        at->n = 0;
        at->listed = false;
        its->words[i] = its->words[--its->n];
    }
}

} // namespace

void shadow_must_live(const void *address)
{
    must_live((uintptr_t)address, NULL, __builtin_return_address(0));
}

void shadow_stack_begin(const void *frame)
{
    stacks[me().index_].top = (uintptr_t)frame + 64;
}

void shadow_stack_low(const void *frame)
{
    stacks[me().index_].low = (uintptr_t)frame;
}

void shadow_touch(const void *memory, size_t size, bool writes, const struct model_site *site, void *code)
{
    uintptr_t address = (uintptr_t)memory;
    if (!simulated() || is_local(address))
        return;
    while (size > 0) {
        unsigned offset = address % 8;
        unsigned n = size < 8 - offset ? (unsigned)size : 8 - offset;
        touch_word(address, (uint8_t)(((1u << n) - 1) << offset), writes, site, code);
        address += n;
        size -= n;
    }
}

uint64_t shadow_value(const void *address, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, address, size);
    return value;
}

void shadow_set_value(void *address, size_t size, uint64_t value)
{
    memcpy(address, &value, size);
}

cell *shadow_cell(void *address, size_t size)
{
    shadow *at = shadow_of((uintptr_t)address);
    uint8_t offset = (uint8_t)((uintptr_t)address % 8);
    for (cell *one = at->cells; one; one = one->next)
        if (one->offset == offset) {
            model_must(one->size == size);
            return one;
        }
    const use *write = last_write(at, (uint8_t)(((1u << size) - 1) << offset));
    if (write)
        return make_cell(at, address, size, write->thread, write->when);
    block *home = block_of((uintptr_t)address);
    return home ? make_cell(at, address, size, home->thread, home->when) : make_cell(at, address, size, 0, 0);
}

void shadow_begin(const struct model_core *its_core)
{
    shadow_core = its_core;
    for (size_t i = 0; i < n_used; i++) {
        for (cell *one = table[used[i]].cells, *next; one; one = next) {
            next = one->next;
            (free)(one);
        }
        table[used[i]].word = 0;
    }
    n_used = 0;
    for (stack &one : stacks)
        one.n = 0, one.low = 0;
    if (!arena)
        arena = (char *)mmap((void *)(UINT64_C(1) << 40), arena_size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    model_must(arena != MAP_FAILED);
    memset(arena, 0, arena_used);
    arena_used = 0;
    n_blocks = 0;
}

void shadow_end(void)
{
    for (size_t i = 0; i < n_used; i++)
        while (table[used[i]].cells)
            drop_cell(&table[used[i]], &table[used[i]].cells);
}

/* ---- Memory ---- */

void *model_alloc(size_t size, size_t align)
{
    arena_used = (arena_used + align - 1) & ~(align - 1);
    model_must(arena_used + size <= arena_size && n_blocks < blocks_most);
    me().own_acq_rel_order_ += 1;
    block made = { (uintptr_t)arena + arena_used, (uintptr_t)arena + arena_used + size, me().own_acq_rel_order_,
                   (uint8_t)me().index_, false };
    blocks[n_blocks++] = made;
    arena_used = (arena_used + size + 15) & ~(size_t)15; /* so that no word lies in two blocks */
    return (void *)made.begin;
}

void model_free(void *memory)
{
    if (!memory)
        return;
    block *home = block_of((uintptr_t)memory);
    if (!home || home->begin != (uintptr_t)memory || home->freed)
        fail(rl::test_result_double_free, RL_INFO, "free of what is no block, or is free");
    /* Whoever used it last must have done so before. */
    for (size_t i = 0; i < n_used; i++) {
        uintptr_t address = table[used[i]].word << 3;
        if (address >= home->begin && address < home->end)
            touch_word(address, 0xff, true, NULL, __builtin_return_address(0));
    }
    home->freed = true;
}

unsigned model_allocated(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < n_blocks; i++)
        n += !blocks[i].freed;
    return n;
}

/* ---- What the compiler tells ---- */

void *model_memset(void *to, int byte, size_t size)
{
    shadow_touch(to, size, true, NULL, __builtin_return_address(0));
    return memset(to, byte, size);
}

void *model_memcpy(void *to, const void *from, size_t size)
{
    shadow_touch(from, size, false, NULL, __builtin_return_address(0));
    shadow_touch(to, size, true, NULL, __builtin_return_address(0));
    return memcpy(to, from, size);
}

#define ACCESS(name, size, writes)                                              \
    extern "C" void name(void *address)                                         \
    {                                                                           \
        shadow_touch(address, size, writes, NULL, __builtin_return_address(0)); \
    }
ACCESS(__tsan_read1, 1, false)
ACCESS(__tsan_read2, 2, false)
ACCESS(__tsan_read4, 4, false)
ACCESS(__tsan_read8, 8, false)
ACCESS(__tsan_read16, 16, false)
ACCESS(__tsan_write1, 1, true)
ACCESS(__tsan_write2, 2, true)
ACCESS(__tsan_write4, 4, true)
ACCESS(__tsan_write8, 8, true)
ACCESS(__tsan_write16, 16, true)
ACCESS(__tsan_unaligned_read2, 2, false)
ACCESS(__tsan_unaligned_read4, 4, false)
ACCESS(__tsan_unaligned_read8, 8, false)
ACCESS(__tsan_unaligned_write2, 2, true)
ACCESS(__tsan_unaligned_write4, 4, true)
ACCESS(__tsan_unaligned_write8, 8, true)

extern "C" void __tsan_read_range(void *address, size_t size)
{
    shadow_touch(address, size, false, NULL, __builtin_return_address(0));
}

extern "C" void __tsan_write_range(void *address, size_t size)
{
    shadow_touch(address, size, true, NULL, __builtin_return_address(0));
}

extern "C" void __tsan_init(void)
{
}

extern "C" void __tsan_func_entry(void *)
{
}

extern "C" void __tsan_func_exit(void)
{
    if (simulated() && stacks[me().index_].n)
        leave_frame(&stacks[me().index_], (uintptr_t)__builtin_frame_address(1), __builtin_return_address(0));
}
