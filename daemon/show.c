/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/show.h"

#include <jansson.h>
#include <string.h>

#include "base/log.h"

enum { CELL = 160 };

const char *show_bytes(uint64_t bytes, char out[SHOW_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    snprintf(out, SHOW_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
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
    fprintf(out, " <-> %s [%s]\n", text_of(sa, "remote", a), text_of(sa, "remote_id", b));
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
    fputc('\n', out);
}

static void show_probes(const json_t *probes, FILE *out)
{
    size_t index;
    const json_t *probe;
    if (json_array_size(probes) > 0)
        fputc('\n', out);
    json_array_foreach(probes, index, probe) show_probe(probe, out);
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
static void show_offloads(const json_t *offloads, FILE *out)
{
    const char *key;
    json_t *value;
    bool any = false;
    json_object_foreach((json_t *)(uintptr_t)offloads, key, value)
    {
        char name[CELL];
        if (!json_is_false(value))
            continue;
        fprintf(out, "%s%s", any ? ", " : "offloads off: ", log_escape(name, sizeof name, key, strlen(key)));
        any = true;
    }
    if (any)
        fputs("\n\n", out);
}

/* Only where a connection has a level of its own: "log level info; branch debug". */
static void show_log_levels(const json_t *root, FILE *out)
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
    fputs("\n\n", out);
}

enum status show_status(const char *json, size_t len, FILE *out)
{
    char version[CELL], uptime[SHOW_TEXT];
    size_t index;
    const json_t *sa;
    json_t *root = json_loadb(json, len, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return ERR_MALFORMED;
    }
    const json_t *sas = json_object_get(root, "ike_sas");
    fprintf(out, "esptun %s, up %s\n\n", text_of(root, "version", version),
            show_seconds(number_of(root, "uptime_s"), uptime));
    show_offloads(json_object_get(root, "offloads"), out);
    show_log_levels(root, out);
    if (json_array_size(sas) == 0)
        fprintf(out, "no IKE SA: interesting traffic or `esptun up NAME` makes one\n");
    json_array_foreach(sas, index, sa) show_ike_sa(sa, out);
    show_probes(json_object_get(root, "probes"), out);
    show_rules(json_object_get(root, "rules"), out);
    show_drops(json_object_get(root, "drops"), out);
    json_decref(root);
    return OK;
}
