/* SPDX-License-Identifier: Apache-2.0 */
/* The SAs of a rule: a real SAD, and an IKE that the test plays. */
#include "daemon/explain.h"

#include "daemon_test.h"

enum { CHILDREN_MAX = 80 };

struct fixture {
    struct spd spd;
    struct random random;
    struct random_seeded seed;
    struct sad *sad;
    struct connection connection;
    struct child children[CHILDREN_MAX];
    const char *child_states[CHILDREN_MAX];
    size_t child_count;
    const char *sa_states[40];
    size_t sa_count;
    struct rule_counters rules[8];
    bool guard;
    uint8_t key[36];
    char *text;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    add_rule(&f->spd, ACTION_DISCARD, "any -> 10.9.0.0/16");
    add_rule(&f->spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    f->random = random_of_seed(&f->seed, 1);
    assert_int_equal(sad_new(f->spd.count, NULL, &f->random, &f->sad), OK);
    f->connection = (struct connection){.name = "branch", .remote = an_address("192.0.2.2")};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sad_free(f->sad);
    spd_free(&f->spd);
    free(f->text);
    free(f);
    return 0;
}

/* ike_visit of the test: `ike` is the fixture. */
static void visit(const struct ike *ike, const struct ike_visitor *visitor)
{
    const struct fixture *f = (const struct fixture *)(const void *)ike;
    static const struct proposal suite = {
        .encr = ENCR_AES_CBC, .key_bits = 256, .integ = INTEG_HMAC_SHA2_256_128, .prf = PRF_HMAC_SHA2_256, .group = 14};
    const struct ike_sa_info stranger = {.connection = 7, .state = "established"};
    visitor->sa(visitor->arg, &stranger);
    for (size_t i = 0; i < f->sa_count; i++) {
        const struct ike_sa_info sa = {
            .state = f->sa_states[i],
            .initiator = i == 0,
            .path = {{an_address("192.0.2.1"), 4500}, {an_address("192.0.2.2"), 4500}},
            .proposal = strcmp(f->sa_states[i], "connecting") != 0 ? &suite : NULL,
        };
        visitor->sa(visitor->arg, &sa);
    }
    for (size_t i = 0; i < f->child_count; i++) {
        const struct ike_child_info child = {.id = f->children[i].id,
                                             .rule = f->children[i].rule,
                                             .state = f->child_states[i],
                                             .child = &f->children[i]};
        visitor->child(visitor->arg, &child);
    }
}

/* SPIs: 0x1000 and 0x2000 on. */
static struct sa *add_child(struct fixture *f, const char *selector, const char *child_state, bool seals)
{
    struct spd one = {0};
    add_rule(&one, ACTION_BYPASS, selector);
    size_t n = f->child_count++;
    f->child_states[n] = child_state;
    f->children[n] = (struct child){
        .id = n + 1,
        .connection = "branch",
        .rule = 1,
        .spi_in = (uint32_t)(0x1000 + n),
        .spi_out = (uint32_t)(0x2000 + n),
        .suite = {.encr = ENCR_AES_GCM_16, .key_bits = 256},
        .udp = true,
        .path = {{an_address("192.0.2.1"), 4500}, {an_address("192.0.2.2"), 4501}},
        .selector = one.rules[0].selector,
        .key_in = {.data = f->key, .len = sizeof f->key},
        .key_out = {.data = f->key, .len = sizeof f->key},
        .replay_window = 64,
    };
    spd_free(&one);
    assert_int_equal(sad_add(f->sad, &f->children[n]), OK);
    if (seals)
        assert_int_equal(sad_activate(f->sad, n + 1), OK);
    return sad_by_child(f->sad, n + 1);
}

static const char *answer(struct fixture *f, const char *question)
{
    size_t len;
    struct explain_query query;
    char why[512] = "";
    if (explain_query_parse(bytes_of(question, strlen(question)), &query, why, sizeof why) != OK)
        fail_msg("'%s': %s", question, why);
    const struct explain_input input = {
        .spd = &f->spd,
        .connections = &f->connection,
        .guard = f->guard,
        .rules = f->rules,
        .sad = f->sad,
        .ike = (const struct ike *)(const void *)f,
        .visit = visit,
    };
    free(f->text);
    FILE *out = open_memstream(&f->text, &len);
    explain(&input, &query, out);
    assert_int_equal(fclose(out), 0);
    return f->text;
}

static const char whole[] = "10.1.0.0/24 -> 10.2.0.0/24", tcp[] = "tcp 10.1.0.0/24 -> 10.2.0.0/24";

static void test_what_the_first_packet_does(void **state)
{
    struct fixture *f = *state;
    const struct {
        enum start_action start;
        bool any_remote;
        const char *sa;
        const char *result;
    } rows[] = {
        {START_TRAP, false, NULL,
         "no SA: the first packet wakes phase 1, then phase 2 (start = trap), and waits in a "},
        {START_START, false, NULL, "no SA: the first packet wakes phase 1, then phase 2 (start = start), and waits"},
        {START_NONE, false, NULL, "no SA: start = none: only the peer can bring it up; the packet waits in a queue"},
        {START_TRAP, true, NULL, "no SA: remote = %any: only the peer can bring it up; the packet waits in a queue"},
        {START_TRAP, false, "connecting",
         "phase 1 is under way: the first packet wakes phase 2 behind it (start = trap)"},
        {START_TRAP, true, "connecting", "remote = %any: only the peer can bring it up"},
        {START_NONE, false, "connecting", "start = none: only the peer"},
        {START_TRAP, false, "established", "the first packet wakes phase 2 (start = trap) and waits in a queue"},
        {START_TRAP, true, "established", "the first packet wakes phase 2 (start = trap) and waits in a queue"},
        {START_NONE, false, "established", "start = none: only the peer can bring it up"},
        {START_TRAP, false, "deleting", "the first packet wakes phase 1, then phase 2"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        f->connection.start = rows[i].start;
        f->connection.remote = rows[i].any_remote ? (struct address){0} : an_address("192.0.2.2");
        f->sa_count = rows[i].sa != NULL;
        f->sa_states[0] = rows[i].sa;
        const char *text = answer(f, "10.1.0.5 10.2.0.5");
        assert_has(text, rows[i].result);
        assert_has(text, " queue of 64 packets for at most 5 s, then it is dropped (out_queue_expired)\n");
        assert_has(text, rows[i].sa != NULL ? "  IKE SA: " : "  no IKE SA\n");
        assert_has(text, "  no SA of this rule\n");
    }
}

static void test_an_sa_that_carries_the_packet(void **state)
{
    struct fixture *f = *state;
    f->sa_states[f->sa_count++] = "established";
    f->rules[1] = (struct rule_counters){12, 3456};
    f->rules[0] = (struct rule_counters){99, 99};
    (void)add_child(f, whole, "established", true);
    const char *text = answer(f, "udp 10.1.0.5 10.2.0.5:53");
    assert_has(text, "rule 2 (line 2) decides: protect\n  this rule has met 12 packets, 3456 bytes so far\n"
                     "connection branch\n"
                     "  IKE SA: established, initiator, 192.0.2.1:4500 <-> 192.0.2.2:4500, aes256-sha256-modp2048\n"
                     "  SA: SPIs 00001000 (in) 00002000 (out), established, aes256gcm16, ESP in UDP\n"
                     "      10.1.0.0/24 -> 10.2.0.0/24\n"
                     "      would carry the packet: the newest that may seal and whose selector matches\n"
                     "result: sealed with SPI 00002000, leaves as ESP in UDP to 192.0.2.2:4501\n");
    f->children[0].udp = false;
    sad_by_child(f->sad, 1)->udp = false;
    text = answer(f, "udp 10.1.0.5 10.2.0.5:53");
    assert_has(text, "aes256gcm16, ESP\n");
    assert_has(text, "result: sealed with SPI 00002000, leaves as ESP to 192.0.2.2\n");
}

static void assert_in_order(const char *text, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_has(text, parts[i]);
        text = strstr(text, parts[i]) + 1;
    }
}

static void test_why_other_sas_do_not(void **state)
{
    struct fixture *f = *state;
    (void)add_child(f, whole, "deleting", true);
    (void)add_child(f, "10.1.0.0/24 -> 10.2.0.7", "established", true);
    add_child(f, whole, "established", true)->dead = true;
    (void)add_child(f, whole, "established", true);
    (void)add_child(f, tcp, "established", true);
    (void)add_child(f, whole, "connecting", false);
    (void)add_child(f, whole, "established", true);
    sad_remove(f->sad, 7);
    const char *text = answer(f, "udp 10.1.0.5 10.2.0.5:53");
    static const char *const why[] = {
        "not this one: a newer one that may seal comes first\n",
        "not this one: destination 10.2.0.5 is not in 10.2.0.7/32\n",
        "not this one: its limit of bytes, packets or sequence numbers is reached\n",
        "would carry the packet: the newest that may seal and whose selector matches\n",
        "not this one: protocol is udp, not tcp\n",
        "not this one: it may not seal yet, phase 2 is not confirmed\n",
        "not this one: it is being removed\n",
    };
    assert_in_order(text, why, COUNT(why));
    assert_has(text, "result: sealed with SPI 00002003,");
}

static void test_an_sa_that_is_used_up(void **state)
{
    struct fixture *f = *state;
    add_child(f, whole, "established", true)->dead = true;
    add_child(f, whole, "connecting", false)->dead = true;
    assert_has(answer(f, "10.1.0.5 10.2.0.5"), "result: no SA: the first packet wakes phase 1");
    assert_has(answer(f, "10.2.0.5 10.1.0.5"), "result: no SA would admit it now");
}

/* What is told is what sad_outbound does. */
static void test_selectors_that_the_peer_has_narrowed(void **state)
{
    struct fixture *f = *state;
    (void)add_child(f, "10.1.0.0/24 -> 10.2.0.7", "established", true);
    assert_has(answer(f, "10.1.0.5 10.2.0.5"), "result: dropped (out_selector): the peer has narrowed the SAs");
    assert_has(answer(f, "10.1.0.5 10.2.0.7"), "result: sealed with SPI 00002000");
    /* even where a fitting one is on its way */
    (void)add_child(f, whole, "connecting", false);
    assert_has(answer(f, "10.1.0.5 10.2.0.5"), "result: dropped (out_selector)");
}

static void test_a_protocol_that_is_not_told(void **state)
{
    struct fixture *f = *state;
    (void)add_child(f, tcp, "established", true);
    const char *text = answer(f, "10.1.0.5 10.2.0.5");
    assert_has(text, "      would carry only tcp\n");
    assert_has(text,
               "result: depends on protocol and ports: what none of these SAs covers is dropped (out_selector)\n");
    assert_has(answer(f, "udp 10.1.0.5 10.2.0.5"), "result: dropped (out_selector)");
    assert_has(answer(f, "tcp 10.1.0.5 10.2.0.5"), "result: sealed with SPI 00002000");
    /* an older one that takes all, too */
    sad_remove(f->sad, 1);
    f->child_count = 0;
    (void)add_child(f, whole, "established", true);
    (void)add_child(f, tcp, "established", true);
    text = answer(f, "10.1.0.5 10.2.0.5");
    assert_has(text, "would carry the packet");
    assert_has(text, "would carry only tcp");
    assert_has(text, "result: unless an SA above covers it alone, sealed with SPI 00002000,");
    /* a newer one that takes all leaves it nothing */
    (void)add_child(f, whole, "established", true);
    text = answer(f, "10.1.0.5 10.2.0.5");
    if (strstr(text, "would carry only") != NULL)
        fail_msg("%s", text);
    assert_has(text, "result: sealed with SPI 00002002,");
}

static void test_an_sa_on_its_way(void **state)
{
    struct fixture *f = *state;
    f->sa_states[f->sa_count++] = "established";
    (void)add_child(f, whole, "connecting", false);
    assert_has(answer(f, "10.1.0.5 10.2.0.5"),
               "result: no SA: the packet waits for the SA that is being made in a queue of 64 packets");
}

static void test_inbound(void **state)
{
    struct fixture *f = *state;
    const char *text = answer(f, "tcp 10.2.0.5:80 10.1.0.5");
    assert_has(text, "result: no SA would admit it now;");
    (void)add_child(f, whole, "deleting", true);
    (void)add_child(f, "tcp 10.1.0.0/24 -> 10.2.0.0/24 port 443", "established", true);
    (void)add_child(f, whole, "connecting", false); /* opens before it seals */
    add_child(f, whole, "established", true)->dead = true;
    text = answer(f, "tcp 10.2.0.5:80 10.1.0.5");
    static const char *const why[] = {
        "would admit the packet\n",
        "would not admit it (in_selector): source port 80 is not 443\n",
        "would admit the packet\n",
        "would not admit it: its limit of bytes or packets is reached\n",
    };
    assert_in_order(text, why, COUNT(why));
    assert_has(text,
               "result: admitted when it arrives as ESP through an SA that is marked so above\nin clear: esptun does "
               "not see it");
    assert_has(answer(f, "10.2.0.5 10.1.0.5"), "would admit only tcp with source port 443\n");
    /* an SA of another rule takes what its own selector covers, and is not told when it does not */
    f->children[0].rule = 0;
    f->child_count = 1;
    text = answer(f, "tcp 10.2.0.5:80 10.1.0.5");
    assert_has(text, "ESP in UDP, of another rule\n");
    assert_has(text, "result: admitted");
    f->children[0].selector.protocol = 17;
    text = answer(f, "tcp 10.2.0.5:80 10.1.0.5");
    assert_has(text, "  no SA of this rule\nresult: no SA would admit it now");
}

static void test_an_answer_is_bounded(void **state)
{
    struct fixture *f = *state;
    while (f->sa_count < 40)
        f->sa_states[f->sa_count++] = "established";
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        (void)add_child(f, whole, "established", true);
    const char *text = answer(f, "10.1.0.5 10.2.0.5");
    size_t sas = 0, children = 0;
    for (const char *at = text; (at = strstr(at, "  IKE SA: ")) != NULL; at++)
        sas++;
    for (const char *at = text; (at = strstr(at, "  SA: SPIs ")) != NULL; at++)
        children++;
    assert_int_equal(sas, EXPLAIN_SAS_SHOWN);
    assert_int_equal(children, EXPLAIN_CHILDREN_SHOWN + 1); /* the one that carries the packet is told */
    assert_has(text, "  (24 more IKE SAs)\n");
    assert_has(text, "  (80 such SAs in all)\n");
    assert_has(text, "result: sealed with SPI 0000204f,");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_the_first_packet_does),
        TEST(test_an_sa_that_carries_the_packet),
        TEST(test_why_other_sas_do_not),
        TEST(test_an_sa_that_is_used_up),
        TEST(test_selectors_that_the_peer_has_narrowed),
        TEST(test_a_protocol_that_is_not_told),
        TEST(test_an_sa_on_its_way),
        TEST(test_inbound),
        TEST(test_an_answer_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
