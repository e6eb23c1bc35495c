/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/status_watch.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "daemon/rates.h"
#include "daemon/show.h"
#include "daemon/table.h"

struct watcher {
    struct rates *rates;
    FILE *out;
    bool details;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum status show_round(struct watcher *w, const struct answer *answer, uint64_t elapsed_ms, char why[CLIENT_WHY])
{
    FILE *out = w->out;
    size_t width = width_of(out); /* each time: windows change */
    if (isatty(fileno(out)))
        fputs("\x1b[H\x1b[2J", out);
    enum status status = show_status(answer->text, answer->len, width, w->details, out);
    fputc('\n', out);
    if (status == OK)
        status = rates_show(w->rates, answer->text, answer->len, elapsed_ms, width, out);
    if (status != OK)
        snprintf(why, CLIENT_WHY, "the status of the daemon is not JSON: is it another version?");
    if (fflush(out) == 0)
        return status;
    snprintf(why, CLIENT_WHY, "cannot write the output");
    return ERR_IO;
}

static enum status watch(const char *socket, unsigned interval_s, const sigset_t *ends, struct watcher *w,
                         char why[CLIENT_WHY])
{
    const struct timespec pause = {.tv_sec = (time_t)interval_s};
    uint64_t before = now_ms();
    for (;;) {
        struct answer answer;
        enum status status = client_ask(socket, "status", CLIENT_STATUS_SECONDS, &answer, why);
        uint64_t now = now_ms();
        if (status == OK)
            status = show_round(w, &answer, now - before, why);
        else if (status == ERR_STATE)
            snprintf(why, CLIENT_WHY, "%.400s", answer.text);
        before = now;
        answer_free(&answer);
        if (status != OK)
            return status;
        if (sigtimedwait(ends, NULL, &pause) > 0)
            return OK;
    }
}

/* Blocked signals wait for sigtimedwait: no handler, and nothing is cut off in the middle. */
enum status status_watch(const char *socket, unsigned interval_s, bool details, FILE *out, char why[CLIENT_WHY])
{
    sigset_t ends, old;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    struct watcher w = {.rates = rates_new(), .out = out, .details = details};
    if (w.rates == NULL) {
        snprintf(why, CLIENT_WHY, "out of memory");
        return ERR_MEMORY;
    }
    (void)sigprocmask(SIG_BLOCK, &ends, &old);
    enum status status = watch(socket, interval_s, &ends, &w, why);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    rates_free(w.rates);
    return status;
}
