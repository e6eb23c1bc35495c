/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/show.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/table.h"

enum { CELL = TABLE_CELL, SHOW_PROBLEM = 2048 };

const char *show_bytes(uint64_t bytes, char out[SHOW_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    snprintf(out, SHOW_TEXT, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *show_seconds(uint64_t seconds, char out[SHOW_TEXT])
{
    unsigned long long s = seconds;
    if (s < 60)
        snprintf(out, SHOW_TEXT, "%llus", s);
    else if (s < 3600)
        snprintf(out, SHOW_TEXT, "%llum %llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, SHOW_TEXT, "%lluh %llum", s / 3600, s % 3600 / 60);
    else
        snprintf(out, SHOW_TEXT, "%llud %lluh", s / 86400, s % 86400 / 3600);
    return out;
}

/* A member as text. Identities are the peer's words: escaped again, since JSON has undone what the daemon did. */
static const char *text_of(const json_t *object, const char *key, char out[CELL])
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value))
        return log_escape(out, CELL, json_string_value(value), json_string_length(value));
    if (json_is_integer(value))
        snprintf(out, CELL, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
    else
        snprintf(out, CELL, "-");
    return out;
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static bool has_number(const json_t *object, const char *key)
{
    return json_is_integer(json_object_get(object, key));
}

/* Selectors come as one text or as a list of texts. */
static const char *selectors_of(const json_t *child, const char *key, char out[CELL])
{
    const json_t *value = json_object_get(child, key);
    size_t used = 0;
    if (!json_is_array(value))
        return text_of(child, key, out);
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(value) && used + 64 < CELL; i++) {
        char one[CELL];
        const json_t *text = json_array_get(value, i);
        log_escape(one, 64, json_is_string(text) ? json_string_value(text) : "-",
                   json_is_string(text) ? json_string_length(text) : 1);
        used += (size_t)snprintf(out + used, CELL - used, "%s%s", i > 0 ? ", " : "", one);
    }
    return out;
}

static void show_times(const json_t *sa, FILE *out)
{
    char text[SHOW_TEXT];
    if (has_number(sa, "established_s"))
        fprintf(out, ", up %s", show_seconds(number_of(sa, "established_s"), text));
    if (has_number(sa, "rekey_in_s"))
        fprintf(out, ", rekey in %s", show_seconds(number_of(sa, "rekey_in_s"), text));
    fputc('\n', out);
}

/* The drops of this child, apart from its traffic: "replay 3, auth_failed 1". */
static void show_refused(const json_t *in, FILE *out)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)in, key, value)
    {
        char name[CELL];
        if (strcmp(key, "packets") != 0 && strcmp(key, "bytes") != 0 && json_integer_value(value) > 0)
            fprintf(out, ", %s %lld", log_escape(name, sizeof name, key, strlen(key)),
                    (long long)json_integer_value(value));
    }
}

static void show_traffic(const json_t *child, const char *direction, FILE *out)
{
    char spi[CELL], bytes[SHOW_TEXT];
    const json_t *counters = json_object_get(child, direction);
    bool in = strcmp(direction, "in") == 0;
    fprintf(out, "      %-3s %s  %10llu packets  %10s", direction, text_of(child, in ? "spi_in" : "spi_out", spi),
            (unsigned long long)number_of(counters, "packets"), show_bytes(number_of(counters, "bytes"), bytes));
    if (in)
        show_refused(counters, out);
    fputc('\n', out);
}

static void show_child(const json_t *child, FILE *out)
{
    char state[CELL], proposal[CELL], encap[CELL], local[CELL], remote[CELL], esn[CELL];
    fprintf(out, "    %s -> %s\n", selectors_of(child, "local_ts", local), selectors_of(child, "remote_ts", remote));
    fprintf(out, "      %s, %s, encap %s, esn %s", text_of(child, "state", state), text_of(child, "proposal", proposal),
            text_of(child, "encap", encap), text_of(child, "esn", esn));
    if (has_number(child, "mtu"))
        fprintf(out, ", inner MTU %llu, path MTU %llu", (unsigned long long)number_of(child, "mtu"),
                (unsigned long long)number_of(child, "path_mtu"));
    show_times(child, out);
    show_traffic(child, "in", out);
    show_traffic(child, "out", out);
}

static void show_ike_sa(const json_t *sa, FILE *out)
{
    char name[CELL], version[CELL], state[CELL], proposal[CELL], a[CELL], b[CELL], nat[CELL];
    size_t index;
    const json_t *child;
    fprintf(out, "%s: IKEv%s %s", text_of(sa, "connection", name), text_of(sa, "ike_version", version),
            text_of(sa, "state", state));
    fprintf(out, ", %s", json_is_true(json_object_get(sa, "initiator")) ? "initiator" : "responder");
    show_times(sa, out);
    fprintf(out, "  %s [%s]", text_of(sa, "local", a), text_of(sa, "local_id", b));
    fprintf(out, " <-> %s [%s]", text_of(sa, "remote", a), text_of(sa, "remote_id", b));
    if (json_is_string(json_object_get(sa, "remote_name")))
        fprintf(out, ", %s", text_of(sa, "remote_name", a));
    fputc('\n', out);
    if (json_is_string(json_object_get(sa, "user")))
        fprintf(out, "  user %s\n", text_of(sa, "user", a));
    if (json_is_string(json_object_get(sa, "virtual_ip")))
        fprintf(out, "  virtual address %s\n", text_of(sa, "virtual_ip", a));
    fprintf(out, "  %s, nat %s\n", text_of(sa, "proposal", proposal), text_of(sa, "nat", nat));
    json_array_foreach(json_object_get(sa, "children"), index, child) show_child(child, out);
}

/* "probe branch: 10.2.0.1 from 10.1.0.1, up, 1.2 ms, 12 of 12 answered, last answer 3s ago". */
static void show_probe(const json_t *probe, FILE *out)
{
    char name[CELL], to[CELL], from[CELL], state[CELL], ago[SHOW_TEXT];
    bool homeless = !json_is_string(json_object_get(probe, "source"));
    fprintf(out, "probe %s: %s from %s, %s", text_of(probe, "connection", name), text_of(probe, "address", to),
            homeless ? "no address of this host: probe_source is missing" : text_of(probe, "source", from),
            text_of(probe, "state", state));
    if (json_is_real(json_object_get(probe, "rtt_ms")))
        fprintf(out, ", %.1f ms", json_real_value(json_object_get(probe, "rtt_ms")));
    fprintf(out, ", %llu of %llu answered", (unsigned long long)number_of(probe, "answered"),
            (unsigned long long)number_of(probe, "sent"));
    if (number_of(probe, "lost") > 0)
        fprintf(out, ", %llu lost in a row", (unsigned long long)number_of(probe, "lost"));
    if (has_number(probe, "answered_s"))
        fprintf(out, ", last answer %s ago", show_seconds(number_of(probe, "answered_s"), ago));
}

static void show_rules(const json_t *rules, FILE *out)
{
    size_t index;
    const json_t *rule;
    if (json_array_size(rules) > 0)
        fprintf(out, "\n%10s  %10s  rule\n", "packets", "bytes");
    json_array_foreach(rules, index, rule)
    {
        char text[CELL], action[CELL], bytes[SHOW_TEXT];
        text_of(rule, "rule", text);
        text_of(rule, "action", action);
        bool named = strncmp(text, action, strlen(action)) == 0;
        fprintf(out, "%10llu  %10s  %s%s%s\n", (unsigned long long)number_of(rule, "packets"),
                show_bytes(number_of(rule, "bytes"), bytes), named ? "" : action, named ? "" : " ", text);
    }
}

static void show_drops(const json_t *drops, FILE *out)
{
    const char *key;
    json_t *value;
    bool any = false;
    json_object_foreach((json_t *)(uintptr_t)drops, key, value)
    {
        char name[CELL];
        if (json_integer_value(value) <= 0)
            continue;
        fprintf(out, "%s%10lld  %s\n", any ? "" : "\n   dropped  reason\n", (long long)json_integer_value(value),
                log_escape(name, sizeof name, key, strlen(key)));
        any = true;
    }
}

/* Only where something is off: "offloads off: tun, udp_gso". */
static void offloads_off(const json_t *root, FILE *out)
{
    const char *key, *before = "offloads off: ";
    json_t *value;
    json_object_foreach(json_object_get(root, "offloads"), key, value)
    {
        char name[CELL];
        if (!json_is_false(value))
            continue;
        fprintf(out, "%s%s", before, log_escape(name, sizeof name, key, strlen(key)));
        before = ", ";
    }
}

/* Only where a connection has a level of its own: "log level info; branch debug". */
static void log_levels(const json_t *root, FILE *out)
{
    const char *key;
    json_t *levels = json_object_get(root, "log_levels");
    json_t *value;
    char all[CELL];
    if (json_object_size(levels) == 0)
        return;
    fprintf(out, "log level %s", text_of(root, "log_level", all));
    json_object_foreach(levels, key, value)
    {
        char name[CELL], level[CELL];
        fprintf(out, "; %s %s", log_escape(name, sizeof name, key, strlen(key)), text_of(levels, key, level));
    }
}

/* In one paragraph: "dropped: 3 in_replay, 1 out_no_rule". */
static void drops_in_short(const json_t *root, FILE *out)
{
    const char *key, *before = "dropped: ";
    json_t *value;
    json_object_foreach(json_object_get(root, "drops"), key, value)
    {
        char name[CELL];
        if (json_integer_value(value) <= 0)
            continue;
        fprintf(out, "%s%lld %s", before, (long long)json_integer_value(value),
                log_escape(name, sizeof name, key, strlen(key)));
        before = ", ";
    }
}

static void nothing_is_up(const json_t *root, FILE *out)
{
    if (json_array_size(json_object_get(root, "ike_sas")) == 0)
        fputs("no IKE SA: interesting traffic or `esptun up NAME` makes one", out);
}

static void print_escaped(const json_t *value, FILE *out)
{
    char text[SHOW_PROBLEM];
    const char *said = json_string_value(value) != NULL ? json_string_value(value) : "-";
    fputs(log_escape(text, sizeof text, said, strlen(said)), out);
}

/* "branch is gw.example.org, at 192.0.2.1, 2001:db8::1", and what is wrong with it. */
static void name_in_short(const json_t *name, FILE *out)
{
    size_t index;
    const json_t *address, *addresses = json_object_get(name, "addresses");
    const json_t *problem = json_object_get(name, "problem");
    print_escaped(json_object_get(name, "connection"), out);
    fputs(" is ", out);
    print_escaped(json_object_get(name, "name"), out);
    fputs(json_array_size(addresses) == 0 ? ", of which no address is known" : ", at ", out);
    json_array_foreach(addresses, index, address)
    {
        fputs(index > 0 ? ", " : "", out);
        print_escaped(address, out);
    }
    if (json_is_string(problem)) {
        fputs(": ", out);
        print_escaped(problem, out);
    }
}

static void show_title(const json_t *root, FILE *out)
{
    char version[CELL], uptime[SHOW_TEXT];
    fprintf(out, "esptun %s, up %s", text_of(root, "version", version),
            show_seconds(number_of(root, "uptime_s"), uptime));
}

/* Nothing when the writer writes nothing, else its text in lines of that width between `before` and `after`. */
static void paragraph(void (*writer)(const json_t *root, FILE *out), const json_t *root, size_t width,
                      const char *before, const char *after, FILE *out)
{
    char *text = NULL;
    size_t len = 0;
    FILE *line = open_memstream(&text, &len);
    if (line == NULL || (writer(root, line), fclose(line)) != 0 || text == NULL) {
        fputs("(out of memory)\n", out);
    } else if (len > 0) {
        fputs(before, out);
        text_wrap(text, 2, width, out);
        fputs(after, out);
    }
    free(text);
}

static void show_names(const json_t *names, size_t width, FILE *out)
{
    size_t index;
    const json_t *name;
    json_array_foreach(names, index, name) paragraph(name_in_short, name, width, "", "\n", out);
}

static void show_probes(const json_t *probes, size_t width, FILE *out)
{
    size_t index;
    const json_t *probe;
    json_array_foreach(probes, index, probe) paragraph(show_probe, probe, width, "", "\n", out);
}

static void show_details(const json_t *root, FILE *out)
{
    size_t index;
    const json_t *sa;
    json_array_foreach(json_object_get(root, "ike_sas"), index, sa) show_ike_sa(sa, out);
    show_rules(json_object_get(root, "rules"), out);
    show_drops(json_object_get(root, "drops"), out);
}

/* The ports of IKE go without saying: "192.0.2.1:4500" is 192.0.2.1, but "192.0.2.1:1024" says all. */
static const char *peer_of(const json_t *sa, char out[CELL])
{
    text_of(sa, "remote", out);
    char *port = strrchr(out, ':');
    if (port == NULL || (strcmp(port, ":500") != 0 && strcmp(port, ":4500") != 0))
        return out;
    bool bracket = port > out && port[-1] == ']' && out[0] == '[';
    if (!bracket && strchr(out, ':') != port)
        return out; /* an IPv6 address whose end looks like a port */
    *(bracket ? port - 1 : port) = '\0';
    if (bracket)
        memmove(out, out + 1, strlen(out));
    return out;
}

static const char *bytes_or_none(const json_t *child, const char *way, char out[SHOW_TEXT])
{
    const json_t *counters = json_object_get(child, way);
    return has_number(counters, "bytes") ? show_bytes(number_of(counters, "bytes"), out) : "-";
}

static const char *seconds_or_none(const json_t *object, const char *key, char out[SHOW_TEXT])
{
    return has_number(object, key) ? show_seconds(number_of(object, key), out) : "-";
}

/* child: NULL for an IKE SA that has none, whose own state and times it shows then. */
static void add_pair(struct table *table, const json_t *sa, const json_t *child)
{
    char name[CELL], state[CELL], peer[CELL], local[CELL], remote[CELL], covers[2 * CELL + 8] = "-";
    char in[SHOW_TEXT], out[SHOW_TEXT], up[SHOW_TEXT], renewal[SHOW_TEXT];
    const json_t *timed = child != NULL ? child : sa;
    if (child != NULL)
        snprintf(covers, sizeof covers, "%s -> %s", selectors_of(child, "local_ts", local),
                 selectors_of(child, "remote_ts", remote));
    const char *const cells[] = {
        text_of(sa, "connection", name),
        text_of(timed, "state", state),
        peer_of(sa, peer),
        bytes_or_none(child, "in", in),
        bytes_or_none(child, "out", out),
        seconds_or_none(timed, "established_s", up),
        seconds_or_none(timed, "rekey_in_s", renewal),
        covers,
    };
    table_add(table, cells);
}

static void add_ike_sa(struct table *table, const json_t *sa)
{
    size_t index;
    const json_t *child, *children = json_object_get(sa, "children");
    if (json_array_size(children) == 0)
        add_pair(table, sa, NULL);
    json_array_foreach(children, index, child) add_pair(table, sa, child);
}

static void print_table(struct table *table, size_t width, FILE *out)
{
    if (table != NULL)
        table_print(table, width, out);
    if (table == NULL || !table_whole(table))
        fputs("(out of memory)\n", out);
    table_free(table);
}

static void show_pairs(const json_t *sas, size_t width, FILE *out)
{
    static const struct table_column columns[] = {
        {"CONNECTION", .least = 8},
        {"STATE", .room = 11, .least = 11},
        {"PEER", .least = 15},
        {"IN", .right = true, .room = 8, .leaves = 1},
        {"OUT", .right = true, .room = 8, .leaves = 1},
        {"UP", .right = true, .room = 7, .leaves = 3},
        {"RENEWAL", .right = true, .leaves = 2},
        {"COVERS", .least = 26, .leaves = 4},
    };
    size_t index;
    const json_t *sa;
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    if (json_array_size(sas) == 0) {
        table_free(table);
        return;
    }
    json_array_foreach(sas, index, sa)
    {
        if (table != NULL)
            add_ike_sa(table, sa);
    }
    print_table(table, width, out);
}

static bool has_been_used(const json_t *rules)
{
    size_t index;
    const json_t *rule;
    json_array_foreach(rules, index, rule)
    {
        if (number_of(rule, "packets") > 0)
            return true;
    }
    return false;
}

static void show_used_rules(const json_t *rules, size_t width, FILE *out)
{
    static const struct table_column columns[] = {
        {"PACKETS", .right = true, .room = 10},
        {"BYTES", .right = true, .room = 8, .leaves = 1},
        {"RULE", .least = 15},
    };
    size_t index;
    const json_t *rule;
    if (!has_been_used(rules))
        return;
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    json_array_foreach(rules, index, rule)
    {
        char packets[CELL], bytes[SHOW_TEXT], text[CELL];
        const char *const cells[] = {text_of(rule, "packets", packets), show_bytes(number_of(rule, "bytes"), bytes),
                                     text_of(rule, "rule", text)};
        if (table != NULL && number_of(rule, "packets") > 0)
            table_add(table, cells);
    }
    fputc('\n', out);
    print_table(table, width, out);
}

static void show_table(const json_t *root, size_t width, FILE *out)
{
    show_pairs(json_object_get(root, "ike_sas"), width, out);
    show_used_rules(json_object_get(root, "rules"), width, out);
    paragraph(drops_in_short, root, width, "\n", "", out);
}

enum status show_status(const char *json, size_t len, size_t width, bool details, FILE *out)
{
    json_t *root = json_loadb(json, len, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return ERR_MALFORMED;
    }
    width = width < WIDTH_LEAST ? WIDTH_LEAST : width;
    paragraph(show_title, root, width, "", "\n", out);
    paragraph(offloads_off, root, width, "", "\n", out);
    paragraph(log_levels, root, width, "", "\n", out);
    show_names(json_object_get(root, "names"), width, out);
    show_probes(json_object_get(root, "probes"), width, out);
    paragraph(nothing_is_up, root, width, "", "", out);
    if (details)
        show_details(root, out);
    else
        show_table(root, width, out);
    json_decref(root);
    return OK;
}
