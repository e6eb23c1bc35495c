/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each stage of the packet path costs, in ns per packet, without system calls: bench_micro [--json] [--rounds N]
 * [--batch N] [--core N] [FILTER]. FILTER: of the ciphers, only those whose name holds it.
 *
 * Pinned to one core. All trials take turns in each round, so that a slow moment of the machine hits all alike; a trial
 * is given by its median over the rounds and by the spread from the 10th to the 90th percentile. The control is a bare
 * loop over one library call. The engine (see micro_engine.c) is also given as a part of the speed of the fastest bare
 * loop, round by round. Nothing here passes or fails.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test/bench/micro.h"

enum {
    TURN_PACKETS = 512, /* per trial and round */
    ROUNDS_MAX = 1001,
    TRIALS_MAX = 256,
};

struct options {
    bool json;
    size_t rounds, batch;
    int core; /* -1: the last that we may use */
    const char *filter;
};

static struct trial trials[TRIALS_MAX];
static size_t trial_count;

_Noreturn void micro_fail(const char *what)
{
    fprintf(stderr, "bench_micro: cannot go on: %s\n", what);
    exit(EXIT_FAILURE);
}

struct trial *trial_new(const char *subject, const char *by, const char *what, size_t bytes)
{
    if (trial_count == TRIALS_MAX)
        micro_fail("too many trials");
    struct trial *t = &trials[trial_count++];
    (void)snprintf(t->subject, sizeof t->subject, "%s", subject);
    (void)snprintf(t->by, sizeof t->by, "%s", by);
    t->what = what;
    t->bytes = bytes;
    t->ns = calloc(ROUNDS_MAX, sizeof *t->ns);
    if (t->ns == NULL)
        micro_fail("out of memory");
    return t;
}

/* --- turns --- */

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t run_once(struct trial *t, size_t batch, size_t *packets)
{
    if (t->prepare != NULL)
        t->prepare(t, batch);
    uint64_t began = now_ns();
    *packets = t->run(t, batch);
    return now_ns() - began;
}

static double turn(struct trial *t, size_t batch)
{
    uint64_t took = 0;
    size_t done = 0, packets;
    (void)run_once(t, batch, &packets); /* warms up */
    while (done < TURN_PACKETS) {
        took += run_once(t, batch, &packets);
        done += packets;
    }
    return (double)took / (double)done;
}

/* --- output --- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, size_t n)
{
    static double sorted[ROUNDS_MAX];
    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, ascending);
    return sorted[n / 2];
}

static const struct trial *fastest_bare(size_t bytes, size_t rounds)
{
    const struct trial *best = NULL;
    for (size_t i = 0; i < trial_count; i++) {
        const struct trial *t = &trials[i];
        if (is_bare(t) && t->bytes == bytes && (best == NULL || median(t->ns, rounds) < median(best->ns, rounds)))
            best = t;
    }
    return best;
}

static double ratio(const struct trial *t, const struct trial *bare, size_t rounds)
{
    static double ratios[ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++)
        ratios[i] = bare->ns[i] / t->ns[i];
    return median(ratios, rounds);
}

static void print_engine(const struct options *o)
{
    const char *separator = "";
    printf("%s", o->json ? "], \"engine\": [" : "\nthe engine, as a part of the speed of the fastest bare loop\n");
    for (size_t i = 0; i < trial_count; i++) {
        const struct trial *t = &trials[i];
        if (!is_engine(t))
            continue;
        double part = ratio(t, fastest_bare(t->bytes, o->rounds), o->rounds);
        if (o->json)
            printf("%s\n  {\"suite\": \"%s\", \"backend\": \"%s\", \"what\": \"%s\", \"bytes\": %zu, \"ratio\": %.3f}",
                   separator, t->subject, t->by, t->what, t->bytes, part);
        else
            printf("%-18s %-10s %-9s %5zu  %8.2f\n", t->subject, t->by, t->what, t->bytes, part);
        separator = ",";
    }
}

static void print_row(struct trial *t, const struct options *o, bool last)
{
    qsort(t->ns, o->rounds, sizeof t->ns[0], ascending);
    double middle = t->ns[o->rounds / 2], low = t->ns[o->rounds / 10], high = t->ns[o->rounds * 9 / 10];
    if (o->json)
        printf("  {\"suite\": \"%s\", \"backend\": \"%s\", \"what\": \"%s\", \"bytes\": %zu, \"ns\": %.1f, \"p10\": "
               "%.1f, \"p90\": %.1f, \"min\": %.1f}%s\n",
               t->subject, t->by, t->what, t->bytes, middle, low, high, t->ns[0], last ? "" : ",");
    else
        printf("%-18s %-10s %-9s %5zu  %8.1f  %8.1f to %8.1f  %6.2f\n", t->subject, t->by, t->what, t->bytes, middle,
               low, high, (double)t->bytes * 8 / middle);
}

/* The engine's part is taken round by round, so before the rows are sorted; but it is printed behind them. */
static void print_all(const struct options *o, int core, const char *note)
{
    static double unsorted[TRIALS_MAX][ROUNDS_MAX];
    if (o->json)
        printf("{\"core\": %d, \"batch\": %zu, \"rounds\": %zu, \"library\": \"%s\", \"rows\": [\n", core, o->batch,
               o->rounds, note);
    else
        printf("core %d, batches of %zu, %zu rounds; %s\n%-18s %-10s %-9s %5s  %8s  %20s  %6s\n", core, o->batch,
               o->rounds, note, "suite", "back end", "what", "bytes", "ns", "10 % to 90 %", "Gb/s");
    for (size_t i = 0; i < trial_count; i++) {
        memcpy(unsorted[i], trials[i].ns, o->rounds * sizeof(double));
        print_row(&trials[i], o, i + 1 == trial_count);
        memcpy(trials[i].ns, unsorted[i], o->rounds * sizeof(double));
    }
    print_engine(o);
    printf(o->json ? "\n]}\n" : "");
}

/* --- start --- */

/* Returns the core, or -1. */
static int pin(int wanted)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return -1;
    int core = wanted;
    for (int i = 0; wanted < 0 && i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &set))
            core = i;
    if (core < 0 || core >= CPU_SETSIZE)
        return -1;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? core : -1;
}

static bool number(const char *text, long low, long high, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && *out >= low && *out <= high;
}

static bool parse(int argc, char *argv[], struct options *o)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"batch", required_argument, NULL, 'b'},
                                          {"core", required_argument, NULL, 'c'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct options){.rounds = 51, .batch = 32, .core = -1, .filter = ""};
    long value = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        bool right = option == 'j' || (option == 'r' && number(optarg, 1, ROUNDS_MAX, &value)) ||
                     (option == 'b' && number(optarg, 1, MICRO_BATCH_MAX, &value)) ||
                     (option == 'c' && number(optarg, 0, CPU_SETSIZE - 1, &value));
        if (!right)
            return false;
        o->json = o->json || option == 'j';
        o->rounds = option == 'r' ? (size_t)value : o->rounds;
        o->batch = option == 'b' ? (size_t)value : o->batch;
        o->core = option == 'c' ? (int)value : o->core;
    }
    if (optind < argc)
        o->filter = argv[optind];
    return optind + 1 >= argc;
}

static void add_all(const struct aead_library *library, const struct random *random, const char *filter)
{
    const struct micro_library portable = {.random = random}, best = {.library = library, .random = random};
    add_bare();
    add_ciphers(&portable, filter);
    add_ciphers(&best, filter);
    add_stages(random);
    add_engine(&portable, filter);
    add_engine(&best, filter);
}

int main(int argc, char *argv[])
{
    struct options o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_micro [--json] [--rounds 1..%d] [--batch 1..%d] [--core N] [FILTER]\n",
                ROUNDS_MAX, MICRO_BATCH_MAX);
        return 2;
    }
    char reason[AEAD_WHY];
    struct aead_library *library;
    int core = pin(o.core);
    if (core < 0)
        micro_fail("there is no such core");
    if (aead_library_new(AEAD_AUTO, &library, reason) != OK)
        micro_fail(reason);
    struct random_seeded seed;
    struct random random = random_of_seed(&seed, 1);
    add_all(library, &random, o.filter);
    for (size_t round = 0; round < o.rounds; round++)
        for (size_t i = 0; i < trial_count; i++)
            trials[i].ns[round] = turn(&trials[i], o.batch);
    print_all(&o, core, aead_library_note(library));
    for (size_t i = 0; i < trial_count; i++) {
        if (trials[i].free != NULL)
            trials[i].free(trials[i].state);
        free(trials[i].ns);
    }
    aead_library_free(library);
    return EXIT_SUCCESS;
}
