/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sealing and opening cost, in ns per packet, by back end and suite: bench_micro [--json] [--rounds N] [--batch N]
 * [--core N] [FILTER]. FILTER: only suites whose name holds it.
 *
 * Pinned to one core. All cases take turns in each round, so that a slow moment of the machine hits all alike; a case
 * is given by its median over the rounds and by the spread from the 10th to the 90th percentile. The control is a bare
 * loop over one library call, under which no back end can come. Nothing here passes or fails.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/aead_backend.h"
#include "crypto/openssl.h"
#ifdef ESPTUN_IPSEC_MB
#include "crypto/aead_mb.h"
#endif

enum {
    SLOT = 1600, /* bytes from packet to packet */
    KEYMAT_MAX = 128,
    TRAILER = 2,
    TURN_PACKETS = 512, /* per case and round */
    ROUNDS_MAX = 1001,
    CASES_MAX = 256,
    NAME = 48,
};

static const struct {
    const char *name;
    struct aead_suite suite;
} suites[] = {
    {"aes128gcm16", {ENCR_AES_GCM_16, 128, INTEG_NONE, true}},
    {"aes256gcm16", {ENCR_AES_GCM_16, 256, INTEG_NONE, true}},
    {"aes256gmac", {ENCR_NULL_AUTH_AES_GMAC, 256, INTEG_NONE, true}},
    {"aes256ccm16", {ENCR_AES_CCM_16, 256, INTEG_NONE, true}},
    {"chacha20poly1305", {ENCR_CHACHA20_POLY1305, 0, INTEG_NONE, true}},
    {"aes128-sha1", {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, true}},
    {"aes256-sha256", {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, true}},
    {"aes256-sha384", {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192, true}},
    {"aes256-sha512", {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, true}},
    {"aes256ctr-sha256", {ENCR_AES_CTR, 256, INTEG_HMAC_SHA2_256_128, true}},
    {"3des-sha1", {ENCR_3DES, 0, INTEG_HMAC_SHA1_96, true}},
};

static const size_t sizes[] = {64, 1400}; /* of the inner packet */

/* One case: what it runs, and what it took in each round. */
struct trial {
    char suite[NAME], backend[NAME];
    const char *what; /* "seal", "open", "bare" */
    size_t size;
    struct aead *aead; /* NULL: a bare loop */
    struct aead_shape shape;
    void (*bare)(uint8_t *text, size_t len);
    double ns[ROUNDS_MAX];
};

struct options {
    bool json;
    size_t rounds, batch;
    int core; /* -1: the last that we may use */
    const char *filter;
};

static struct trial trials[CASES_MAX];
static size_t trial_count;
static uint8_t packets[AEAD_BATCH_MAX][SLOT], sealed[AEAD_BATCH_MAX][SLOT];
static struct aead_job jobs[AEAD_BATCH_MAX];

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- bare loops --- */

static const uint8_t bare_key[32] = {1, 2, 3}, bare_nonce[16] = {4}, bare_aad[16] = {5};
static EVP_CIPHER_CTX *evp;

static void bare_evp(uint8_t *text, size_t len)
{
    uint8_t tag[16];
    int n = 0;
    (void)EVP_EncryptInit_ex2(evp, NULL, NULL, bare_nonce, NULL);
    (void)EVP_EncryptUpdate(evp, NULL, &n, bare_aad, 12);
    (void)EVP_EncryptUpdate(evp, text, &n, text, (int)len);
    (void)EVP_EncryptFinal_ex(evp, tag, &n);
    (void)EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, 16, tag);
}

static bool start_evp(void)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    evp = EVP_CIPHER_CTX_new();
    bool ok = cipher != NULL && evp != NULL && EVP_EncryptInit_ex2(evp, cipher, bare_key, bare_nonce, NULL) == 1;
    EVP_CIPHER_free(cipher);
    return ok;
}

#ifdef ESPTUN_IPSEC_MB

static struct mb_engine *mb;
static struct gcm_key_data *mb_key;
static struct gcm_context_data mb_ctx;

static void bare_mb(uint8_t *text, size_t len)
{
    uint8_t tag[16];
    IMB_AES256_GCM_ENC(mb->mgr, mb_key, &mb_ctx, text, text, len, bare_nonce, bare_aad, 12, tag, 16);
}

static bool start_mb(void)
{
    const char *why;
    mb = mb_engine_new(MB_BEST, &why);
    mb_key = aligned_alloc(MB_ALIGN, (sizeof *mb_key + MB_ALIGN - 1) / MB_ALIGN * MB_ALIGN);
    if (mb != NULL && mb_key != NULL)
        IMB_AES256_GCM_PRE(mb->mgr, bare_key, mb_key);
    return mb != NULL && mb_key != NULL;
}

#endif

/* --- cases --- */

static size_t text_of_inner(const struct aead_shape *shape, size_t inner)
{
    return (inner + TRAILER + shape->block - 1) / shape->block * shape->block;
}

static void fill(const struct trial *t, size_t batch)
{
    for (size_t i = 0; i < batch; i++) {
        memset(packets[i], (int)i, SLOT);
        store_u32(packets[i], 0x1000);
        store_u32(packets[i] + 4, (uint32_t)i + 1);
        jobs[i] = (struct aead_job){.esp = packets[i], .text_len = (uint32_t)text_of_inner(&t->shape, t->size)};
    }
}

static uint64_t time_seal(const struct trial *t, size_t batch)
{
    uint64_t began = now_ns();
    aead_seal(t->aead, jobs, batch);
    return now_ns() - began;
}

/* Opening decrypts in place: before each time the packets are put back, outside the clock. */
static uint64_t time_open(const struct trial *t, size_t batch)
{
    memcpy(packets, sealed, batch * sizeof packets[0]);
    uint64_t began = now_ns();
    aead_open(t->aead, jobs, batch);
    uint64_t took = now_ns() - began;
    for (size_t i = 0; i < batch; i++)
        if (!jobs[i].ok) {
            fprintf(stderr, "bench_micro: %s by %s does not open what it sealed\n", t->suite, t->backend);
            exit(EXIT_FAILURE);
        }
    return took;
}

static uint64_t time_bare(const struct trial *t, size_t batch)
{
    uint64_t began = now_ns();
    for (size_t i = 0; i < batch; i++)
        t->bare(packets[i] + 16, t->size);
    return now_ns() - began;
}

static double turn(const struct trial *t, size_t batch)
{
    size_t times = TURN_PACKETS / batch + 1;
    uint64_t took = 0;
    bool open = strcmp(t->what, "open") == 0;
    fill(t, batch);
    if (open) {
        aead_seal(t->aead, jobs, batch);
        memcpy(sealed, packets, sizeof sealed);
    }
    for (size_t i = 0; i < times + 1; i++) {
        uint64_t once = t->bare != NULL ? time_bare(t, batch) : open ? time_open(t, batch) : time_seal(t, batch);
        took += i > 0 ? once : 0; /* the first warms up */
    }
    return (double)took / (double)(times * batch);
}

static struct trial *trial_new(const char *suite, const char *backend, const char *what, size_t size)
{
    if (trial_count == CASES_MAX)
        exit(EXIT_FAILURE);
    struct trial *t = &trials[trial_count++];
    (void)snprintf(t->suite, sizeof t->suite, "%s", suite);
    (void)snprintf(t->backend, sizeof t->backend, "%s", backend);
    t->what = what;
    t->size = size;
    return t;
}

static void add_suite(const struct aead_library *library, size_t s, const struct random *random)
{
    uint8_t keymat[KEYMAT_MAX];
    const struct aead_suite *suite = &suites[s].suite;
    memset(keymat, 0x42, sizeof keymat);
    struct bytes key = bytes_of(keymat, esp_keymat_len(suite->encr, suite->key_bits, suite->integ));
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        struct trial *t =
            trial_new(suites[s].name, aead_backend_of(library, suite)->name, i % 2 ? "open" : "seal", sizes[i / 2]);
        if (aead_shape(suite, &t->shape) != OK || aead_new(library, suite, key, random, &t->aead) != OK)
            exit(EXIT_FAILURE);
    }
}

/* The suites of a library that another has not shown yet. */
static void add_library(const struct aead_library *library, const struct options *o, const struct random *random)
{
    for (size_t s = 0; s < sizeof suites / sizeof *suites; s++)
        if (strstr(suites[s].name, o->filter) != NULL &&
            (library == NULL || aead_backend_of(library, &suites[s].suite) != aead_backend_of(NULL, &suites[s].suite)))
            add_suite(library, s, random);
}

static void add_bare(void (*bare)(uint8_t *, size_t), const char *backend)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct trial *t = trial_new("control:aes256gcm", backend, "bare", sizes[i]);
        t->bare = bare;
        t->shape.block = 1;
    }
}

/* --- output --- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_row(const struct trial *t, const struct options *o, bool last)
{
    double median = t->ns[o->rounds / 2], low = t->ns[o->rounds / 10], high = t->ns[o->rounds * 9 / 10];
    if (o->json)
        printf("  {\"suite\": \"%s\", \"backend\": \"%s\", \"what\": \"%s\", \"bytes\": %zu, \"ns\": %.1f, \"p10\": "
               "%.1f, \"p90\": %.1f, \"min\": %.1f}%s\n",
               t->suite, t->backend, t->what, t->size, median, low, high, t->ns[0], last ? "" : ",");
    else
        printf("%-18s %-10s %-5s %5zu  %8.1f  %8.1f to %8.1f  %6.2f\n", t->suite, t->backend, t->what, t->size, median,
               low, high, (double)t->size * 8 / median);
}

static void print_all(const struct options *o, int core, const char *note)
{
    if (o->json)
        printf("{\"core\": %d, \"batch\": %zu, \"rounds\": %zu, \"library\": \"%s\", \"rows\": [\n", core, o->batch,
               o->rounds, note);
    else
        printf("core %d, batches of %zu, %zu rounds; %s\n%-18s %-10s %-5s %5s  %8s  %20s  %6s\n", core, o->batch,
               o->rounds, note, "suite", "back end", "what", "bytes", "ns", "10 % to 90 %", "Gb/s");
    for (size_t i = 0; i < trial_count; i++) {
        qsort(trials[i].ns, o->rounds, sizeof trials[i].ns[0], ascending);
        print_row(&trials[i], o, i + 1 == trial_count);
    }
    if (o->json)
        printf("]}\n");
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
                     (option == 'b' && number(optarg, 1, AEAD_BATCH_MAX, &value)) ||
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

int main(int argc, char *argv[])
{
    struct options o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_micro [--json] [--rounds 1..%d] [--batch 1..%d] [--core N] [FILTER]\n",
                ROUNDS_MAX, AEAD_BATCH_MAX);
        return 2;
    }
    char why[AEAD_WHY];
    struct aead_library *library;
    int core = pin(o.core);
    if (core < 0 || !start_evp() || aead_library_new(AEAD_AUTO, &library, why) != OK) {
        fprintf(stderr, "bench_micro: cannot start (no such core, or a self-test failed)\n");
        return EXIT_FAILURE;
    }
    struct random_seeded seed;
    struct random random = random_of_seed(&seed, 1);
    add_bare(bare_evp, "OpenSSL");
#ifdef ESPTUN_IPSEC_MB
    if (start_mb())
        add_bare(bare_mb, "ipsec-mb");
#endif
    add_library(NULL, &o, &random);
    add_library(library, &o, &random);
    for (size_t round = 0; round < o.rounds; round++)
        for (size_t i = 0; i < trial_count; i++)
            trials[i].ns[round] = turn(&trials[i], o.batch);
    print_all(&o, core, aead_library_note(library));
    for (size_t i = 0; i < trial_count; i++)
        aead_free(trials[i].aead);
    aead_library_free(library);
    return EXIT_SUCCESS;
}
