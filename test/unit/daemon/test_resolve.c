/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken from the answer of a name server, which nobody vouches for; and that there is one answer a question. */
#include "daemon/resolve.h"

#include "daemon/sockaddr.h"
#include "daemon_test.h"

static void test_addresses_that_no_peer_has(void **state)
{
    (void)state;
    static const struct {
        const char *address, *why;
    } rows[] = {
        {"0.0.0.0", "nobody's"},
        {"0.255.255.255", "nobody's"},
        {"127.0.0.1", "this host"},
        {"127.255.255.255", "this host"},
        {"224.0.0.0", "multicast"},
        {"239.255.255.255", "multicast"},
        {"240.0.0.0", "reserved"},
        {"255.255.255.254", "reserved"},
        {"255.255.255.255", "broadcast"},
        {"::", "nobody's"},
        {"::1", "this host"},
        {"ff02::1", "multicast"},
        {"ffff::", "multicast"},
        {"fe80::1", "link-local"},
        {"febf::", "link-local"},
        {"::ffff:192.0.2.1", "in the shape of IPv6"},
        {"1.0.0.0", NULL},
        {"126.255.255.255", NULL},
        {"128.0.0.0", NULL},
        {"223.255.255.255", NULL},
        {"10.0.0.1", NULL},
        {"169.254.0.1", NULL},
        {"::2", NULL},
        {"fec0::1", NULL},
        {"fd00::1", NULL},
        {"2001:db8::1", NULL},
        {"64:ff9b::c000:201", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address a = an_address(rows[i].address);
        const char *why = resolve_refusal(&a);
        if ((why == NULL) != (rows[i].why == NULL))
            fail_msg("%s: %s", rows[i].address, why != NULL ? why : "taken");
        if (why != NULL)
            assert_has(why, rows[i].why);
    }
    assert_non_null(resolve_refusal(&(struct address){0}));
}

enum { LIST_MAX = 64 };

struct list {
    struct addrinfo items[LIST_MAX];
    struct sockaddr_storage names[LIST_MAX];
    size_t count;
};

static void add(struct list *l, const char *text)
{
    struct address a = an_address(text);
    struct addrinfo *i = &l->items[l->count];
    i->ai_addrlen = sockaddr_of(&a, 0, &l->names[l->count]);
    i->ai_addr = (struct sockaddr *)&l->names[l->count];
    i->ai_family = sockaddr_family(a.family);
    if (l->count++ > 0)
        i[-1].ai_next = i;
}

static void test_answers_are_sorted_out(void **state)
{
    (void)state;
    struct list l = {0};
    struct resolved r;
    char text[ADDRESS_TEXT];
    add(&l, "192.0.2.2");
    add(&l, "127.0.0.1");
    add(&l, "2001:db8::2");
    add(&l, "192.0.2.2");
    add(&l, "ff02::1");
    resolve_collect("gw", 0, l.items, &r);
    assert_int_equal(r.count, 2);
    assert_string_equal(address_print(&r.addresses[0], text), "192.0.2.2");
    assert_string_equal(address_print(&r.addresses[1], text), "2001:db8::2");
    assert_string_equal(r.left_out, "127.0.0.1 (this host itself), ff02::1 (a multicast address)");
    assert_string_equal(r.why, "");
    l = (struct list){0};
    add(&l, "127.0.0.1");
    resolve_collect("gw", 0, l.items, &r);
    assert_int_equal(r.count, 0);
    assert_has(r.why, "the name gw cannot be resolved: no peer can be where it leads to");
    assert_has(r.left_out, "127.0.0.1");
}

/* A name server may list as many as it likes. */
static void test_too_many(void **state)
{
    (void)state;
    struct list l = {0};
    struct resolved r;
    for (unsigned i = 0; i < LIST_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, i % 2 ? "192.0.2.%u" : "127.100.100.%u", 100 + i);
        add(&l, text);
    }
    resolve_collect("gw", 0, l.items, &r);
    assert_int_equal(r.count, RESOLVED_MAX);
    assert_true(strlen(r.left_out) < RESOLVE_TEXT);
    for (size_t i = 0; i < r.count; i++)
        assert_int_equal(r.addresses[i].bytes[0], 192);
}

static void test_errors_tell_the_remedy(void **state)
{
    (void)state;
    static const struct {
        int error;
        const char *why;
    } rows[] = {
        {UV_EAI_NONAME, "there is no such name"},
        {UV_EAI_NODATA, "there is no such name"},
        {UV_EAI_AGAIN, "no name server has answered: check /etc/resolv.conf"},
        {UV_EAI_FAIL, "cannot answer"},
        {UV_EAI_MEMORY, "memory"},
        {0, "there is no such name"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct resolved r;
        resolve_collect("gw.example.org", rows[i].error, NULL, &r);
        assert_int_equal(r.count, 0);
        assert_has(r.why, "the name gw.example.org cannot be resolved: ");
        assert_has(r.why, rows[i].why);
    }
}

/* --- with a loop; no name server is asked: numbers are names too for the resolver --- */

struct fixture {
    uv_loop_t loop;
    struct resolver resolver;
    unsigned answers;
    char name[64];
    struct resolved last;
};

static void on_answer(void *arg, const char *name, const struct resolved *found)
{
    struct fixture *f = arg;
    f->answers++;
    f->last = *found;
    snprintf(f->name, sizeof f->name, "%s", name);
}

static struct fixture *open_fixture(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->resolver = (struct resolver){.loop = &f->loop, .answer = on_answer, .arg = f};
    return f;
}

static void close_fixture(struct fixture *f)
{
    assert_null(f->resolver.running);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
}

static void test_one_answer_for_one_name(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    assert_int_equal(resolver_ask(&f->resolver, "192.0.2.2"), OK);
    assert_int_equal(resolver_ask(&f->resolver, "192.0.2.2"), OK);
    assert_int_equal(resolver_ask(&f->resolver, "192.0.2.2."), OK); /* the same */
    assert_int_equal(f->answers, 0);                                /* never from inside */
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->answers, 1);
    assert_string_equal(f->name, "192.0.2.2");
    assert_int_equal(f->last.count, 1);
    assert_int_equal(resolver_ask(&f->resolver, "127.0.0.1"), OK);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->answers, 2);
    assert_int_equal(f->last.count, 0);
    assert_true(resolver_close(&f->resolver));
    close_fixture(f);
}

/* At the end: nobody is told any more, whether it could be called off or not. */
static void test_closed_with_questions_under_way(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    for (unsigned i = 1; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "192.0.2.%u", i);
        assert_int_equal(resolver_ask(&f->resolver, name), OK);
    }
    (void)!resolver_close(&f->resolver);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->answers, 0);
    close_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_that_no_peer_has),
        cmocka_unit_test(test_answers_are_sorted_out),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_errors_tell_the_remedy),
        cmocka_unit_test(test_one_answer_for_one_name),
        cmocka_unit_test(test_closed_with_questions_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
