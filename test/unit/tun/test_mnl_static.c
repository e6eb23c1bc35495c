/* SPDX-License-Identifier: Apache-2.0 */
/* What static binaries have in place of libmnl, against libmnl: the same bytes, the same results. */
#include "tun/mnl_static.c"

#include <dlfcn.h>

#include "test/unit/unit_test.h"

/* The functions of the library, which those of this program hide. */
static void *library;

#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(library, #name))

enum { ROOM = 512, SEED = 20240229, ROUNDS = 20000 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static int find_library(void **state)
{
    (void)state;
    library = dlopen("libmnl.so.0", RTLD_NOW | RTLD_LOCAL);
    return library != NULL && REAL(mnl_attr_put) != NULL && REAL(mnl_attr_put) != mnl_attr_put ? 0 : -1;
}

/* A request with everything that ours are made of. */
#define MAKE(buffer, F)                                                                                                \
    do {                                                                                                               \
        struct nlmsghdr *made = F(mnl_nlmsg_put_header)(buffer);                                                       \
        memset(F(mnl_nlmsg_put_extra_header)(made, 7), 0x11, 7);                                                       \
        F(mnl_attr_put_u8)(made, 1, 0xab);                                                                             \
        F(mnl_attr_put_u16)(made, 2, 0xabcd);                                                                          \
        F(mnl_attr_put_u32)(made, 3, 0xabcdef01);                                                                      \
        F(mnl_attr_put_strz)(made, 4, "esp0");                                                                         \
        F(mnl_attr_put)(made, 5, 5, "12345");                                                                          \
        F(mnl_attr_put)(made, 6, 0, NULL);                                                                             \
        struct nlattr *outer = F(mnl_attr_nest_start)(made, 7);                                                        \
        struct nlattr *inner = F(mnl_attr_nest_start)(made, 8);                                                        \
        F(mnl_attr_put_u32)(made, 9, 1);                                                                               \
        F(mnl_attr_nest_end)(made, inner);                                                                             \
        F(mnl_attr_nest_end)(made, outer);                                                                             \
    } while (0)

#define OURS(name) name

static void test_requests(void **state)
{
    _Alignas(8) char ours[ROOM], theirs[ROOM];
    (void)state;
    memset(ours, 0, sizeof ours); /* older ones leave the padding as it was */
    memset(theirs, 0, sizeof theirs);
    MAKE(ours, OURS);
    MAKE(theirs, REAL);
    assert_memory_equal(ours, theirs, ROOM);
    struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)ours;
    assert_int_equal(mnl_nlmsg_get_payload_len(nlh), REAL(mnl_nlmsg_get_payload_len)(nlh));
    assert_ptr_equal(mnl_nlmsg_get_payload(nlh), REAL(mnl_nlmsg_get_payload)(nlh));
}

static void test_validate(void **state)
{
    _Alignas(8) char buffer[64];
    struct nlattr *attr = (struct nlattr *)(void *)buffer;
    (void)state;
    for (unsigned type = MNL_TYPE_UNSPEC; type <= MNL_TYPE_MAX; type++) {
        if (type == MNL_TYPE_NESTED_COMPAT || type == MNL_TYPE_BINARY)
            continue; /* not used */
        for (uint16_t len = 0; len <= 20; len++)
            for (unsigned end = 0; end < 2; end++) {
                memset(buffer, 0x31, sizeof buffer);
                attr->nla_len = (uint16_t)(4 + len);
                attr->nla_type = 1;
                if (end == 1 && len > 0)
                    buffer[4 + len - 1] = '\0';
                errno = 0;
                int theirs = REAL(mnl_attr_validate)(attr, type), their_error = errno;
                errno = 0;
                int ours = mnl_attr_validate(attr, type), our_error = errno;
                if (ours != theirs || our_error != their_error)
                    fail_msg("type %u, %u bytes, end %u: %d (%d), not %d (%d)", type, len, end, ours, our_error, theirs,
                             their_error);
            }
    }
}

struct seen {
    size_t count;
    uintptr_t sum;
    uint32_t *random;
};

static int note_attr(const struct nlattr *attr, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    seen->sum = seen->sum * 31 + (uintptr_t)attr + mnl_attr_get_type(attr);
    return seen->count > 9 ? MNL_CB_STOP : MNL_CB_OK;
}

static int note_message(const struct nlmsghdr *nlh, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    seen->sum = seen->sum * 31 + (uintptr_t)nlh;
    return seen->count > 5 ? MNL_CB_STOP : MNL_CB_OK;
}

/* Lengths that fit, and those that almost do; none of over 2^31, which libmnl takes for negative and good. */
static void fill(char *buffer, size_t len, uint32_t *random, bool messages)
{
    for (size_t i = 0; i < len; i++)
        buffer[i] =
            (char)(messages && i % 4 % 3 == 0 ? 0 : next_random(random)); /* the first or the last is the highest */
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len;) {
        uint32_t step = (messages ? 16U : 4U) + next_random(random) % 24;
        uint32_t told = next_random(random) % 8 == 0 ? next_random(random) % 64 : step;
        if (messages) {
            struct nlmsghdr nlh = {.nlmsg_len = told, .nlmsg_type = (uint16_t)(next_random(random) % 20)};
            nlh.nlmsg_flags = next_random(random) % 16 == 0 ? NLM_F_DUMP_INTR : 0;
            nlh.nlmsg_seq = next_random(random) % 16 == 0 ? 9 : next_random(random) % 2 * 7;
            nlh.nlmsg_pid = next_random(random) % 16 == 0 ? 9 : next_random(random) % 2 * 5;
            memcpy(buffer + at, &nlh, sizeof nlh);
        } else {
            const struct nlattr attr = {.nla_len = (uint16_t)told, .nla_type = (uint16_t)next_random(random)};
            memcpy(buffer + at, &attr, sizeof attr);
        }
        at += (step + 3U) & ~3U;
    }
}

static void test_attributes_of_others(void **state)
{
    _Alignas(8) char buffer[16 + 120];
    uint32_t random = SEED;
    (void)state;
    print_message("seed %d\n", SEED);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct nlmsghdr nlh = {.nlmsg_len = 16 + next_random(&random) % 31 * 4}; /* else ours is stricter */
        unsigned offset = next_random(&random) % 20;
        fill(buffer + 16 + ((offset + 3U) & ~3U) % 24, sizeof buffer - 40, &random, false);
        memcpy(buffer, &nlh, sizeof nlh);
        struct seen ours = {0}, theirs = {0};
        int a = mnl_attr_parse((struct nlmsghdr *)(void *)buffer, offset, note_attr, &ours);
        int b = REAL(mnl_attr_parse)((struct nlmsghdr *)(void *)buffer, offset, note_attr, &theirs);
        if (a != b || ours.count != theirs.count || ours.sum != theirs.sum)
            fail_msg("round %u: %d after %zu, not %d after %zu", round, a, ours.count, b, theirs.count);
    }
}

static void test_nested_attributes_of_others(void **state)
{
    _Alignas(8) char buffer[4 + 120];
    uint32_t random = SEED;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct nlattr *outer = (struct nlattr *)(void *)buffer;
        fill(buffer + 4, sizeof buffer - 4, &random, false);
        *outer = (struct nlattr){.nla_len = (uint16_t)(4 + next_random(&random) % 121), .nla_type = 1};
        struct seen ours = {0}, theirs = {0};
        int a = mnl_attr_parse_nested(outer, note_attr, &ours);
        int b = REAL(mnl_attr_parse_nested)(outer, note_attr, &theirs);
        if (a != b || ours.count != theirs.count || ours.sum != theirs.sum)
            fail_msg("round %u: %d after %zu, not %d after %zu", round, a, ours.count, b, theirs.count);
    }
}

static void test_answers_of_the_kernel(void **state)
{
    _Alignas(8) char buffer[256];
    uint32_t random = SEED;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(buffer, sizeof buffer, &random, true);
        size_t len = next_random(&random) % (sizeof buffer + 1);
        struct seen ours = {0}, theirs = {0};
        errno = 0;
        int a = mnl_cb_run(buffer, len, 7, 5, note_message, &ours), our_error = errno;
        errno = 0;
        int b = REAL(mnl_cb_run)(buffer, len, 7, 5, note_message, &theirs), their_error = errno;
        if (a != b || our_error != their_error || ours.count != theirs.count || ours.sum != theirs.sum)
            fail_msg("round %u: %d (%d) after %zu, not %d (%d) after %zu", round, a, our_error, ours.count, b,
                     their_error, theirs.count);
    }
}

static int count_link(const struct nlmsghdr *nlh, void *arg)
{
    (void)nlh;
    (*(size_t *)arg)++;
    return MNL_CB_OK;
}

/* The loopback at least is there. */
static void test_a_question_to_the_kernel(void **state)
{
    _Alignas(8) char buffer[32768];
    size_t links = 0;
    int more = 1;
    (void)state;
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    assert_non_null(nl);
    assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
    assert_true(mnl_socket_get_portid(nl) != 0 && mnl_socket_get_fd(nl) >= 0);
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = 18; /* RTM_GETLINK */
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = 1;
    mnl_nlmsg_put_extra_header(request, 16);
    assert_true(mnl_socket_sendto(nl, request, request->nlmsg_len) > 0);
    while (more > 0) {
        ssize_t len = mnl_socket_recvfrom(nl, buffer, sizeof buffer);
        assert_true(len > 0);
        more = mnl_cb_run(buffer, (size_t)len, 1, mnl_socket_get_portid(nl), count_link, &links);
    }
    assert_int_equal(more, 0);
    assert_true(links > 0);
    assert_int_equal(mnl_socket_close(nl), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_validate),
        cmocka_unit_test(test_attributes_of_others),
        cmocka_unit_test(test_nested_attributes_of_others),
        cmocka_unit_test(test_answers_of_the_kernel),
        cmocka_unit_test(test_a_question_to_the_kernel),
    };
    return cmocka_run_group_tests(tests, find_library, NULL);
}
