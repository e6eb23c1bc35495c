/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 20000 };

static void a_sleeper_is_held_at_once(void **state)
{
    struct rest rest;
    (void)state;
    assert_int_equal(rest_open(&rest), OK);
    rest_end(&rest);
    for (int i = 0; i < 3; i++) {
        assert_true(rest_hold(&rest));
        rest_wait(&rest); /* returns at once */
        rest_release(&rest);
    }
    rest_begin(&rest); /* nobody holds it any more */
    rest_begin(&rest);
    rest_obey(&rest); /* nobody has asked */
    rest_end(&rest);
    rest_end(&rest);
    rest_close(&rest);
}

static void a_runner_is_asked(void **state)
{
    struct rest rest;
    (void)state;
    assert_int_equal(rest_open(&rest), OK);
    assert_false(rest_hold(&rest)); /* it runs from the start */
    assert_true(atomic_load(&rest.asked));
    atomic_store(&rest.asked, false);
    rest_end(&rest);
    rest_ask(&rest); /* and so is a sleeper, where nothing else will do */
    assert_true(atomic_load(&rest.asked));
    rest_close(&rest);
}

/* A worker that works and sleeps, and a control thread that changes two numbers which must never be seen apart. */
struct pair {
    struct rest rest;
    uv_mutex_t lock; /* the event descriptor of a loop */
    uv_cond_t ring;
    bool rung, stop;
    unsigned turns_before_sleep;
    uint64_t one, other; /* shared, without a lock of their own */
    uint64_t torn, looks;
};

static void look(struct pair *p)
{
    uint64_t one = p->one;
    for (volatile int i = 0; i < 20; i++) /* long enough to be interrupted */
        ;
    p->torn += one != p->other;
    p->looks++;
}

static void ring(struct pair *p, bool stop)
{
    uv_mutex_lock(&p->lock);
    p->rung = true;
    p->stop |= stop;
    uv_cond_signal(&p->ring);
    uv_mutex_unlock(&p->lock);
}

static void work(void *arg)
{
    struct pair *p = arg;
    for (bool stop = false; !stop;) {
        rest_begin(&p->rest);
        for (unsigned i = 0; i < p->turns_before_sleep; i++) {
            look(p);
            rest_obey(&p->rest);
        }
        rest_end(&p->rest);
        uv_mutex_lock(&p->lock);
        if (!p->rung && !p->stop)
            (void)uv_cond_timedwait(&p->ring, &p->lock, 2000); /* ns: it often wakes up while it is held */
        p->rung = false;
        stop = p->stop;
        uv_mutex_unlock(&p->lock);
    }
    rest_begin(&p->rest);
    rest_obey(&p->rest);
}

static void change_often(unsigned turns_before_sleep)
{
    struct pair *p = calloc(1, sizeof *p);
    uv_thread_t thread;
    assert_non_null(p);
    p->turns_before_sleep = turns_before_sleep;
    assert_int_equal(rest_open(&p->rest), OK);
    assert_int_equal(uv_mutex_init(&p->lock), 0);
    assert_int_equal(uv_cond_init(&p->ring), 0);
    assert_int_equal(uv_thread_create(&thread, work, p), 0);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        if (!rest_hold(&p->rest))
            ring(p, false);
        rest_wait(&p->rest);
        p->one = i;
        for (volatile int spin = i % 100 == 0 ? 100000 : 50; spin > 0; spin--) /* now and then it wakes up meanwhile */
            ;
        p->other = i;
        rest_release(&p->rest);
    }
    ring(p, true);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_int_equal(p->torn, 0);
    assert_true(p->looks > 0);
    rest_close(&p->rest);
    uv_cond_destroy(&p->ring);
    uv_mutex_destroy(&p->lock);
    free(p);
}

static void nothing_is_seen_half_done(void **state)
{
    (void)state;
    change_often(1);
    change_often(7);
    change_often(100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleeper_is_held_at_once),
        cmocka_unit_test(a_runner_is_asked),
        cmocka_unit_test(nothing_is_seen_half_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
