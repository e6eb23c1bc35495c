/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/host.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

static uint8_t family_of(int af)
{
    return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

static bool attribute_address(const struct nlattr *attribute, uint8_t family, struct address *out)
{
    struct address a = {.family = family};
    if (family == 0 || mnl_attr_get_payload_len(attribute) != address_len(&a))
        return false;
    *out = address_of(family, mnl_attr_get_payload(attribute));
    return true;
}

struct address_list {
    struct host_place *items;
    size_t count;
    unsigned device;
    bool failed;
};

static void list_append(struct address_list *list, const struct host_place *place)
{
    struct host_place *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL) {
        list->failed = true;
        return;
    }
    list->items = items;
    list->items[list->count++] = *place;
}

struct address_fields {
    struct address own, attached;
    uint8_t family;
};

/* On a point-to-point interface IFA_ADDRESS is the other end; IFA_LOCAL, where there is one, is always ours. The prefix
 * is that of IFA_ADDRESS. */
static int look_at_address_attribute(const struct nlattr *attribute, void *arg)
{
    struct address_fields *fields = arg;
    unsigned type = mnl_attr_get_type(attribute);
    if (type == IFA_LOCAL)
        (void)attribute_address(attribute, fields->family, &fields->own);
    else if (type == IFA_ADDRESS)
        (void)attribute_address(attribute, fields->family, &fields->attached);
    return MNL_CB_OK;
}

static int look_at_address(const struct nlmsghdr *message, void *arg)
{
    const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
    struct address_list *list = arg;
    if (header->ifa_scope == RT_SCOPE_HOST || header->ifa_scope == RT_SCOPE_LINK)
        return MNL_CB_OK;
    struct address_fields fields = {.family = family_of(header->ifa_family)};
    (void)mnl_attr_parse(message, sizeof *header, look_at_address_attribute, &fields);
    struct host_place place = {.address = fields.own.family != 0 ? fields.own : fields.attached};
    if (place.address.family == 0)
        return MNL_CB_OK;
    struct prefix attached = {.base = fields.attached, .len = header->ifa_prefixlen};
    if (header->ifa_index != list->device && attached.base.family != 0 &&
        attached.len <= address_len(&attached.base) * 8)
        place.on_link = prefix_shorten(&attached, attached.len);
    list_append(list, &place);
    return MNL_CB_OK;
}

int host_addresses(struct netlink *netlink, unsigned device, struct host_place **out, size_t *count)
{
    char buffer[NETLINK_REQUEST];
    void *header;
    struct address_list list = {.device = device};
    struct nlmsghdr *request = netlink_request(buffer, RTM_GETADDR, 0, sizeof(struct ifaddrmsg), &header);
    int error = netlink_dump(netlink, request, look_at_address, &list);
    if (error == 0 && list.failed)
        error = -ENOMEM;
    if (error != 0) {
        free(list.items);
        list = (struct address_list){0};
    }
    *out = list.items;
    *count = list.count;
    return error;
}

int host_address(struct netlink *netlink, bool add, const struct address *address, unsigned index)
{
    char buffer[NETLINK_REQUEST];
    void *extra;
    struct nlmsghdr *request =
        netlink_request(buffer, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
                        sizeof(struct ifaddrmsg), &extra);
    struct ifaddrmsg *header = extra;
    header->ifa_family = address->family == 4 ? AF_INET : AF_INET6;
    header->ifa_prefixlen = (unsigned char)(address_len(address) * 8);
    header->ifa_index = index;
    if (add && address->family == 6)
        header->ifa_flags = IFA_F_NODAD;
    mnl_attr_put(request, IFA_LOCAL, address_len(address), address->bytes);
    mnl_attr_put(request, IFA_ADDRESS, address_len(address), address->bytes);
    return netlink_ask(netlink, request);
}

/* The carrier of a TUN is on while a process is attached. */
bool host_interface_runs(unsigned index)
{
    struct ifreq request = {0};
    if (if_indextoname(index, request.ifr_name) == NULL)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool runs = ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
    close(fd);
    return runs;
}

struct route_answer {
    unsigned interface;
    uint32_t mtu; /* a metric of the route; 0: none */
    uint8_t len, type;
};

static int look_at_metric(const struct nlattr *attribute, void *arg)
{
    struct route_answer *answer = arg;
    if (mnl_attr_get_type(attribute) == RTAX_MTU && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
        answer->mtu = mnl_attr_get_u32(attribute);
    return MNL_CB_OK;
}

static int look_at_answer_attribute(const struct nlattr *attribute, void *arg)
{
    struct route_answer *answer = arg;
    if (mnl_attr_get_type(attribute) == RTA_OIF && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
        answer->interface = mnl_attr_get_u32(attribute);
    else if (mnl_attr_get_type(attribute) == RTA_MULTIPATH)
        answer->interface = UINT_MAX;
    else if (mnl_attr_get_type(attribute) == RTA_METRICS)
        (void)mnl_attr_parse_nested(attribute, look_at_metric, answer);
    return MNL_CB_OK;
}

static int look_at_answer(const struct nlmsghdr *message, void *arg)
{
    struct route_answer *answer = arg;
    const struct rtmsg *header = mnl_nlmsg_get_payload(message);
    answer->len = header->rtm_dst_len;
    answer->type = header->rtm_type;
    (void)mnl_attr_parse(message, sizeof *header, look_at_answer_attribute, answer);
    return MNL_CB_OK;
}

/* A packet that looks for its route. */
struct route_question {
    const struct address *to, *from; /* from: NULL or family 0: not known */
    uint32_t mark;
    uint16_t from_port, to_port; /* UDP; 0: another protocol */
};

/* Raw ESP is not named: of protocols, the kernel lets us ask for TCP, UDP and ICMP alone. */
static void put_source(struct nlmsghdr *request, struct rtmsg *header, const struct route_question *question)
{
    if (question->from != NULL && question->from->family == question->to->family) {
        header->rtm_src_len = header->rtm_dst_len;
        mnl_attr_put(request, RTA_SRC, address_len(question->from), question->from->bytes);
    }
    if (question->to_port == 0)
        return;
    mnl_attr_put_u8(request, RTA_IP_PROTO, IPPROTO_UDP);
    mnl_attr_put_u16(request, RTA_SPORT, htons(question->from_port));
    mnl_attr_put_u16(request, RTA_DPORT, htons(question->to_port));
}

/* flags: RTM_F_FIB_MATCH for the route itself, with its prefix; 0 for what a packet would take. */
static bool ask_route(struct netlink *netlink, const struct route_question *question, uint32_t flags,
                      struct route_answer *answer)
{
    const struct address *to = question->to;
    char buffer[NETLINK_REQUEST];
    void *extra;
    *answer = (struct route_answer){0};
    struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, 0, sizeof(struct rtmsg), &extra);
    struct rtmsg *header = extra;
    header->rtm_family = to->family == 4 ? AF_INET : AF_INET6;
    header->rtm_dst_len = (unsigned char)(address_len(to) * 8);
    header->rtm_flags = flags;
    mnl_attr_put(request, RTA_DST, address_len(to), to->bytes);
    mnl_attr_put_u32(request, RTA_MARK, question->mark);
    put_source(request, header, question);
    return netlink_ask_for(netlink, request, look_at_answer, answer) == 0;
}

bool host_has_route(struct netlink *netlink, const struct address *to, uint32_t mark, unsigned device)
{
    struct route_answer answer;
    const struct route_question question = {.to = to, .mark = mark};
    return ask_route(netlink, &question, RTM_F_FIB_MATCH, &answer) && answer.type == RTN_UNICAST && answer.len > 0 &&
           answer.interface != 0 && answer.interface != device;
}

static uint32_t interface_mtu(unsigned index)
{
    struct ifreq request = {0};
    if (if_indextoname(index, request.ifr_name) == NULL)
        return 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    uint32_t mtu = ioctl(fd, SIOCGIFMTU, &request) == 0 ? (uint32_t)request.ifr_mtu : 0;
    close(fd);
    return mtu;
}

uint32_t host_route_mtu(struct netlink *netlink, const struct path *path, bool udp, uint32_t mark)
{
    struct route_answer route, taken;
    struct route_question question = {.to = &path->remote.address, .from = &path->local.address, .mark = mark};
    if (udp) {
        question.from_port = path->local.port;
        question.to_port = path->remote.port;
    }
    if (!ask_route(netlink, &question, RTM_F_FIB_MATCH, &route)) {
        question.from = NULL; /* an address that this host has lost */
        if (!ask_route(netlink, &question, RTM_F_FIB_MATCH, &route))
            return 0;
    }
    /* Of several next hops, the one that the kernel chooses. */
    if (route.interface == UINT_MAX && ask_route(netlink, &question, 0, &taken))
        route.interface = taken.interface;
    uint32_t mtu = route.interface != 0 && route.interface != UINT_MAX ? interface_mtu(route.interface) : 0;
    return route.mtu != 0 && (mtu == 0 || route.mtu < mtu) ? route.mtu : mtu;
}

struct table_search {
    uint32_t table;
    unsigned own;
    bool in_use;
    uint8_t protocol;
    bool (*keep)(void *arg, const struct host_route *route);
    void *arg;
    char *kept; /* copies of the messages to delete, end to end */
    size_t kept_len;
};

struct route_fields {
    uint32_t table;
    struct host_route route;
};

static int look_at_route_attribute(const struct nlattr *attribute, void *arg)
{
    struct route_fields *fields = arg;
    if (mnl_attr_get_type(attribute) == RTA_TABLE)
        fields->table = mnl_attr_get_u32(attribute);
    else if (mnl_attr_get_type(attribute) == RTA_OIF)
        fields->route.interface = mnl_attr_get_u32(attribute);
    else if (mnl_attr_get_type(attribute) == RTA_DST)
        (void)attribute_address(attribute, fields->route.to.base.family, &fields->route.to.base);
    return MNL_CB_OK;
}

/* Netlink messages lie end to end at multiples of four. */
static size_t message_room(const struct nlmsghdr *message)
{
    return ((size_t)message->nlmsg_len + 3) & ~(size_t)3;
}

static void keep_message(struct table_search *search, const struct nlmsghdr *message)
{
    char *more = realloc(search->kept, search->kept_len + message_room(message));
    if (more == NULL)
        return;
    memcpy(more + search->kept_len, message, message->nlmsg_len);
    search->kept = more;
    search->kept_len += message_room(message);
}

static int look_at_route(const struct nlmsghdr *message, void *arg)
{
    struct table_search *search = arg;
    const struct rtmsg *header = mnl_nlmsg_get_payload(message);
    struct route_fields fields = {.table = header->rtm_table};
    /* A default route has no RTA_DST: the address stays zero. */
    fields.route = (struct host_route){.to = {.base.family = family_of(header->rtm_family), .len = header->rtm_dst_len},
                                       .type = header->rtm_type};
    (void)mnl_attr_parse(message, sizeof *header, look_at_route_attribute, &fields);
    if (fields.table != search->table)
        return MNL_CB_OK;
    unsigned interface = fields.route.interface;
    if (header->rtm_type == RTN_UNICAST && interface != 0 && interface != search->own && !search->in_use)
        search->in_use = host_interface_runs(interface);
    if (search->keep != NULL && header->rtm_protocol == search->protocol && !search->keep(search->arg, &fields.route))
        keep_message(search, message);
    return MNL_CB_OK;
}

static void table_dump(struct netlink *netlink, int af, struct table_search *search)
{
    char buffer[NETLINK_REQUEST];
    void *header;
    struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, 0, sizeof(struct rtmsg), &header);
    ((struct rtmsg *)header)->rtm_family = (unsigned char)af;
    (void)netlink_dump(netlink, request, look_at_route, search);
}

bool host_table_in_use(struct netlink *netlink, uint32_t table, unsigned own)
{
    struct table_search search = {.table = table, .own = own};
    table_dump(netlink, AF_INET, &search);
    table_dump(netlink, AF_INET6, &search);
    return search.in_use;
}

void host_table_sweep(struct netlink *netlink, uint32_t table, uint8_t protocol,
                      bool (*keep)(void *arg, const struct host_route *route), void *arg)
{
    struct table_search search = {.table = table, .protocol = protocol, .keep = keep, .arg = arg};
    table_dump(netlink, AF_INET, &search);
    table_dump(netlink, AF_INET6, &search);
    /* What the kernel told about a route is also what names it for deletion. */
    for (size_t at = 0; at < search.kept_len;) {
        struct nlmsghdr *message = (struct nlmsghdr *)(void *)(search.kept + at);
        size_t len = message_room(message);
        message->nlmsg_type = RTM_DELROUTE;
        message->nlmsg_flags = NLM_F_REQUEST;
        (void)netlink_ask(netlink, message);
        at += len;
    }
    free(search.kept);
}
