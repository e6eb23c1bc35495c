/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rest.h"

/* RUNS is left by the worker alone, HELD and AWAITED by the control thread alone. */
enum {
    RUNS,
    SLEEPS,
    HELD,
    AWAITED, /* held, and the worker has woken up and waits for `go` */
};

enum status rest_open(struct rest *rest)
{
    *rest = (struct rest){.running = true};
    if (uv_sem_init(&rest->arrived, 0) != 0)
        return ERR_MEMORY;
    if (uv_sem_init(&rest->go, 0) == 0)
        return OK;
    uv_sem_destroy(&rest->arrived);
    return ERR_MEMORY;
}

void rest_close(struct rest *rest)
{
    uv_sem_destroy(&rest->arrived);
    uv_sem_destroy(&rest->go);
}

void rest_begin(struct rest *rest)
{
    while (!rest->running) {
        int state = SLEEPS;
        rest->running = atomic_compare_exchange_strong(&rest->state, &state, RUNS);
        if (!rest->running && state == HELD && atomic_compare_exchange_strong(&rest->state, &state, AWAITED))
            uv_sem_wait(&rest->go);
    }
}

void rest_end(struct rest *rest)
{
    if (rest->running)
        atomic_store(&rest->state, SLEEPS);
    rest->running = false;
}

void rest_obey(struct rest *rest)
{
    if (!atomic_exchange(&rest->asked, false))
        return;
    uv_sem_post(&rest->arrived);
    uv_sem_wait(&rest->go);
}

void rest_ask(struct rest *rest)
{
    rest->held = false;
    atomic_store(&rest->asked, true);
}

bool rest_hold(struct rest *rest)
{
    int state = SLEEPS;
    if (!atomic_compare_exchange_strong(&rest->state, &state, HELD)) {
        rest_ask(rest);
        return false;
    }
    rest->held = true;
    return true;
}

void rest_wait(struct rest *rest)
{
    if (!rest->held)
        uv_sem_wait(&rest->arrived);
}

void rest_release(struct rest *rest)
{
    if (!rest->held || atomic_exchange(&rest->state, SLEEPS) == AWAITED)
        uv_sem_post(&rest->go);
    rest->held = false;
}
