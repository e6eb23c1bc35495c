/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we use of libmnl, for static binaries: Debian has no libmnl.a. Interface and results are those of libmnl (a unit
 * test compares them); all other builds link the library.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Headers, with their padding. The library's own names for them are ints, and of mixed sign. */
static const size_t MESSAGE = sizeof(struct nlmsghdr), ATTRIBUTE = sizeof(struct nlattr);

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* --- attributes: type, length, payload, padding up to four bytes --- */

uint16_t mnl_attr_get_type(const struct nlattr *attr)
{
    return attr->nla_type & (uint16_t)NLA_TYPE_MASK;
}

void *mnl_attr_get_payload(const struct nlattr *attr)
{
    return (char *)(uintptr_t)attr + ATTRIBUTE;
}

uint16_t mnl_attr_get_payload_len(const struct nlattr *attr)
{
    return (uint16_t)(attr->nla_len - ATTRIBUTE);
}

uint8_t mnl_attr_get_u8(const struct nlattr *attr)
{
    return *(const uint8_t *)mnl_attr_get_payload(attr);
}

uint32_t mnl_attr_get_u32(const struct nlattr *attr)
{
    uint32_t value;
    memcpy(&value, mnl_attr_get_payload(attr), sizeof value);
    return value;
}

uint64_t mnl_attr_get_u64(const struct nlattr *attr)
{
    uint64_t value;
    memcpy(&value, mnl_attr_get_payload(attr), sizeof value);
    return value;
}

const char *mnl_attr_get_str(const struct nlattr *attr)
{
    return mnl_attr_get_payload(attr);
}

static size_t fixed_len(enum mnl_attr_data_type type)
{
    switch (type) {
    case MNL_TYPE_U8: return 1;
    case MNL_TYPE_U16: return 2;
    case MNL_TYPE_U32: return 4;
    case MNL_TYPE_U64:
    case MNL_TYPE_MSECS: return 8;
    default: return 0;
    }
}

int mnl_attr_validate(const struct nlattr *attr, enum mnl_attr_data_type type)
{
    size_t len = mnl_attr_get_payload_len(attr), fixed = fixed_len(type);
    const char *data = mnl_attr_get_payload(attr);
    int error = 0;
    if (type < MNL_TYPE_UNSPEC || type >= MNL_TYPE_MAX)
        error = EINVAL;
    else if (fixed != 0)
        error = len != fixed ? ERANGE : 0;
    else if (type == MNL_TYPE_FLAG)
        error = len != 0 ? ERANGE : 0;
    else if (type == MNL_TYPE_STRING)
        error = len == 0 ? ERANGE : 0;
    else if (type == MNL_TYPE_NUL_STRING)
        error = len == 0 ? ERANGE : data[len - 1] != '\0' ? EINVAL : 0;
    else if (type == MNL_TYPE_NESTED)
        error = len != 0 && len < ATTRIBUTE ? ERANGE : 0;
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

/* Lengths are compared with what is left, as they come from the other side. */
static int each_attr(const char *at, size_t left, mnl_attr_cb_t each, void *arg)
{
    int result = MNL_CB_OK;
    while (left >= ATTRIBUTE) {
        const struct nlattr *attr = (const struct nlattr *)(const void *)at;
        if (attr->nla_len < ATTRIBUTE || attr->nla_len > left)
            break;
        result = each(attr, arg);
        if (result <= MNL_CB_STOP)
            break;
        size_t step = padded(attr->nla_len);
        if (step > left)
            break;
        at += step;
        left -= step;
    }
    return result;
}

int mnl_attr_parse(const struct nlmsghdr *nlh, unsigned int offset, mnl_attr_cb_t cb, void *data)
{
    size_t skip = MESSAGE + padded(offset);
    return nlh->nlmsg_len > skip ? each_attr((const char *)nlh + skip, nlh->nlmsg_len - skip, cb, data) : MNL_CB_OK;
}

int mnl_attr_parse_nested(const struct nlattr *attr, mnl_attr_cb_t cb, void *data)
{
    return each_attr(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr), cb, data);
}

static char *tail_of(struct nlmsghdr *nlh)
{
    return (char *)nlh + padded(nlh->nlmsg_len);
}

void mnl_attr_put(struct nlmsghdr *nlh, uint16_t type, size_t len, const void *data)
{
    struct nlattr *attr = (struct nlattr *)(void *)tail_of(nlh);
    size_t whole = ATTRIBUTE + len;
    attr->nla_type = type;
    attr->nla_len = (uint16_t)whole;
    if (len > 0)
        memcpy(mnl_attr_get_payload(attr), data, len);
    memset((char *)attr + whole, 0, padded(whole) - whole);
    nlh->nlmsg_len += (uint32_t)padded(whole);
}

void mnl_attr_put_u8(struct nlmsghdr *nlh, uint16_t type, uint8_t data)
{
    mnl_attr_put(nlh, type, sizeof data, &data);
}

void mnl_attr_put_u16(struct nlmsghdr *nlh, uint16_t type, uint16_t data)
{
    mnl_attr_put(nlh, type, sizeof data, &data);
}

void mnl_attr_put_u32(struct nlmsghdr *nlh, uint16_t type, uint32_t data)
{
    mnl_attr_put(nlh, type, sizeof data, &data);
}

void mnl_attr_put_strz(struct nlmsghdr *nlh, uint16_t type, const char *data)
{
    mnl_attr_put(nlh, type, strlen(data) + 1, data);
}

struct nlattr *mnl_attr_nest_start(struct nlmsghdr *nlh, uint16_t type)
{
    struct nlattr *start = (struct nlattr *)(void *)tail_of(nlh);
    start->nla_type = (uint16_t)NLA_F_NESTED | type; /* its length is known at the end */
    nlh->nlmsg_len += (uint32_t)ATTRIBUTE;
    return start;
}

void mnl_attr_nest_end(struct nlmsghdr *nlh, struct nlattr *start)
{
    start->nla_len = (uint16_t)(tail_of(nlh) - (char *)start);
}

/* --- messages --- */

struct nlmsghdr *mnl_nlmsg_put_header(void *buf)
{
    struct nlmsghdr *nlh = buf;
    memset(nlh, 0, MESSAGE);
    nlh->nlmsg_len = (uint32_t)MESSAGE;
    return nlh;
}

void *mnl_nlmsg_put_extra_header(struct nlmsghdr *nlh, size_t size)
{
    char *extra = (char *)nlh + nlh->nlmsg_len;
    memset(extra, 0, padded(size));
    nlh->nlmsg_len += (uint32_t)padded(size);
    return extra;
}

void *mnl_nlmsg_get_payload(const struct nlmsghdr *nlh)
{
    return (char *)(uintptr_t)nlh + MESSAGE;
}

size_t mnl_nlmsg_get_payload_len(const struct nlmsghdr *nlh)
{
    return nlh->nlmsg_len - MESSAGE;
}

static int fail_with(int error)
{
    errno = error;
    return MNL_CB_ERROR;
}

static int on_error(const struct nlmsghdr *nlh)
{
    const struct nlmsgerr *what = mnl_nlmsg_get_payload(nlh);
    if (nlh->nlmsg_len < MESSAGE + sizeof *what)
        return fail_with(EBADMSG);
    if (what->error == 0)
        return MNL_CB_STOP;
    return fail_with(what->error < 0 ? -what->error : what->error);
}

static int one_message(const struct nlmsghdr *nlh, unsigned int seq, unsigned int portid, mnl_cb_t each, void *arg)
{
    if (nlh->nlmsg_pid != 0 && portid != 0 && nlh->nlmsg_pid != portid)
        return fail_with(ESRCH);
    if (nlh->nlmsg_seq != 0 && seq != 0 && nlh->nlmsg_seq != seq)
        return fail_with(EPROTO);
    if ((nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
        return fail_with(EINTR);
    if (nlh->nlmsg_type == NLMSG_ERROR)
        return on_error(nlh);
    if (nlh->nlmsg_type == NLMSG_DONE)
        return MNL_CB_STOP;
    return nlh->nlmsg_type >= NLMSG_MIN_TYPE && each != NULL ? each(nlh, arg) : MNL_CB_OK;
}

int mnl_cb_run(const void *buf, size_t numbytes, unsigned int seq, unsigned int portid, mnl_cb_t cb_data, void *data)
{
    const char *at = buf;
    int result = MNL_CB_OK;
    while (numbytes >= MESSAGE) {
        const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)at;
        if (nlh->nlmsg_len < MESSAGE || nlh->nlmsg_len > numbytes)
            break;
        result = one_message(nlh, seq, portid, cb_data, data);
        size_t step = padded(nlh->nlmsg_len);
        if (result <= MNL_CB_STOP || step > numbytes)
            break;
        at += step;
        numbytes -= step;
    }
    return result;
}

/* --- sockets --- */

struct mnl_socket {
    int fd;
    struct sockaddr_nl address;
};

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
    struct mnl_socket *nl = calloc(1, sizeof *nl);
    if (nl == NULL)
        return NULL;
    nl->fd = socket(AF_NETLINK, SOCK_RAW | flags, bus);
    if (nl->fd >= 0)
        return nl;
    int error = errno;
    free(nl);
    errno = error;
    return NULL;
}

int mnl_socket_bind(struct mnl_socket *nl, unsigned int groups, pid_t pid)
{
    socklen_t len = sizeof nl->address;
    nl->address = (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_groups = groups, .nl_pid = (uint32_t)pid};
    if (bind(nl->fd, (const struct sockaddr *)&nl->address, len) < 0 ||
        getsockname(nl->fd, (struct sockaddr *)&nl->address, &len) < 0)
        return -1;
    if (len == sizeof nl->address && nl->address.nl_family == AF_NETLINK)
        return 0;
    errno = EINVAL;
    return -1;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t size)
{
    static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(nl->fd, req, size, 0, (const struct sockaddr *)&kernel, sizeof kernel);
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t size)
{
    struct sockaddr_nl from;
    struct iovec iov = {.iov_base = buf, .iov_len = size};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
    ssize_t len = recvmsg(nl->fd, &message, 0);
    if (len < 0)
        return -1;
    if ((message.msg_flags & MSG_TRUNC) != 0 || message.msg_namelen != sizeof from) {
        errno = (message.msg_flags & MSG_TRUNC) != 0 ? ENOSPC : EINVAL;
        return -1;
    }
    return len;
}

unsigned int mnl_socket_get_portid(const struct mnl_socket *nl)
{
    return nl->address.nl_pid;
}

int mnl_socket_get_fd(const struct mnl_socket *nl)
{
    return nl->fd;
}

int mnl_socket_close(struct mnl_socket *nl)
{
    int result = close(nl->fd);
    free(nl);
    return result;
}
