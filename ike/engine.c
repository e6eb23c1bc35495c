/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void timer_init(struct timer *t, enum timer_kind kind, void *owner)
{
    *t = (struct timer){.kind = kind, .owner = owner};
}

void timer_in(struct ike *ike, struct timer *t, uint64_t delay_ms)
{
    deadline_set(&ike->deadlines, &t->deadline, ike->now_ms + delay_ms);
}

void timer_stop(struct ike *ike, struct timer *t)
{
    deadline_clear(&ike->deadlines, &t->deadline);
}

static void say(const struct ike *ike, enum log_level level, struct log_subject about, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static void say(const struct ike *ike, enum log_level level, struct log_subject about, const char *format, va_list args)
{
    char text[LOG_LINE_MAX];
    if (!log_wants(ike->setup.log, level, about.connection))
        return;
    vsnprintf(text, sizeof text, format, args);
    about.name = connection_of(ike, about.connection)->name;
    log_event(ike->setup.log, level, &about, "%s", text);
}

void ike_say(const struct ike *ike, enum log_level level, uint32_t connection, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(ike, level, (struct log_subject){.connection = connection}, format, args);
    va_end(args);
}

void ike_say_event(const struct ike *ike, enum log_level level, struct log_subject about, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(ike, level, about, format, args);
    va_end(args);
}

const char *ike_list_suites(const struct proposal_list *list, char out[SUITES_TEXT])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < list->count && used < SUITES_TEXT; i++) {
        char suite[PROPOSAL_TEXT];
        int n =
            snprintf(out + used, SUITES_TEXT - used, "%s%s", i > 0 ? ", " : "", proposal_print(&list->items[i], suite));
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

void ike_drop(struct ike *ike, enum ike_drop why, const struct path *path, const char *format, ...)
{
    uint32_t suppressed;
    ike->drops[why]++;
    if (!log_rate_allow(&ike->log_rate, ike->now_ms, &suppressed))
        return;
    char text[LOG_LINE_MAX], from[ENDPOINT_TEXT], more[LOG_RATE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    enum log_level level = why == IKE_DROP_AUTHENTICATION || why == IKE_DROP_NO_CONNECTION ? LOG_WARNING : LOG_DEBUG;
    log_write(ike->setup.log, level, "message from %s dropped (%s): %s%s", endpoint_print(&path->remote, from),
              ike_drop_name(why), text, log_rate_note(more, suppressed));
}

void ike_tell(struct ike *ike, struct ike_event event)
{
    if (event.why == NULL)
        event.why = "";
    ike->setup.ops.event(ike->setup.ops.arg, &event);
}

void ike_send(struct ike *ike, const struct path *path, struct bytes datagram)
{
    ike->setup.ops.send(ike->setup.ops.arg, path, datagram);
}

void ike_answer_repeat(struct ike *ike, const struct ike_sa *sa, struct exchange *x, const struct path *from)
{
    if (exchange_may_repeat(x, ike->now_ms))
        sa->version->send(ike, sa, bytes_of(x->sent, x->sent_len), x->repeats);
    else
        ike_drop(ike, IKE_DROP_RATE, from, "a message repeated too fast");
}

uint64_t ike_linger_ms(const struct path *path, bool initiator)
{
    bool lower = address_compare(&path->local.address, &path->remote.address) < 0;
    uint64_t linger = initiator ? REPLACED_LINGER : REPLACED_LINGER_RESPONDER;
    return lower ? linger : linger * REPLACED_LINGER_HIGHER;
}

bool ike_told_enough(unsigned told, bool in_use, bool crossed)
{
    return told > 0 && !in_use && told >= (crossed ? (unsigned)DELETE_TRIES : 1);
}

_Static_assert(DELETE_AGAIN *DELETE_TRIES < REPLACED_LINGER * (REPLACED_LINGER_HIGHER - 1) &&
                   DELETE_AGAIN * DELETE_TRIES < REPLACED_LINGER_RESPONDER - REPLACED_LINGER * REPLACED_LINGER_HIGHER,
               "10, 20, 30, 60 s: no two ends delete at the same time");

uint64_t ike_tell_again_ms(unsigned told)
{
    return told <= DELETE_TRIES ? DELETE_AGAIN : REPLACED_LINGER;
}

uint64_t ike_soft_limit(struct ike *ike, uint64_t hard, bool initiator)
{
    uint32_t jitter;
    if (hard == 0)
        return 0;
    if (random_u32(&ike->setup.random, &jitter) != OK)
        jitter = 0;
    const uint64_t part = (uint64_t)SOFT_JITTER * (jitter % 1024), percent = hard / 100;
    return percent * (initiator ? SOFT_INITIATOR : SOFT_RESPONDER) - percent / 1024 * part -
           percent % 1024 * part / 1024;
}
