/* SPDX-License-Identifier: MIT */
/*
 * The search: runs models by Relacy's schedulers, whole up to a bound of preemptions or at random, as they are or with
 * one place of the sources made weaker, and says what came of it.
 */
#include <relacy/relacy.hpp>

#include "inside.h"

#include <getopt.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <ctype.h>
#include <time.h>

namespace
{

const struct model *current;

template <rl::thread_id_t N> struct core_of {
    static void date(void *atomic, unsigned index, unsigned thread, size_t when)
    {
        auto &record = static_cast<rl::atomic_data_impl<N> *>((rl::atomic_data *)atomic)->history_[index];
        record.thread_id_ = (rl::thread_id_t)thread;
        record.acq_rel_timestamp_ = when;
        for (rl::thread_id_t i = 0; i < N; i++) {
            record.first_seen_order_[i] = (rl::timestamp_t)-1;
            record.acq_rel_order_[i] = 0;
        }
    }
    static void cut(void *atomic, unsigned index, bool releases)
    {
        auto &record = static_cast<rl::atomic_data_impl<N> *>((rl::atomic_data *)atomic)->history_[index];
        auto *self = static_cast<rl::thread_info<N> *>(rl::ctx().threadx_);
        for (rl::thread_id_t i = 0; i < N; i++)
            record.acq_rel_order_[i] = (releases ? self->acq_rel_order_ : self->release_fence_order_)[i];
    }
    static constexpr struct model_core core = { date, cut };
};
template <rl::thread_id_t N> constexpr struct model_core core_of<N>::core;

template <rl::thread_id_t N> struct run : rl::test_suite<run<N>, N> {
    void before()
    {
        model_begin(current, &core_of<N>::core);
        if (current->before)
            current->before();
    }
    void thread(unsigned i)
    {
        model_run_thread(i);
    }
    void after()
    {
        if (current->after)
            current->after();
        model_end();
    }
};

bool simulate(rl::test_params &params)
{
    switch (current->threads + current->hosts) {
    case 1:
        return rl::simulate<run<1>>(params);
    case 2:
        return rl::simulate<run<2>>(params);
    case 3:
        return rl::simulate<run<3>>(params);
    case 4:
        return rl::simulate<run<4>>(params);
    case 5:
        return rl::simulate<run<5>>(params);
    default:
        return rl::simulate<run<6>>(params);
    }
}

double now()
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

unsigned const places_most = 512;

/* What a child process that ran one model says of it. */
struct outcome {
    bool fault;
    unsigned long executions, operations;
    double secs;
    char what[256];
    unsigned n_places;
    struct model_mutation places[places_most];
};

struct outcome *shared; /* with the child */

struct options {
    const char *only, *mutations, *table;
    double share; /* of the executions that the models ask for */
    unsigned long iteration;
    bool places; /* only list them */
} options;

bool is_asked_for(const struct model *model)
{
    return !options.only || strcmp(options.only, model->name) == 0;
}

/* ---- One model ---- */

void take_places()
{
    shared->n_places = 0;
    for (struct model_site *site = model_sites; site; site = site->next) {
        model_must(shared->n_places < places_most);
        struct model_mutation *place = &shared->places[shared->n_places++];
        memset(place, 0, sizeof *place);
        snprintf(place->file, sizeof place->file, "%s", model_short(site->file));
        snprintf(place->function, sizeof place->function, "%s", site->function);
        place->line = site->line;
        place->operation = site->operation;
        place->order = site->order;
        place->failure = site->failure;
    }
}

bool search(rl::scheduler_type_e type, unsigned long executions, bool tells)
{
    std::ostringstream nowhere;
    rl::test_params params;
    params.search_type = type;
    params.iteration_count = executions;
    params.context_bound = current->bound;
    params.execution_depth_limit = 100000;
    params.progress_stream = &nowhere;
    params.output_stream = tells ? &std::cout : &nowhere;
    params.output_history = !tells; /* this way round Relacy does not run it a second time to tell the history */
    bool good = simulate(params);
    shared->executions += params.stop_iteration;
    if (!good) {
        shared->fault = true;
        const char *words = model_fault();
        snprintf(shared->what, sizeof shared->what, "%s", *words ? words : rl::test_result_str(params.test_result));
    }
    return good;
}

/* In a child, as a fault leaves fibers behind. `mutation` may be NULL. */
void run_model(const struct model *model, const struct model_mutation *mutation, bool tells)
{
    shared->fault = false;
    shared->executions = shared->operations = 0;
    shared->secs = 0;
    shared->what[0] = '\0';
    shared->n_places = 0; /* one that crashes says nothing of its places */
    double begun = now();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        current = model;
        model_weaken(mutation);
        unsigned long random = (unsigned long)((double)model->executions * options.share);
        bool good = !random || search(rl::sched_random, random, tells);
        if (good && model->bound)
            search(rl::sched_bound, 0, tells);
        shared->operations = model_operations();
        take_places();
        fflush(NULL);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        shared->fault = true;
        snprintf(shared->what, sizeof shared->what, "crashed (%s %d)", WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    shared->secs = now() - begun;
}

/* ---- Mutations ---- */

/* The orders one step below that one; returns how many. */
unsigned weaker_orders(const struct model_mutation *place, int order, struct model_mutation out[2])
{
    unsigned n = 0;
    bool updates = place->operation >= MODEL_EXCHANGE && place->operation <= MODEL_CAS_WEAK;
    auto add = [&](int weaker) {
        out[n] = *place;
        out[n].kind = MODEL_ORDER;
        out[n++].weaker = weaker;
    };
    switch (order) {
    case rl::mo_acquire:
    case rl::mo_release:
        add(rl::mo_relaxed);
        break;
    case rl::mo_acq_rel:
        add(rl::mo_acquire);
        add(rl::mo_release);
        break;
    case rl::mo_seq_cst:
        add(updates ? rl::mo_acq_rel : place->operation == MODEL_LOAD ? rl::mo_acquire : rl::mo_release);
        break;
    default:
        break;
    }
    return n;
}

/* The ways to make a place weaker, by one step; returns how many. */
unsigned weaker(const struct model_mutation *place, struct model_mutation out[4])
{
    unsigned n = 0;
    bool updates = place->operation >= MODEL_EXCHANGE && place->operation <= MODEL_CAS_WEAK;
    auto add = [&](int kind, int order) {
        out[n] = *place;
        out[n].kind = kind;
        out[n++].weaker = order;
    };
    if (place->operation == MODEL_FENCE) {
        add(MODEL_DROP, rl::mo_relaxed);
        return n;
    }
    n += weaker_orders(place, place->order, out);
    if (place->operation >= MODEL_CAS_STRONG && place->failure != rl::mo_relaxed)
        add(MODEL_FAILURE, rl::mo_relaxed);
    if (updates)
        add(MODEL_SPLIT, 0);
    return n;
}

/* The id that the comment at or above the place names. */
void id_of(const struct model_mutation *place, char *out, size_t size)
{
    char path[256], lines[9][256] = { "" };
    snprintf(path, sizeof path, "%s/%s", MODEL_ROOT, place->file);
    snprintf(out, size, "-");
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    int read = 0;
    while (read < place->line && fgets(lines[read % 9], sizeof lines[0], file))
        read++;
    fclose(file);
    /* from the place up to where its comment begins, then down again */
    int first = place->line;
    while (first > 1 && first > place->line - 8 && !strstr(lines[(first - 1) % 9], "/*"))
        first--;
    for (int line = first; line <= place->line; line++)
        for (const char *at = lines[(line - 1) % 9]; *at; at++)
            if (isupper(at[0]) && isdigit(at[1]) && !isalnum(at[2]) &&
                (at == lines[(line - 1) % 9] || !isalnum(at[-1]))) {
                snprintf(out, size, "%.2s", at);
                return;
            }
}

void print_mutation(FILE *out, const struct model_mutation *mutation)
{
    char id[8];
    id_of(mutation, id, sizeof id);
    fprintf(out, "%s\t%s\t%d\t%s\t%s ", id, mutation->file, mutation->line, mutation->function,
            model_operation_name(mutation->operation));
    const char *order = model_order_name(mutation->order);
    if (mutation->kind == MODEL_ORDER)
        fprintf(out, "%s -> %s", order, model_order_name(mutation->weaker));
    else if (mutation->kind == MODEL_FAILURE)
        fprintf(out, "failure %s -> relaxed", model_order_name(mutation->failure));
    else if (mutation->kind == MODEL_SPLIT)
        fprintf(out, "%s, split in two", order);
    else
        fprintf(out, "%s, dropped", order);
}

bool answers_for(const char *const *files, const char *file)
{
    for (; *files; files++) {
        size_t length = strlen(*files);
        const char *name = strrchr(file, '/');
        if (strncmp(name ? name + 1 : file, *files, length) == 0 && (name ? name + 1 : file)[length] == '\0')
            return true;
    }
    return false;
}

/* Tries one mutation against the models that meet its place until one finds a fault; a line for the table. */
bool try_mutation(FILE *out, const struct model_mutation *mutation, const struct model *models, const bool *meets,
                  size_t n)
{
    unsigned long executions = 0;
    for (size_t i = 0; i < 2 * n; i++) {
        struct model model = models[i % n];
        if (i < n) /* all at random first, which finds most faults soonest */
            model.bound = 0;
        else
            model.executions = 0;
        if (!meets[i % n] || (i >= n && !model.bound))
            continue;
        run_model(&model, mutation, false);
        executions += shared->executions;
        if (!shared->fault)
            continue;
        print_mutation(out, mutation);
        fprintf(out, "\tcaught\t%s\t%lu\t%s\n", model.name, shared->executions, shared->what);
        return true;
    }
    print_mutation(out, mutation);
    fprintf(out, "\tsurvived\t-\t%lu\t-\n", executions);
    return false;
}

/* After a mutation that survived: those that are weaker by one step more; returns how many there are now. */
unsigned add_weaker(struct model_mutation ways[8], unsigned n, unsigned survived)
{
    struct model_mutation below[2];
    unsigned n_below = weaker_orders(&ways[survived], ways[survived].weaker, below);
    for (unsigned i = 0; i < n_below; i++) {
        bool known = false;
        for (unsigned j = 0; j < n; j++)
            known = known || (ways[j].kind == MODEL_ORDER && ways[j].weaker == below[i].weaker);
        if (!known)
            ways[n++] = below[i];
    }
    return n;
}

unsigned try_mutations(FILE *out, const char *const *files, const struct model *models, size_t n)
{
    static struct model_mutation places[places_most];
    static bool meets[places_most][64];
    model_must(n <= 64);
    unsigned n_places = 0, survived = 0;
    double share = options.share;
    options.share = share < 0.02 ? share : 0.02; /* only to see the places */
    for (size_t i = 0; i < n; i++) {
        if (!is_asked_for(&models[i]))
            continue;
        struct model short_one = models[i];
        short_one.bound = 0;
        run_model(&short_one, NULL, false);
        if (shared->fault) {
            fprintf(stderr, "%s: %s\n", models[i].name, shared->what);
            exit(1);
        }
        for (unsigned j = 0; j < shared->n_places; j++) {
            if (!answers_for(files, shared->places[j].file))
                continue;
            unsigned k = 0;
            while (k < n_places &&
                   memcmp(&places[k], &shared->places[j], offsetof(struct model_mutation, kind)) != 0)
                k++;
            model_must(k < places_most);
            if (k == n_places)
                places[n_places++] = shared->places[j];
            meets[k][i] = true;
        }
    }
    options.share = share;
    for (unsigned k = 0; k < n_places && options.places; k++)
        fprintf(out, "%s\t%d\n", places[k].file, places[k].line);
    for (unsigned k = 0; k < n_places && !options.places; k++) {
        struct model_mutation ways[8]; /* four, and at most three weaker orders after those */
        unsigned n_ways = weaker(&places[k], ways);
        for (unsigned way = 0; way < n_ways; way++) {
            bool found = try_mutation(out, &ways[way], models, meets[k], n);
            fflush(out);
            survived += !found;
            if (!found && ways[way].kind == MODEL_ORDER)
                n_ways = add_weaker(ways, n_ways, way);
        }
    }
    return survived;
}

/* ---- The command line ---- */

int usage(const char *name, int status)
{
    fprintf(status ? stderr : stdout,
            "usage: %s [--only MODEL] [--share X] [--table FILE] [--mutations FILE]\n\n"
            "Runs its models; a fault is told with its history, and ends with status 1.\n\n"
            "  --only MODEL      that one alone\n"
            "  --share X         times the executions that each model asks for (1)\n"
            "  --table FILE      appends a line a model: what it checks, executions, operations, seconds\n"
            "  --places FILE     appends the places of the sources that --mutations would try\n"
            "  --mutations FILE  makes the sources weaker instead, place by place, and appends a line for each\n",
            name);
    return status;
}

/* What it was, and where the code lies that it names by addresses. */
void tell_fault()
{
    char command[512];
    size_t length = (size_t)snprintf(command, sizeof command, "addr2line -f -p -s -e /proc/%d/exe", (int)getpid());
    bool any = false;
    for (const char *at = shared->what; (at = strstr(at, "at 0x")); any = true) {
        at += 3;
        length += (size_t)snprintf(command + length, sizeof command - length, " %.*s",
                                   (int)strspn(at, "0123456789abcdefx"), at);
    }
    printf("    %s\n", shared->what);
    fflush(stdout);
    if (any && system(command) != 0)
        printf("    (addr2line, of binutils, would say where that is)\n");
}

void tell(const struct model *model, FILE *table)
{
    printf("%-28s %s: %lu executions, %lu operations, %.1f s\n", model->name, shared->fault ? "FAULT" : "good",
           shared->executions, shared->operations, shared->secs);
    if (shared->fault)
        tell_fault();
    if (table)
        fprintf(table, "%s\t%s\t%u\t%lu\t%lu\t%.1f\t%s\n", model->name, model->says, model->bound,
                shared->executions, shared->operations, shared->secs, shared->fault ? shared->what : "no fault");
}

FILE *append(const char *path)
{
    FILE *file = path ? fopen(path, "a") : NULL;
    if (path && !file)
        perror(path);
    return file;
}

} // namespace

int model_main(int argc, char **argv, const char *const *files, const struct model *models, size_t n)
{
    static const struct option known[] = {
        { "only", required_argument, NULL, 'o' },
        { "share", required_argument, NULL, 's' },
        { "table", required_argument, NULL, 't' },
        { "mutations", required_argument, NULL, 'm' },
        { "places", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    options.share = 1;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (option) {
        case 'o':
            options.only = optarg;
            break;
        case 's':
            options.share = atof(optarg);
            break;
        case 't':
            options.table = optarg;
            break;
        case 'p':
            options.places = true;
            options.mutations = optarg;
            break;
        case 'm':
            options.mutations = optarg;
            break;
        case 'h':
            return usage(argv[0], 0);
        default:
            return usage(argv[0], 2);
        }
    shared =
        (struct outcome *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return perror("mmap"), 1;
    if (options.mutations) {
        FILE *out = append(options.mutations);
        if (!out)
            return 1;
        unsigned survived = try_mutations(out, files, models, n);
        if (!options.places)
            printf("%s: %u mutations survived\n", argv[0], survived);
        return fclose(out) ? 1 : 0;
    }
    FILE *table = append(options.table);
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        if (!is_asked_for(&models[i]))
            continue;
        run_model(&models[i], NULL, true);
        tell(&models[i], table);
        good = good && !shared->fault;
    }
    return table && fclose(table) ? 1 : !good;
}
