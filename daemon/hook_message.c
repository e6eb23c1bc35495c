/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_message.h"

#include "daemon/hook_env.h"

void hook_order_write(struct writer *w, const struct hook_order *order)
{
    write_u8(w, order->slot);
    write_u16(w, order->program);
    write_u32(w, order->timeout_ms);
    write_bytes(w, order->environment.data, order->environment.len);
}

enum status hook_order_read(struct bytes message, struct hook_order *out)
{
    struct reader r = reader_of_bytes(message);
    size_t count;
    struct hook_order order = {.slot = read_u8(&r), .program = read_u16(&r), .timeout_ms = read_u32(&r)};
    order.environment = read_rest(&r);
    if (reader_finish(&r) != OK || order.slot >= HOOKS_RUNNING_MAX || order.timeout_ms == 0 ||
        order.environment.len > HOOK_ENVIRONMENT_MAX || !hook_env_good(order.environment, &count))
        return ERR_MALFORMED;
    *out = order;
    return OK;
}

void hook_news_write(struct writer *w, const struct hook_news *news)
{
    write_u8(w, (uint8_t)news->kind);
    write_u8(w, news->slot);
    write_u8(w, (uint8_t)news->how);
    write_u32(w, news->value);
    write_u32(w, news->suppressed);
    write_bytes(w, news->text.data, news->text.len);
}

enum status hook_news_read(struct bytes message, struct hook_news *out)
{
    struct reader r = reader_of_bytes(message);
    uint8_t kind = read_u8(&r), slot = read_u8(&r), how = read_u8(&r);
    struct hook_news news = {.slot = slot, .value = read_u32(&r), .suppressed = read_u32(&r), .text = read_rest(&r)};
    if (reader_finish(&r) != OK || kind < HOOK_NEWS_READY || kind > HOOK_NEWS_ENDED || slot >= HOOKS_RUNNING_MAX ||
        how >= HOOK_ENDS)
        return ERR_MALFORMED;
    news.kind = (enum hook_news_kind)kind;
    news.how = (enum hook_end)how;
    *out = news;
    return OK;
}
