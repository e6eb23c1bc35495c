/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/resolve.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/table.h"
#include "daemon/sockaddr.h"
#include "policy/host_name.h"

struct look_up {
    uv_getaddrinfo_t request; /* the thread's, while it runs */
    struct resolver *resolver;
    char name[HOST_NAME_MAX_LEN + 2];
    char folded[HOST_NAME_MAX_LEN + 2]; /* key of the table: the same for names that are equal */
    UT_hash_handle hh;
};

/* --- what is in an answer --- */

static const char *refuse_ipv4(const uint8_t *b)
{
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    if (b[0] == 0)
        return "nobody's address";
    if (b[0] == 127)
        return "this host itself";
    if (b[0] >= 224 && b[0] < 240)
        return "a multicast address";
    if (memcmp(b, broadcast, sizeof broadcast) == 0)
        return "the broadcast address";
    return b[0] >= 240 ? "a reserved address" : NULL;
}

static const char *refuse_ipv6(const uint8_t *b)
{
    static const uint8_t zeros[16], mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(b, zeros, 15) == 0 && b[15] <= 1)
        return b[15] == 0 ? "nobody's address" : "this host itself";
    if (memcmp(b, mapped, sizeof mapped) == 0)
        return "an IPv4 address in the shape of IPv6";
    if (b[0] == 0xff)
        return "a multicast address";
    return b[0] == 0xfe && (b[1] & 0xc0) == 0x80 ? "a link-local address, which names no link" : NULL;
}

const char *resolve_refusal(const struct address *a)
{
    return a->family == 4 ? refuse_ipv4(a->bytes) : a->family == 6 ? refuse_ipv6(a->bytes) : "no address";
}

void resolve_leave_out(struct resolved *r, const struct address *address, const char *why)
{
    char text[ADDRESS_TEXT];
    size_t used = strlen(r->left_out);
    (void)snprintf(r->left_out + used, sizeof r->left_out - used, "%s%s (%s)", used > 0 ? ", " : "",
                   address_print(address, text), why);
}

static void take(struct resolved *r, const struct address *address)
{
    const char *why = resolve_refusal(address);
    if (why != NULL) {
        resolve_leave_out(r, address, why);
        return;
    }
    for (size_t i = 0; i < r->count; i++)
        if (address_equal(&r->addresses[i], address))
            return;
    if (r->count < RESOLVED_MAX)
        r->addresses[r->count++] = *address;
}

static const char *reason(int error)
{
    switch (error) {
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
    case UV_EAI_ADDRFAMILY: return "there is no such name, or it has no address: compare it with the name of the peer";
    case UV_EAI_AGAIN:
        return "no name server has answered: check /etc/resolv.conf, and that the way to its servers is no protect "
               "rule's (else write a bypass rule for them)";
    case UV_EAI_FAIL: return "the name server cannot answer: ask its administrator, or try another one";
    default: return uv_strerror(error);
    }
}

void resolve_collect(const char *name, int error, const struct addrinfo *list, struct resolved *out)
{
    *out = (struct resolved){0};
    for (const struct addrinfo *i = list; error == 0 && i != NULL; i = i->ai_next)
        if (i->ai_addr != NULL && (i->ai_family == AF_INET || i->ai_family == AF_INET6)) {
            struct sockaddr_storage storage = {0};
            memcpy(&storage, i->ai_addr, i->ai_addrlen < sizeof storage ? i->ai_addrlen : sizeof storage);
            const struct address address = endpoint_of_sockaddr(&storage).address;
            take(out, &address);
        }
    if (out->count > 0)
        return;
    if (error == 0 && out->left_out[0] == '\0')
        error = UV_EAI_NODATA;
    (void)snprintf(out->why, sizeof out->why, "the name %s cannot be resolved: %s", name,
                   error != 0 ? reason(error) : "no peer can be where it leads to: correct the name, or what it says");
}

/* --- the resolver --- */

static void finished(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct look_up *l = request->data;
    struct resolver *resolver = l->resolver;
    struct resolved found;
    HASH_DELETE(hh, resolver->running, l);
    if (!resolver->closed) {
        resolve_collect(l->name, status, list, &found);
        resolver->answer(resolver->arg, l->name, &found);
    }
    uv_freeaddrinfo(list);
    free(l);
}

enum status resolver_ask(struct resolver *resolver, const char *name)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    char folded[HOST_NAME_MAX_LEN + 2];
    struct look_up *l;
    host_name_fold(name, folded);
    HASH_FIND_STR(resolver->running, folded, l);
    if (l != NULL)
        return OK;
    l = calloc(1, sizeof *l);
    if (l == NULL)
        return ERR_MEMORY;
    l->resolver = resolver;
    l->request.data = l;
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    memcpy(l->folded, folded, sizeof folded);
    HASH_ADD_STR(resolver->running, folded, l);
    if (l->hh.tbl == NULL) {
        free(l);
        return ERR_MEMORY;
    }
    if (uv_getaddrinfo(resolver->loop, &l->request, finished, l->name, NULL, &hints) != 0) {
        HASH_DELETE(hh, resolver->running, l);
        free(l);
        return ERR_IO;
    }
    return OK;
}

bool resolver_close(struct resolver *resolver)
{
    bool all = true;
    resolver->closed = true;
    for (struct look_up *l = resolver->running; l != NULL; l = l->hh.next)
        all &= uv_cancel((uv_req_t *)&l->request) == 0;
    return all;
}
