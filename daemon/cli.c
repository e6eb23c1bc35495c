/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/cli.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <uv.h>

#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/suites.h"
#include "daemon/client.h"
#include "daemon/config.h"
#include "daemon/config_explain.h"
#include "daemon/event.h"
#include "daemon/explain.h"
#include "daemon/gateway.h"
#include "daemon/passwd.h"
#include "daemon/privilege.h"
#include "daemon/show.h"
#include "daemon/stamp.h"
#include "daemon/status_watch.h"
#include "daemon/table.h"

#ifndef ESPTUN_VERSION
#define ESPTUN_VERSION "unknown"
#endif

static const char usage[] =
    "usage: esptun run|check|status|up|down|rekey|reload|explain|log|monitor|genpsk|passwd [options]; "
    "esptun --help tells more\n";

static const char help[] =
    "esptun: an IPsec VPN gateway in one userspace process\n"
    "\n"
    "  esptun run [-c FILE]           run in the foreground, log to stderr; SIGTERM ends it, SIGHUP reloads\n"
    "  esptun check [-c FILE]         read the configuration, print the effective policy\n"
    "  esptun check --explain [-c FILE]\n"
    "                                 the same in plain words, and what the other end must be set to\n"
    "  esptun status                  a line for each pair of SAs, rules in use, drops by reason\n"
    "  esptun status --verbose|--json everything about them, for people (-v) or for programs\n"
    "  esptun status --watch[=SECONDS]\n"
    "                                 the same again and again, with rates, until Ctrl-C\n"
    "  esptun up NAME                 bring a connection up, wait for the result\n"
    "  esptun down NAME               end a connection\n"
    "  esptun rekey NAME              renew the keys of a connection\n"
    "  esptun reload                  read the configuration again; tunnels that are the same in it go on\n"
    "  esptun explain " EXPLAIN_SYNTAX "\n"
    "                                 which rule and which SA a packet would meet, and why; e.g.\n"
    "                                 esptun explain tcp 10.1.0.5 10.3.0.9:443, or [2001:db8::1]:443\n"
    "  esptun log LEVEL [NAME]        log more or less until the daemon ends, of a connection or of everything:\n"
    "                                 error, warning, info or debug\n"
    "  esptun monitor [--json]        what happens to tunnels, as it happens, a line each, until the daemon ends\n"
    "  esptun genpsk                  print a fresh 256-bit pre-shared key\n"
    "  esptun passwd USER             ask for a password, print USER and its hash: a line of `users`\n"
    "  esptun --help, --version\n"
    "\n"
    "  -c, --config FILE    configuration, default " CONFIG_PATH_DEFAULT "\n"
    "  -s, --socket SOCKET  control socket of status, up, down, rekey, reload, explain, log, monitor; default: the "
    "key\n"
    "                       control of the configuration, else " CONFIG_CONTROL_DEFAULT "\n"
    "\n"
    "Exit code: 0 done, 1 failed (the reason is on stderr), 2 wrong arguments.\n";

static int fail(FILE *err, const char *text)
{
    fprintf(err, "esptun: %s\n", text);
    return EXIT_FAILED;
}

static const char *config_path(const struct cli *cli)
{
    return cli->config != NULL ? cli->config : CONFIG_PATH_DEFAULT;
}

/* Loads the configuration and hands it to act, which may take it over and leave NULL. */
static int with_config(const struct cli *cli, FILE *out, FILE *err,
                       int (*act)(const struct cli *, struct config **, const struct config_errors *, struct vault *,
                                  FILE *, FILE *))
{
    struct config *config = NULL;
    struct config_errors errors = {0};
    int code = EXIT_FAILED;
    (void)privilege_no_core_files();
    struct vault *vault = vault_new();
    if (vault == NULL)
        return fail(err, "no memory for secrets: raise the limit of locked memory (ulimit -l)");
    if (config_load(config_path(cli), vault, &config, &errors) == OK)
        code = act(cli, &config, &errors, vault, out, err);
    else
        config_errors_print(&errors, err);
    config_errors_free(&errors);
    config_free(config);
    vault_free(vault);
    return code;
}

static int act_check(const struct cli *cli, struct config **config, const struct config_errors *errors,
                     struct vault *vault, FILE *out, FILE *err)
{
    (void)vault;
    if (cli->explain)
        return config_explain(*config, errors, out) == OK ? EXIT_OK : fail(err, "no memory");
    config_errors_print(errors, err);
    config_print(*config, out);
    return EXIT_OK;
}

static int act_run(const struct cli *cli, struct config **config, const struct config_errors *errors,
                   struct vault *vault, FILE *out, FILE *err)
{
    (void)cli;
    (void)out;
    const bool json = (*config)->gateway.log_format == LOG_JSON;
    struct log log = {.level = (*config)->gateway.log_level,
                      .sink = json ? stamp_json_sink : stamp_sink,
                      .about = json ? stamp_json_about : NULL,
                      .arg = err};
    struct config *taken = *config;
    config_errors_log(errors, &log);
    *config = NULL;
    return gateway_run(taken, vault, &log);
}

/* The rules are known without a daemon, the SAs are not. */
static int act_explain(const struct cli *cli, struct config **config, const struct config_errors *errors,
                       struct vault *vault, FILE *out, FILE *err)
{
    (void)errors;
    (void)vault;
    (void)err;
    const struct explain_input input = {
        .spd = &(*config)->spd, .connections = (*config)->connections, .guard = (*config)->gateway.guard};
    fprintf(out, "esptun is not running, so SAs are unknown; this is told from %s alone\n", config_path(cli));
    explain(&input, &cli->query, out);
    return EXIT_OK;
}

/* The socket to talk to; false when the named configuration cannot be read. */
static bool find_socket(const struct cli *cli, char path[CONFIG_CONTROL_MAX], FILE *err)
{
    if (cli->socket != NULL) {
        int len = snprintf(path, CONFIG_CONTROL_MAX, "%s", cli->socket);
        if (len >= 0 && len < CONFIG_CONTROL_MAX)
            return true;
        fprintf(err, "esptun: the path of a socket has at most %d bytes\n", CONFIG_CONTROL_MAX - 1);
        return false;
    }
    if (config_control_path(config_path(cli), path) == OK || cli->config == NULL)
        return true;
    fprintf(err, "esptun: cannot read %s: %s\n", cli->config, strerror(errno));
    return false;
}

/* Text of the daemon for a terminal: no control bytes but line ends. */
static void print_plain(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        bool plain = (unsigned char)*text >= 0x20 && *text != 0x7f;
        fputc(plain || *text == '\n' || *text == '\t' ? *text : '?', out);
    }
}

static void print_lines(FILE *out, const char *prefix, const char *text)
{
    size_t len = strlen(text);
    fputs(prefix, out);
    print_plain(out, text);
    if (len > 0 && text[len - 1] != '\n')
        fputc('\n', out);
}

static int print_status(const struct cli *cli, const struct answer *answer, FILE *out, FILE *err)
{
    if (cli->json)
        print_lines(out, "", answer->text);
    else if (show_status(answer->text, answer->len, width_of(out), cli->verbose, out) != OK)
        return fail(err, "the status of the daemon is not JSON: is it another version?");
    return EXIT_OK;
}

static int cannot_ask(const struct cli *cli, enum status status, const char *why, FILE *out, FILE *err)
{
    if (cli->verb != VERB_EXPLAIN || status != ERR_NOT_FOUND)
        return fail(err, why);
    int code = with_config(cli, out, err, act_explain);
    if (code != EXIT_OK)
        fail(err, why);
    return code;
}

static int ask(const struct cli *cli, const char *request, FILE *out, FILE *err)
{
    char path[CONFIG_CONTROL_MAX], why[CLIENT_WHY];
    struct answer answer;
    bool at_once = cli->verb == VERB_STATUS || cli->verb == VERB_EXPLAIN || cli->verb == VERB_LOG;
    unsigned seconds = at_once ? CLIENT_STATUS_SECONDS : CLIENT_COMMAND_SECONDS;
    if (!find_socket(cli, path, err))
        return EXIT_FAILED;
    enum status status = client_ask(path, request, seconds, &answer, why);
    int code = EXIT_FAILED;
    if (status == ERR_STATE) {
        print_lines(err, "esptun: ", answer.text);
    } else if (status != OK) {
        code = cannot_ask(cli, status, why, out, err);
    } else if (cli->verb == VERB_STATUS) {
        code = print_status(cli, &answer, out, err);
    } else {
        print_lines(out, "", answer.text);
        code = EXIT_OK;
    }
    answer_free(&answer);
    return code;
}

static int ask_about(const struct cli *cli, const char *word, FILE *out, FILE *err)
{
    char request[128];
    if (strlen(cli->name) > CONNECTION_NAME_MAX)
        return fail(err, "no connection has a name as long as that");
    snprintf(request, sizeof request, "%s %s", word, cli->name);
    return ask(cli, request, out, err);
}

static int ask_to_log(const struct cli *cli, FILE *out, FILE *err)
{
    char request[128];
    if (cli->name == NULL)
        snprintf(request, sizeof request, "log %s", cli->level);
    else if (strlen(cli->name) <= CONNECTION_NAME_MAX)
        snprintf(request, sizeof request, "log %s %s", cli->level, cli->name);
    else
        return fail(err, "no connection has a name as long as that");
    return ask(cli, request, out, err);
}

static int ask_to_explain(const struct cli *cli, FILE *out, FILE *err)
{
    char request[EXPLAIN_QUERY_TEXT + sizeof "explain "], packet[EXPLAIN_QUERY_TEXT];
    snprintf(request, sizeof request, "explain %s", explain_query_print(&cli->query, " ", packet));
    return ask(cli, request, out, err);
}

static int watch_status(const struct cli *cli, FILE *out, FILE *err)
{
    char path[CONFIG_CONTROL_MAX], why[CLIENT_WHY];
    if (!find_socket(cli, path, err))
        return EXIT_FAILED;
    return status_watch(path, cli->watch_s, cli->verbose, out, why) == OK ? EXIT_OK : fail(err, why);
}

struct listener {
    bool json;
    FILE *out;
};

/* False, so that it ends, when nobody reads the output any more. */
static bool on_event_line(void *arg, const char *text, size_t len)
{
    const struct listener *l = arg;
    if (l->json)
        print_lines(l->out, "", text);
    else if (event_show(text, len, l->out) != OK)
        return true; /* of a newer daemon, or cut by its end */
    return fflush(l->out) == 0;
}

static int monitor(const struct cli *cli, FILE *out, FILE *err)
{
    char path[CONFIG_CONTROL_MAX], why[CLIENT_WHY];
    struct listener listener = {.json = cli->json, .out = out};
    struct answer answer;
    if (!find_socket(cli, path, err))
        return EXIT_FAILED;
    enum status status = client_follow(path, "monitor", CLIENT_STATUS_SECONDS, on_event_line, &listener, &answer, why);
    if (status == ERR_STATE)
        print_lines(err, "esptun: ", answer.text);
    else if (status != OK)
        fail(err, why);
    answer_free(&answer);
    return status == OK ? EXIT_OK : EXIT_FAILED;
}

/* Hexadecimal: letters and digits that every appliance takes as a pre-shared key. */
static int genpsk(FILE *out, FILE *err)
{
    uint8_t key[32];
    char text[2 * sizeof key + 1];
    struct random random = random_system();
    int code = EXIT_OK;
    if (random_fill(&random, key, sizeof key) == OK) {
        for (size_t i = 0; i < sizeof key; i++)
            snprintf(text + 2 * i, 3, "%02x", key[i]);
        fprintf(out, "%s\n", text);
    } else {
        code = fail(err, "the system has no randomness to give");
    }
    wipe(key, sizeof key);
    wipe(text, sizeof text);
    return code;
}

static int make_user(const struct cli *cli, FILE *out, FILE *err)
{
    char why[PASSWD_WHY];
    (void)privilege_no_core_files();
    return passwd(cli->name, stdin, out, err, why) == OK ? EXIT_OK : fail(err, why);
}

static bool named_before(const struct aead_library *library, size_t i, const char *backend)
{
    struct aead_use use;
    for (size_t k = 0; k < i && aead_library_use(library, k, &use); k++)
        if (strcmp(use.backend, backend) == 0)
            return true;
    return false;
}

/* One line for each back end. */
static void print_backends(const struct aead_library *library, FILE *out)
{
    struct aead_use first, use;
    for (size_t i = 0; aead_library_use(library, i, &first); i++) {
        if (named_before(library, i, first.backend))
            continue;
        fprintf(out, "  %s: %s", first.backend, first.suites);
        for (size_t k = i + 1; aead_library_use(library, k, &use); k++)
            if (strcmp(use.backend, first.backend) == 0)
                fprintf(out, ", %s", use.suites);
        fprintf(out, "\n");
    }
}

static void print_crypto(FILE *out)
{
    char why[AEAD_WHY];
    struct aead_library *library;
    if (aead_library_new(AEAD_AUTO, &library, why) != OK) {
        fprintf(out, "ESP ciphers: %s\n", why);
        return;
    }
    fprintf(out, "ESP ciphers: %s\n", aead_library_note(library));
    print_backends(library, out);
    aead_library_free(library);
}

static int print_version(FILE *out)
{
    fprintf(out, "esptun %s\n", ESPTUN_VERSION);
    print_crypto(out);
    if (aead_danger() != NULL)
        fprintf(out, "DANGER: %s\n", aead_danger());
    fprintf(out, "libraries: %s, libuv %s, jansson %s\n", crypto_versions(), uv_version_string(),
            jansson_version_str());
    return EXIT_OK;
}

static int act(const struct cli *cli, FILE *out, FILE *err)
{
    switch (cli->verb) {
    case VERB_RUN: return with_config(cli, out, err, act_run);
    case VERB_CHECK: return with_config(cli, out, err, act_check);
    case VERB_STATUS: return cli->watch_s > 0 ? watch_status(cli, out, err) : ask(cli, "status", out, err);
    case VERB_UP: return ask_about(cli, "up", out, err);
    case VERB_DOWN: return ask_about(cli, "down", out, err);
    case VERB_REKEY: return ask_about(cli, "rekey", out, err);
    case VERB_GENPSK: return genpsk(out, err);
    case VERB_PASSWD: return make_user(cli, out, err);
    case VERB_RELOAD: return ask(cli, "reload", out, err);
    case VERB_EXPLAIN: return ask_to_explain(cli, out, err);
    case VERB_LOG: return ask_to_log(cli, out, err);
    case VERB_MONITOR: return monitor(cli, out, err);
    case VERB_HELP: fputs(help, out); return EXIT_OK;
    case VERB_VERSION: return print_version(out);
    }
    return EXIT_USAGE;
}

int cli_main(int argc, char *const argv[], FILE *out, FILE *err)
{
    struct cli cli;
    char why[CLI_WHY];
    if (cli_parse(argc, argv, &cli, why) != OK) {
        fprintf(err, "esptun: %s\n%s", why, usage);
        return EXIT_USAGE;
    }
    int code = act(&cli, out, err);
    if ((fflush(out) != 0 || ferror(out)) && code == EXIT_OK)
        return fail(err, "cannot write the output");
    return code;
}
