/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

#include "daemon/tunnel_probe.h"
#include "daemon_test.h"

/* A name that the format has to escape. */
static const struct connection connections[] = {{.name = "branch", .probe = {.family = 4}}, {.name = "a\"b\\c"}};
static const struct tunnel_probe probes[] = {
    {.state = PROBE_UP, .sent = 9, .answered = 8, .lost = 1, .rtt_us = 1234567}, {.state = PROBE_UNKNOWN}};
static struct drops drops;
static uint64_t ike_drops[IKE_DROP_COUNT];

struct fixture {
    struct spd spd;
    struct rule_counters *rules;
    struct random random;
    struct random_seeded seed;
    struct sad *sad;
    struct child child;
    uint8_t key[36];
    struct status_input status;
    struct metrics_connection how[2];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    add_rule(&f->spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    add_rule(&f->spd, ACTION_DISCARD, "tcp 10.0.0.0/8 -> 10.9.0.9 port 443");
    f->rules = calloc(METRICS_RULES_MAX + 1, sizeof *f->rules);
    assert_non_null(f->rules);
    f->random = random_of_seed(&f->seed, 1);
    assert_int_equal(sad_new(METRICS_RULES_MAX + 1, NULL, &f->random, &f->sad), OK);
    f->child = (struct child){
        .id = 5,
        .connection = "branch",
        .spi_in = 0xab,
        .spi_out = 0xfedcba98,
        .suite = {.encr = ENCR_AES_GCM_16, .key_bits = 256},
        .selector = f->spd.rules[0].selector,
        .key_in = {.data = f->key, .len = sizeof f->key},
        .key_out = {.data = f->key, .len = sizeof f->key},
        .replay_window = 64,
    };
    assert_int_equal(sad_add(f->sad, &f->child), OK);
    f->how[0] = (struct metrics_connection){.required = true, .healthy = true, .rules = 1, .rules_up = 1};
    f->status = (struct status_input){.version = "1.2.3",
                                      .now_ms = 100500,
                                      .started_ms = 500,
                                      .connections = connections,
                                      .connection_count = COUNT(connections),
                                      .probes = probes,
                                      .spd = &f->spd,
                                      .sad = f->sad,
                                      .drops = &drops,
                                      .rules = f->rules,
                                      .ike_drops = ike_drops,
                                      .workers = 2};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sad_free(f->sad);
    spd_free(&f->spd);
    free(f->rules);
    free(f);
    return 0;
}

/* The engine of the test: `ike` is the fixture. One SA is up, with a child; another is being made. */
static void visit(const struct ike *ike, const struct ike_visitor *visitor)
{
    const struct fixture *f = (const struct fixture *)(const void *)ike;
    static const struct identity id = {.type = ID_FQDN, .len = 7, .data = "a\"b\n\\cd"};
    struct ike_sa_info sa = {.state = "established",
                             .version = 1,
                             .spi_i = 1,
                             .spi_r = 2,
                             .path = {{an_address("192.0.2.1"), 4500}, {an_address("2001:db8::2"), 500}},
                             .remote_id = &id,
                             .established_ms = 90500};
    const struct ike_child_info child = {
        .id = 5, .state = "rekeying", .child = &f->child, .established_ms = 95500, .rekey_at_ms = DEADLINE_NEVER};
    visitor->sa(visitor->arg, &sa);
    visitor->child(visitor->arg, &child);
    sa.state = "connecting";
    sa.remote_id = NULL;
    sa.connection = 1;
    visitor->sa(visitor->arg, &sa);
}

static char *page_of(struct fixture *f)
{
    size_t len;
    const struct metrics_input input = {
        .status = &f->status, .connections = f->how, .visit = visit, .ike = (const struct ike *)(const void *)f};
    char *text = metrics_text(&input, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
}

static void what_monitoring_reads(void **state)
{
    struct fixture *f = *state;
    struct sa *pair = sad_by_child(f->sad, 5);
    pair->in = (struct sa_counters){.packets = 1, .bytes = 2, .replay = 3, .auth_failed = 4};
    pair->out = (struct sa_counters){.packets = 5, .bytes = 6};
    f->rules[1] = (struct rule_counters){3, UINT64_MAX};
    drops.count[DROP_OUT_NO_RULE] = 7;
    ike_drops[IKE_DROP_REPLAY] = 9;
    char *text = page_of(f);
    static const char *const lines[] = {
        "\nipsec_up 1\n",
        "\nipsec_build_info{version=\"1.2.3\"} 1\n",
        "\nipsec_uptime_seconds 100\n",
        "\nipsec_workers 2\n",
        "\nipsec_ike_sas{connection=\"branch\"} 1\n",
        "\nipsec_ike_sas{connection=\"a\\\"b\\\\c\"} 0\n",
        "\nipsec_connection_up{connection=\"branch\"} 1\n",
        "\nipsec_connection_up{connection=\"a\\\"b\\\\c\"} 0\n",
        "\nipsec_connection_required{connection=\"branch\"} 1\n",
        "\nipsec_probe_up{connection=\"branch\"} 1\n",
        "\nipsec_probe_lost{connection=\"branch\"} 1\n",
        "\nipsec_probe_sent_total{connection=\"branch\"} 9\n",
        "\nipsec_probe_answered_total{connection=\"branch\"} 8\n",
        "\nipsec_probe_rtt_seconds{connection=\"branch\"} 1.234567\n",
        "\nipsec_connection_healthy{connection=\"branch\"} 1\n",
        "\nipsec_connection_healthy{connection=\"a\\\"b\\\\c\"} 0\n",
        "\nipsec_ike_sa_state{connection=\"branch\",local=\"192.0.2.1:4500\",remote=\"[2001:db8::2]:500\",remote_id=\"",
        ",cookies=\"00000000000000010000000000000002\"} 1\n",
        ",remote_id=\"\",cookies=\"00000000000000010000000000000002\"} 0\n",
        "\nipsec_child_sa_state{connection=\"",
        ",local_ts=\"10.1.0.0/24\",remote_ts=\"10.2.0.0/24\",spi_in=\"000000ab\"} 1\n",
        "\nipsec_rule_packets_total{rule=\"",
        "\",number=\"2\",action=\"discard\"} 3\n",
        "\",number=\"2\",action=\"discard\"} 18446744073709551615\n",
        "\nipsec_drops_total{reason=\"out_no_rule\"} 7\n",
        "\nipsec_drops_total{reason=\"ike_replay\"} 9\n",
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_has(text, lines[i]);
    static const struct {
        const char *name, *value;
    } of_child[] = {{"packets_in", "1"}, {"bytes_in", "2"},      {"packets_out", "5"}, {"bytes_out", "6"},
                    {"replays", "3"},    {"auth_failures", "4"}, {"malformed", "0"},   {"established_seconds", "5"}};
    for (size_t i = 0; i < COUNT(of_child); i++) {
        char head[64], tail[64];
        snprintf(head, sizeof head, "\nipsec_child_sa_%s{", of_child[i].name);
        snprintf(tail, sizeof tail, "spi_in=\"000000ab\"} %s\n", of_child[i].value);
        assert_has(text, head);
        assert_has(strstr(text, head), tail);
    }
    assert_null(strstr(text, "ipsec_child_sa_rekey_seconds{")); /* the peer renews it */
    free(text);
}

/* Each line is a comment, or a sample of the metric that was described last: nothing of a peer breaks out of its line.
 */
static void every_sample_stands_with_its_kind(void **state)
{
    struct fixture *f = *state;
    char *text = page_of(f), *rest = text, name[128] = "";
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        size_t len = strlen(name);
        if (sscanf(line, "# TYPE %127s", name) == 1 || strncmp(line, "# HELP ", 7) == 0)
            continue;
        assert_memory_equal(line, name, len);
        assert_true(line[len] == '{' || line[len] == ' ');
    }
    free(text);
}

/* doc/metrics.md has a row for each, and no other. */
static void every_metric_stands_on_the_page(void **state)
{
    char *text = page_of(*state), *page = read_page("doc/metrics.md");
    unsigned rows = 0, metrics = 0;
    for (const char *at = page; (at = strstr(at, "\n| `ipsec_")) != NULL; at++)
        rows++;
    for (const char *at = text; (at = strstr(at, "# TYPE ")) != NULL; at++) {
        char name[96], row[128];
        assert_int_equal(sscanf(at, "# TYPE %95s", name), 1);
        snprintf(row, sizeof row, "\n| `%s` |", name);
        if (strstr(page, row) == NULL)
            fail_msg("doc/metrics.md has no row for %s", name);
        metrics++;
    }
    assert_int_equal(rows, metrics);
    free(page);
    free(text);
}

static void many_rules_are_counted_only(void **state)
{
    struct fixture *f = *state;
    for (size_t i = f->spd.count; i < METRICS_RULES_MAX; i++)
        add_rule(&f->spd, ACTION_DISCARD, "10.0.0.0/8 -> 10.9.0.9");
    char *text = page_of(f);
    assert_has(text, "number=\"1000\"");
    free(text);
    add_rule(&f->spd, ACTION_DISCARD, "10.0.0.0/8 -> 10.9.0.9");
    text = page_of(f);
    assert_null(strstr(text, "number=\""));
    assert_has(text, "\nipsec_rules 1001\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_monitoring_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(every_sample_stands_with_its_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(every_metric_stands_on_the_page, setup, teardown),
        cmocka_unit_test_setup_teardown(many_rules_are_counted_only, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
