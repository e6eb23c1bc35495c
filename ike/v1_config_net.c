/* SPDX-License-Identifier: Apache-2.0 */
/* Mode-config (draft-ietf-ipsec-isakmp-mode-cfg-05): the client's address, DNS servers and networks, asked for by the
 * client (REQUEST, REPLY) or set by the server (SET, ACK). */
#include "ike/net.h"
#include "ike/sa.h"
#include "ike/v1_config.h"

/* --- server --- */

static void write_net(struct writer *w, const struct ike *ike, const struct ike_sa *sa, const struct v1_attrs *asked)
{
    static const struct address none[FAMILIES];
    const struct connection *c = connection_of(ike, sa->connection);
    const struct virtual_net *net = sa->peer->net;
    v1_net_write(w, asked, c->access, net != NULL ? net->address : none, (uint32_t)sa->lifetime_s,
                 c->esp.items[0].group != GROUP_NONE);
}

void net_on_request(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *a, uint64_t digest)
{
    const bool wanted[FAMILIES] = {v1_attr_find(a, ATTR_IP4_ADDRESS) != NULL,
                                   v1_attr_find(a, ATTR_IP6_ADDRESS) != NULL};
    bool server = connection_of(ike, sa->connection)->access->server;
    enum status status = server ? net_lease(ike, sa->peer, wanted) : OK;
    if (status == OK) {
        struct v1_message m = config_answer_begin(ike, sa, a);
        if (server) /* a client has nothing to give: an empty answer */
            write_net(&m.w, ike, sa, a);
        status = config_answer(ike, sa, &m, digest);
    }
    if (status != OK)
        config_fail(ike, sa, status_text(status));
}

enum status net_push(struct ike *ike, struct ike_sa *sa)
{
    static const bool all[FAMILIES] = {true, true};
    struct v1_message m;
    enum status status = net_lease(ike, sa->peer, all);
    if (status == OK)
        status = config_ask_begin(ike, sa, ATTR_SET, &m);
    if (status != OK)
        return status;
    write_net(&m.w, ike, sa, NULL);
    return config_ask(ike, sa, &m);
}

/* --- client --- */

/* Only families that some rule can use. */
enum status net_ask(struct ike *ike, struct ike_sa *sa)
{
    bool families[FAMILIES] = {false, false};
    struct v1_message m;
    enum status status = config_ask_begin(ike, sa, ATTR_REQUEST, &m);
    if (status != OK)
        return status;
    for (size_t i = 0; i < sa->peer->rule_count; i++)
        families[family_index(&ike->setup.spd->rules[sa->peer->rules[i]].selector.local.first)] = true;
    v1_net_ask(&m.w, families[FAMILY_IPV4] || !families[FAMILY_IPV6], families[FAMILY_IPV6]);
    return config_ask(ike, sa, &m);
}

static void take(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs)
{
    struct virtual_net net;
    enum status status = v1_net_read(attrs, &net);
    if (status != OK) {
        config_fail(ike, sa, "what the concentrator gives us makes no sense: an address, mask or network is malformed");
        return;
    }
    if (net.address[FAMILY_IPV4].family == 0 && net.address[FAMILY_IPV6].family == 0) {
        config_fail(ike, sa, "the concentrator gives us no address: is its pool empty?");
        return;
    }
    status = net_set(ike, sa->peer, &net);
    if (status == ERR_MISMATCH)
        config_fail(
            ike, sa,
            "the concentrator gives us an address that no protect rule has on its local side: write 'any' there, "
            "or the range from which addresses come");
    else if (status != OK)
        config_fail(ike, sa, status_text(status));
    else
        config_done(ike, sa);
}

void net_on_reply(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs)
{
    take(ike, sa, attrs);
}

/* The ACK names what was taken, without values (draft-ietf-ipsec-isakmp-mode-cfg-05 3.1). */
void net_on_set(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs, uint64_t digest)
{
    struct v1_message m = config_answer_begin(ike, sa, attrs);
    for (size_t i = 0; i < attrs->count; i++)
        v1_attr_write(&m.w, attrs->items[i].type, (struct bytes){0});
    enum status status = config_answer(ike, sa, &m, digest);
    if (status != OK)
        config_fail(ike, sa, status_text(status));
    else if (v1_attr_find(attrs, ATTR_IP4_ADDRESS) != NULL || v1_attr_find(attrs, ATTR_IP6_ADDRESS) != NULL)
        take(ike, sa, attrs);
}
