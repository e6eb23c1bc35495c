/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_test.h"

#define TWO32 (UINT64_C(1) << 32)

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift64: the failing seed is printed, and gives the same run again */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void test_window_sizes_are_bounded_and_rounded_up(void **state)
{
    (void)state;
    static const uint32_t refused[] = {0, 1, 63, 8193, 100000, UINT32_MAX};
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct replay r;
        assert_int_equal(replay_init(&r, refused[i], false), ERR_LIMIT);
        replay_free(&r); /* harmless after a failure */
    }
    for (uint32_t window = REPLAY_WINDOW_MIN; window <= REPLAY_WINDOW_MAX; window++) {
        struct replay r;
        assert_int_equal(replay_init(&r, window, false), OK);
        assert_int_equal(r.window, (window + 63) / 64 * 64);
        assert_int_equal(r.mask & (r.mask + 1), 0);
        assert_true((r.mask + 1) * 64 >= r.window + 64);
        assert_true(r.mask < REPLAY_WORDS_MAX);
        replay_free(&r);
        replay_free(&r); /* twice is fine */
    }
}

/* One step: the number is w windows + off, and whether it must be accepted. In order, from a fresh window. */
struct step {
    int w, off;
    bool ok;
};

/* clang-format off */
static const struct step steps[] = {
    /*  0 */ {0, 0, false},  /* 0 is never sent */
    /*  1 */ {0, 1, true},
    /*  2 */ {0, 1, false},  /* a replay of the first */
    /*  3 */ {0, 9, true},
    /*  4 */ {0, 8, true},   /* out of order */
    /*  5 */ {0, 7, true},
    /*  6 */ {0, 7, false},
    /*  7 */ {0, 9, false},
    /*  8 */ {0, 63, true},
    /*  9 */ {1, 0, true},   /* top = W: the left edge is 1 */
    /* 10 */ {0, 1, false},  /* on the edge, seen */
    /* 11 */ {0, 2, true},   /* just inside */
    /* 12 */ {1, 2, true},   /* top = W + 2: the left edge is 3 */
    /* 13 */ {0, 2, false},  /* left of it, seen */
    /* 14 */ {0, 3, true},   /* on the edge, unseen */
    /* 15 */ {0, 3, false},
    /* 16 */ {1, 1, true},
    /* 17 */ {1, 1, false},
    /* 18 */ {2, 1, true},   /* top = 2 W + 1: the left edge is W + 2 */
    /* 19 */ {1, 1, false},
    /* 20 */ {1, 2, false},  /* on the edge, seen */
    /* 21 */ {1, 3, true},
    /* 22 */ {0, 0, false},
    /* 23 */ {3, 1, true},   /* exactly one window further: nothing old is left */
    /* 24 */ {2, 1, false},
    /* 25 */ {2, 2, true},   /* on the edge, unseen */
    /* 26 */ {9, 0, true},   /* a leap over more than the whole ring */
    /* 27 */ {8, 0, false},
    /* 28 */ {8, 1, true},
    /* 29 */ {8, 63, true},  /* the same ring words as long ago: nothing may linger */
    /* 30 */ {8, 62, true},
    /* 31 */ {9, 0, false},
    /* 32 */ {9, 1, true},
    /* 33 */ {8, 1, false},
};
/* clang-format on */

static void test_b32_numbered_truth_table_for_every_window(void **state)
{
    (void)state;
    for (uint32_t window = REPLAY_WINDOW_MIN; window <= REPLAY_WINDOW_MAX; window += 64) {
        struct replay r;
        assert_int_equal(replay_init(&r, window, false), OK);
        for (size_t i = 0; i < COUNT(steps); i++) {
            uint64_t sequence = (uint64_t)steps[i].w * window + (uint64_t)steps[i].off;
            struct replay before = r;
            enum status seen = replay_check(&r, sequence);
            assert_memory_equal(&before, &r, sizeof r);
            enum status status = replay_accept(&r, sequence);
            if (seen != status || (status == OK) != steps[i].ok)
                fail_msg("window %u, step %zu: check %d, accept %d, expected %s", window, i, (int)seen, (int)status,
                         steps[i].ok ? "accepted" : "refused");
            assert_true(status == OK || status == ERR_REPLAY);
        }
        replay_free(&r);
    }
}

/* For every window: after a jump to any top, the edge is accepted once and the number before it never. */
static void test_b32_edges_for_every_window_and_phase(void **state)
{
    (void)state;
    for (uint32_t window = REPLAY_WINDOW_MIN; window <= REPLAY_WINDOW_MAX; window += 64) {
        for (uint64_t phase = 0; phase < 130; phase++) {
            struct replay r;
            assert_int_equal(replay_init(&r, window, false), OK);
            uint64_t top = window * UINT64_C(5) + phase;
            assert_int_equal(replay_accept(&r, 1), OK);
            assert_int_equal(replay_accept(&r, top), OK);
            assert_int_equal(replay_accept(&r, top), ERR_REPLAY);
            assert_int_equal(replay_accept(&r, top - window), ERR_REPLAY);
            assert_int_equal(replay_accept(&r, top - window + 1), OK);
            assert_int_equal(replay_accept(&r, top - window + 1), ERR_REPLAY);
            assert_int_equal(replay_accept(&r, 1), ERR_REPLAY);
            assert_int_equal(replay_accept(&r, 0), ERR_REPLAY);
            replay_free(&r);
        }
    }
}

static void test_every_number_in_order_then_none_again(void **state)
{
    (void)state;
    struct replay r;
    assert_int_equal(replay_init(&r, 1024, false), OK);
    for (uint64_t s = 1; s <= 20000; s++)
        assert_int_equal(replay_accept(&r, s), OK);
    for (uint64_t s = 0; s <= 20000; s++)
        assert_int_equal(replay_check(&r, s), ERR_REPLAY);
    replay_free(&r);
}

static void test_the_whole_window_backwards(void **state)
{
    (void)state;
    for (uint32_t window = REPLAY_WINDOW_MIN; window <= REPLAY_WINDOW_MAX; window *= 2) {
        struct replay r;
        assert_int_equal(replay_init(&r, window, false), OK);
        uint64_t top = UINT32_MAX; /* the last number without ESN */
        for (uint64_t i = 0; i < window; i++)
            assert_int_equal(replay_accept(&r, top - i), OK);
        assert_int_equal(replay_accept(&r, top - window), ERR_REPLAY);
        for (uint64_t i = 0; i < window; i++)
            assert_int_equal(replay_accept(&r, top - i), ERR_REPLAY);
        replay_free(&r);
    }
}

/* The plainest model: a set of numbers, and the highest one. */
struct model {
    uint64_t base, top;
    bool *seen; /* by number - base */
};

static bool model_accepts(struct model *m, uint64_t sequence, uint32_t window)
{
    bool fresh = sequence != 0 && (sequence > m->top || m->top - sequence < window) && !m->seen[sequence - m->base];
    if (fresh) {
        m->seen[sequence - m->base] = true;
        if (sequence > m->top)
            m->top = sequence;
    }
    return fresh;
}

enum { MODEL_SPAN = 60000, MODEL_STEPS = 30000 };

/* Mostly near the top, at times far behind or a leap ahead. */
static uint64_t draw(const struct model *m, uint32_t window, uint64_t *seed)
{
    uint64_t r = next_random(seed), kind = r % 100, value = next_random(seed);
    uint64_t at = m->top;
    if (kind < 50)
        at = m->top + 1 + value % 3;
    else if (kind < 85)
        at = m->top - value % (window + window / 2);
    else if (kind < 95)
        at = m->top + 1 + value % (window / 8 + 1);
    else if (kind < 97)
        at = m->top + value % (3 * (uint64_t)window);
    else
        at = m->base + value % (m->top - m->base + 1);
    if (at < m->base || at > m->top + MODEL_SPAN)
        at = m->base;
    return at < m->base + MODEL_SPAN ? at : m->base + MODEL_SPAN - 1 - value % (2 * (uint64_t)window);
}

static void run_model(uint32_t window, uint64_t base, bool esn, uint64_t seed)
{
    uint64_t rng = seed;
    struct model m = {.base = base, .top = base, .seen = calloc(MODEL_SPAN, sizeof(bool))};
    assert_non_null(m.seen);
    struct replay r;
    assert_int_equal(replay_init(&r, window, esn), OK);
    m.seen[0] = true;
    if (base != 0)
        assert_int_equal(replay_accept(&r, base), OK);
    for (int i = 0; i < MODEL_STEPS; i++) {
        uint64_t sequence = draw(&m, window, &rng);
        bool expected = model_accepts(&m, sequence, window);
        if ((replay_accept(&r, sequence) == OK) != expected || r.top != m.top)
            fail_msg("seed %llu, window %u, base %llu, step %d: number %llu must be %s", (unsigned long long)seed,
                     window, (unsigned long long)base, i, (unsigned long long)sequence,
                     expected ? "accepted" : "refused");
    }
    replay_free(&r);
    free(m.seen);
}

static void test_against_a_naive_set(void **state)
{
    (void)state;
    static const uint32_t windows[] = {64, 128, 192, 1024, 1088, 4096, 8128, 8192};
    for (size_t w = 0; w < COUNT(windows); w++)
        for (uint64_t seed = 1; seed <= 8; seed++) {
            run_model(windows[w], 0, false, seed);
            run_model(windows[w], TWO32 - MODEL_SPAN / 3, true, seed + 100);
            run_model(windows[w], 7 * TWO32 - 5, true, seed + 200);
        }
}

static struct replay esn_at(uint32_t window, uint64_t top)
{
    struct replay r;
    assert_int_equal(replay_init(&r, window, true), OK);
    r.top = top;
    return r;
}

static void test_without_esn_the_low_bits_are_the_number(void **state)
{
    (void)state;
    struct replay r;
    assert_int_equal(replay_init(&r, 64, false), OK);
    r.top = UINT32_MAX;
    static const uint32_t lows[] = {0, 1, 63, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < COUNT(lows); i++)
        assert_int_equal(replay_infer(&r, lows[i]), lows[i]);
    replay_free(&r);
}

/* clang-format off */
static const struct {
    uint64_t top;
    uint32_t low;
    uint64_t inferred;
} inferences[] = { /* window 64 */
    /*  0 */ {0, 1, 1},
    /*  1 */ {0, UINT32_MAX, UINT32_MAX},                    /* no subspace below the first */
    /*  2 */ {10, UINT32_MAX, UINT32_MAX},
    /*  3 */ {10, 11, 11},
    /*  4 */ {63, 0, 0},                                     /* the window is 0 to 63 */
    /*  5 */ {64, 0, TWO32},                                 /* left of it: only the next subspace can be meant */
    /*  6 */ {100, 37, 37},                                  /* the left edge */
    /*  7 */ {100, 36, TWO32 + 36},
    /*  8 */ {TWO32 - 1, UINT32_MAX, TWO32 - 1},             /* the boundary, from below */
    /*  9 */ {TWO32 - 1, 0, TWO32},
    /* 10 */ {TWO32 - 1, 63, TWO32 + 63},
    /* 11 */ {TWO32 - 1, UINT32_MAX - 63, TWO32 - 64},
    /* 12 */ {TWO32 - 1, UINT32_MAX - 64, 2 * TWO32 - 65},
    /* 13 */ {TWO32, 0, TWO32},                              /* from above */
    /* 14 */ {TWO32, UINT32_MAX, TWO32 - 1},
    /* 15 */ {TWO32, UINT32_MAX - 62, TWO32 - 63},           /* the left edge, in the subspace below */
    /* 16 */ {TWO32, UINT32_MAX - 63, 2 * TWO32 - 64},
    /* 17 */ {TWO32 + 62, UINT32_MAX, TWO32 - 1},
    /* 18 */ {TWO32 + 63, UINT32_MAX, 2 * TWO32 - 1},
    /* 19 */ {TWO32 + 63, 0, TWO32},
    /* 20 */ {TWO32 + 1000, 0x80000000, TWO32 + 0x80000000}, /* half a subspace ahead */
    /* 21 */ {TWO32 + 0x80000000, 0, 2 * TWO32},
    /* 22 */ {TWO32 + 0x80000000, 0x7fffffff, TWO32 + 0x7fffffff},
    /* 23 */ {TWO32 + 0x80000000, 0x80000001, TWO32 + 0x80000001},
    /* 24 */ {5 * TWO32 + 3, UINT32_MAX - 10, 5 * TWO32 - 11},
    /* 25 */ {UINT64_MAX, UINT32_MAX, UINT64_MAX},           /* the end: it never wraps */
    /* 26 */ {UINT64_MAX, 0, 0},
    /* 27 */ {UINT64_MAX, 5, 5},
};
/* clang-format on */

static void test_b34_esn_inference_numbered(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(inferences); i++) {
        struct replay r = esn_at(64, inferences[i].top);
        uint64_t got = replay_infer(&r, inferences[i].low);
        if (got != inferences[i].inferred)
            fail_msg("row %zu: %llx, expected %llx", i, (unsigned long long)got,
                     (unsigned long long)inferences[i].inferred);
        replay_free(&r);
    }
}

static void test_b34_nothing_follows_the_last_number(void **state)
{
    (void)state;
    struct replay r = esn_at(64, 0);
    assert_int_equal(replay_accept(&r, UINT64_MAX), OK);
    for (uint32_t low = 0; low < 1000; low++)
        assert_int_equal(replay_check(&r, replay_infer(&r, low)), ERR_REPLAY);
    assert_int_equal(replay_check(&r, replay_infer(&r, UINT32_MAX)), ERR_REPLAY);
    assert_int_equal(replay_check(&r, replay_infer(&r, UINT32_MAX - 1)), OK);
    replay_free(&r);
}

/* By definition: the number in the window that ends in these bits, else the next one ahead that does. */
static uint64_t infer_by_definition(uint64_t top, uint32_t window, uint32_t low)
{
    uint64_t base = top & ~(TWO32 - 1);
    uint64_t candidates[] = {base - TWO32 + low, base + low, base + TWO32 + low};
    for (size_t i = base == 0; i < 3; i++)
        if (candidates[i] > top || top - candidates[i] < window)
            return candidates[i];
    return 0;
}

static void test_b34_inference_against_its_definition(void **state)
{
    (void)state;
    uint64_t rng = 4303;
    static const uint32_t windows[] = {64, 128, 1024, 8192};
    for (int i = 0; i < 400000; i++) {
        uint32_t window = windows[next_random(&rng) % COUNT(windows)];
        uint64_t high = next_random(&rng) % 4;
        uint32_t near = (uint32_t)(next_random(&rng) % (3 * window));
        uint32_t top_low = next_random(&rng) % 3 == 0 ? (uint32_t)next_random(&rng) : near - 3 * window / 2;
        uint32_t low = next_random(&rng) % 3 == 0 ? (uint32_t)next_random(&rng)
                                                  : top_low + (uint32_t)(next_random(&rng) % (4 * window)) - 2 * window;
        struct replay r = {.top = high * TWO32 + top_low, .window = window, .esn = true};
        uint64_t expected = infer_by_definition(r.top, window, low);
        if (replay_infer(&r, low) != expected)
            fail_msg("step %d: top %llx, window %u, low %x: %llx, expected %llx", i, (unsigned long long)r.top, window,
                     low, (unsigned long long)replay_infer(&r, low), (unsigned long long)expected);
    }
}

/* Every number from well below to well above 2^32 arrives in pairs swapped, as 32 bits only. */
static void test_b34_across_the_boundary_out_of_order(void **state)
{
    (void)state;
    struct replay r = esn_at(64, 0);
    assert_int_equal(replay_accept(&r, TWO32 - 501), OK);
    for (uint64_t s = TWO32 - 500; s < TWO32 + 500; s += 2) {
        for (uint64_t k = 0; k < 2; k++) {
            uint64_t sent = s + 1 - k;
            uint64_t inferred = replay_infer(&r, (uint32_t)sent);
            assert_int_equal(inferred, sent);
            assert_int_equal(replay_accept(&r, inferred), OK);
            assert_int_equal(replay_check(&r, replay_infer(&r, (uint32_t)sent)), ERR_REPLAY);
        }
    }
    replay_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_sizes_are_bounded_and_rounded_up),
        cmocka_unit_test(test_b32_numbered_truth_table_for_every_window),
        cmocka_unit_test(test_b32_edges_for_every_window_and_phase),
        cmocka_unit_test(test_every_number_in_order_then_none_again),
        cmocka_unit_test(test_the_whole_window_backwards),
        cmocka_unit_test(test_against_a_naive_set),
        cmocka_unit_test(test_without_esn_the_low_bits_are_the_number),
        cmocka_unit_test(test_b34_esn_inference_numbered),
        cmocka_unit_test(test_b34_nothing_follows_the_last_number),
        cmocka_unit_test(test_b34_inference_against_its_definition),
        cmocka_unit_test(test_b34_across_the_boundary_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
